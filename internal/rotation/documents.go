package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// document is a version's document, read.
type document struct {
	secret.Document
	versionID string
	created   time.Time // when the version got its value; zero where not known
}

func (s step) currentDocument(ctx context.Context) (document, error) {
	version, err := s.Secrets.Current(ctx, s.event.SecretID)
	if errors.Is(err, ErrVersionNotFound) {
		return document{}, failure.Errorf(failure.CurrentSecretMissing, "reading the %s document: %w: store a document in the secret", Current, err)
	}
	if err != nil {
		return document{}, err
	}
	read, err := secret.Parse(version.Document)
	if err != nil {
		return document{}, fmt.Errorf("reading the %s document: %w", Current, err)
	}
	s.record.application(read, s.Settings.next(read.Username()))
	return document{read, version.ID, version.Created}, nil
}

// readDocuments reads the token's version and the current one.
func (s step) readDocuments(ctx context.Context) (pending Version, current document, err error) {
	next := call[Version]{do: func() (Version, error) { return s.pendingVersion(ctx) }}
	now := call[document]{do: func() (document, error) { return s.currentDocument(ctx) }}
	s.concurrently(next.run, now.run)
	if err = next.err; err == nil {
		err = now.err
	}
	return next.result, now.result, err
}

// adminARN is the admin secret that the document, or else the function's
// configuration, names; empty where a single user changes its own password, as none is
// named, or this secret itself.
func (s step) adminARN(current secret.Document) (string, error) {
	arn := current.AdminARN()
	if arn == "" {
		arn = s.Settings.AdminARN
	}
	switch {
	case s.Settings.Strategy == SingleUser && arn == s.event.SecretID:
		return "", nil
	case arn != "" || s.Settings.Strategy == SingleUser:
		return arn, nil
	}
	return "", failure.New(failure.AdminSecretNotNamed, "no admin secret is named: put its ARN into the secret's document as masterarn, or into the function's environment as SUPERUSER_SECRET_ARN")
}

// documents are those that a setSecret needs, in agreement with each other.
type documents struct {
	current, pending document
	admin            adminLogin
	// adminARN and adminVersion are where admin was read.
	adminARN, adminVersion string
	// givenUp: the rotation is about to be given up, and nothing is set but what it replaced.
	givenUp bool
}

func (s step) documents(ctx context.Context, current document, pending Version) (documents, error) {
	next, err := s.parseMatching(current.Document, pending)
	if err != nil {
		return documents{}, err
	}
	return s.withAdmin(ctx, documents{current: current, pending: document{next, pending.ID, pending.Created}})
}

// withAdmin adds who changes the users.
func (s step) withAdmin(ctx context.Context, d documents) (documents, error) {
	var none documents
	var err error
	if d.adminARN, err = s.adminARN(d.current.Document); err != nil {
		return none, err
	}
	if d.adminARN == "" {
		d.admin = ownLogin(d.current.Document)
		return d, nil
	}
	version, err := s.Secrets.Current(ctx, d.adminARN)
	if errors.Is(err, ErrVersionNotFound) {
		return none, failure.Errorf(failure.AdminSecretNotFound, "reading the admin secret: %w: correct masterarn in the secret's document, or SUPERUSER_SECRET_ARN", err)
	}
	if err != nil {
		return none, fmt.Errorf("reading the admin secret: %w", err)
	}
	d.adminVersion = version.ID
	d.admin, err = s.readAdmin(ctx, version, d.adminARN, d.current.Document, d.pending.Document)
	if err != nil {
		return none, err
	}
	return d, nil
}
