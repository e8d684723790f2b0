package sandbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOwnServerWithoutTLS reaches a server as its address says: the secrets and
// the view do so too.
func TestOwnServerWithoutTLS(t *testing.T) {
	managed := database(t)
	s, _ := tutorial(t, func(o *ServeOptions) { o.Finder = addressAs(t, managed.Username, managed.Password.Reveal(), "") })
	out, end := watched(t, s.URL, false)
	out.await(t, deadline(t), "watching ")
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	out.await(t, deadline(t), "RotationSucceeded")
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestOwnServerOfAdmin uses the login that was given where it has the name of the
// tutorial's admin, as the first user of RDS has, and leaves it.
func TestOwnServerOfAdmin(t *testing.T) {
	const password = "given-1"
	db, err := database(t).DB()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	exec := func(sent string) {
		if _, err := db.Exec(sent); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE USER admin IDENTIFIED BY '" + password + "'")
	defer exec("DROP USER admin")
	exec("GRANT ALL PRIVILEGES ON *.* TO admin WITH GRANT OPTION")
	s, end := tutorial(t, func(o *ServeOptions) { o.Finder = addressAs(t, "admin", password, "") })
	document, err := s.Current(t.Context(), adminSecret)
	if err != nil {
		t.Fatal(err)
	}
	if document.Username() != "admin" || document.Password().Reveal() != password {
		t.Errorf("the admin secret is for %s, or with another password than the one given", document.Username())
	}
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Error(err, outcome.Err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"admin"}, left(t)); diff != "" {
		t.Errorf("left on the server (-want +got):\n%s", diff)
	}
}

// TestCutShort has nothing to complain of where a sandbox or a demo is ended
// before it has begun.
func TestCutShort(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	if err := Serve(ctx, ServeOptions{Binary: binary(t), Finder: address(t), Out: &lines{}, Info: &lines{}}); err != nil {
		t.Errorf("serving: %v", err)
	}
	err := Demo(ctx, DemoOptions{Binary: binary(t), Finder: address(t), Out: &lines{}})
	if err == nil || !strings.HasSuffix(err.Error(), "the demo was interrupted: Ctrl-C") {
		t.Errorf("the demo: %v", err)
	}
}
