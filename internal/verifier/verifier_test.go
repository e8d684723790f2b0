package verifier_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"tandem/internal/redact"
	"tandem/internal/verifier"
)

var plugins = []string{"mysql_native_password", "caching_sha2_password", "sha256_password", "ed25519", "parsec"}

type vector struct{ plugin, password, stored string }

func servers(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/servers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		password, err := hex.DecodeString(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		stored, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, vector{fields[0], string(password), string(stored)})
	}
	return vectors
}

func matches(t *testing.T, v vector) bool {
	t.Helper()
	got, err := verifier.Matches(v.plugin, redact.New(v.stored), redact.New(v.password))
	if err != nil {
		t.Fatalf("%s, stored %q: %v", v.plugin, v.stored, err)
	}
	return got
}

func TestMatchesWhatServersStore(t *testing.T) {
	rows := map[string]int{}
	for _, v := range servers(t) {
		rows[v.plugin]++
		if !matches(t, v) {
			t.Errorf("%s: stored %q is not found to be %q's", v.plugin, v.stored, v.password)
		}
		for _, other := range []string{v.password + "x", v.password[:len(v.password)-1], strings.ToUpper(v.password) + "a", ""} {
			if matches(t, vector{v.plugin, other, v.stored}) {
				t.Errorf("%s: stored %q of %q is taken for %q's", v.plugin, v.stored, v.password, other)
			}
		}
		// A server tells the last character from every other; so must this.
		last := byte('A')
		if v.stored[len(v.stored)-1] == last {
			last = 'B'
		}
		if v.plugin != "ed25519" && v.plugin != "parsec" && matches(t, vector{v.plugin, v.password, v.stored[:len(v.stored)-1] + string(last)}) {
			t.Errorf("%s: the last character of %q makes no difference", v.plugin, v.stored)
		}
	}
	for _, plugin := range plugins {
		if rows[plugin] < 15 {
			t.Errorf("%d rows of %s", rows[plugin], plugin)
		}
	}
}

// Spellings that a server was seen to take besides its own.
func TestMatchesOtherSpellings(t *testing.T) {
	for _, v := range []vector{
		{"mysql_native_password", "secret", "*14e65567abdb5135d0cfd9a70b3032c179a49ee7"},
		{"mysql_native_password", "secret", "*14e65567abdb5135D0CFD9A70B3032C179A49EE7"},
		{"MYSQL_native_password", "secret", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"},
		{"ED25519", "secret", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"},
		{"ed25519", "secret", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJZ"}, // spare bits
		{"ed25519", "", "4LH+dBF+G5W2CKTyId8xR3SyDqZoQjUNUVNxx8aWbG4"},       // MariaDB 11.8
		{"parsec", "", "P0:h4dz6zc2fuwNrqQ3dC1vmbWp:uRsav9/2Uc+0Ht7WG3SBY/Ns/2s6Quaa/TAbJt7+d4o"},
	} {
		if !matches(t, v) {
			t.Errorf("%s: stored %q is not found to be %q's", v.plugin, v.stored, v.password)
		}
	}
}

func TestEmptyVerifierIsTheEmptyPasswords(t *testing.T) {
	for _, plugin := range plugins {
		if !matches(t, vector{plugin, "", ""}) || matches(t, vector{plugin, "secret", ""}) {
			t.Errorf("%s: the empty verifier is not exactly the empty password's", plugin)
		}
	}
}

func TestMalformed(t *testing.T) {
	const hex40, digest = "14E65567ABDB5135D0CFD9A70B3032C179A49EE7", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"
	const key, salt, salt16 = "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY", "saltsaltsaltsaltsalt", "saltsaltsaltsalt"
	for _, v := range []vector{
		{plugin: "mysql_native_password", stored: "invalid"},
		{plugin: "mysql_native_password", stored: "*"},
		{plugin: "mysql_native_password", stored: hex40},
		{plugin: "mysql_native_password", stored: "*" + hex40[1:]},
		{plugin: "mysql_native_password", stored: "*" + hex40 + "00"},
		{plugin: "mysql_native_password", stored: "*G" + hex40[1:]},
		{plugin: "caching_sha2_password", stored: "x"},
		{plugin: "caching_sha2_password", stored: "$A$005$" + salt + digest + "a"},
		{plugin: "caching_sha2_password", stored: "$A$005$" + salt + digest[1:]},
		{plugin: "caching_sha2_password", stored: "$B$005$" + salt + digest},
		{plugin: "caching_sha2_password", stored: "$A$005x" + salt + digest},
		{plugin: "caching_sha2_password", stored: "$A$000$" + salt + digest},
		{plugin: "caching_sha2_password", stored: "$A$+05$" + salt + digest},
		{plugin: "caching_sha2_password", stored: "$A$0G5$" + salt + digest},
		{plugin: "sha256_password", stored: "$5$" + salt + "x" + digest},
		{plugin: "sha256_password", stored: "$6$" + salt + "$" + digest},
		{plugin: "sha256_password", stored: "$5$" + salt16 + "$" + digest},
		{plugin: "sha256_password", stored: "$5$rounds=5000$" + salt16 + "$" + digest},
		{plugin: "sha256_password", stored: "$5$" + salt + "$" + digest + "a"},
		{plugin: "ed25519", stored: "invalid"},
		{plugin: "ed25519", stored: key[1:]},
		{plugin: "ed25519", stored: key + "="},
		{plugin: "ed25519", stored: key + "\n"},
		{plugin: "ed25519", stored: "AAAA" + key},
		{plugin: "ed25519", stored: "-" + key[1:]},
		{plugin: "parsec", stored: "P0:HP2k8OddyOxJaBW+jlDjtMZh"},
		{plugin: "parsec", stored: "P0:HP2k8OddyOxJaBW+jlDjtMZh:" + key + ":"},
		{plugin: "parsec", stored: "P:HP2k8OddyOxJaBW+jlDjtMZh:" + key},
		{plugin: "parsec", stored: "PA:HP2k8OddyOxJaBW+jlDjtMZh:" + key},
		{plugin: "parsec", stored: "P/:HP2k8OddyOxJaBW+jlDjtMZh:" + key},
		{plugin: "parsec", stored: "Q0:HP2k8OddyOxJaBW+jlDjtMZh:" + key},
		{plugin: "parsec", stored: "P0:HP2k8OddyOx:" + key},
		{plugin: "parsec", stored: "P0:HP2k8OddyOxJaBW+jlDjtMZhAAAA:" + key},
		{plugin: "parsec", stored: "P0:HP2k8OddyOxJaBW+jlDj\ntMZh:" + key[1:]},
		{plugin: "parsec", stored: "P0:*P2k8OddyOxJaBW+jlDjtMZh:" + key},
	} {
		ok, err := verifier.Matches(v.plugin, redact.New(v.stored), redact.New("secret"))
		if ok || !errors.Is(err, verifier.ErrMalformed) {
			t.Errorf("%s, stored %q: %v, %v", v.plugin, v.stored, ok, err)
		}
		if err != nil && (!strings.Contains(err.Error(), v.plugin) || strings.Contains(err.Error(), v.stored) && len(v.stored) > 10) {
			t.Errorf("error names no plugin, or shows the verifier: %v", err)
		}
	}
}

// The most iterations that the form has a digit for are computed, not refused: only
// what has not the form says that no password fits.
func TestMostIterations(t *testing.T) {
	const stored = "P9:h4dz6zc2fuwNrqQ3dC1vmbWp:uRsav9/2Uc+0Ht7WG3SBY/Ns/2s6Quaa/TAbJt7+d4o"
	if matches(t, vector{"parsec", "secret", stored}) {
		t.Error("another password's verifier is taken for this one's")
	}
}

// printable is what needs no escape in a string literal, in any SQL mode.
var printable = regexp.MustCompile(`^[-A-Za-z0-9*$./+:]+$`)

func TestNew(t *testing.T) {
	form := map[string]string{
		"mysql_native_password": `^\*[0-9A-F]{40}$`,
		"caching_sha2_password": `^\$A\$005\$.{20}.{43}$`,
		"sha256_password":       `^\$5\$.{20}\$.{43}$`,
		"ed25519":               `^.{43}$`,
		"parsec":                `^P0:.{24}:.{43}$`,
	}
	for _, plugin := range plugins {
		for _, password := range []string{"secret", "x", "pä'\"\\`ss wörd😀\x00", strings.Repeat("水", 85)} {
			first, err := verifier.New(plugin, redact.New(password), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if !printable.MatchString(first.Reveal()) || !regexp.MustCompile(form[plugin]).MatchString(first.Reveal()) {
				t.Errorf("%s: %q", plugin, first.Reveal())
			}
			if !matches(t, vector{plugin, password, first.Reveal()}) || matches(t, vector{plugin, password + "x", first.Reveal()}) {
				t.Errorf("%s: %q is not exactly the verifier of %q", plugin, first.Reveal(), password)
			}
			second, err := verifier.New(plugin, redact.New(password), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if salted := plugin != "mysql_native_password" && plugin != "ed25519"; first.Equal(second) == salted {
				t.Errorf("%s: two verifiers of one password are the same: %v", plugin, !salted)
			}
		}
	}
}

// The salt covers its whole alphabet, whatever the random bytes are.
func TestNewUsesAllRandomBits(t *testing.T) {
	seen := map[byte]bool{}
	for b := range 256 {
		made, err := verifier.New("caching_sha2_password", redact.New("secret"), bytes.NewReader(bytes.Repeat([]byte{byte(b)}, 20)))
		if err != nil {
			t.Fatal(err)
		}
		seen[made.Reveal()[len("$A$005$")]] = true
	}
	if len(seen) != 64 {
		t.Errorf("%d characters occur in salts", len(seen))
	}
}

func TestNewRefuses(t *testing.T) {
	broken := errors.New("broken")
	for _, plugin := range plugins {
		if _, err := verifier.New(plugin, redact.New(""), rand.Reader); !errors.Is(err, verifier.ErrUnusablePassword) {
			t.Errorf("%s: the empty password: %v", plugin, err)
		}
		_, err := verifier.New(plugin, redact.New("secret"), iotest.ErrReader(broken))
		if salted := plugin != "mysql_native_password" && plugin != "ed25519"; errors.Is(err, broken) != salted {
			t.Errorf("%s: no random bytes: %v", plugin, err)
		}
	}
	for _, plugin := range []string{"caching_sha2_password", "sha256_password"} {
		if _, err := verifier.New(plugin, redact.New(strings.Repeat("x", 256)), rand.Reader); err != nil {
			t.Errorf("%s: 256 bytes: %v", plugin, err)
		}
		if _, err := verifier.New(plugin, redact.New(strings.Repeat("x", 257)), rand.Reader); !errors.Is(err, verifier.ErrUnusablePassword) {
			t.Errorf("%s: 257 bytes: %v", plugin, err)
		}
	}
}

func TestUnknownPlugin(t *testing.T) {
	for _, plugin := range []string{"", "unix_socket", "auth_socket", "mysql_old_password", "authentication_ldap_simple", "pam"} {
		if _, err := verifier.Matches(plugin, redact.New("x"), redact.New("secret")); !errors.Is(err, verifier.ErrUnknownPlugin) {
			t.Errorf("Matches(%q): %v", plugin, err)
		}
		if _, err := verifier.New(plugin, redact.New("secret"), rand.Reader); !errors.Is(err, verifier.ErrUnknownPlugin) {
			t.Errorf("New(%q): %v", plugin, err)
		}
	}
}

func FuzzMatches(f *testing.F) {
	for _, v := range servers(f) {
		if v.plugin != "caching_sha2_password" { // up to four million rounds
			f.Add(v.plugin, v.stored, v.password)
		}
	}
	f.Fuzz(func(t *testing.T, plugin, stored, password string) {
		if strings.EqualFold(plugin, "caching_sha2_password") || strings.HasPrefix(stored, "P") {
			t.Skip("takes its time by its nature")
		}
		_, err := verifier.Matches(plugin, redact.New(stored), redact.New(password))
		if err != nil && !errors.Is(err, verifier.ErrMalformed) && !errors.Is(err, verifier.ErrUnknownPlugin) {
			t.Errorf("another error: %v", err)
		}
	})
}

func BenchmarkMatches(b *testing.B) {
	const digest = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"
	for _, v := range []vector{
		{"caching_sha2_password/5000", "", "$A$005$saltsaltsaltsaltsalt" + digest},
		{"caching_sha2_password/10000", "", "$A$00A$saltsaltsaltsaltsalt" + digest},
		{"mysql_native_password/", "", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"},
		{"ed25519/", "", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"},
		{"parsec/", "", "P0:HP2k8OddyOxJaBW+jlDjtMZh:LNSLt01NtBWo1gRba0qTublp7AuFV0xnxkJRrlbCn9Q"},
	} {
		b.Run(v.plugin, func(b *testing.B) {
			plugin, _, _ := strings.Cut(v.plugin, "/")
			b.ReportAllocs()
			for b.Loop() {
				_, err := verifier.Matches(plugin, redact.New(v.stored), redact.New("correct-horse-battery.staple_123"))
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A round allocates nothing: twice as many rounds, as many allocations.
func TestRoundsDoNotAllocate(t *testing.T) {
	allocations := func(thousands string) float64 {
		stored := redact.New("$A$" + thousands + "$saltsaltsaltsaltsalt" + strings.Repeat("a", 43))
		password := redact.New("correct-horse-battery.staple_123")
		return testing.AllocsPerRun(5, func() { _, _ = verifier.Matches("caching_sha2_password", stored, password) })
	}
	if few, many := allocations("001"), allocations("00A"); few != many {
		t.Errorf("1000 rounds allocate %v times, 10000 rounds %v times", few, many)
	}
}
