package dbserver

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watch runs a shell that waits for the end of a pipe which only this process
// holds open, and then kills the process: what Linux does by itself elsewhere
// needs somebody who survives.
//
// The caller calls release when the process has ended, before its number can be
// another's.
func watch(pid int) (release func()) {
	read, write, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	command := exec.Command("/bin/sh", "-c", "read -r _; kill -KILL "+strconv.Itoa(pid))
	command.Stdin = read
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = command.Start()
	_ = read.Close()
	if err != nil {
		_ = write.Close()
		return func() {}
	}
	return func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = write.Close()
	}
}
