//go:build !linux

package dbserver

import (
	"os/exec"
	"syscall"
)

// dieTogether keeps the terminal's Ctrl-C from the process: it is for the caller
// to end the server.
func dieTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// watchOver kills the process when this one dies.
func watchOver(pid int) (release func()) { return watch(pid) }
