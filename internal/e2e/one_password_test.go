package e2e

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// labelMove breaks the function's calls that move AWSCURRENT, as long as it is set.
type labelMove struct{ kind atomic.Int32 }

const (
	moves      = iota
	denied     // it is not allowed
	diesBefore // the process is killed, and the label does not move
	diesAfter  // it is killed, and the label has moved
)

// broken are the options by which it does.
func (m *labelMove) broken(w **deployment) []option {
	var pid atomic.Int64
	return []option{singleUser, func(_ *deployment, o *sandbox.Options) {
		o.Started = func(_ string, started int) { pid.Store(int64(started)) }
		o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
			if call.Operation != "UpdateSecretVersionStage" || call.Parameter("VersionStage") != rotation.Current || call.Parameter("SecretId") != (*w).app {
				return emulator.Fault{}
			}
			kill := func() { _ = syscall.Kill(int(pid.Load()), syscall.SIGKILL) }
			switch m.kind.Load() {
			case denied:
				return emulator.Fault{Error: &emulator.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: secretsmanager:UpdateSecretVersionStage"}}
			case diesBefore:
				kill()
				return emulator.Fault{Reset: true}
			case diesAfter:
				return emulator.Fault{After: true, Carried: kill, Reset: true}
			}
			return emulator.Fault{}
		}
	}}
}

// onePasswordServers are a MariaDB with ed25519, and one with a strict validation plugin.
func onePasswordServers(t *testing.T, test func(t *testing.T, on *dbserver.Server, strict bool)) {
	onePasswordReleases(t, func(t *testing.T, release string) {
		t.Run("ed25519", func(t *testing.T) { test(t, servers.MustStart(t, release, load("auth_ed25519")...), false) })
		t.Run("strict", func(t *testing.T) {
			test(t, servers.MustStart(t, release, append(load("simple_password_check"), "--strict-password-validation=ON")...), true)
		})
	})
}

func onePasswordReleases(t *testing.T, test func(t *testing.T, release string)) {
	servers.Only(dbserver.MariaDB, "MySQL keeps two passwords from 8.0.14 on").EachRelease(t, test)
}

// keepOne has the user be one of whom such a server keeps one password.
func (w *deployment) keepOne(strict bool) {
	if w.mayBeSeen = strict; !strict {
		w.identified("VIA unix_socket OR ed25519 USING PASSWORD(PW)")
	}
}

// mustPending is what is under AWSPENDING.
func (w *deployment) mustPending() string {
	w.t.Helper()
	password, err := w.pendingPassword()
	if err != nil {
		w.t.Fatal(err)
	}
	return password.Reveal()
}

// Where the server keeps one password, it changes directly before AWSCURRENT moves, which
// is warned of, checked and measured; who may not change it is refused before.
func TestOnePassword(t *testing.T) {
	onePasswordServers(t, func(t *testing.T, on *dbserver.Server, strict bool) {
		var w *deployment
		before := firstPassword
		w = newDeployment(t, on, singleUser, withIntercept(func(_ context.Context, step string, invoke func() error) error {
			err := invoke()
			if !w.open(passwordOf(w.now())) {
				t.Errorf("after %s the password under AWSCURRENT is refused", step)
			}
			if step != "finishSecret" && !w.open(before) {
				t.Errorf("after %s the password has changed", step)
			}
			return err
		}))
		w.keepOne(strict)
		state := w.state()
		found := finding(t, w.check(), "plan")
		if found.Type != warning.OnePassword || found.Result != rotation.ResultAttention || !found.NoAlarm || len(found.List) != 1 || !strings.Contains(found.Detail, map[bool]string{false: "ed25519", true: "simple_password_check"}[strict]) {
			t.Errorf("the check says %+v", found)
		}
		if remedies := strings.Contains(found.Remedy, warning.Remedy(warning.ClearPasswordSent)); remedies != strict {
			t.Errorf("the check's remedy is %q", found.Remedy)
		}
		if diff := difference(state, w.state()); diff != "" {
			t.Errorf("the check has changed: %s", diff)
		}
		w.execute("CREATE USER '"+w.user+"'@'10.%' IDENTIFIED BY 'an Older p4ssword'", "GRANT SELECT ON "+w.database+".* TO '"+w.user+"'@'10.%'")
		if !strict {
			w.mustFail("so that the server keeps one password of the one and two of the other", "identify both by one plugin")
			w.abandon()
			w.execute("ALTER USER '" + w.user + "'@'10.%' IDENTIFIED VIA ed25519 USING PASSWORD('an Older p4ssword')")
		}
		identified := w.identification(w.user)
		for n := range 2 {
			w.mustRotate()
			now := w.now()
			w.mustLogIn(now, nil)
			w.mustBeOpen("after a rotation", []string{passwordOf(now)}, before)
			before = passwordOf(now)
			if warned := w.warnings(warning.OnePassword); len(warned) != n+1 {
				t.Errorf("warned %q", warned)
			}
		}
		if len(w.warnings(warning.PasswordChangedElsewhere)) != 1 {
			t.Error("no warning of the other account's password")
		}
		if diff := difference(identified, w.identification(w.user)); diff != "" {
			t.Errorf("the user is identified by something else: %s", diff)
		}
		for _, line := range w.steps() {
			ms, measured := line["currentRefusedMs"].(float64)
			if last := line["step"] == "finishSecret"; last != measured || last && (ms <= 0 || line["passwordSet"] != true) {
				t.Errorf("measured %v: %v", measured, line)
			}
		}
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'12.%'", "RENAME USER '"+w.user+"'@'10.%' TO "+me(w.user))
		w.mustBeOpen("at another host", []string{before})

		// What the check says to do for two.
		remedy := strings.ReplaceAll(finding(t, w.check(), "plan").Remedy, account.PasswordPlaceholder, statement.Literal(before))
		remedy, _, _ = strings.Cut(remedy, ", and likewise")
		remedy, _, _ = strings.Cut(remedy, "; or rotate")
		w.mayBeSeen = true // this is by hand
		w.execute(remedy)
		// unix_socket, which stays, is told of.
		if found := finding(t, w.check(), "plan"); found.Type != map[bool]string{false: warning.LoginWithoutPassword}[strict] {
			t.Errorf("after %s the check says %+v", remedy, found)
		}
		w.mustRotate()
		w.mustBeOpen("with two", []string{before, passwordOf(w.now())})
	})
}

// The user changes its own password; without the right it is refused before anything is
// changed.
func TestOnePasswordWithoutAdmin(t *testing.T) {
	onePasswordServers(t, func(t *testing.T, on *dbserver.Server, strict bool) {
		w := newDeployment(t, on, singleUser)
		w.keepOne(strict)
		w.withoutAdmin()
		w.execute("GRANT SELECT ON mysql.* TO " + me(w.user))
		w.mustFail("setSecret", "may not change the password", "nothing was changed", "GRANT CREATE USER")
		if sent := w.statements(); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
		w.execute(grantNamed.FindString(w.lastSaid()))
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("by itself", []string{passwordOf(w.now())}, firstPassword)
	})
}

// A move that is refused for good has the password taken back; after a death the next try
// goes on, whether the label had moved or not.
func TestOnePasswordWhereTheLabelDoesNotMove(t *testing.T) {
	onePasswordServers(t, func(t *testing.T, on *dbserver.Server, strict bool) {
		var w *deployment
		move := new(labelMove)
		w = newDeployment(t, on, move.broken(&w)...)
		w.keepOne(strict)
		before := firstPassword
		for _, kind := range []int32{denied, diesBefore, diesAfter, denied} {
			move.kind.Store(kind)
			err := w.rotate()
			if err == nil {
				t.Fatalf("%d: it succeeded", kind)
			}
			switch pending := ""; kind {
			case denied:
				pending = w.mustPending()
				if !strings.Contains(err.Error(), "was set again") {
					t.Errorf("it does not say so: %v", err)
				}
				w.mustBeOpen("taken back", []string{before}, pending)
			case diesBefore:
				pending = w.mustPending()
				w.mustBeOpen("dead", []string{pending}, before)
			case diesAfter:
				w.mustBeOpen("dead after the move", []string{passwordOf(w.now())}, before)
			}
			move.kind.Store(moves)
			if err := w.tryAgain(true); err != nil {
				t.Fatalf("%d: the next try: %v", kind, err)
			}
			w.mustLogIn(w.now(), nil)
			w.mustBeOpen("the next try", []string{passwordOf(w.now())}, before)
			before = passwordOf(w.now())
		}
	})
}

var alterNamed = regexp.MustCompile(`ALTER USER '.*` + account.PasswordPlaceholder + `\)?[^;:]*`)

// byHand follows the ALTER USER of the last error with the password under AWSCURRENT.
func (w *deployment) byHand() {
	w.t.Helper()
	named := alterNamed.FindString(w.lastSaid())
	if named == "" {
		w.t.Fatalf("no ALTER USER is in %s", w.lastSaid())
	}
	w.mayBeSeen = true
	w.execute(strings.ReplaceAll(named, account.PasswordPlaceholder, statement.Literal(passwordOf(w.now()))))
}

// What the owner stores while the pending password is in force: an edit that leaves the
// password has it set again; another password does not bring back the one that it has
// replaced, and what the error says helps. So it does where AWSPENDING is lost.
func TestOnePasswordEditedInBetween(t *testing.T) {
	onePasswordServers(t, func(t *testing.T, on *dbserver.Server, strict bool) {
		var w *deployment
		move := new(labelMove)
		w = newDeployment(t, on, move.broken(&w)...)
		w.keepOne(strict)
		w.correct(w.app, map[string]any{"note": "first"})
		w.mustRotate()
		dies := func() (before, pending string) {
			t.Helper()
			before = passwordOf(w.now())
			move.kind.Store(diesBefore)
			if w.rotate() == nil {
				t.Fatal("it succeeded")
			}
			move.kind.Store(moves)
			pending = w.mustPending()
			w.mustBeOpen("dead", []string{pending}, before)
			return before, pending
		}

		before, pending := dies()
		w.correct(w.app, map[string]any{"note": "edited"})
		if err := w.tryAgain(true); err == nil || !strings.Contains(err.Error(), "was taken off version") {
			t.Fatalf("it is not given up: %v", err)
		}
		w.mustBeOpen("given up", []string{before}, pending)
		w.mustRotate()
		w.mustBeOpen("the next rotation", []string{passwordOf(w.now())}, before, pending)

		before, pending = dies()
		w.correct(w.app, map[string]any{"note": "replaced", "password": "The 0wner's password"})
		for range 2 {
			if err := w.tryAgain(true); err == nil || !strings.Contains(err.Error(), "somebody has stored another password") {
				t.Fatalf("it is not refused: %v", err)
			}
			w.mustBeOpen("replaced", []string{pending}, before)
			if w.versionWith(rotation.Pending) == "" {
				t.Fatal("AWSPENDING is off the only password's version")
			}
		}
		w.byHand()
		w.mustBeOpen("by hand", []string{"The 0wner's password"}, before, pending)
		w.mustGetThrough(false)

		before, pending = dies() // and the other remedy
		w.correct(w.app, map[string]any{"note": "replaced again", "password": "The 0wner's next password"})
		if err := w.tryAgain(true); err == nil || !strings.Contains(err.Error(), "aws secretsmanager put-secret-value") {
			t.Fatalf("it is not refused: %v", err)
		}
		w.put(w.app, w.edited(w.app, map[string]any{"password": pending}))
		w.mustRotate()
		w.mustBeOpen("stored", []string{passwordOf(w.now())}, before, pending)

		before, pending = dies() // Secrets Manager takes AWSPENDING off
		w.put(w.app, w.edited(w.app, map[string]any{"note": "stored"}))
		w.mustFail("has lost AWSPENDING")
		w.mustBeOpen("AWSPENDING is lost", []string{pending}, before)
		w.byHand()
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("after that", []string{passwordOf(w.now())}, before, pending)
	})
}

// Put back, AWSPENDING has the rotation that lost it go on.
func TestOnePasswordPendingPutBack(t *testing.T) {
	onePasswordReleases(t, func(t *testing.T, release string) { // the labels do the same with a strict plugin
		on := servers.MustStart(t, release, load("auth_ed25519")...)
		var w *deployment
		move := new(labelMove)
		w = newDeployment(t, on, move.broken(&w)...)
		w.keepOne(false)
		move.kind.Store(diesBefore)
		if w.rotate() == nil {
			t.Fatal("it succeeded")
		}
		move.kind.Store(moves)
		version := w.versionWith(rotation.Pending)
		w.abandon()
		if err := w.rotate(); err == nil || errors.Is(err, context.Canceled) {
			t.Fatalf("another rotation: %v", err)
		}
		w.abandon()
		if _, err := w.Secrets.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String(w.app), VersionStage: aws.String(rotation.Pending), MoveToVersionId: aws.String(version),
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustLogIn(w.now(), nil)
	})
}
