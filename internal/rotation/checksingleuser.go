package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// planSingleUser looks at the user's accounts as a rotation would, and at what it would send.
// refused is why the current credentials log in nowhere, if they do not.
func (i *inspection) planSingleUser(ctx context.Context, labels Labels, d documents, proof, admin Session, refused error) {
	var w *underLock
	var user *account.SingleUser
	accounts := 1 // of a user that may not list them
	i.check(ctx, checkAccounts, []string{checkAdmin}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		w = &underLock{step: i.step, documents: d, admin: admin, labels: labels, withoutProof: true}
		if proof != nil && !d.admin.viaReader {
			w.proof, w.withoutProof = proofOf(proof, time.Now()), false
		}
		if i.goesOn {
			i.proveInGap(w, proof)
		} else if !d.admin.own && !i.inGap && i.mayRepair(d.current.Username(), refused) {
			w.withoutProof, w.repairs, w.refused = true, true, refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials: %w", Current, refused))
		}
		var err error
		if user, err = w.readSingleUser(ctx); err != nil {
			return outcomeOf("", err)
		}
		if user == nil {
			return outcome{result: ResultAttention, kind: warning.AccountsNotListed, detail: w.accountsNotListed(), remedy: warning.Remedy(warning.AccountsNotListed)}
		}
		accounts = len(user.User.Accounts)
		if w.repairs {
			i.foretellRepair(w)
		}
		return outcomeOf(fmt.Sprintf("%q: %s", user.User.Name, hosts(user.User)), nil)
	})
	i.password(ctx, func() (*underLock, []account.Identification, error) {
		if user == nil {
			return w, nil, nil
		}
		return w, user.Identifications(), nil
	})
	i.check(ctx, checkPlan, []string{checkAccounts}, func(context.Context) outcome {
		o := i.foretellPassword(w, user)
		if user == nil {
			return o.also(w.clearWarning()...)
		}
		ending, err := w.endingPasswords(*user)
		if err != nil {
			return outcomeOf("", err)
		}
		return o.also(slices.Concat(ending, user.OtherWaysIn(), w.clearWarning())...)
	})
	i.check(ctx, checkPrivileges, []string{checkPlan}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		own, err := admin.OwnGrants(ctx)
		if err != nil {
			return outcomeOf("", fmt.Errorf("reading what %s may do: %w", admin.Facts().Account, err))
		}
		lacks, err := account.PasswordLacks(admin.Facts().Server, own, d.admin.own, accounts)
		switch {
		case err != nil:
			return outcomeOf("", fmt.Errorf("reading what %s may do: %w", admin.Facts().Account, err))
		case lacks != "":
			remedy := "send this as somebody who may: " + lacks
			if d.admin.own {
				remedy = orAdmin + remedy
			}
			return outcome{
				list: []string{lacks}, remedy: remedy,
				err: failure.Errorf(failure.AdminAccessDenied, "%s may not change the password, and lacks %s", admin.Facts().Account, lacks),
			}
		}
		return outcomeOf(fmt.Sprintf("by its grants, %s may change the password", admin.Facts().Account), nil)
	})
	i.check(ctx, checkSessions, []string{checkPlan}, func(context.Context) outcome {
		return outcomeOf("not asked: with one user nothing tells a session that was opened with the password in use from one that was opened with an older one", nil)
	})
	i.check(ctx, checkDrift, []string{checkAccounts}, func(context.Context) outcome {
		return outcomeOf("there is one user, which is compared with no other", nil)
	})
}

// foretellPassword says what the next rotation does to the user's password.
func (i *inspection) foretellPassword(w *underLock, user *account.SingleUser) outcome {
	if i.goesOn {
		return i.foretellOutOfGap(w, user)
	}
	o := outcome{detail: "the next setSecret sets the password, and the one in use goes on until the rotation after that"}
	if one := w.onePassword(user); one.Why != "" {
		o = outcome{
			result: ResultAttention, kind: warning.OnePassword, remedy: one.Remedy + "; or rotate alternating users (ROTATION_STRATEGY=alternating-users)",
			detail: fmt.Sprintf("the next finishSecret sets the password, directly before it moves %s, and a login in between is refused: %s", Current, one.Why),
		}
	}
	if user == nil {
		retaining, _ := account.OwnPassword(w.admin.Facts().Server, w.admin.Facts().Account, w.passwords())
		o.list = []string{retaining.String()}
		return o
	}
	statements, err := user.Change(w.passwords())
	if err != nil {
		return outcomeOf("", err)
	}
	for _, s := range statements {
		o.list = append(o.list, s.String())
	}
	if w.repairs {
		o.result, o.kind, o.remedy = ResultAttention, warning.RepairedWithAdmin, warning.Remedy(warning.RepairedWithAdmin)
		o.detail = fmt.Sprintf("the next setSecret sets the password as %s, though the one under %s is refused, and the one that was set by hand ends", w.admin.Facts().Account, Current)
	}
	return o
}
