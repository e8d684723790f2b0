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
	out, end := watched(t, s, false)
	out.await(t, deadline(t), "watching ")
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	out.await(t, deadline(t), "RotationSucceeded")
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestOwnServerOfAdmin: the login that was given is in no secret, and stays as it was,
// where it has the name of the tutorial's admin too, as the first user of RDS has, and
// where it may do less than that one.
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
	for given, privileges := range map[string]string{
		"admin":   "ALL PRIVILEGES",
		"manager": "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, DELETE HISTORY, SHOW CREATE ROUTINE",
	} {
		t.Run(given, func(t *testing.T) {
			exec("CREATE USER " + given + " IDENTIFIED BY '" + password + "'")
			defer exec("DROP USER " + given)
			exec("GRANT " + privileges + " ON *.* TO " + given + " WITH GRANT OPTION")
			info := &lines{}
			s, end := tutorial(t, func(o *ServeOptions) { o.Finder, o.Info = addressAs(t, given, password, ""), info })
			for _, name := range newCaller(t, s).names(t) {
				if value := newCaller(t, s).value(t, name, "AWSCURRENT"); strings.Contains(value, password) {
					t.Errorf("the secret %s has the password that was given", name)
				}
			}
			document, err := s.Current(t.Context(), adminSecret)
			if err != nil {
				t.Fatal(err)
			}
			if document.Username() == given || !strings.Contains(info.String(), adminSecret+" (user "+document.Username()+")") {
				t.Errorf("the admin is %s, and it is said:\n%s", document.Username(), info)
			}
			if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
				t.Error(err, outcome.Err)
			}
			if err := end(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{given}, left(t)); diff != "" {
				t.Errorf("left on the server (-want +got):\n%s", diff)
			}
		})
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
