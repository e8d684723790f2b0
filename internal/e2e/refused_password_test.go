package e2e

import (
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
)

// validating is a server with a plugin that has rules for passwords, by which
// digits and letters alone do not do.
func validating(t *testing.T, release string) *dbserver.Server {
	if strings.HasPrefix(release, string(dbserver.MariaDB)) {
		return servers.MustStart(t, release, append(load("simple_password_check"), "--strict-password-validation=ON")...)
	}
	on := servers.MustStart(t, release)
	root, err := on.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	// Source: MySQL 8.4 Reference Manual, 8.4.3 "The Password Validation Component".
	if _, err := root.ExecContext(t.Context(), "INSTALL COMPONENT 'file://component_validate_password'"); err != nil {
		t.Fatal(err)
	}
	return on
}

// A password that the server's rules refuse, and that was never set, is given up:
// the next rotation makes another, by the settings as they are then.
func TestRefusedPasswordIsGivenUp(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := validating(t, release)
		if on.Flavor == dbserver.MySQL {
			t.Run("too few characters changed", func(t *testing.T) { tooFewCharactersChanged(t, on) })
		}
		for _, c := range refusedPasswords() {
			arrange := c.arrange
			c.arrange = func(w *deployment) func() {
				w.mayBeSeen = on.Flavor == dbserver.MariaDB // the plugin has to see passwords
				return arrange(w)
			}
			follow := c.follow
			c.follow = func(w *deployment) {
				if f := finding(t, w.check(), "rotation"); f.Result != rotation.ResultOK || !strings.Contains(f.Detail, "no rotation is in progress") {
					t.Errorf("the check says %+v", f)
				}
				follow(w)
			}
			t.Run(c.name, func(t *testing.T) { c.provoke(t, on) })
		}
	})
}

// tooFewCharactersChanged: the server compares a user's own new password with the old one,
// by letters of which a long one has most (MySQL 8.4 Reference Manual, 8.4.3.2 "Password Validation Options and Variables"). Each way out that the error names is one.
func tooFewCharactersChanged(t *testing.T, on *dbserver.Server) {
	w := newDeployment(t, on, singleUser)
	w.afterwards("SET GLOBAL validate_password.changed_characters_percentage = 0")
	w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + me(w.user))
	w.mustRotate()
	for _, remedy := range []func(){
		func() { w.execute("SET GLOBAL validate_password.changed_characters_percentage = 0") },
		func() { w.put(w.app, w.edited(w.app, map[string]any{"masterarn": w.admin})) },
	} {
		w.withoutAdmin()
		w.execute("SET GLOBAL validate_password.changed_characters_percentage = 80")
		w.mustFail("PasswordRefused", "error 4165", "changed_characters_percentage", "lower that, or name an admin secret", "AWSPENDING was taken off")
		remedy()
		w.mustGetThrough(false)
	}
}

func refusedPasswords() []cause {
	return []cause{
		{name: "a password without punctuation", options: env("EXCLUDE_PUNCTUATION=true"), arrange: func(*deployment) func() { return nil }, follow: func(w *deployment) { w.reconfigure("EXCLUDE_PUNCTUATION=false") },
			want: failure.PasswordRefused, numbers: []int{1819, 1396}, step: "setSecret", words: []string{"AWSPENDING was taken off", "EXCLUDE"}},
		{name: "a password without upper case, for an existing clone", options: env("EXCLUDE_UPPERCASE=true"), arrange: func(w *deployment) func() {
			w.execute("CREATE USER '"+w.clone()+"'@'%' IDENTIFIED BY 'The-1st-password'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO '"+w.clone()+"'@'%'")
			return nil
		}, follow: func(w *deployment) { w.reconfigure("EXCLUDE_UPPERCASE=false") },
			want: failure.PasswordRefused, numbers: []int{1819, 1396}, step: "setSecret", words: []string{"AWSPENDING was taken off"}},
		{name: "a short password", options: env("PASSWORD_LENGTH=12"), arrange: func(w *deployment) func() {
			if w.Server.Flavor == dbserver.MySQL {
				w.execute("SET GLOBAL validate_password.length = 20")
			} else {
				w.execute("SET GLOBAL simple_password_check_minimal_length = 20, GLOBAL simple_password_check_letters_same_case = 3")
			}
			return nil
		}, follow: func(w *deployment) { w.reconfigure("PASSWORD_LENGTH=120") }, want: failure.PasswordRefused, numbers: []int{1819, 1396}, step: "setSecret", words: []string{"AWSPENDING was taken off"}},
	}
}

// A password that is too long to be sent without TLS has been set before anybody
// notices. Nobody logs in with it: the rotation is given up.
func TestPasswordTooLongForPlainText(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB's plugins send no password").EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStartWith(t, release, dbserver.Options{NoTLS: true}), withEnv("PASSWORD_LENGTH=255"))
		w.storeAdminToo(map[string]any{"ssl": false})
		w.mustFail("PasswordRefused", "testSecret", "PASSWORD_LENGTH", "AWSPENDING was taken off")
		w.reconfigure("PASSWORD_LENGTH=200")
		w.mustGetThrough(false)
	})
}
