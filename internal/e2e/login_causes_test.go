package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

// loginCause is something for which a server refuses a login, or the first statement
// after it, and that one ends by doing what the error says.
type loginCause struct {
	name    string
	flavor  dbserver.Flavor // on which alone it can happen; both if empty
	arrange func(w *deployment)
	follow  func(w *deployment, said string) error // the remedy
	always  []string                               // puts the server right, whatever happened
	want    failure.Type
	number  int
	check   string // that foretells it
	words   []string
	never   string // in what is said
}

// Each cause is named with the type and the remedy that fit, by the step and by the
// check; and once the remedy was followed the next try of the same rotation succeeds.
func TestLoginCauses(t *testing.T) {
	for _, c := range loginCauses() {
		t.Run(c.name, func(t *testing.T) {
			servers.Only(c.flavor, "it cannot happen elsewhere").Each(t, c.provoke)
		})
	}
}

func loginCauses() []loginCause {
	broken := "SELECT nothing FROM nowhere.at_all"
	anonymous := func(w *deployment, host string) {
		w.execute("CREATE USER ''@'"+host+"' IDENTIFIED BY 'nobody-1X'", "RENAME USER 'admin'@'%' TO 'admin'@'"+host+"'", "FLUSH PRIVILEGES")
	}
	return []loginCause{
		{name: "init_connect fails", want: failure.InitConnectFailed, number: 1184, check: "current credentials", words: []string{"SET GLOBAL init_connect"},
			arrange: func(w *deployment) { w.execute("SET GLOBAL init_connect = '" + broken + "'") },
			follow:  func(w *deployment, _ string) error { w.execute("SET GLOBAL init_connect = ''"); return nil },
			always:  []string{"SET GLOBAL init_connect = ''"}},
		{name: "offline", flavor: dbserver.MySQL, want: failure.ServerUnavailable, number: 3032, check: "current credentials", words: []string{"SET GLOBAL offline_mode = OFF"},
			arrange: func(w *deployment) { w.execute("SET GLOBAL offline_mode = ON") },
			follow:  func(w *deployment, _ string) error { w.execute("SET GLOBAL offline_mode = OFF"); return nil },
			always:  []string{"SET GLOBAL offline_mode = OFF"}},
		{name: "a password of old", flavor: dbserver.MariaDB, want: failure.PluginUnsupported, number: 1275, check: "current credentials", words: []string{"MySQL 4.0", "ALTER USER"},
			arrange: func(w *deployment) {
				w.execute("SET PASSWORD FOR " + me(w.user) + " = OLD_PASSWORD('" + firstPassword + "')")
			},
			follow: func(w *deployment, _ string) error { w.identified("BY PW"); return nil }},
		{name: "MAX_USER_CONNECTIONS", want: failure.TooManyConnections, number: 1226, check: "current credentials", words: []string{"at once", "MAX_USER_CONNECTIONS"}, never: "hour",
			arrange: func(w *deployment) {
				w.execute("ALTER USER " + me(w.user) + " WITH MAX_USER_CONNECTIONS 1")
				db, err := w.Login(w.t.Context(), must(w.Current(w.t.Context(), w.app)))
				if err != nil {
					w.t.Fatal(err)
				}
				w.t.Cleanup(func() { _ = db.Close() })
				if err := db.PingContext(w.t.Context()); err != nil {
					w.t.Fatal(err)
				}
			},
			follow: func(w *deployment, _ string) error {
				w.execute("ALTER USER " + me(w.user) + " WITH MAX_USER_CONNECTIONS 9")
				return nil
			}},
		{name: "a limit per hour", want: failure.LimitReached, number: 1226, check: "current credentials", words: []string{"FLUSH USER_RESOURCES"},
			arrange: func(w *deployment) {
				w.execute("ALTER USER " + me(w.user) + " WITH MAX_CONNECTIONS_PER_HOUR 1")
				w.mustLogIn(w.Current(w.t.Context(), w.app))
			},
			// The try itself logs in more than once.
			follow: func(w *deployment, _ string) error {
				return w.Execute(w.t.Context(), "ALTER USER "+me(w.user)+" WITH MAX_CONNECTIONS_PER_HOUR 100", "FLUSH USER_RESOURCES")
			}},
		{name: "an account without a name", want: failure.LoggedInAsOtherUser, number: 1045, check: "current credentials", words: []string{"DROP USER ''@'localhost'"},
			arrange: func(w *deployment) { anonymous(w, "localhost") },
			follow:  func(w *deployment, said string) error { return w.obey(said) },
			always:  []string{"DROP USER IF EXISTS ''@'localhost'", "RENAME USER 'admin'@'localhost' TO 'admin'@'%'"}},
		{name: "an account without a name, by its address", want: failure.LoggedInAsOtherUser, number: 1045, check: "current credentials", words: []string{"DROP USER ''@'127.0.0.1'"},
			arrange: func(w *deployment) { anonymous(w, "127.0.0.1") },
			follow:  func(w *deployment, said string) error { return w.obey(said) },
			always:  []string{"DROP USER IF EXISTS ''@'127.0.0.1'", "RENAME USER 'admin'@'127.0.0.1' TO 'admin'@'%'"}},
		{name: "mariadb.sys is gone", flavor: dbserver.MariaDB, want: failure.SystemAccountMissing, number: 1045, check: "accounts", words: []string{"mariadb.sys", "CREATE USER"},
			arrange: func(w *deployment) { w.execute("DROP USER `mariadb.sys`@`localhost`") },
			follow:  func(w *deployment, said string) error { return w.obey(said) },
			always:  mariadbSys},
		{name: "mariadb.sys lacks its privileges", flavor: dbserver.MariaDB, want: failure.SystemAccountMissing, number: 1356, check: "accounts", words: []string{"mariadb.sys", "GRANT SELECT, DELETE"},
			arrange: func(w *deployment) { w.execute("REVOKE SELECT ON mysql.global_priv FROM `mariadb.sys`@`localhost`") },
			follow:  func(w *deployment, said string) error { return w.obey(said) },
			always:  mariadbSys},
	}
}

// mariadbSys makes the account anew by which MariaDB's mysql.user is defined.
var mariadbSys = []string{"CREATE USER IF NOT EXISTS `mariadb.sys`@`localhost` ACCOUNT LOCK PASSWORD EXPIRE", "GRANT SELECT, DELETE ON mysql.global_priv TO `mariadb.sys`@`localhost`"}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// obey executes the statements that an error says to run.
func (w *deployment) obey(said string) error {
	_, statements, found := strings.Cut(said, "to fix it, run: ")
	if statements, _, _ = strings.Cut(statements, ": "); !found {
		return fmt.Errorf("no statement to run is in %s", said)
	}
	return w.Execute(context.WithoutCancel(w.t.Context()), strings.Split(statements, "; ")...)
}

// provoke has a rotation meet the cause in setSecret, follows the remedy, and has the
// same rotation try again.
func (c loginCause) provoke(t *testing.T, on *dbserver.Server) {
	var w *deployment
	var said string
	var found rotation.Inspection
	w = newDeployment(t, on, func(world *deployment, o *sandbox.Options) {
		withIntercept(func(_ context.Context, step string, invoke func() error) error {
			if step != "setSecret" {
				return invoke()
			}
			err := invoke()
			if err == nil {
				return fmt.Errorf("the cause was not met")
			}
			if kind := errorType(err); kind != c.want {
				t.Errorf("the step's type is %s, want %s: %v", kind, c.want, err)
			}
			said = err.Error()
			found = world.check()
			if err := c.follow(world, said); err != nil {
				return err
			}
			return invoke()
		})(world, o)
	})
	if c.always != nil {
		defer func() { w.execute(c.always...) }()
	}
	c.arrange(w)
	if err := w.rotate(); err != nil {
		t.Errorf("the remedy was followed, and the next try ended with %v", err)
	}
	for _, word := range c.words {
		if !strings.Contains(said, word) {
			t.Errorf("the step's error lacks %q: %s", word, said)
		}
	}
	if c.never != "" && strings.Contains(said, c.never) {
		t.Errorf("the step's error has %q: %s", c.never, said)
	}
	f := finding(t, found, c.check)
	if f.Result != rotation.ResultFailed || f.Type != string(c.want) || f.Number != c.number || !slices.ContainsFunc(c.words, func(word string) bool { return strings.Contains(f.Detail, word) }) {
		t.Errorf("the check %q is %+v, want %s; failing are %v", c.check, f, c.want, failing(found))
	}
}
