package dbserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const signalZero = syscall.Signal(0)

func itoa(i int) string { return strconv.Itoa(i) }

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// helperVariable has the test's program do one thing in a process of its own,
// for the tests in which a process is killed.
const helperVariable = "SERVER_TEST_HELPER"

// TestMain lets the test's program stand for others: apt's, under their names,
// and the helpers.
func TestMain(m *testing.M) {
	if play, found := fakes[filepath.Base(os.Args[0])]; found {
		os.Exit(play(os.Args[1:]))
	}
	switch os.Getenv(helperVariable) {
	case "":
		// A program with the race detector otherwise sleeps a second at its end,
		// and the fakes end often.
		_ = os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
		m.Run()
	case "start":
		os.Exit(helpStart())
	case "watch":
		os.Exit(helpWatch())
	case "find":
		os.Exit(helpFind())
	}
}

// helpStart starts a server, says where it is, and waits to be killed.
func helpStart() int {
	release, _ := ParseRelease(os.Getenv("SERVER_TEST_RELEASE"))
	program, err := Finder{}.Find(context.Background(), release)
	if err == nil {
		var server *Server
		if server, err = program.Start(context.Background(), Options{}); err == nil {
			fmt.Println(server.Port, server.Password.Reveal(), server.DataDir())
			select {}
		}
	}
	fmt.Println("error:", err)
	return 1
}

// helpWatch starts a process that is watched over, and waits to be killed.
func helpWatch() int {
	command := exec.Command("sleep", "1000")
	command.Stdout = os.Stdout
	if err := command.Start(); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	watch(command.Process.Pid)
	fmt.Println(command.Process.Pid)
	select {}
}

// helpFind unpacks what the environment says.
func helpFind() int {
	_, err := fakeFinder(os.Getenv("SERVER_TEST_ROOT")).Find(context.Background(), Release{Flavor: MariaDB, Series: ""})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// helper starts the test's program as a helper. It returns the process, the
// first line that it writes, and the rest, which ends when all who could write
// to it are gone.
func helper(t *testing.T, name string, environment ...string) (command *exec.Cmd, line string, rest io.Reader) {
	t.Helper()
	command = exec.Command(os.Args[0])
	command.Env = append(append(os.Environ(), helperVariable+"="+name), environment...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	reader := bufio.NewReader(output)
	line, err = reader.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error:") {
		t.Fatalf("the helper says %q (%v)", line, err)
	}
	return command, strings.TrimSpace(line), reader
}

// helperSilent starts a helper that says nothing.
func helperSilent(t *testing.T, name string, environment ...string) (command *exec.Cmd) {
	t.Helper()
	command = exec.Command(os.Args[0])
	command.Env = append(append(os.Environ(), helperVariable+"="+name), environment...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}
