package account

import "testing"

func TestAuthenticationPolicyForbids(t *testing.T) {
	created := func(plugins ...string) Identification { return Identification{Created: true, Plugins: plugins} }
	altered := func(plugins ...string) Identification { return Identification{Plugins: plugins} }
	for _, test := range []struct {
		policy AuthenticationPolicy
		of     Identification
		want   int
	}{
		{"", created("sha256_password", "ldap"), 0},
		{"*,,", created("sha256_password", "ldap"), 0},
		{"*:sha256_password,,", created("caching_sha2_password"), 0},
		{"CACHING_sha2_password ,,", created("caching_sha2_password"), 0},
		{"sha256_password,,", created("caching_sha2_password"), 1},
		{"sha256_password,,", altered("caching_sha2_password"), 1},
		{"sha256_password,,", altered("", "ldap"), 0},
		{"*", created("caching_sha2_password", "ldap"), 2},
		{"*", altered("caching_sha2_password", ""), 0},
		{"*,ldap", created("caching_sha2_password"), 2},
		{"*,ldap", altered("caching_sha2_password"), 0},
		{"*,ldap,", created("caching_sha2_password", "fido"), 2},
		{"*,,fido", created("caching_sha2_password", "ldap"), 3},
	} {
		if got := test.policy.Forbids(test.of); got != test.want {
			t.Errorf("%q of %+v: factor %d, want %d", test.policy, test.of, got, test.want)
		}
	}
}
