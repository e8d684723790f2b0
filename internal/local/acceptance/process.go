//go:build unix

package acceptance

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// separate keeps a terminal's Ctrl-C from a process and its children.
func separate(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks a separate process and its children to end, and kill ends them.
func terminate(command *exec.Cmd) error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
func kill(command *exec.Cmd) error      { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }

// endure has this process finish what it has begun.
func endure() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }
