package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/statement"
)

// mendStep adds to a denial what lets the admin do the step.
func (w *setSecretRun) mendStep(ctx context.Context, step account.Step, err error) error {
	facts := w.admin.Facts()
	var roles account.RoleGrants
	if isDenial(err) {
		roles, _ = rolesOf(ctx, w.admin, account.Plan{Steps: []account.Step{step}}) // else the remedy says less
	}
	if role := step.MendRole(facts.Server, facts.Account, roles); role != "" {
		return toFix(err, role)
	}
	return mend(err, step.Remedy(facts.Account))
}

// rolesOf reads what the roles were granted that a plan is about, where that decides who
// may grant them: on MySQL.
func rolesOf(ctx context.Context, admin Session, plan account.Plan) (account.RoleGrants, error) {
	names := plan.RolesOf()
	if len(names) == 0 || admin.Facts().Server.Flavor != account.MySQL {
		return account.RoleGrants{}, nil
	}
	roles, err := admin.RoleGrants(ctx, names)
	if err != nil {
		return roles, fmt.Errorf("reading what roles may do: %w", err)
	}
	return roles, nil
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
