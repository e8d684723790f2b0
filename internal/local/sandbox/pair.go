package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// version is a version of a secret that has a label.
type version struct {
	id     string
	labels []string
	// document is empty where the version has no value yet.
	document secret.Document
	empty    bool
}

// labelled reads the versions that have a label.
func labelled(ctx context.Context, secrets *secretsmanager.Client, secretID string) ([]version, error) {
	described, err := secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	if err != nil {
		return nil, fmt.Errorf("describing secret %s: %w", secretID, err)
	}
	var found []version
	for id, labels := range described.VersionIdsToStages {
		if len(labels) == 0 {
			continue
		}
		slices.Sort(labels)
		v := version{id: id, labels: labels}
		out, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionId: aws.String(id)})
		if err != nil {
			v.empty = true // a pending version is, until createSecret has been
		} else if v.document, err = secret.Parse(redact.New(aws.ToString(out.SecretString))); err != nil {
			return nil, fmt.Errorf("reading version %s of secret %s: %w", id, secretID, err)
		}
		found = append(found, v)
	}
	return found, nil
}

// accountState is what the server has of a user.
type accountState int

const (
	absent accountState = iota
	locked
	open
)

// accountState asks the server for the user's account at the host %.
func (s *Sandbox) accountState(ctx context.Context, user string) (accountState, error) {
	var there bool
	find := statement.New("SELECT COUNT(*) > 0 FROM mysql.user WHERE Host = '%' AND User = ").Literal(user).Statement()
	if err := s.Root.QueryRowContext(ctx, find.Reveal()).Scan(&there); err != nil {
		return absent, fmt.Errorf("looking for the user %q on the server: %w", user, err)
	}
	if !there {
		return absent, nil
	}
	rows, err := s.texts(ctx, statement.New("SHOW CREATE USER ").Account(user, "%").Statement())
	if err != nil {
		return absent, err
	}
	if slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, "ACCOUNT LOCK") }) {
		return locked, nil
	}
	return open, nil
}

// grants returns the user's SHOW GRANTS, the user's name and password taken out.
func (s *Sandbox) grants(ctx context.Context, user string) ([]string, error) {
	rows, err := s.texts(ctx, statement.New("SHOW GRANTS FOR ").Account(user, "%").Statement())
	for i, row := range rows {
		privileges, rest, _ := strings.Cut(row, " TO ")
		rows[i] = privileges
		if strings.HasSuffix(rest, "WITH GRANT OPTION") {
			rows[i] += " WITH GRANT OPTION"
		}
	}
	slices.Sort(rows)
	return rows, err
}

// texts runs a query that answers one column of text.
func (s *Sandbox) texts(ctx context.Context, query statement.Statement) (found []string, err error) {
	rows, err := s.Root.QueryContext(ctx, query.Reveal())
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("reading %s: %w", query, err)
		}
		found = append(found, text)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", query, err)
	}
	return found, nil
}
