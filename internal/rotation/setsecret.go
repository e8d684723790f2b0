package rotation

import (
	"context"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// setSecret makes the pending user what it must be. The order is the one that is
// safe to die in: proof before lock, labels and accounts read under the lock,
// whatever else differs before the password, and the password last. Until the
// last statement nobody can log in with the pending credentials, and nothing
// that it sends concerns the current user's password.
func (s step) setSecret(ctx context.Context) (string, error) {
	pending, current, err := s.readDocuments(ctx)
	if err != nil {
		return "", err
	}
	if current.versionID == s.event.Token {
		return alreadyFinished, nil
	}
	documents, err := s.documents(ctx, current, pending)
	if failure.Of(err) == failure.PendingSecretMismatch {
		return s.giveUp(ctx, err)
	}
	if err != nil {
		return "", err
	}

	began := time.Now()
	proof, admin, as, err := s.reach(ctx, documents)
	if err != nil {
		return "", err
	}
	documents.admin = as
	at := as.topology
	defer s.close(ctx, admin)
	reader := proof
	if at.viaReader {
		// The application's host is a reader. What is changed is changed at the
		// writer, so there too the current credentials have to be those of its users.
		defer s.close(ctx, reader)
		if proof, err = s.Database.Connect(ctx, at.login(documents.current.Document)); err != nil {
			return "", refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials at the writer, without which nothing is changed: %w", Current, err))
		}
	}
	s.close(ctx, proof) // its part is done
	original := secret.Original(documents.current.Username())
	if err := s.lock(ctx, admin, documents.current.Document, original, secret.Clone(original)); err != nil {
		return "", denied(failure.AdminAccessDenied, err)
	}
	if err := at.sameServer(proof.Facts(), admin.Facts()); err != nil {
		return "", err
	}
	if err := writable(admin); err != nil {
		return "", err
	}
	if admin.Facts().Server.Flavor == account.MySQL {
		// The name's limit was checked for the document's engine. The server decides.
		if err := secret.CheckUsername(secret.MySQL, documents.pending.Username(), 0); err != nil {
			return "", fmt.Errorf("the server is MySQL, the secret's engine %s: %w", documents.current.Engine(), err)
		}
	}

	if at.viaReader && !isReaderEndpoint(documents.current.Host()) && reader.Facts().Identity != admin.Facts().Identity {
		// finishSecret, which need not know that there is a writer, takes it there. After
		// a failover the reader may have become the writer, whose lock is taken by now.
		if err := s.lock(ctx, reader, documents.current.Document); err != nil {
			return "", err
		}
	}
	// Until admin is closed no other invocation changes this pair. An
	// invocation that comes late, having been frozen or overtaken, must see that here.
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return "", err
	}
	if finished, err := labels.progress(s.event.Token); finished || err != nil {
		return alreadyFinished, err
	}
	// A version's value never changes: as long as the label is where it was, the
	// document is the one that the pending one was compared with.
	if carrier := labels.VersionWith(Current); carrier != documents.current.versionID {
		return "", failure.Errorf(failure.RotationSuperseded, "%s has moved from version %s to %s since this step read it: nothing was changed; the next try reads it anew",
			Current, documents.current.versionID, carrier)
	}

	proven := proofOf(proof, began)
	work := &setSecretRun{step: s, documents: documents, admin: admin, labels: labels, proof: proven}
	result, err := work.perform(ctx)
	return work.unlessRefused(ctx, result, err)
}

// reach proves the current credentials and logs in as the admin, side by side: no
// statement is sent as the admin yet.
func (s step) reach(ctx context.Context, d documents) (proof, admin Session, as adminLogin, err error) {
	current := call[Session]{do: func() (Session, error) { return s.Database.Connect(ctx, login(d.current.Document)) }}
	changing := call[Session]{do: func() (session Session, err error) {
		session, as, err = s.connectAdmin(ctx, d)
		return session, err
	}}
	s.concurrently(current.run, changing.run)
	if current.err != nil {
		err = refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials, without which nothing is changed: %w", Current, current.err))
		if changing.err == nil {
			err = nameAnonymous(ctx, changing.result, d.current.Username(), err)
		}
	} else {
		err = changing.err
	}
	if err == nil {
		return current.result, changing.result, as, nil
	}
	for _, opened := range []call[Session]{current, changing} {
		if opened.err == nil {
			s.close(ctx, opened.result)
		}
	}
	return nil, nil, as, err
}
