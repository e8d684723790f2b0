package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/verifier"
)

// underLock is what a step has that changes passwords, whatever the strategy, once it holds
// the lock.
type underLock struct {
	step
	documents
	// admin changes the accounts: the admin, or the user itself.
	admin  Session
	labels Labels
	proof  proof
	// refused is why the current credentials were, where the proof is to be, or is, with the
	// pending ones; or where there is none, and the admin sets another password: repairs.
	refused error
	repairs bool
	// withoutProof is true where a check looks on without such a session, and with repairs.
	withoutProof bool
	clear        []string // the plugins that insist on clear passwords
	compared     verifier.Comparisons
	warned       map[account.Warning]bool
	// pendingAccounts are those that the pending user had when they were last read.
	pendingAccounts []account.Name
	opened          []Session // that leave closes
}

// enter proves the current credentials, logs in as whoever changes the users, takes the
// lock, and reads the labels under it. finished: there is nothing left to do. Otherwise,
// unless there is an error, leave ends it.
func (s step) enter(ctx context.Context, d documents) (w *underLock, finished bool, err error) {
	began := time.Now()
	r, err := s.reach(ctx, d)
	if err != nil {
		return nil, false, err
	}
	d.admin = r.as
	w = &underLock{step: s, documents: d, admin: r.admin, opened: []Session{r.admin}, refused: r.refused}
	if err = w.lockServer(ctx, r.proof, began); err == nil {
		finished, err = w.readLabels(ctx)
	} else if w.refused != nil {
		err = fmt.Errorf("%w; looking whether it is the pending password that is in force: %w", w.refused, err)
	}
	if !finished && err == nil {
		err = w.proveRefused(ctx, began)
	}
	if finished || err != nil {
		w.leave(ctx)
		return nil, finished, err
	}
	return w, false, nil
}

// lockServer takes the lock where the users are changed, and sees that this is the server
// whose credentials were proven, and takes changes.
func (w *underLock) lockServer(ctx context.Context, proof Session, began time.Time) error {
	d, reader := w.documents, Session(nil)
	if d.admin.viaReader && proof != nil {
		// The application's host is a reader. What is changed is changed at the
		// writer, so there too the current credentials have to be those of its users.
		reader = proof
		w.opened = append(w.opened, reader)
		var err error
		if proof, err = w.Database.Connect(ctx, d.admin.topology.login(d.current.Document)); err != nil {
			err = refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials at the writer, without which nothing is changed: %w", Current, err))
			if !w.mayGoOn(d, err) {
				return err
			}
			w.refused, proof = err, nil
		}
	}
	if proof != nil {
		w.proof = proofOf(proof, began)
		w.proof.pending = w.refused != nil
		if !d.admin.own {
			w.close(ctx, proof) // its part is done
		}
	}
	if err := w.lockAdmin(ctx); err != nil {
		return err
	}
	facts := w.admin.Facts()
	if proof != nil {
		if err := d.admin.sameServer(w.proof.Facts, facts); err != nil {
			return err
		}
	}
	if err := writable(w.admin); err != nil {
		return err
	}
	if facts.Server.Flavor == account.MySQL {
		// The name's limit was checked for the document's engine. The server decides.
		if err := w.Settings.checkUsername(secret.MySQL, d.current.Username(), 0); err != nil {
			return fmt.Errorf("the server is MySQL, the secret's engine %s: %w", d.current.Engine(), err)
		}
	}
	if reader == nil {
		return w.lockReaderAsAdmin(ctx)
	}
	return w.lockReader(ctx, reader)
}

// lockReader takes the lock at a reader too, where finishSecret, which need not know that
// there is a writer, takes it. After a failover the reader may have become the writer,
// whose lock is taken by now.
func (w *underLock) lockReader(ctx context.Context, reader Session) error {
	if isReaderEndpoint(w.current.Host()) || reader.Facts().Identity == w.admin.Facts().Identity {
		return nil
	}
	return w.lock(ctx, reader, w.current.Document)
}

// proveRefused is the proof where the current credentials were refused: of a single user of
// whom the server keeps one password, the pending one is in force from its change in
// finishSecret on, whoever has died since; where it keeps two, after a repair that is not
// allowed any more, or where somebody has discarded the current one. Where it is not, the
// admin may be allowed to do without. Anything else is the refusal that it was.
func (w *underLock) proveRefused(ctx context.Context, began time.Time) error {
	if w.refused == nil {
		return nil
	}
	user, err := w.readAccounts(ctx)
	if err != nil {
		return fmt.Errorf("%w; looking whether it is the pending password that is in force: %w", w.refused, err)
	}
	one := w.onePassword(user)
	if one.Why != "" || !w.mayRepairHere() {
		if set, err := w.provePending(ctx, user, began); set || err != nil {
			return err
		}
	}
	if w.mayRepairHere() {
		w.repairs, w.withoutProof = true, true
		return nil
	}
	err = w.refused
	if one.Why != "" && user != nil && !w.mayHaveCurrent(user) {
		err = fmt.Errorf("%w; the server keeps one password of %q, and it is neither this one nor the pending one: somebody has changed it, or a rotation that had set its own has lost %s before %s moved; to set the one under %s, send: %s",
			w.refused, w.current.Username(), Pending, Current, Current, user.SetByHand())
	}
	if !w.documents.admin.own && !w.mayRepair(w.current.Username(), w.refused) {
		err = w.orRepair(w.current.Username(), err)
	}
	return err
}

// mayHaveCurrent reports whether an account has the current password, or it cannot be told:
// then the login was refused for another reason.
func (w *underLock) mayHaveCurrent(user *account.SingleUser) bool {
	has, err := user.AnyAccepts(w.current.Password(), w.matches)
	return has || err != nil
}

// provePending reports whether the pending password is in force, which is the proof then.
func (w *underLock) provePending(ctx context.Context, user *account.SingleUser, began time.Time) (set bool, err error) {
	if w.proof.pending { // it was, when the user that changes its own password logged in
		set, err = w.logsIn(ctx, w.pending.Document)
	} else {
		set, err = user.AnyAccepts(w.pending.Password(), w.matches)
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("%w; looking whether it is the pending password that is in force: %w", w.refused, err)
	case !set || w.proof.pending:
		return set, nil
	}
	proof, err := w.Database.Connect(ctx, w.documents.admin.topology.login(w.pending.Document))
	if passwordMayBeWrong(err) && w.mayHaveCurrent(user) {
		return false, nil // both are refused for another reason
	}
	if err != nil {
		return false, fmt.Errorf("%w; and so are the pending ones, whose password is in force: %w", w.refused, err)
	}
	w.proof = proofOf(proof, began)
	w.proof.pending = true
	w.record.gapBegan()
	w.close(ctx, proof)
	if err := w.documents.admin.sameServer(w.proof.Facts, w.admin.Facts()); err != nil {
		return false, err
	}
	return true, w.lockLaggingReader(ctx)
}

// lockLaggingReader takes the lock at a reader that has refused the current credentials.
func (w *underLock) lockLaggingReader(ctx context.Context) error {
	if !w.documents.admin.viaReader || len(w.opened) > 1 || isReaderEndpoint(w.current.Host()) {
		return nil
	}
	reader, err := w.Database.Connect(ctx, login(w.pending.Document))
	if err != nil {
		return refusedLogin(failure.PendingCredentialsRejected, fmt.Errorf("logging in at the reader with the pending credentials, which are in force at the writer: %w", err))
	}
	w.opened = append(w.opened, reader)
	return w.lockReader(ctx, reader)
}

// lockReaderAsAdmin takes the lock at a reader that has refused the current credentials,
// where the admin may set others.
func (w *underLock) lockReaderAsAdmin(ctx context.Context) error {
	d := w.documents
	if !d.admin.viaReader || isReaderEndpoint(d.current.Host()) || !w.mayRepairHere() {
		return nil
	}
	there := d.admin.login()
	there.Host, there.Port, there.Admin = d.current.Host(), d.current.Port(), false
	reader, err := w.Database.Connect(ctx, there)
	if err != nil {
		return w.adminError(d, err)
	}
	w.opened = append(w.opened, reader)
	return w.lockReader(ctx, reader)
}

// lockAdmin takes the lock for the session that changes the users. A user that changes
// its own password may not be allowed to list accounts, and is asked for no more.
func (w *underLock) lockAdmin(ctx context.Context) error {
	if w.documents.admin.own {
		return w.lock(ctx, w.admin, w.current.Document)
	}
	return denied(failure.AdminAccessDenied, w.lock(ctx, w.admin, w.current.Document, w.Settings.users(w.current.Username())...))
}

// readLabels reads the labels. Until the admin's session is closed no other invocation
// changes the same users. An invocation that comes late, having been frozen or overtaken, must
// see that here.
func (w *underLock) readLabels(ctx context.Context) (finished bool, err error) {
	if w.labels, err = w.Secrets.Describe(ctx, w.event.SecretID); err != nil {
		return false, err
	}
	if finished, err := w.labels.progress(w.event.Token); finished && !w.moved || err != nil {
		return finished, err
	}
	if w.moved { // nothing is left to do but what comes after that
		return false, nil
	}
	// A version's value never changes: as long as the label is where it was, the
	// document is the one that the pending one was compared with.
	if carrier := w.labels.VersionWith(Current); carrier != w.current.versionID || wasCurrent(w.labels.Stages[w.event.Token]) {
		return false, failure.Errorf(failure.RotationSuperseded, "%s has moved from version %s to %s since this step read it: nothing was changed; the next try reads it anew",
			Current, w.current.versionID, carrier)
	}
	return false, nil
}

// leave ends the sessions, and with them the lock.
func (w *underLock) leave(ctx context.Context) {
	for _, session := range slices.Backward(w.opened) {
		w.close(ctx, session)
	}
}

// adminDynamic asks what the admin's dynamic privileges are, where that decides:
// one of the accounts has SYSTEM_USER. Otherwise it is nil.
func (w *underLock) adminDynamic(ctx context.Context, users ...account.User) (map[string]bool, error) {
	system := false
	for _, user := range users {
		for _, read := range user.Accounts {
			system = system || read.SystemUser()
		}
	}
	if !system {
		return nil, nil
	}
	own, err := w.admin.OwnGrants(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading what admin %s may do: %w", w.admin.Facts().Account, err)
	}
	privileges, err := account.OwnDynamic(w.admin.Facts().Server, own)
	if err != nil {
		return nil, fmt.Errorf("reading what admin %s may do: %w", w.admin.Facts().Account, err)
	}
	return privileges, nil
}

func (w *underLock) warn(ctx context.Context, warnings []account.Warning) {
	for _, warning := range warnings {
		if w.warned[warning] {
			continue
		}
		if w.warned == nil {
			w.warned = map[account.Warning]bool{}
		}
		w.warned[warning] = true
		w.step.warn(ctx, warning.Type, warning.Message)
	}
}

// matches is verifier.Matches, to which a stored text that is no verifier is an
// error. Here it is an account that no password fits.
func (w *underLock) matches(plugin string, stored, password redact.Secret) (bool, error) {
	fits, err := w.compared.Matches(plugin, stored, password)
	if errors.Is(err, verifier.ErrMalformed) {
		return false, nil
	}
	return fits, err
}

func (w *underLock) verifierOf(plugin string, password redact.Secret) (redact.Secret, error) {
	return verifier.New(plugin, password, w.Random)
}
