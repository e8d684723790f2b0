package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/timeout"
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
	if errors.Is(err, ErrStale) {
		return s.giveUp(ctx, err)
	}
	if err != nil {
		return "", err
	}

	began := time.Now()
	proof, admin, at, err := s.reach(ctx, documents)
	if err != nil {
		return "", err
	}
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
func (s step) reach(ctx context.Context, d documents) (proof, admin Session, at topology, err error) {
	current := call[Session]{do: func() (Session, error) { return s.Database.Connect(ctx, login(d.current.Document)) }}
	changing := call[Session]{do: func() (session Session, err error) {
		session, at, err = s.connectAdmin(ctx, d)
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
		return current.result, changing.result, at, nil
	}
	for _, opened := range []call[Session]{current, changing} {
		if opened.err == nil {
			s.close(ctx, opened.result)
		}
	}
	return nil, nil, at, err
}

// documents are the three that a setSecret needs, in agreement with each other.
type documents struct {
	current, pending document
	admin            adminLogin
	// adminARN and adminVersion are where admin was read.
	adminARN, adminVersion string
}

func (s step) documents(ctx context.Context, current document, pending Version) (documents, error) {
	var none documents
	next, err := s.parseMatching(current.Document, pending)
	if err != nil {
		return none, err
	}
	adminARN, err := s.adminARN(current.Document)
	if err != nil {
		return none, err
	}
	version, err := s.Secrets.Current(ctx, adminARN)
	if errors.Is(err, ErrVersionNotFound) {
		return none, failure.Errorf(failure.AdminSecretNotFound, "reading the admin secret: %w: correct masterarn in the secret's document, or SUPERUSER_SECRET_ARN", err)
	}
	if err != nil {
		return none, fmt.Errorf("reading the admin secret: %w", err)
	}
	admin, err := s.readAdmin(ctx, version, adminARN, current.Document, next)
	if err != nil {
		return none, err
	}
	return documents{current: current, pending: document{next, pending.ID, pending.Created}, admin: admin, adminARN: adminARN, adminVersion: version.ID}, nil
}

// sameServer refuses an admin session that stands elsewhere than the proof:
// behind one name there can be several servers.
func (p topology) sameServer(proof, admin Facts) error {
	if proof.Identity == admin.Identity {
		return nil
	}
	return failure.Errorf(failure.ServersDiffer, "two logins to %s:%d reached two servers (%s and %s): nothing was changed; use an address that leads to the writer alone, or try again after a failover",
		p.writer.Host, p.writer.Port, proof.Identity, admin.Identity)
}

// login is a document's, at the writer.
func (p topology) login(d secret.Document) Login {
	there := login(d)
	there.Host, there.Port = p.writer.Host, p.writer.Port
	return there
}

// writable refuses a server that is read-only, whatever the admin may do there: some
// admins may change a reader, and what they change is not at the writer, nor at any
// other reader.
func writable(session Session) error {
	if !session.Facts().ReadOnly {
		return nil
	}
	return failure.New(failure.ReadOnlyServer, "the server that the admin has reached is read-only, so it is a reader, or a writer in a failover: nothing was changed; "+
		"use the address of the writer, or wait for the end of the failover: the next try goes on")
}

func login(d secret.Document) Login {
	return Login{Host: d.Host(), Port: d.Port(), Username: d.Username(), Password: d.Password(), TLS: d.TLS()}
}

func (s step) close(ctx context.Context, session Session) {
	if err := session.Close(); err != nil {
		s.log.DebugContext(ctx, "closing a session", "error", err.Error())
	}
}

// lockName is the pair's: both turns, and every secret for these users, share it.
// MySQL allows 64 characters.
//
// Source: MySQL 8.4 Reference Manual, 14.14 "Locking Functions".
func lockName(original string) string {
	sum := sha256.Sum256([]byte(original))
	return "tandem." + hex.EncodeToString(sum[:16])
}

// lock takes the lock of the pair that the document's user belongs to. An admin says
// whom it will read.
func (s step) lock(ctx context.Context, session Session, application secret.Document, users ...string) error {
	original := secret.Original(application.Username())
	wait := timeout.Lock().Of(ctx).Truncate(time.Second)
	err := session.Lock(ctx, lockName(original), wait, users...)
	if errors.Is(err, ErrLockTaken) {
		return s.lockTaken(err, original, s.adminName(ctx, err, application), wait)
	}
	return err
}
