package rotation

import (
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// mendStep adds to a denial what lets the admin do the step.
func (w *setSecretRun) mendStep(step account.Step, err error) error {
	facts := w.admin.Facts()
	role := step.MendRole(facts.Server, facts.Account)
	if role == "" {
		return mend(err, step.Remedy(facts.Account))
	}
	var denial Denial
	if errors.As(err, &denial) && denial.Denied() {
		return fmt.Errorf("%w; to fix it, run: %s", err, role)
	}
	return err
}

// mend adds to an error the GRANT that an admin lacks who may not do a thing.
func mend(err error, remedy statement.Statement) error {
	var denial Denial
	if errors.As(err, &denial) && denial.Denied() {
		return fmt.Errorf("%w; to fix it, run: %s", err, remedy)
	}
	return err
}
