package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestOverview(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		var out, errs bytes.Buffer
		if err := run(t.Context(), args, &out, &errs); err != nil || errs.Len() > 0 {
			t.Errorf("%v: %v, %s", args, err, errs.String())
		}
		for _, c := range commands {
			if !strings.Contains(out.String(), "\n  sandbox "+c.name+" ") {
				t.Errorf("%v: no command %s in\n%s", args, c.name, out.String())
			}
		}
	}
}

// TestHelp has an example of each command in its help, by both ways to it.
func TestHelp(t *testing.T) {
	for _, c := range commands {
		for _, args := range [][]string{{c.name, "--help"}, {"help", c.name}} {
			var out, errs bytes.Buffer
			if err := run(t.Context(), args, &out, &errs); !errors.Is(err, flag.ErrHelp) {
				t.Errorf("%v: %v", args, err)
			}
			if text := errs.String(); !strings.HasPrefix(text, "sandbox "+c.name+" ") || !strings.Contains(text, "go run ./cmd/sandbox "+c.name) {
				t.Errorf("%v: no example in\n%s", args, text)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no such command":     {[]string{"rotate"}, `there is no command "rotate"`},
		"no such flag":        {[]string{"demo", "--fast"}, "flag provided but not defined: -fast"},
		"an argument":         {[]string{"serve", "mysql-9"}, `"mysql-9" is no flag`},
		"no release":          {[]string{"demo", "--server", "oracle"}, `"oracle" names no server release`},
		"no duration":         {[]string{"watch", "--every", "10"}, "it is a time such as 10s or 5m"},
		"half a variable":     {[]string{"serve", "--env", "PRIVILEGE_SYNC"}, "it has the form NAME=value"},
		"a flag of another's": {[]string{"fetch", "--function", "x"}, "flag provided but not defined: -function"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if err := run(t.Context(), test.args, &out, &errs); !errors.Is(err, errUsage) {
				t.Errorf("the error is %v", err)
			}
			if !strings.Contains(errs.String(), test.want) || out.Len() > 0 {
				t.Errorf("no %q in\n%s%s", test.want, errs.String(), out.String())
			}
		})
	}
}
