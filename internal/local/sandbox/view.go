package sandbox

import (
	"fmt"
	"strings"
	"time"

	"tandem/internal/local/emulator"
)

// view is what is known of a secret under watch. It is values only; watch feeds
// and draws it.
type view struct {
	secret   string
	greeting *greeting

	users  map[string]string // by label; "" for a version without a value
	tries  map[string]int    // begun, by token
	step   string            // in progress, or ""
	try    int
	began  time.Time
	ended  map[string]int // rotations, by their last event
	logins Logins
	recent []string
}

// recentLines is how many lines of the past a live view shows.
const recentLines = 8

// apply takes in a notice, and returns the line that tells of it, or "".
func (v *view) apply(n notice) string {
	if secretName(n.SecretARN) != v.secret && n.SecretARN != v.secret {
		return "" // another secret's
	}
	var told string
	switch {
	case n.Kind == kindStep && !n.Ended:
		if n.Name == emulator.StepCreate {
			if v.tries == nil {
				v.tries = map[string]int{}
			}
			v.tries[n.Token]++
		}
		v.step, v.try, v.began = n.Name, v.tries[n.Token], n.Time
		return ""
	case n.Kind == kindStep:
		v.step = ""
		told = fmt.Sprintf("%-12s %s", n.Name, shortly(time.Duration(n.TookMs*float64(time.Millisecond))))
		if n.Error != "" {
			told += "  FAILED: " + n.Error
		}
	case n.Kind == kindEvent:
		if v.ended == nil {
			v.ended = map[string]int{}
		}
		v.ended[n.Name]++
		told = n.Name
	default:
		return ""
	}
	line := n.Time.Local().Format("15:04:05.000") + "  " + told
	v.recent = append(v.recent, line)
	v.recent = v.recent[max(0, len(v.recent)-recentLines):]
	return line
}

// labels says who is under which label, on a line.
func (v *view) labels() string {
	var parts []string
	for _, label := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		if user, found := v.users[label]; found {
			parts = append(parts, label+" "+orNone(user))
		}
	}
	return strings.Join(parts, ", ")
}

func (v *view) loginLine() string {
	return fmt.Sprintf("%d logins attempted with the current credentials, %d failed", v.logins.Attempted, v.logins.Failed)
}

func orNone(user string) string {
	if user == "" {
		return "(no value yet)"
	}
	return user
}

// screen draws the whole.
func (v *view) screen(now time.Time) []string {
	schedule := "by hand (rotate-secret)"
	if v.greeting.Every != "" {
		schedule = "every " + v.greeting.Every
	}
	lines := []string{
		v.secret + " on " + v.greeting.Server,
		"",
	}
	row := func(name, value string) { lines = append(lines, fmt.Sprintf("  %-12s %s", name, value)) }
	for _, label := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		user, found := v.users[label]
		if !found {
			row(label, "-")
			continue
		}
		row(label, orNone(user))
	}
	lines = append(lines, "")
	step := "-"
	if v.step != "" {
		step = fmt.Sprintf("%s for %s", v.step, shortly(now.Sub(v.began)))
		if v.try > 1 {
			step += fmt.Sprintf(" (try %d)", v.try)
		}
	}
	row("step", step)
	row("rotations", fmt.Sprintf("%d succeeded, %d failed; %s", v.ended[emulator.RotationSucceeded], v.ended[emulator.RotationFailed], schedule))
	login := v.loginLine()
	if v.logins.User != "" {
		login += "; last as " + v.logins.User
	}
	row("application", login)
	if v.logins.Err != nil {
		row("", "last failure: "+v.logins.Err.Error())
	}
	lines = append(lines, "")
	for _, line := range v.recent {
		lines = append(lines, "  "+line)
	}
	return lines
}
