package sandbox

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// table is what the demo shows of rotations: a row for each step, a column for
// each of the two users.
type table struct{ out io.Writer }

const (
	stepWidth  = 17
	timeWidth  = 7
	labelWidth = 24
)

// write writes a row; the cells are the users'.
func (t table) write(step, took string, cells [2]string, logins string) {
	line := fmt.Sprintf("  %-*s %*s  %-*s  %-*s  %s", stepWidth, step, timeWidth, took, labelWidth, cells[0], labelWidth, cells[1], logins)
	fmt.Fprintln(t.out, strings.TrimRight(line, " "))
}

func (t table) head(users [2]string) {
	fmt.Fprintln(t.out)
	t.write("step", "time", users, "logins with the secret")
	line := strings.Repeat("-", 100)
	t.write(line[:stepWidth], line[:timeWidth], [2]string{line[:labelWidth], line[:labelWidth]}, line[:23])
}

// shortly writes a duration as a person reads it.
func shortly(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
