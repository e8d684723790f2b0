package account

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tandem/internal/redact"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded is what a server printed about one account.
type recorded struct {
	server Server
	name   Name
	rows   Rows
}

// secrets compares secrets by their content.
var secrets = cmp.Comparer(func(a, b redact.Secret) bool { return a.Equal(b) })

func mustServer(t testing.TB, version, comment string) Server {
	t.Helper()
	server, err := ParseServer(version, comment)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// readRows reads a file of testdata.
func readRows(t testing.TB, path string) []recorded {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []recorded
	var server Server
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"), line == "":
		case strings.HasPrefix(line, "SERVER "):
			version, comment, _ := strings.Cut(strings.TrimPrefix(line, "SERVER "), "\t")
			server = mustServer(t, version, comment)
		case strings.HasPrefix(line, "ACCOUNT "):
			user, host, _ := strings.Cut(strings.TrimPrefix(line, "ACCOUNT "), "\t")
			out = append(out, recorded{server: server, name: Name{user, host}})
		default:
			rows := &out[len(out)-1].rows
			if strings.HasPrefix(line, "CREATE USER") || strings.HasPrefix(line, "ALTER USER") {
				rows.CreateUser = append(rows.CreateUser, redact.New(line))
			} else {
				rows.Grants = append(rows.Grants, redact.New(line))
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every row that a server printed is understood, and printed again it means the same.
// What is made of it stands in the .golden files, as the statements that copy it.
func TestRecordedRows(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.rows")
	if len(paths) < 5 {
		t.Fatalf("only %d files of rows", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var golden strings.Builder
			for _, r := range readRows(t, path) {
				account, err := Parse(r.server, r.name, r.rows)
				if err != nil {
					t.Error(err)
					continue
				}
				again, err := Parse(r.server, r.name, print(r.server, account))
				if err != nil {
					t.Errorf("printed and parsed again: %v", err)
				} else if diff := cmp.Diff(account, again, secrets, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s changes when it is printed and parsed again:\n%s", r.name, diff)
				}
				writeGolden(&golden, r.server, account)
			}
			name := strings.TrimSuffix(path, ".rows") + ".golden"
			if *update {
				if err := os.WriteFile(name, []byte(golden.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), golden.String()); diff != "" {
				t.Errorf("%s (-update writes it):\n%s", name, diff)
			}
		})
	}
}

// writeGolden writes what was understood of an account.
func writeGolden(out *strings.Builder, server Server, account Account) {
	line := func(parts ...string) { out.WriteString(strings.Join(parts, " ") + "\n") }
	line("--", server.String())
	for _, factor := range account.Factors {
		line("-- factor", factor.Plugin)
	}
	if account.Expired {
		line("-- expired")
	}
	credentials, _ := Pair{Server: server}.credentials(&account, false, throwaway)
	line(createStatement(server, account.Name, credentials, account.Attributes).String())
	if !account.Attributes.Locked {
		line("-- open")
	}
	for _, restriction := range account.Grants.Restrictions {
		line("-- restricted on " + restriction.Database + ": " + strings.Join(restriction.Privileges, ", "))
	}
	t := transformer{server: server, name: account.Name, as: Name{"original", "%"}}
	t.steps(Grants{}, account.Grants)
	for _, step := range slices.Concat(t.takes, t.grants, t.narrows) {
		line(step.Statement.String())
	}
}
