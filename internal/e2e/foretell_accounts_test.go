package e2e

import (
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
)

// foretold is what a check has to say before a rotation of accounts in some state.
type foretold struct {
	name    string
	flavor  dbserver.Flavor // of both, where empty
	options []option
	arrange func(w *deployment)
	// check and kind are which check fails, and with what, as the rotation then does;
	// result is another result of that check. All is well where they are empty.
	check  string
	kind   failure.Type
	result rotation.Result
	// refused: the rotation fails, though the check could not know.
	refused bool
	// obeyed: what the check lists is sent, and then all is well.
	obeyed bool
}

// A check's failures are those of the rotation that follows, and where it cannot know, it
// says so: of plugins, policies, roles, definers and rules for passwords.
func TestCheckForetellsTheAccounts(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, c := range foretoldAccounts() {
			if c.flavor == "" || c.flavor == on.Flavor {
				t.Run(c.name, func(t *testing.T) { c.run(newDeployment(t, on, c.options...)) })
			}
		}
	})
}

func policy(text string, then func(w *deployment)) func(w *deployment) {
	return func(w *deployment) {
		then(w)
		w.execute("SET GLOBAL authentication_policy = '" + text + "'")
	}
}

func asItIs(*deployment) {}

// besideAt gives the user an account at another host, whose plugin the server has not.
func besideAt(w *deployment) {
	w.execute("CREATE USER '" + w.user + "'@'10.%' IDENTIFIED BY '" + firstPassword + "'")
	if w.Server.Flavor == dbserver.MySQL {
		w.execute("UPDATE mysql.user SET plugin = 'not_loaded' WHERE User = '"+w.user+"' AND Host = '10.%'", "FLUSH PRIVILEGES")
		return
	}
	w.execute("UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'not_loaded') WHERE User = '"+w.user+"' AND Host = '10.%'", "FLUSH PRIVILEGES")
}

// roleOfRole makes the clone a role of a role that the user then has.
func roleOfRole(w *deployment) {
	role, other := me("role_"+w.user), me("other_"+w.user)
	w.execute("CREATE ROLE "+role+", "+other, "GRANT "+me(w.clone())+" TO "+other, "GRANT "+other+" TO "+role, "GRANT "+role+" TO "+me(w.user), "GRANT ROLE_ADMIN ON *.* TO 'admin'@'%'")
	w.afterwards("DROP ROLE " + role + ", " + other)
}

func foretoldAccounts() []foretold {
	twice := func(then func(w *deployment)) func(w *deployment) {
		return func(w *deployment) { w.mustRotate(); w.mustRotate(); then(w) }
	}
	alone := func(w *deployment) {
		w.withoutAdmin()
		w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + me(w.user))
	}
	lost := func(w *deployment) {
		w.execute("CREATE USER '" + w.user + "'@'10.%' IDENTIFIED BY '" + firstPassword + "'")
		w.mustRotate()
		w.mustRotate()
		w.execute("DROP USER '" + w.user + "'@'10.%'")
		w.limitedAdmin()
	}
	return []foretold{
		{name: "a policy that forbids the plugin", flavor: dbserver.MySQL, arrange: policy("sha256_password", asItIs), check: "password", kind: failure.AuthenticationPolicyRefused, obeyed: true},
		{name: "the same, of a clone that is there", flavor: dbserver.MySQL, arrange: policy("Sha256_Password ,,", twice(asItIs)), check: "password", kind: failure.AuthenticationPolicyRefused, obeyed: true},
		{name: "the same, of a single user", flavor: dbserver.MySQL, options: []option{singleUser}, arrange: policy("sha256_password", asItIs), check: "password", kind: failure.AuthenticationPolicyRefused, obeyed: true},
		{name: "the same, of a user that changes its own password", flavor: dbserver.MySQL, options: []option{singleUser}, arrange: policy("sha256_password", alone), check: "password", result: rotation.ResultUnprovable, refused: true, obeyed: true},
		{name: "a policy that takes the plugin", flavor: dbserver.MySQL, arrange: policy(" caching_sha2_password , , ", asItIs)},
		{name: "a policy of any plugin", flavor: dbserver.MySQL, arrange: policy("*:sha256_password,,", asItIs)},
		{name: "a policy of any plugin, for a user that changes its own password", flavor: dbserver.MySQL, options: []option{singleUser}, arrange: policy("*", alone)},
		{name: "a policy of two factors", flavor: dbserver.MySQL, arrange: policy("*,*", asItIs), check: "password", kind: failure.AuthenticationPolicyRefused, obeyed: true},
		{name: "a policy of two factors, which is not asked of a clone that is there", flavor: dbserver.MySQL, arrange: policy("*,*", twice(asItIs))},
		{name: "another host's plugin is not loaded", arrange: besideAt, check: "password", kind: failure.PluginMissing},
		{name: "another host's plugin is not loaded, which a single user's change leaves alone", options: []option{singleUser}, arrange: besideAt},
		{name: "a role that is a role of the clone by way of others", flavor: dbserver.MySQL, arrange: twice(roleOfRole), check: "plan", kind: failure.StatementRefused},
		{name: "a lost host whose account defines what the admin does not see", flavor: dbserver.MySQL, arrange: func(w *deployment) {
			lost(w)
			other := unique("unseen")
			w.execute("CREATE DATABASE "+other, "CREATE DEFINER = '"+w.clone()+"'@'10.%' EVENT "+other+".e ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1")
			w.afterwards("DROP DATABASE " + other)
		}, check: "admin's privileges", result: rotation.ResultUnprovable, refused: true, obeyed: true},
		{name: "a lost host whose account defines nothing", flavor: dbserver.MySQL, arrange: lost, check: "admin's privileges", result: rotation.ResultUnprovable},
		{name: "a lost host, by an admin who sees definers", flavor: dbserver.MySQL, arrange: func(w *deployment) {
			lost(w)
			w.execute("GRANT SELECT, TRIGGER, EVENT ON *.* TO 'admin'@'%'")
		}, check: "admin's privileges", result: rotation.ResultOK},
	}
}

func (c foretold) run(w *deployment) {
	t := w.t
	if w.Server.Flavor == dbserver.MySQL {
		defer w.execute("SET GLOBAL authentication_policy = '*,,'")
	}
	c.arrange(w)
	found := w.check()
	if c.check == "" {
		c.result, c.check = rotation.ResultOK, "password"
	} else if c.kind != "" {
		c.result = rotation.ResultFailed
	}
	f := finding(t, found, c.check)
	if found.OK != (c.kind == "") || f.Type != string(c.kind) || f.Result != c.result || f.Result == rotation.ResultFailed && f.Remedy == "" || c.obeyed && len(f.List) == 0 {
		t.Errorf("the check fails with %v, and %q is %+v", failing(found), c.check, f)
	}
	err := w.rotate()
	if refused := c.refused || c.kind != ""; refused != (err != nil) || c.kind != "" && errorType(err) != c.kind {
		t.Errorf("the rotation ended with %v", err)
	}
	if !c.obeyed || t.Failed() {
		return
	}
	if grant, _, _ := strings.Cut(f.List[0], " TO "); !strings.Contains(err.Error(), grant) {
		t.Errorf("the rotation's error does not name %s: %v", grant, err)
	}
	w.execute(f.List...)
	if again := finding(t, w.check(), c.check); again.Result != rotation.ResultOK {
		t.Errorf("with what it lists, %q is %+v", c.check, again)
	}
	w.mustRotateAgain()
}

// Rules for passwords are read, and no password is sent to be judged by them.
func TestCheckForetellsTheRulesForPasswords(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := validating(t, release)
		for _, c := range []foretold{
			{name: "by the defaults", arrange: asItIs},
			{name: "without punctuation", options: []option{withEnv("EXCLUDE_PUNCTUATION=true")}, arrange: asItIs, check: "password", kind: failure.PasswordRefused},
			{name: "without upper case, of a single user", options: []option{singleUser, withEnv("EXCLUDE_UPPERCASE=true")}, arrange: asItIs, check: "password", kind: failure.PasswordRefused},
			{name: "too short", options: []option{withEnv("PASSWORD_LENGTH=12")}, arrange: func(w *deployment) { w.lengthOfPasswords("13") }, check: "password", kind: failure.PasswordRefused},
			{name: "long enough", options: []option{withEnv("PASSWORD_LENGTH=12")}, arrange: func(w *deployment) { w.lengthOfPasswords("12") }},
			{name: "by a policy of the length alone", flavor: dbserver.MySQL, options: []option{withEnv("EXCLUDE_PUNCTUATION=true")}, arrange: func(w *deployment) {
				w.execute("SET GLOBAL validate_password.policy = LOW")
				w.afterwards("SET GLOBAL validate_password.policy = DEFAULT")
			}},
			{name: "by how much one's own password changes", flavor: dbserver.MySQL, options: []option{singleUser}, arrange: func(w *deployment) {
				w.withoutAdmin()
				w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO "+me(w.user), "SET GLOBAL validate_password.changed_characters_percentage = 1")
				w.afterwards("SET GLOBAL validate_password.changed_characters_percentage = 0")
			}, check: "password", result: rotation.ResultUnprovable},
		} {
			if c.flavor == "" || c.flavor == on.Flavor {
				t.Run(c.name, func(t *testing.T) {
					w := newDeployment(t, on, c.options...)
					w.mayBeSeen = on.Flavor == dbserver.MariaDB
					c.run(w)
					if strings.Contains(strings.Join(w.statements(), "\n"), "STRENGTH") {
						t.Error("a password was sent to be judged")
					}
				})
			}
		}
	})
}

func (w *deployment) lengthOfPasswords(characters string) {
	variable := "validate_password.length"
	if w.Server.Flavor == dbserver.MariaDB {
		variable = "simple_password_check_minimal_length"
	}
	w.execute("SET GLOBAL " + variable + " = " + characters)
	w.afterwards("SET GLOBAL " + variable + " = DEFAULT")
}

// Of a plugin whose rules no variable tells, the check says that only sending shows them.
func TestCheckOfRulesThatAreNotTold(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL tells its rules").EachRelease(t, func(t *testing.T, release string) {
		if release == "mariadb-10.5" {
			t.Skip("the plugin is a later release's")
		}
		w := newDeployment(t, strict(t, release, append(load("password_reuse_check"), "--strict-password-validation=ON")...))
		w.mayBeSeen = true
		foretold{arrange: asItIs, check: "password", result: rotation.ResultUnprovable}.run(w)
		if f := finding(t, w.check(), "password"); !strings.Contains(f.Detail, "password_reuse_check") {
			t.Errorf("the plugin is not named: %+v", f)
		}
	})
}
