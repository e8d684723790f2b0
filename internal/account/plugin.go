package account

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// passwordPlugins are the plugins whose password a rotation can set.
var passwordPlugins = map[Flavor]map[string]bool{
	MySQL:   {"mysql_native_password": true, "caching_sha2_password": true, "sha256_password": true},
	MariaDB: {"mysql_native_password": true, "ed25519": true, "parsec": true},
}

// silentPlugins are those with which the server needs nothing from a client on the
// network to know that it is not the one, and asks for the next.
var silentPlugins = map[string]bool{"unix_socket": true}

// loginPlugins are the password plugins with which the driver logs in. It has no parsec.
var loginPlugins = map[string]bool{"mysql_native_password": true, "caching_sha2_password": true, "sha256_password": true, "ed25519": true}

// keepers are plugins that know no password of the server's, with who keeps what they ask for.
var keepers = map[string]string{
	"auth_socket":                   "the operating system",
	"unix_socket":                   "the operating system",
	"awsauthenticationplugin":       "IAM",
	"pam":                           "PAM",
	"authentication_pam":            "PAM",
	"authentication_ldap_simple":    "LDAP",
	"authentication_ldap_sasl":      "LDAP",
	"gssapi":                        "Kerberos",
	"authentication_kerberos":       "Kerberos",
	"authentication_windows":        "Windows",
	"authentication_fido":           "a device",
	"authentication_webauthn":       "a device",
	"authentication_openid_connect": "an OpenID provider",
	"mysql_no_login":                "nobody",
	"mysql_old_password":            "the server, in a form of before MySQL 4.1",
}

// keepsNoSecret reports whether what the server keeps for a plugin names a user or a
// service somewhere else, and is no hash.
func keepsNoSecret(factor Factor) bool {
	plugin := strings.ToLower(factor.Plugin)
	return keepers[plugin] != "" && plugin != "mysql_old_password"
}

// settable reports whether a rotation sets the password of a factor. It does not
// where MariaDB keeps a text that is no verifier: that is how the password of an
// account is turned off ("invalid").
func (s Server) settable(factor Factor) bool {
	plugin := strings.ToLower(factor.Plugin)
	if !passwordPlugins[s.Flavor][plugin] || factor.Initial {
		return false
	}
	stored := factor.Verifier.Reveal()
	if s.Flavor != MariaDB || stored == "" {
		return true
	}
	switch plugin {
	case nativePlugin:
		return len(stored) == 41 && stored[0] == '*' && strings.Trim(stored[1:], "0123456789abcdefABCDEF") == ""
	case "ed25519":
		return len(stored) == 43
	}
	return strings.HasPrefix(stored, "P") && strings.Count(stored, ":") == 2
}

// credential is a factor as a statement sets it.
type credential struct {
	plugin string
	secret redact.Secret // a verifier or whatever else the plugin keeps; none where empty
	clear  bool          // secret is a password
}

// credentials are what makes an account's factors the model's: the password's where
// there is one, and else what the model has. secret makes what is sent of the password.
func (p Pair) credentials(model *Account, clear bool, secret func(plugin string) (redact.Secret, error)) ([]credential, error) {
	var out []credential
	for _, factor := range model.Factors {
		if !p.Server.settable(factor) {
			out = append(out, credential{plugin: factor.Plugin, secret: factor.Verifier})
			continue
		}
		made, err := secret(factor.Plugin)
		if err != nil {
			return nil, err
		}
		out = append(out, credential{factor.Plugin, made, clear})
	}
	return out, nil
}

// writeCredentials writes the IDENTIFIED clauses. MySQL takes all of them only in
// CREATE USER; in ALTER USER the first one is changed by itself, and leaves the others.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement" and 15.7.1.3
// "CREATE USER Statement"; MariaDB, "CREATE USER".
func writeCredentials(b *statement.Builder, server Server, credentials ...credential) {
	for i, c := range credentials {
		switch {
		case server.Flavor == MariaDB && i == 0:
			b.SQL(" IDENTIFIED VIA ")
		case server.Flavor == MariaDB:
			b.SQL(" OR ")
		case i == 0:
			b.SQL(" IDENTIFIED WITH ")
		default:
			b.SQL(" AND IDENTIFIED WITH ")
		}
		if server.Flavor == MariaDB {
			b.Identifier(c.plugin)
		} else {
			b.Literal(c.plugin)
		}
		switch {
		case c.secret.Empty():
		case server.Flavor == MariaDB && c.clear:
			b.SQL(" USING PASSWORD(").Secret(c.secret).SQL(")")
		case server.Flavor == MariaDB:
			b.SQL(" USING ").Secret(c.secret)
		case c.clear:
			b.SQL(" BY ").Secret(c.secret)
		default:
			b.SQL(" AS ").Secret(c.secret)
		}
	}
}

// sameFactor compares what is not a password.
func sameFactor(a, b Factor) bool {
	return strings.EqualFold(a.Plugin, b.Plugin) && a.Verifier.Equal(b.Verifier) && a.Initial == b.Initial
}

// furtherFactors makes MySQL's second and third factor the model's. Until the
// password is set, they are asked for together with the old one.
func (p Pair) furtherFactors(plan *Plan, have, model *Account) {
	if p.Server.Flavor != MySQL {
		return
	}
	alter := func(verb string, n int, with ...Factor) {
		b := statement.New("ALTER USER ").Account(have.Name.User, have.Name.Host).SQL(" ").Keyword(verb).SQL(" ").Number(uint64(n)).SQL(" FACTOR")
		for _, factor := range with {
			writeCredentials(b, p.Server, credential{plugin: factor.Plugin, secret: factor.Verifier})
		}
		plan.add(b.Statement(), have.Name)
	}
	for i := len(have.Factors) - 1; i >= max(1, len(model.Factors)); i-- {
		alter("DROP", i+1)
	}
	for i := 1; i < len(model.Factors); i++ {
		switch {
		case i >= len(have.Factors):
			alter("ADD", i+1, model.Factors[i])
		case !sameFactor(have.Factors[i], model.Factors[i]):
			alter("MODIFY", i+1, model.Factors[i])
		}
	}
}

// passwordless says why an account has no password that a rotation could set.
func (s Server) passwordless(account *Account) string {
	var parts []string
	for _, factor := range account.Factors {
		text := factor.Plugin
		if keeper, known := keepers[strings.ToLower(factor.Plugin)]; known {
			text += " (known to " + keeper + ")"
		} else if passwordPlugins[s.Flavor][strings.ToLower(factor.Plugin)] && !s.settable(factor) {
			text += " (with its password turned off)"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// loginFactors refuses an account through which the function could not log in.
func (s Server) loginFactors(account *Account) error {
	const through = "through which the new credentials would log in,"
	switch {
	case !slices.ContainsFunc(account.Factors, s.settable):
		return fmt.Errorf("%s, %s authenticates with %s, and so has no password to rotate: give it a password plugin, or rotate another user: %w", account.Name, through, s.passwordless(account), ErrUnsupported)
	case s.Flavor == MySQL && len(account.Factors) > 1:
		return fmt.Errorf("%s, %s needs several factors (%s), and this function has the password alone: drop the others, or rotate another user: %w", account.Name, through, s.passwordless(account), ErrUnsupported)
	}
	// MariaDB asks by one plugin after the other, and the driver lets a server change
	// the plugin once. A password that is turned off is one more question, except that
	// native's is answered unasked.
	for _, factor := range account.Factors {
		plugin := strings.ToLower(factor.Plugin)
		switch {
		case silentPlugins[plugin]:
		case s.settable(factor) && loginPlugins[plugin]:
			return nil
		case plugin == nativePlugin:
		default:
			return fmt.Errorf("%s, %s authenticates with %s first, with which this function cannot log in: put mysql_native_password or ed25519 before it: %w", account.Name, through, factor.Plugin, ErrUnsupported)
		}
	}
	return nil
}

// kept takes what MariaDB keeps for a plugin. Releases that print the texts of REQUIRE
// without escapes print this without, too (tried on 10.5, 10.11 and 11.8): a verifier
// has nothing to escape, the name of a user or a service may. It ends at a quote with
// a space or nothing behind it.
func (r *reader) kept(server Server) redact.Secret {
	if escapesRequirements(server) {
		return r.verifier()
	}
	if r.next() != '\'' {
		r.fail("a string")
	}
	if r.failed() {
		return redact.Secret{}
	}
	for i := r.pos + 1; i < len(r.row); i++ {
		if r.row[i] == '\'' && (i+1 == len(r.row) || r.row[i+1] == ' ') {
			text := r.row[r.pos+1 : i]
			r.pos = i + 1
			return redact.New(text)
		}
	}
	r.fail("a closing quote")
	return redact.Secret{}
}
