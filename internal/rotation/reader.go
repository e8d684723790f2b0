package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// isReaderEndpoint reports whether a host is a cluster's reader endpoint. Each login
// there may reach another server: a lock taken there is met by nobody, and one
// successful login says nothing of the next.
func isReaderEndpoint(host string) bool { return parseHost(host).kind == readerHost }

// connectReplicated logs in with pending credentials. A reader refuses them until
// it has got them from its writer, so there a refusal is followed by another try,
// after a pause that grows, until most of the invocation's time has been spent.
// Whether the host is a reader is asked only once it has refused: elsewhere a
// refusal stands, and a password that is wrong is not tried again and again.
//
// The tries do not lock the account, even where FAILED_LOGIN_ATTEMPTS would have
// them: with two users, what is waited for ends in ACCOUNT UNLOCK, which lifts that lock
// when the reader gets it; and a single user's, which the application logs in to meanwhile,
// are each followed by a login that succeeds, which is enough unless one that fails
// locks it (FAILED_LOGIN_ATTEMPTS 1).
func (s step) connectReplicated(ctx context.Context, to Login, pending secret.Document) (Session, error) {
	session, refused := s.Database.Connect(ctx, to)
	if !unreplicated(refused) {
		return session, refused
	}
	if refused = s.unlessOnePassword(ctx, to, refused); errors.Is(refused, errOnePassword) {
		return nil, refused
	}
	if reader, err := s.isReader(ctx, pending); err != nil {
		return nil, fmt.Errorf("%w; whether this is a reader that lags could not be found out: %w", refused, err)
	} else if !reader {
		return nil, refused
	}
	began := time.Now()
	patience, cancel := timeout.Replication().Context(ctx)
	defer cancel()
	pauses := timeout.ReplicationPauses()
	failed := failedLogins{current: to, stay: s.Settings.Strategy != SingleUser}
	for tries := 1; ; tries++ {
		s.endFailedLogins(ctx, &failed)
		if pauses.Pause(patience) != nil {
			return nil, failure.Errorf(failure.ReaderLags, "the reader %s:%d had not got the change from its writer after %s (%d logins): look at its replication lag, or raise the function's timeout; the next try goes on waiting: %w",
				to.Host, to.Port, time.Since(began).Round(time.Millisecond), tries, refused)
		}
		if session, refused = s.Database.Connect(ctx, to); unreplicated(refused) {
			continue
		}
		if refused == nil {
			s.log.InfoContext(ctx, "waited for replication", "host", to.Host, "waitedMs", time.Since(began).Milliseconds(), "logins", tries+1)
		}
		return session, refused
	}
}

// failedLogins are those at a reader, in a row.
type failedLogins struct {
	current Login // which ends their count, once it is read
	read    bool
	stay    bool // no login ends it
}

// endFailedLogins logs in with a single user's current credentials, which ends the server's
// count of failed logins in a row (FAILED_LOGIN_ATTEMPTS; max_password_errors on MariaDB).
// Once they are refused, which would count too, that is not tried again; what cannot be done
// for another reason, such as too many connections, is after the next one.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management", "Failed-Login Tracking
// and Temporary Account Locking".
func (s step) endFailedLogins(ctx context.Context, failed *failedLogins) {
	if failed.stay {
		return
	}
	if !failed.read {
		current, err := s.currentDocument(ctx)
		if err != nil {
			return
		}
		failed.current.Username, failed.current.Password, failed.read = current.Username(), current.Password(), true
	}
	session, err := s.Database.Connect(ctx, failed.current)
	if err == nil {
		s.close(ctx, session)
	}
	failed.stay = passwordMayBeWrong(err)
}

// unreplicated reports whether an error is what a reader answers that has not got
// the pending credentials yet: the account is absent or has another password, or is
// locked, as a new one is until its password is set.
func unreplicated(err error) bool {
	return passwordMayBeWrong(err) || errors.Is(err, ErrAccountLocked)
}

// isReader reports whether the application's host is a reader of the admin's.
func (s step) isReader(ctx context.Context, application secret.Document) (bool, error) {
	arn, err := s.adminARN(application)
	if err != nil {
		return false, err
	}
	if arn == "" {
		return false, nil // the user changes its own password, where it logs in
	}
	version, err := s.Secrets.Current(ctx, arn)
	if err != nil {
		return false, fmt.Errorf("reading the admin secret: %w", err)
	}
	document, err := secret.ParseAdmin(version.Document)
	if err != nil {
		return false, fmt.Errorf("reading the admin secret %s: %w", arn, err)
	}
	at, err := s.topology(ctx, document, arn, application)
	return at.viaReader, err
}

// testMembers logs in at each of a cluster's instances where the document's host
// is the reader endpoint: the application's next login may reach any of them. One
// that is starting or going away, and does not answer, is left out with a warning:
// the endpoint does not lead there.
func (s step) testMembers(ctx context.Context, pending secret.Document) error {
	if !isReaderEndpoint(pending.Host()) {
		return nil
	}
	cluster, err := s.readerCluster(ctx, pending)
	if err != nil {
		return err
	}
	members, err := s.RDS.Members(ctx, ServerName{cluster.ID, parseHost(pending.Host()).name.Region})
	if err != nil {
		return err
	}
	for _, member := range members {
		to := login(pending)
		to.Host, to.Port = member.Endpoint.Host, member.Endpoint.Port
		err := failure.New(failure.RDSServerNotReady, "it has no endpoint")
		if to.Host != "" {
			var session Session
			if session, err = s.connectReplicated(ctx, to, pending); err == nil {
				s.close(ctx, session)
				continue
			}
		}
		if member.Status == available || unreplicated(err) || ctx.Err() != nil {
			return err
		}
		s.warn(ctx, warning.ReaderNotTested, "an instance of the cluster was not tested",
			"instance", member.ID, "status", member.Status, "error", err.Error())
	}
	return nil
}

// available is the status of an instance that serves.
//
// Source: Amazon RDS User Guide, "Viewing Amazon RDS DB instance status".
const available = "available"

// connectToFinish logs in with the pending credentials where the pair's lock is
// met by setSecret: at the document's host, or, where that is a reader endpoint, at
// the cluster's writer.
func (s step) connectToFinish(ctx context.Context, pending secret.Document) (Session, error) {
	to := login(pending)
	if !isReaderEndpoint(to.Host) {
		return s.connectReplicated(ctx, to, pending)
	}
	cluster, err := s.readerCluster(ctx, pending)
	if err != nil {
		return nil, err
	}
	to.Host, to.Port = cluster.Writer.Host, cluster.Writer.Port
	session, err := s.Database.Connect(ctx, to)
	return session, s.unlessOnePassword(ctx, to, err)
}

// readerCluster is the cluster whose reader endpoint the document's host is.
func (s step) readerCluster(ctx context.Context, d secret.Document) (Cluster, error) {
	cluster, reason, err := s.cluster(ctx, parseHost(d.Host()).name, Endpoint{d.Host(), d.Port()}, func(c Cluster) string { return c.Reader })
	if err == nil && reason != "" {
		err = failure.New(failure.AdminSecretMismatch, reason)
	}
	if err != nil {
		return Cluster{}, fmt.Errorf("finding the cluster of %s: %w", d.Host(), err)
	}
	return cluster, nil
}
