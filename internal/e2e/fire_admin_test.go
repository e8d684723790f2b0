package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/faultproxy"
	"tandem/internal/local/sandbox"
)

// adminRotates has somebody else rotate the admin's secret, at every message of a
// rotation: the whole of it, or as far as its setSecret, which leaves the server's
// password under AWSPENDING.
func (f *fireServer) adminRotates(t *testing.T) {
	f.adminRotatesIn(t, "the admin rotates too", alternating, 6)
}

// adminRotatesIn is that for one way. A run that is not full tries so many times the points
// that its stride says.
func (f *fireServer) adminRotatesIn(t *testing.T, scenario string, way way, dense int) {
	counts := &tally{}
	t.Run("at every message", func(t *testing.T) {
		for i, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("whole %v", whole), func(t *testing.T) {
				t.Parallel()
				first, stride := 1, 1
				if f.size.spread {
					stride = max(1, f.size.stride/dense)
					first += i
				}
				p := f.placeFor(t, way, 10*time.Second)
				way.furnish(p)
				for n := first; ; n += stride {
					reached, ok := p.adminRotatesAt(n, whole)
					if !reached {
						return
					}
					counts.note("admin", n, 0, ok)
					if !ok {
						return
					}
				}
			})
		}
	})
	counts.mustHaveTried(t, "admin")
	f.say(scenario, counts.String(), "without a further try, at up to %d messages, the whole rotation and as far as its setSecret", counts.reached["admin"])
}

func (p *target) adminRotatesAt(n int, whole bool) (reached, ok bool) {
	p.t.Helper()
	before := p.current("before")
	sound := !p.t.Failed()
	where := ""
	finish := func() {}
	p.arm(func(seen int, what string) *action {
		if seen != n {
			return nil
		}
		reached, where = true, what
		return &action{fate: faultproxy.Pass, do: func() { finish = p.rotateAdmin(whole) }}
	})
	err := p.rotate()
	p.arm(nil)
	finish()
	when := fmt.Sprintf("the admin's rotation (whole %v) at message %d (%s)", whole, n, where)
	if outcome, waitErr := p.Service.WaitRotation(p.t.Context(), p.app); err != nil || waitErr != nil || outcome.Attempts != 1 {
		p.t.Errorf("%s: %d attempts, %v", when, outcome.Attempts, err)
	}
	if document := p.current(when); !p.moved(before, document) {
		p.t.Errorf("%s: AWSCURRENT is still %q's", when, document.Username())
	}
	p.inOrder(when)
	p.gather()
	return reached, sound && !p.t.Failed()
}

// rotateAdmin gives the admin another password, as a rotation of one user does.
// Where it is not the whole of it, the function that it returns ends it.
func (p *target) rotateAdmin(whole bool) (finish func()) {
	ctx := context.WithoutCancel(p.t.Context())
	fail := func(err error) bool {
		if err != nil {
			p.t.Error(err)
		}
		return err != nil
	}
	out, err := p.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(p.admin)})
	if fail(err) {
		return func() {}
	}
	var document map[string]any
	if fail(json.Unmarshal([]byte(*out.SecretString), &document)) {
		return func() {}
	}
	password, token := sandbox.NewPassword(), sandbox.Token()
	document["password"] = password
	text, err := json.Marshal(document)
	if fail(err) {
		return func() {}
	}
	_, err = p.Secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(p.admin),
		SecretString: aws.String(string(text)), ClientRequestToken: aws.String(token), VersionStages: []string{"AWSPENDING"}})
	if fail(err) {
		return func() {}
	}
	_, err = p.Root.ExecContext(ctx, "ALTER USER '"+p.adminUser+"'@'%' IDENTIFIED BY '"+password+"'")
	fail(err)
	finish = func() {
		_, err := p.Secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(p.admin),
			VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(token), RemoveFromVersionId: out.VersionId})
		fail(err)
		_, err = p.Secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(p.admin),
			VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: aws.String(token)})
		fail(err)
	}
	if whole {
		finish()
		return func() {}
	}
	return finish
}
