package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// adminLogin is who changes the users, and where.
type adminLogin struct {
	secret.Document
	topology
	// own: there is no admin, the user changes its own password.
	own bool
}

// ownLogin is the user's own, for a change of its own password.
func ownLogin(current secret.Document) adminLogin {
	return adminLogin{Document: current, topology: topology{writer: Endpoint{current.Host(), current.Port()}}, own: true}
}

func (a adminLogin) login() Login {
	return Login{Host: a.writer.Host, Port: a.writer.Port, Username: a.Username(), Password: a.Password(), TLS: a.TLS(), Admin: true}
}

// readAdmin reads a version of the admin secret, and refuses one that is not for an
// admin of the secret's own server.
func (s step) readAdmin(ctx context.Context, version Version, arn string, current, next secret.Document) (adminLogin, error) {
	document, err := secret.ParseAdmin(version.Document)
	if err != nil {
		return adminLogin{}, fmt.Errorf("reading the admin secret %s: %w", arn, err)
	}
	if err := adminIsAnother(document, arn, current.Username(), next.Username()); err != nil {
		return adminLogin{}, err
	}
	place, err := s.topology(ctx, document, arn, current)
	return adminLogin{Document: document, topology: place}, err
}

// adminIsAnother refuses an admin who is one of the users that a rotation changes.
func adminIsAnother(document secret.Document, arn, current, next string) error {
	if user := document.Username(); user == current || user == next {
		if current == next {
			return failure.Errorf(failure.AdminSecretMismatch, "the admin secret %s is for user %q, whose password this rotation changes: name another admin's, or none, and the user changes its own password", arn, user)
		}
		return failure.Errorf(failure.AdminSecretMismatch, "the admin secret %s is for user %q, one of the two users of this rotation: name an admin user of its own", arn, user)
	}
	return nil
}

// connectAdmin logs in as the admin. The admin secret is rotated too, by somebody
// else and at any moment: between the reading of a password and the login with it
// the server may have got another. A rotation of one user sets the server's
// password while the secret has it under AWSPENDING only, so a login that is
// refused is followed by the versions that carry the two labels by then, each
// tried once. Not more: a server may lock an account after a few wrong passwords.
//
// It returns as whom and where the admin was reached, too: the versions of its secret may
// name different servers.
func (s step) connectAdmin(ctx context.Context, d documents) (Session, adminLogin, error) {
	session, refused := s.Database.Connect(ctx, d.admin.login())
	if !passwordMayBeWrong(refused) {
		return session, d.admin, s.adminError(d, refused)
	}
	var none adminLogin
	tried := map[string]bool{d.adminVersion: true}
	attempt := func(version Version) (Session, adminLogin, error) {
		tried[version.ID] = true
		other, err := s.readAdmin(ctx, version, d.adminARN, d.current.Document, d.pending.Document)
		if err != nil {
			return nil, none, err
		}
		session, err := s.Database.Connect(ctx, other.login())
		return session, other, err
	}
	again, err := s.Secrets.Current(ctx, d.adminARN)
	if err != nil {
		return nil, none, s.adminError(d, errors.Join(refused, fmt.Errorf("reading the admin secret again: %w", err)))
	}
	if !tried[again.ID] {
		if session, admin, err := attempt(again); !passwordMayBeWrong(err) {
			return session, admin, s.adminError(d, err)
		}
	}
	labels, err := s.Secrets.Describe(ctx, d.adminARN)
	if err != nil {
		return nil, none, s.adminError(d, errors.Join(refused, fmt.Errorf("looking for a rotation of the admin secret: %w", err)))
	}
	// AWSCURRENT comes second: it has been read, unless it has moved since, and then
	// to what was AWSPENDING.
	for _, label := range []string{Pending, Current} {
		id := labels.VersionWith(label)
		if id == "" || tried[id] {
			continue
		}
		version, err := s.Secrets.Version(ctx, d.adminARN, id)
		if errors.Is(err, ErrVersionNotFound) {
			continue // its rotation has just begun
		}
		if err != nil {
			return nil, none, s.adminError(d, errors.Join(refused, fmt.Errorf("reading the admin secret's %s: %w", label, err)))
		}
		if session, admin, err := attempt(version); !passwordMayBeWrong(err) {
			if err == nil {
				s.log.InfoContext(ctx, "admin logged in by another version of its secret", "label", label)
			}
			return session, admin, s.adminError(d, err)
		}
	}
	return nil, none, s.adminError(d, refused)
}

func (s step) adminError(d documents, err error) error {
	if err == nil {
		return nil
	}
	return refusedLogin(failure.AdminCredentialsRejected, fmt.Errorf("reaching the server as the admin user of secret %s: %w", d.adminARN, err))
}
