//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// endsWithin bounds the wait for an end that does not come.
const endsWithin = time.Minute

var (
	serverAt = regexp.MustCompile(`(?m)^  server .* (127\.0\.0\.1:\d+)\)$`)
	urlAt    = regexp.MustCompile(`(?m)^  Secrets Manager +http://(127\.0\.0\.1:\d+)$`)
)

// TestMakeSandboxEnds: whatever ends make sandbox leaves no sandbox and no server
// behind, be it sent to make alone, as an IDE or a job does, or to all, as a terminal
// does.
func TestMakeSandboxEnds(t *testing.T) {
	for name, kill := range map[string]func(make int) error{
		"TERM to make":    func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
		"HUP to all":      func(pid int) error { return syscall.Kill(-pid, syscall.SIGHUP) },
		"Ctrl-C":          func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
		"the end of make": func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			make := exec.Command("make", "-C", "../..", "sandbox")
			make.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			make.Stderr = os.Stderr
			out, err := make.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := make.Start(); err != nil {
				t.Fatal(err)
			}
			pid := make.Process.Pid
			late := time.AfterFunc(5*endsWithin, func() { _ = syscall.Kill(-pid, syscall.SIGKILL) })
			defer late.Stop()
			said, read := "", bufio.NewReader(out)
			for !strings.Contains(said, "Ctrl-C ends the sandbox") {
				line, err := read.ReadString('\n')
				if said += line; err != nil {
					t.Fatalf("make sandbox ended: %v\n%s", err, said)
				}
			}
			late.Stop()
			server, url := serverAt.FindStringSubmatch(said), urlAt.FindStringSubmatch(said)
			if server == nil || url == nil {
				t.Fatalf("the sandbox does not say where it is:\n%s", said)
			}
			late.Reset(endsWithin)
			if err := kill(pid); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, read) // until nobody is left who could write
			_ = make.Wait()
			if !late.Stop() {
				t.Errorf("it had not ended after %s", endsWithin)
			}
			for what, address := range map[string]string{"the server": server[1], "the sandbox": url[1]} {
				if conn, err := net.Dial("tcp", address); err == nil {
					_ = conn.Close()
					t.Errorf("%s still listens at %s", what, address)
				}
			}
		})
	}
}

// TestByGoRun: go run is the parent that has to be watched; a program that was built is
// started by whoever likes.
func TestByGoRun(t *testing.T) {
	for path, want := range map[string]bool{
		"/tmp/go-build3027485718/b001/exe/sandbox": true,
		"/home/me/tandem/bin/sandbox":              false,
		"":                                         false,
	} {
		if byGoRun(path) != want {
			t.Errorf("byGoRun(%q) is %v", path, !want)
		}
	}
	out, err := exec.Command("go", "run", "./testdata/executable").CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	if path := strings.TrimSpace(string(out)); !byGoRun(path) {
		t.Errorf("go run starts %q", path)
	}
}
