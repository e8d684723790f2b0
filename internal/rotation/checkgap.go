package rotation

import (
	"context"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// A rotation of a single user can break off where the pending password is the only one in
// force: on a server that keeps one password, and after a repair. A check says so then, and
// advises nothing by which that password would be lost.

// ofSingleUser is the pending document of a rotation that has not ended, where that is for
// the current user: its password, in the current document, as the owner may have edited it.
func (i *inspection) ofSingleUser(current document) (pending document, found bool) {
	if i.pending.id == "" || i.pending.err != nil || !i.passed(checkDocument) {
		return document{}, false
	}
	d, err := documentsOfSingleUser(current, i.pending.version)
	return d.pending, err == nil && d.pending.versionID != ""
}

// inGapBy looks whether the current credentials are refused since the pending password is
// the one in force: as the admin reads it, or as a login shows. That tells where a user
// changes its own password; and where the server has the current password too, so that
// the reason may be another one. It returns that login's session; what cannot be told is no.
func (i *inspection) inGapBy(ctx context.Context, d documents, admin Session, refused error, login func(secret.Document) Login) Session {
	pending, found := i.ofSingleUser(d.current)
	if !found || !passwordMayBeWrong(refused) {
		return nil
	}
	if d.pending = pending; !d.admin.own {
		w := &underLock{step: i.step, documents: d, admin: admin}
		stored, alone := w.storedPending(ctx)
		if i.inGap = alone; !stored || alone {
			return nil
		}
	}
	session, err := i.Database.Connect(ctx, login(pending.Document))
	i.inGap = err == nil
	return session
}

// storedPending reports whether an account has the pending password, and whether none may
// have the current one beside.
func (w *underLock) storedPending(ctx context.Context) (stored, alone bool) {
	user, err := w.readAccounts(ctx)
	if err != nil || user == nil {
		return false, false
	}
	stored, err = user.AnyAccepts(w.pending.Password(), w.matches)
	stored = stored && err == nil
	return stored, stored && !w.mayHaveCurrent(user)
}

// currentInGap says of the refused current credentials what the reason is, and logs in with
// the pending ones, from which a rotation of a single user goes on.
func (i *inspection) currentInGap(ctx context.Context, d documents, admin Session, refused error) Session {
	session := i.inGapBy(ctx, d, admin, refused, login)
	if !i.inGap {
		return nil
	}
	f := i.findings[checkCurrent]
	f.Type, f.Detail, f.Remedy = string(failure.CurrentCredentialsRejected), failure.Line(f.Detail+"; "+i.whyInGap()), failure.Line(i.outOfGap())
	i.findings[checkCurrent] = f
	if i.Settings.Strategy != SingleUser {
		if session != nil {
			i.close(ctx, session)
		}
		return nil
	}
	if session == nil {
		pending, _ := i.ofSingleUser(d.current)
		var err error
		if session, err = i.Database.Connect(ctx, login(pending.Document)); err != nil {
			return nil // at a reader that lags
		}
	}
	i.goesOn = true
	return session
}

func (i *inspection) whyInGap() string {
	return fmt.Sprintf("the password in force is that of version %s, under %s: a rotation has set it, and has not moved %s", i.pending.id, Pending, Current)
}

// outOfGap is what to do.
func (i *inspection) outOfGap() string {
	do := fmt.Sprintf("rotate the secret again, which moves %s to that version, or sets the password under %s again where the document was edited since", Current, Current)
	if i.Settings.Strategy != SingleUser {
		do = storeOrFinish(i.pending.id)
	}
	return fmt.Sprintf("%s; change nothing else until then: %s has to stay on version %s, whose password is the only one", do, Pending, i.pending.id)
}

// proveInGap has the plan go on from the pending password, in whatever document.
func (i *inspection) proveInGap(w *underLock, session Session) {
	w.pending, _ = i.ofSingleUser(w.current)
	if session != nil && !w.documents.admin.viaReader {
		w.proof, w.withoutProof = proofOf(session, time.Now()), false
		w.proof.pending = true
	}
}

// foretellOutOfGap says what the next rotation does where the pending password is in force.
func (i *inspection) foretellOutOfGap(w *underLock, user *account.SingleUser) outcome {
	o := outcome{
		result: ResultAttention, remedy: i.outOfGap(),
		detail: fmt.Sprintf("the pending password is in force already: the next try moves %s to version %s", Current, i.pending.id),
	}
	if user == nil {
		return o
	}
	change := user.Change
	if _, err := i.parseMatching(w.current.Document, i.pending.version); err != nil {
		change = user.TakeBack
		o.detail = fmt.Sprintf("the pending password is in force already, and the document was edited since: the next try sets the password under %s again, unless that is another one than was replaced", Current)
	}
	statements, err := change(w.passwords())
	if err != nil {
		return outcomeOf("", err)
	}
	for _, s := range statements {
		o.list = append(o.list, s.String())
	}
	return o
}

// giveUpByHand is how to end a rotation that has not ended; without the call that takes
// AWSPENDING off where that may lose the only password.
func (i *inspection) giveUpByHand(current document) string {
	const again = "rotate the secret again, which finishes it, or gives it up where it cannot be finished, and then the next one begins anew; "
	refusedAtWriter := i.findings[checkIdentity].Type == string(failure.CurrentCredentialsRejected)
	if _, single := i.ofSingleUser(current); single && (refusedAtWriter || !i.passed(checkCurrent)) {
		return again + fmt.Sprintf("do not take %s off version %s by hand: its password may be the only one in force", Pending, i.pending.id)
	}
	return again + "to give it up by hand, take " + Pending + " off version " + i.pending.id +
		": aws secretsmanager update-secret-version-stage --secret-id " + shellWord(i.event.SecretID) + " --version-stage " + Pending + " --remove-from-version-id " + shellWord(i.pending.id)
}
