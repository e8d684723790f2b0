package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// adminDocument reads a version of the admin secret, and refuses one that is not
// for an admin of the secret's own server.
func adminDocument(version Version, arn string, current, next secret.Document) (secret.Document, error) {
	var none secret.Document
	admin, err := secret.ParseAdmin(version.Document)
	if err != nil {
		return none, fmt.Errorf("reading the admin secret %s: %w", arn, err)
	}
	if admin.ManagedByRDS() {
		return none, failure.Errorf(failure.AdminSecretMismatch, "the admin secret %s has only a username and a password, as RDS manages it, and does not say where its server is: "+
			"name an admin secret with engine, host, username and password", arn)
	}
	if !strings.EqualFold(admin.Host(), current.Host()) || admin.Port() != current.Port() {
		return none, failure.Errorf(failure.AdminSecretMismatch, "the admin secret %s is for %s:%d and the secret is for %s:%d: name the admin secret of the secret's own server",
			arn, admin.Host(), admin.Port(), current.Host(), current.Port())
	}
	if user := admin.Username(); user == current.Username() || user == next.Username() {
		return none, failure.Errorf(failure.AdminSecretMismatch, "the admin secret %s is for user %q, one of the two users of this rotation: name an admin user of its own", arn, user)
	}
	return admin, nil
}

// connectAdmin logs in as the admin. The admin secret is rotated too, by somebody
// else and at any moment: between the reading of a password and the login with it
// the server may have got another. A rotation of one user sets the server's
// password while the secret has it under AWSPENDING only, so a login that is
// refused is followed by the versions that carry the two labels by then, each
// tried once. Not more: a server may lock an account after a few wrong passwords.
func (s step) connectAdmin(ctx context.Context, d documents) (Session, error) {
	session, refused := s.Database.Connect(ctx, login(d.admin))
	if !errors.Is(refused, ErrLoginRefused) {
		return session, s.adminError(d, refused)
	}
	tried := map[string]bool{d.adminVersion: true}
	attempt := func(version Version) (Session, error) {
		tried[version.ID] = true
		admin, err := adminDocument(version, d.adminARN, d.current.Document, d.pending.Document)
		if err != nil {
			return nil, err
		}
		return s.Database.Connect(ctx, login(admin))
	}
	again, err := s.Secrets.Current(ctx, d.adminARN)
	if err != nil {
		return nil, s.adminError(d, errors.Join(refused, fmt.Errorf("reading the admin secret again: %w", err)))
	}
	if !tried[again.ID] {
		if session, err := attempt(again); !errors.Is(err, ErrLoginRefused) {
			return session, s.adminError(d, err)
		}
	}
	labels, err := s.Secrets.Describe(ctx, d.adminARN)
	if err != nil {
		return nil, s.adminError(d, errors.Join(refused, fmt.Errorf("looking for a rotation of the admin secret: %w", err)))
	}
	// AWSCURRENT comes second: it has been read, unless it has moved since, and then
	// to what was AWSPENDING.
	for _, label := range []string{InWork, Current} {
		id := labels.Carrier(label)
		if id == "" || tried[id] {
			continue
		}
		version, err := s.Secrets.Version(ctx, d.adminARN, id)
		if errors.Is(err, ErrVersionNotFound) {
			continue // its rotation has just begun
		}
		if err != nil {
			return nil, s.adminError(d, errors.Join(refused, fmt.Errorf("reading the admin secret's %s: %w", label, err)))
		}
		if session, err := attempt(version); !errors.Is(err, ErrLoginRefused) {
			if err == nil {
				s.log.InfoContext(ctx, "admin logged in by another version of its secret", "label", label)
			}
			return session, s.adminError(d, err)
		}
	}
	return nil, s.adminError(d, refused)
}

func (s step) adminError(d documents, err error) error {
	if err == nil {
		return nil
	}
	return refusedLogin(failure.AdminCredentialsRejected, fmt.Errorf("reaching the server as the admin user of secret %s: %w", d.adminARN, err))
}
