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

// underLock is what setSecret has, whatever the strategy, once it holds the lock.
type underLock struct {
	step
	documents
	// admin changes the accounts: the admin, or the user itself.
	admin  Session
	labels Labels
	proof  proof
	// withoutProof is true where a check looks on without such a session, or the current
	// credentials were refused, as refused says, and the admin may set others.
	withoutProof bool
	refused      error
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
	w = &underLock{step: s, documents: d, admin: r.admin, opened: []Session{r.admin}}
	if err = w.lockServer(ctx, r, began); err == nil {
		finished, err = w.readLabels(ctx)
	}
	if finished || err != nil {
		w.leave(ctx)
		return nil, finished, err
	}
	return w, false, nil
}

// lockServer takes the lock where the users are changed, and sees that this is the server
// whose credentials were proven, and takes changes.
func (w *underLock) lockServer(ctx context.Context, r reached, began time.Time) error {
	d, proof, reader := w.documents, r.proof, Session(nil)
	w.refused = r.refused
	if d.admin.viaReader {
		var err error
		if proof, reader, err = w.proveAtWriter(ctx, proof); err != nil {
			return err
		}
	}
	w.withoutProof = w.refused != nil
	if !w.withoutProof {
		w.proof = proofOf(proof, began)
		if !d.admin.own {
			w.close(ctx, proof) // its part is done
		}
	}
	if err := w.lockAdmin(ctx); err != nil {
		return err
	}
	facts := w.admin.Facts()
	if !w.withoutProof {
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
	if reader != nil && !isReaderEndpoint(d.current.Host()) && reader.Facts().Identity != facts.Identity {
		// finishSecret, which need not know that there is a writer, takes it there. After
		// a failover the reader may have become the writer, whose lock is taken by now.
		return w.lock(ctx, reader, d.current.Document)
	}
	return nil
}

// proveAtWriter is for an application whose host is a reader. What is changed is changed
// at the writer, so there too the current credentials have to be those of its users. It
// returns the session at the reader as well, where finishSecret takes the lock: the admin's,
// if the current credentials were refused there.
func (w *underLock) proveAtWriter(ctx context.Context, proof Session) (atWriter, reader Session, err error) {
	d := w.documents
	if reader = proof; reader == nil && !isReaderEndpoint(d.current.Host()) {
		there := d.admin.login()
		there.Host, there.Port, there.Admin = d.current.Host(), d.current.Port(), false
		if reader, err = w.Database.Connect(ctx, there); err != nil {
			return nil, nil, w.adminError(d, err)
		}
	}
	if reader != nil {
		w.opened = append(w.opened, reader)
	}
	if w.refused != nil {
		return nil, reader, nil
	}
	if atWriter, err = w.Database.Connect(ctx, d.admin.topology.login(d.current.Document)); err == nil {
		return atWriter, reader, nil
	}
	err = refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials at the writer, without which nothing is changed: %w", Current, err))
	if w.mayRepair(d.current.Username(), err) {
		w.refused = err
		return nil, reader, nil
	}
	return nil, nil, w.orRepair(d.current.Username(), err)
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
	if finished, err := w.labels.progress(w.event.Token); finished || err != nil {
		return finished, err
	}
	// A version's value never changes: as long as the label is where it was, the
	// document is the one that the pending one was compared with.
	if carrier := w.labels.VersionWith(Current); carrier != w.current.versionID {
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
