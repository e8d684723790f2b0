package rotation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tandem/internal/account"
	"tandem/internal/rotation"
)

// readerWorld is a secret at a reader, after setSecret.
func readerWorld(t *testing.T, host, admin string) *memory {
	w := newMemory(t)
	w.aws()
	for version, user := range map[string]string{oldToken: "app", token: "app_clone"} {
		w.values[version] = document(user, "a password", map[string]any{"host": host})
	}
	w.admin = document("admin", "x", map[string]any{"host": admin})
	w.accounts[account.Name{User: "app_clone", Host: "%"}] = rows("app_clone", "ALTER")
	return w
}

// refusing has logins at a host refused so many times.
func refusing(w *memory, host string, times int, with error) {
	w.before = func(what string) error {
		if what == "connect app_clone at "+host && times > 0 {
			times--
			w.trace = append(w.trace, "refused at "+host)
			return fmt.Errorf("error 1045: %w", with)
		}
		return nil
	}
}

// testSecret waits for a reader, and says so.
func TestTestSecretWaitsForReplication(t *testing.T) {
	for _, with := range []error{rotation.ErrLoginRefused, rotation.ErrAccountLocked} {
		w := readerWorld(t, "shop-read"+suffix, "shop"+suffix)
		refusing(w, "shop-read"+suffix, 3, with)
		var log strings.Builder
		if err := w.stepWithin(t.Context(), rotation.TestSecret, slog.New(slog.NewJSONHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), `"waited for replication","step":"testSecret"`) || !strings.Contains(log.String(), `"logins":4`) {
			t.Errorf("the log does not say that it waited: %s", log.String())
		}
		if w.count("read admin") != 1 || w.count("instance shop-read") != 1 {
			t.Errorf("it asked more than once: %q", w.trace)
		}
	}
}

// Each login of a single user's that a reader refuses is followed by one that succeeds, so that
// they do not add up to a block; one of these that could not be made is no reason to go on
// without. The secret is not read again for it.
func TestFailedLoginsDoNotAddUp(t *testing.T) {
	for _, breaks := range []string{"", "connect app at shop-read" + suffix, "read current"} {
		w := readerWorld(t, "shop-read"+suffix, "shop"+suffix)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser}
		for version, password := range map[string]string{oldToken: "old password", token: "pending password"} {
			w.values[version] = document("app", password, map[string]any{"host": "shop-read" + suffix})
		}
		refused, ended, broken, asked := 0, 0, false, false
		w.refuses = func(login rotation.Login) bool {
			if login.Username != "app" {
				return false
			}
			if login.Password.Reveal() == "old password" {
				ended++
				return false
			}
			refused++
			return refused <= 3
		}
		w.before = func(what string) error {
			asked = asked || strings.HasPrefix(what, "instance")
			if what == breaks && asked && !broken {
				broken = true
				return errors.New("not now")
			}
			return nil
		}
		if err := w.step(rotation.TestSecret); err != nil {
			t.Fatal(err)
		}
		if want := 4; breaks == "" && ended != want || ended < want-1 { // one more to see that the server keeps two
			t.Errorf("without %q: %d refused logins and %d others: %q", breaks, refused-1, ended, w.trace)
		}
		if reads := w.count("read current"); reads > 3 {
			t.Errorf("without %q: the secret was read %d times", breaks, reads)
		}
	}
}

// A refusal where there is nothing to wait for stands, and is not tried again.
func TestRefusalAtTheWriterStands(t *testing.T) {
	for _, step := range []rotation.Step{rotation.TestSecret, rotation.FinishSecret} {
		w := readerWorld(t, writerHost, writerHost)
		refusing(w, writerHost, 100, rotation.ErrLoginRefused)
		if err := w.step(step); !errors.Is(err, rotation.ErrLoginRefused) || w.count("refused at "+writerHost) != 1 {
			t.Errorf("%s: error %v after %q", step, err, w.trace)
		}
	}
}

// A reader that does not catch up is an error that says so, within the time.
func TestReaderThatLags(t *testing.T) {
	w := readerWorld(t, "shop-read"+suffix, "shop"+suffix)
	refusing(w, "shop-read"+suffix, 1000, rotation.ErrLoginRefused)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := w.stepWithin(ctx, rotation.TestSecret, slog.New(slog.DiscardHandler))
	if !errors.Is(err, rotation.ErrLoginRefused) || !strings.Contains(err.Error(), "replication lag") || ctx.Err() != nil {
		t.Errorf("error %v, with %v", err, ctx.Err())
	}
	if logins := w.count("refused"); logins > 6 {
		t.Errorf("%d logins in two seconds: the pauses do not grow", logins)
	}
}

// Whether it is a reader may not be known: then both are told.
func TestRefusedAndRDSDenies(t *testing.T) {
	w := readerWorld(t, "shop-read"+suffix, "shop"+suffix)
	w.before = func(what string) error {
		switch what {
		case "connect app_clone at shop-read" + suffix:
			return rotation.ErrLoginRefused
		case "instance shop-read":
			return errors.New("allow rds:DescribeDBInstances")
		}
		return nil
	}
	if err := w.step(rotation.TestSecret); !errors.Is(err, rotation.ErrLoginRefused) || !strings.Contains(err.Error(), "allow rds:DescribeDBInstances") {
		t.Errorf("error %v", err)
	}
}

// Behind a reader endpoint each instance is tested, and the lock is at the writer.
func TestReaderEndpoint(t *testing.T) {
	w := readerWorld(t, readerHost, writerHost)
	refusing(w, "store-3"+suffix, 2, rotation.ErrLoginRefused)
	if err := w.step(rotation.TestSecret); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"connect app_clone at store-1", "connect app_clone at store-2", "refused at store-3", "connect app_clone at store-3", "connect app_clone at " + readerHost} {
		if w.position(what) < 0 {
			t.Errorf("it did not %s: %q", what, w.trace)
		}
	}
	w.trace = nil
	if err := w.step(rotation.FinishSecret); err != nil {
		t.Fatal(err)
	}
	if w.position("lock at "+writerHost) < 0 || w.position("read admin") >= 0 {
		t.Errorf("the lock was not taken at the writer, or the admin secret was read: %q", w.trace)
	}
}

// An instance that is being made or removed is not waited for; one that is there
// and does not answer is an error.
func TestReaderEndpointWithoutOneInstance(t *testing.T) {
	for status, fails := range map[string]bool{"creating": false, "deleting": false, "available": true} {
		w := readerWorld(t, readerHost, writerHost)
		for name, instance := range w.instances {
			if instance.ID == "store-2" {
				instance.Status = status
				w.instances[name] = instance
			}
		}
		w.before = func(what string) error {
			if what == "connect app_clone at store-2"+suffix {
				return errors.New("not reached")
			}
			return nil
		}
		if err := w.step(rotation.TestSecret); (err != nil) != fails {
			t.Errorf("%s: error %v", status, err)
		}
	}
}

// A host that is not the cluster's reader endpoint is not taken for one.
func TestReaderEndpointOfAnother(t *testing.T) {
	w := readerWorld(t, "store.cluster-ro-zzzzzz.eu-west-1.rds.amazonaws.com", writerHost)
	if err := w.step(rotation.FinishSecret); err == nil || !strings.Contains(err.Error(), "not the address of the cluster store") || len(w.mutating()) > 0 {
		t.Errorf("error %v after %q", err, w.trace)
	}
}

// stepWithin is step with a context and a log.
func (w *memory) stepWithin(ctx context.Context, name rotation.Step, log *slog.Logger) error {
	rotator := rotation.Rotator{
		Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, RDS: fakeRDS{w}, Settings: rotation.Settings{Mode: account.Merge},
		Random: rand.Reader, Log: log, Concurrently: inOrder,
	}
	return rotator.Rotate(ctx, rotation.Event{Step: name, SecretID: secretID, Token: token})
}

func (w *memory) count(what string) int {
	n := 0
	for _, done := range w.trace {
		if strings.HasPrefix(done, what) {
			n++
		}
	}
	return n
}
