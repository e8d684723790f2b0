package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// available has clients read AWSCURRENT and log in, without pause, while the
// secret is rotated over and over. A login that failed counts only if AWSCURRENT,
// read again, is still the same version.
func (f *fireServer) available(t *testing.T) {
	const clients = 3
	p := f.place(t, 60*time.Second)
	p.furnish()
	p.mustRotate()
	var logins, overtaken, failed, previous atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for ctx.Err() == nil {
				version, document, err := p.versionNow()
				if err != nil {
					t.Errorf("reading AWSCURRENT: %v", err)
					return
				}
				logins.Add(1)
				err = p.logsIn(document)
				if err == nil {
					continue
				}
				if now, _, _ := p.versionNow(); now != version {
					overtaken.Add(1)
					continue
				}
				failed.Add(1)
				t.Errorf("AWSCURRENT does not log in: %v", err)
			}
		})
	}
	p.between = func(_ context.Context, step string, invoke func() error) error {
		if step == "setSecret" { // its next turn has not begun
			document, err := p.staged("AWSPREVIOUS")
			if err != nil || p.logsIn(document) != nil {
				t.Errorf("the previous credentials do not log in until their next turn: %v", err)
			}
			previous.Add(1)
		}
		return invoke()
	}
	began := time.Now()
	rotations := 0
	for ; rotations < f.size.rotations && !t.Failed(); rotations++ {
		p.mustRotate()
		p.gather()
	}
	took := time.Since(began)
	stop()
	running.Wait()
	p.between = nil
	p.whole("after all rotations")
	if logins.Load() == 0 || previous.Load() == 0 {
		t.Errorf("%d logins by AWSCURRENT and %d by AWSPREVIOUS were tried", logins.Load(), previous.Load())
	}
	f.say("availability", fmt.Sprintf("%d rotations, %d logins, %d failed", rotations, logins.Load(), failed.Load()),
		"in %s, of %d clients by AWSCURRENT; %d logins were overtaken by a rotation; %d by AWSPREVIOUS before its next turn",
		took.Round(time.Second), clients, overtaken.Load(), previous.Load())
}

// versionNow is the version under AWSCURRENT.
func (p *target) versionNow() (id string, document secret.Document, err error) {
	out, err := p.Secrets.GetSecretValue(context.WithoutCancel(p.t.Context()), &secretsmanager.GetSecretValueInput{SecretId: aws.String(p.app)})
	if err != nil {
		return "", document, err
	}
	document, err = secret.Parse(redact.New(*out.SecretString))
	return *out.VersionId, document, err
}
