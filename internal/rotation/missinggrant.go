package rotation

import (
	"errors"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/statement"
)

// mendStep adds to a denial what lets the admin do the step.
func (w *setSecretRun) mendStep(step account.Step, err error) error {
	facts := w.admin.Facts()
	if role := step.MendRole(facts.Server, facts.Account); role != "" {
		return toFix(err, role)
	}
	return mend(err, step.Remedy(facts.Account))
}

// mend adds to an error the GRANT that an admin lacks who may not do a thing.
func mend(err error, remedy statement.Statement) error { return toFix(err, remedy.String()) }

func toFix(err error, statements string) error { return mendWith(err, "to fix it, run: "+statements) }

// mendWith adds a remedy to an error that is a denial.
func mendWith(err error, remedy string) error {
	var denial Denial
	if errors.As(err, &denial) && denial.Denied() {
		return failure.WithRemedy(err, remedy)
	}
	return err
}
