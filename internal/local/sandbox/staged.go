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
)

func (s *Sandbox) staged(ctx context.Context, secretID, stage string) (secret.Document, error) {
	return staged(ctx, s.Secrets, secretID, stage)
}

// staged reads the document under a label.
func staged(ctx context.Context, secrets *secretsmanager.Client, secretID, stage string) (secret.Document, error) {
	out, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionStage: aws.String(stage)})
	if err != nil {
		return secret.Document{}, fmt.Errorf("reading %s of secret %s: %w", stage, secretID, err)
	}
	return secret.Parse(redact.New(aws.ToString(out.SecretString)))
}

// Stages describes a secret's labels and who is under each, as in
// "AWSCURRENT appuser, AWSPREVIOUS appuser_clone".
func (s *Sandbox) Stages(ctx context.Context, secretID string) (string, error) {
	out, err := s.Secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	if err != nil {
		return "", fmt.Errorf("describing secret %s: %w", secretID, err)
	}
	var described []string
	for _, stage := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		for _, stages := range out.VersionIdsToStages {
			if !slices.Contains(stages, stage) {
				continue
			}
			who := "(no value)"
			if document, err := s.staged(ctx, secretID, stage); err == nil {
				who = document.Username()
			}
			described = append(described, stage+" "+who)
		}
	}
	return strings.Join(described, ", "), nil
}
