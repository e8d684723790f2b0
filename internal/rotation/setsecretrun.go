package rotation

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// setSecretRun is what setSecret does under the lock with two users: it makes the pending
// one what it must be, and sets its password last.
type setSecretRun struct {
	*underLock
	sent  sent
	waits tableWaits
}

func (w *setSecretRun) turn() account.Turn {
	if secret.IsClone(w.pending.Username()) {
		return account.TurnOfClone
	}
	return account.TurnOfOriginal
}

func (w *setSecretRun) perform(ctx context.Context) (string, error) {
	pair, err := w.equalise(ctx)
	if err != nil {
		return "", denied(failure.AdminAccessDenied, err)
	}
	return w.setPasswordLast(ctx, pair)
}

// equalise makes both users what they must be, the password aside, and returns
// them as they then are. What it sent counts only when the server, asked again,
// shows the result: with partial_revokes, say, a GRANT can succeed and add a
// restriction.
func (w *setSecretRun) equalise(ctx context.Context) (account.Pair, error) {
	pair, err := w.read(ctx, account.Pair{Known: true}) // until it matters
	if err != nil {
		return account.Pair{}, err
	}
	if err := w.checkPasswordUnchanged(pair); err != nil {
		return account.Pair{}, err
	}
	if err := w.ownsOriginal(ctx, pair); err != nil {
		return account.Pair{}, err
	}
	if err := w.warnIfPasswordSetElsewhere(ctx, pair); err != nil {
		return account.Pair{}, err
	}
	// One round makes nothing that the next has to mend, as far as is known; that the
	// servers have another such corner is likelier than that they have none.
	const most = 3
	left := ""
	// What is locked is told once: each plan that finds another table locked has the others too.
	var locked []account.Warning
	defer func() { w.warn(ctx, locked) }()
	for rounds := 0; ; {
		plan, err := pair.Plan(w.Settings.Mode, w.turn(), w.throwaway)
		if err != nil {
			return account.Pair{}, fmt.Errorf("planning the change of %q: %w", w.pending.Username(), err)
		}
		if pair.Known && w.mustCheckOwnership(pair, plan) {
			if pair.Known, err = w.clonedByUs(ctx, pair.Clone); err != nil {
				return account.Pair{}, err
			}
			if !pair.Known {
				continue // with a plan that adopts it, or refuses to
			}
		}
		var warnings []account.Warning
		warnings, locked = plan.WarningsOfLocks()
		if len(w.sent.unconfirmed) == 0 { // else they are of a rest, and have been said
			w.warn(ctx, warnings)
		}
		if !w.sent.begun {
			if err := w.checkNotInUse(ctx, pair); err != nil {
				return account.Pair{}, err
			}
		}
		if len(plan.Steps) == 0 {
			return pair, nil
		}
		if summary := plan.StatementList(); rounds == most || rounds > 0 && summary == left {
			return account.Pair{}, failure.Errorf(failure.PrivilegesStillDiffer, "making %q equal: the server accepted every statement, and this is still different: %s; "+
				"the password was not set; grant admin %s what it lacks, or change the original by hand", w.pending.Username(), summary, w.admin.Facts().Account)
		} else {
			left = summary
		}
		all, err := w.apply(ctx, plan, &pair)
		if err != nil {
			return account.Pair{}, err
		}
		if all { // else there is another plan for the same
			rounds++
		}
		pair.Known = true // by now it is this program's
		if pair, err = w.read(ctx, pair); err != nil {
			if w.sent.refusal != nil {
				err = fmt.Errorf("%w; before that: %w", err, w.sent.refusal)
			}
			return account.Pair{}, err
		}
	}
}

// read reads both users, and what else a plan depends on. Of an earlier reading
// it keeps what was found gone.
func (w *setSecretRun) read(ctx context.Context, earlier account.Pair) (account.Pair, error) {
	original := secret.Original(w.current.Username())
	users, err := w.admin.Users(ctx, original, secret.Clone(original))
	if err != nil {
		return account.Pair{}, fmt.Errorf("reading the accounts of %q and its clone: %w", original, err)
	}
	w.pendingAccounts = accountNames(users[0])
	if w.turn() == account.TurnOfClone {
		w.pendingAccounts = accountNames(users[1])
	}
	pair := account.Pair{
		Server: w.admin.Facts().Server, Original: users[0], Clone: users[1],
		Login: w.proof.Account, From: w.proof.From,
		Known: earlier.Known, Absent: earlier.Absent, ProxiesDenied: earlier.ProxiesDenied,
	}
	if pair.Roles, err = w.admin.Roles(ctx, pair.RoleNames()); err != nil {
		return account.Pair{}, fmt.Errorf("reading the roles of %q and its clone: %w", original, err)
	}
	if w.clear, err = w.admin.PluginsNeedingPlaintext(ctx); err != nil {
		return account.Pair{}, fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	pair.Clear = w.clear
	if err := w.checkPasswordEncrypted(pair.SendsPassword()); err != nil {
		return account.Pair{}, err
	}
	if pair.AdminDynamic, err = w.adminDynamic(ctx, users...); err != nil {
		return account.Pair{}, err
	}
	if err := w.denyProxies(ctx, &pair); err != nil {
		return account.Pair{}, err
	}
	// The account that the current credentials logged in as must be one of those
	// read. Otherwise the server took the login for somebody else's, as an account
	// without a name does, and all that follows would be about another user.
	currentUser := pair.Original
	if secret.IsClone(w.current.Username()) {
		currentUser = pair.Clone
	}
	if !w.withoutProof && !currentUser.Has(w.proof.Account) {
		return account.Pair{}, failure.Errorf(failure.LoggedInAsOtherUser, "the %s credentials of %q log in as %s, which is not one of that user's accounts: drop the account that matched instead, or create one for this client's host",
			Current, w.current.Username(), w.proof.Account)
	}
	if w.turn() == account.TurnOfOriginal || w.Settings.Mode == account.Off {
		return pair, nil
	}
	if pair.Depends, err = w.depends(ctx, pair); err != nil {
		return account.Pair{}, err
	}
	for _, clone := range pair.Clone.Accounts {
		if clone.GrantedAsRole {
			pair.GrantedTo, err = w.admin.GrantedTo(ctx, pair.Clone.Name)
			break
		}
	}
	return pair, err
}

// depends asks, for each account of the clone at a host that the original has
// none at, what would break without it.
func (w *setSecretRun) depends(ctx context.Context, pair account.Pair) (map[account.Name][]string, error) {
	var depends map[account.Name][]string
	for _, name := range pair.Lost() {
		needed, err := w.admin.Dependents(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("looking for what depends on %s, at whose host %q has no account: %w", name, pair.Original.Name, err)
		}
		if len(needed) > 0 {
			if depends == nil {
				depends = map[account.Name][]string{}
			}
			depends[name] = needed
		}
	}
	return depends, nil
}
