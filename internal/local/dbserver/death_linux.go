package dbserver

import (
	"os/exec"
	"syscall"
)

// dieTogether has the kernel kill the process when this one dies, and keeps the
// terminal's Ctrl-C from it: it is for the caller to end the server.
func dieTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// watchOver has nothing to do where the kernel does it.
func watchOver(int) (release func()) { return func() {} }
