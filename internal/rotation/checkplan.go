package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// plan looks at the accounts as setSecret would, and at what it would send.
func (i *inspection) plan(ctx context.Context, labels Labels, d documents, proof, admin Session) {
	var w *setSecretRun
	var pair account.Pair
	i.check(ctx, checkAccounts, []string{checkAdmin}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		w = &setSecretRun{underLock: &underLock{step: i.step, documents: d, admin: admin, labels: labels, withoutProof: true}}
		w.event.Token = d.pending.versionID // of the rotation that is in progress, if there is one
		if proof != nil && !d.admin.viaReader {
			w.proof, w.withoutProof = proofOf(proof, time.Now()), false
		}
		var err error
		if pair, err = w.read(ctx, account.Pair{Known: true}); err != nil {
			return outcomeOf("", denied(failure.AdminAccessDenied, err))
		}
		if err := w.ownsOriginal(ctx, pair); err != nil {
			return outcomeOf("", err)
		}
		return outcomeOf(fmt.Sprintf("%q: %s; %q: %s", pair.Original.Name, hosts(pair.Original), pair.Clone.Name, hosts(pair.Clone)), nil)
	})
	i.password(ctx, func() (*underLock, []account.Identification, error) {
		found, err := pair.Identifications(i.Settings.Mode, w.turn(), w.pending.Password(), w.matches)
		return w.underLock, found, err
	})
	var plan account.Plan
	var roles account.RoleGrants
	i.check(ctx, checkPlan, []string{checkAccounts}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		var err error
		if plan, err = pair.Plan(i.Settings.Mode, w.turn(), w.throwaway); err != nil {
			return outcomeOf("", fmt.Errorf("planning the change of %q: %w", d.pending.Username(), err))
		}
		if w.mustCheckOwnership(pair, plan) {
			if pair.Known, err = w.clonedByUs(ctx, pair.Clone); err != nil {
				return outcomeOf("", err)
			}
			if plan, err = pair.Plan(i.Settings.Mode, w.turn(), w.throwaway); err != nil {
				return outcomeOf("", fmt.Errorf("planning the change of %q: %w", d.pending.Username(), err))
			}
		}
		if roles, err = rolesOf(ctx, admin, plan); err != nil {
			return outcomeOf("", err)
		}
		if step, revoke := plan.RoleLoop(admin.Facts().Server, roles); !revoke.Empty() {
			return outcomeOf("", failure.Errorf(failure.StatementRefused, "%s is itself a role of the role %s, by way of others, and the server refuses to grant that to it: revoke one of the two: %s", step.Account, step.Object.Proxied, revoke))
		}
		words := append(plan.Summary(), fmt.Sprintf("sets the password of %q", d.pending.Username()))
		list := make([]string, 0, len(plan.Steps)+1)
		for _, step := range plan.Steps {
			list = append(list, step.Statement.String())
		}
		list = append(list, i.passwordStatements(w, pair)...)
		o := outcome{detail: "the next setSecret " + strings.Join(words, "; "), list: list}
		var kinds []string
		for _, found := range slices.Concat(plan.Warnings, pair.OtherWaysIn(i.Settings.Mode, w.turn(), d.current.Password(), w.matches), w.clearWarning()) {
			kinds, o.detail = append(kinds, found.Type), o.detail+"; "+found.Message
		}
		if len(kinds) > 0 {
			o.result, o.kind = ResultAttention, foremost(kinds)
			o.remedy = warning.Remedy(o.kind)
		}
		return o
	})
	i.check(ctx, checkPrivileges, []string{checkPlan}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		own, err := admin.OwnGrants(ctx)
		if err != nil {
			return outcomeOf("", fmt.Errorf("reading what admin %s may do: %w", admin.Facts().Account, err))
		}
		if inspector, ok := admin.(Inspector); ok {
			state, err := inspector.State(ctx)
			if err != nil {
				return outcomeOf("", err)
			}
			own.Literal, own.GivesRoles, own.RolesActive = state.PartialRevokes, state.GivesRoles, state.RolesActive
		}
		own.Roles = roles
		lacks, inDoubt, err := account.AdminLacks(admin.Facts().Server, own, plan)
		switch {
		case err != nil:
			return outcomeOf("", fmt.Errorf("reading what admin %s may do: %w", admin.Facts().Account, err))
		case len(lacks)+len(inDoubt) == 0:
			return outcomeOf("by its grants, it may send every statement of the plan", nil)
		case len(lacks) == 0:
			return outcome{result: ResultUnprovable, list: inDoubt, detail: fmt.Sprintf("only sending shows whether admin %s may send every statement of the plan: it has privileges on several patterns that match one database, or may not see what is defined by an account that is dropped; these would be enough", admin.Facts().Account)}
		}
		kind := failure.PrivilegeNotGrantable
		if slices.Contains(lacks, account.PasswordRemedy(admin.Facts().Account).String()) {
			kind = failure.AdminAccessDenied
		}
		remedy := "send these as somebody who may: " + strings.Join(capped(lacks), "; ")
		if taken := takenInsteadOf(pair, own, plan); len(taken) > 0 {
			remedy += "; or, if nobody meant a user to have it, take it away: " + strings.Join(capped(taken), "; ")
		}
		return outcome{
			list: lacks, remedy: remedy,
			err: failure.Errorf(kind, "admin %s may not send every statement of the plan, and lacks %s", admin.Facts().Account, strings.Join(capped(lacks), "; ")),
		}
	})
	i.sessions(ctx, w, pair)
	i.check(ctx, checkDrift, []string{checkAccounts}, func(context.Context) outcome {
		if len(pair.Clone.Accounts) == 0 {
			return outcomeOf(fmt.Sprintf("%q does not exist yet", pair.Clone.Name), nil)
		}
		lacks, beyond := pair.Drift()
		if len(lacks)+len(beyond) == 0 {
			return outcomeOf("the two users are equal", nil)
		}
		o := outcome{result: ResultAttention, kind: warning.PendingHasMore, list: append(prefixed("the clone lacks ", lacks), prefixed("the clone alone has ", beyond)...)}
		if (len(lacks) > 0) == (w.turn() == account.TurnOfClone) {
			o.kind = warning.PendingHasLess
		}
		o.remedy, o.noAlarm = warning.Remedy(o.kind), pair.DriftLasts(w.Settings.Mode, w.turn())
		o.detail = fmt.Sprintf("%q and %q have drifted apart; the plan says what the next setSecret does about it", pair.Original.Name, pair.Clone.Name)
		return o
	})
}

// passwordStatements are those that set the password, masked, as they will be once
// the plan has been carried out: they can be written for accounts that exist.
func (i *inspection) passwordStatements(w *setSecretRun, pair account.Pair) []string {
	statements, err := pair.Password(i.Settings.Mode, w.turn(), w.pending.Password(), w.matches, w.verifierOf)
	if err != nil { // an account has to be made first
		return []string{fmt.Sprintf("ALTER USER ... for each account of %q that is to be open, with the new password, ending in ACCOUNT UNLOCK", w.pending.Username())}
	}
	out := make([]string, len(statements))
	for n, s := range statements {
		out[n] = s.String()
	}
	return out
}

func prefixed(prefix string, texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = prefix + text
	}
	return out
}

func hosts(u account.User) string {
	if len(u.Accounts) == 0 {
		return "no account"
	}
	var texts []string
	for _, a := range u.Accounts {
		texts = append(texts, a.Name.String())
	}
	return strings.Join(capped(texts), ", ")
}
