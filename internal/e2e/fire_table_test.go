package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/repotest/document"
)

// scenariosOfReadme are the rows of the documents' table, by the scenarios that count.
var scenariosOfReadme = []struct{ scenario, label string }{
	{"killed anywhere", "killed, dropped, silent; before the message is seen and after it was acted on; then the same token, or another"},
	{"broken off among the statements", "the session ends after each statement of setSecret; then the same token, or another"},
	{"late", "stopped at a message, overtaken by a whole rotation, resumed"},
	{"at once", "each step 8 times at once, all four steps twice at once"},
	{"many secrets at once", "secrets of one server at once, a process each"},
	{"one pair from two secrets", "original's and clone's turn at once, from two secrets"},
	{"Secrets Manager misbehaves", "Secrets Manager throttles, answers 500, is slow, resets, is silent, denies, loses a race"},
	{"AWSPENDING not visible", "AWSPENDING not visible for a while"},
	{"the server misbehaves", "the server resets, refuses, hangs, kills sessions"},
	{"the server's states", "the server is read-only, has no connection left, keeps the lock"},
	{"the name leads to a reader", "the host name leads to a read-only replica"},
	{"the writer fails over", "the writer fails over to a replica, between two steps or two logins"},
	{"the server restarts", "the server restarts between steps, or is killed between two statements"},
	{"the admin rotates too", "the admin's secret is rotated"},
	{"deadline", "hangs under short timeouts, reported in time"},
	{"availability", "clients log in without pause"},
	{"a single user killed anywhere", "a single user, changed by an admin and by itself: killed, dropped, silent; then the same token, or another"},
	{"a single user, late", "a single user: stopped at a message, overtaken by a whole rotation, resumed"},
	{"a single user, at once", "a single user: each step 8 times at once, all four steps twice at once"},
	{"a single user, Secrets Manager misbehaves", "a single user: Secrets Manager misbehaves"},
	{"a single user, the server misbehaves", "a single user: the server resets, refuses, hangs, kills sessions"},
	{"a single user, the admin rotates too", "a single user: the admin's secret is rotated"},
	{"a single user, deadline", "a single user: hangs under short timeouts, reported in time"},
	{"a single user, availability", "a single user: clients log in without pause, half of them with the secret of one rotation before"},
	{"one password, killed anywhere", "a single user with one password (ed25519): killed, dropped, silent; then the next try"},
	{"the process dumps its state", "the process is made to dump its state"},
	{"nobody else is touched", "accounts of others"},
	{"nothing leaks", "secrets searched for in what the function wrote and (passwords) in the server's logs"},
}

// fireTable gathers the scenarios' counts, as the documents have them.
type fireTable struct {
	mutex   sync.Mutex
	servers []string
	cells   map[[2]string]string // by scenario and server
}

// say prints a scenario's line: its counts, and what they are of.
func (f *fireServer) say(scenario, counts, format string, arguments ...any) {
	on := f.Release().Title()
	fmt.Printf("fire: %s, %s (%s): %s (%s)\n", on, scenario, f.size.name, counts, fmt.Sprintf(format, arguments...))
	f.counts.mutex.Lock()
	defer f.counts.mutex.Unlock()
	if !slices.Contains(f.counts.servers, on) {
		f.counts.servers = append(f.counts.servers, on)
	}
	if f.counts.cells == nil {
		f.counts.cells = map[[2]string]string{}
	}
	f.counts.cells[[2]string{scenario, on}] = counts
}

// print writes the table, to be put into README.md of this folder as it stands.
func (c *fireTable) print(extent size) {
	slices.Sort(c.servers)
	slices.Reverse(c.servers) // MySQL first
	fmt.Printf("\nthe table of internal/e2e/README.md (make fire FIRE=%s):\n\n| | %s |\n|---%s|\n", extent.name, strings.Join(c.servers, " | "), strings.Repeat("|---", len(c.servers)))
	for _, row := range scenariosOfReadme {
		cells := []string{row.label}
		for _, on := range c.servers {
			cells = append(cells, c.cells[[2]string{row.scenario, on}])
		}
		fmt.Printf("| %s |\n", strings.Join(cells, " | "))
	}
}

// The documents' table has the rows that are printed.
func TestFireTableOfTheDocuments(t *testing.T) {
	var want, got []string
	for _, row := range scenariosOfReadme {
		want = append(want, row.label)
	}
	for _, row := range document.MarkedTable(t, "table fire").Rows {
		got = append(got, row.Cells[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-printed +in the document:\n%s", diff)
	}
}
