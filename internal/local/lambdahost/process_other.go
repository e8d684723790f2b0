//go:build unix && !linux

package lambdahost

import "syscall"

// processAttributes put a process into a group of its own, so that what it
// starts can be ended with it and a Ctrl-C of the terminal does not reach it.
// Without this process the function ends at its next call of the Runtime API.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitEnd does not wait: waitid(2) of other systems also returns when a process
// is stopped.
func awaitEnd(int) bool { return false }

// peakMemory returns 0: it is not known.
func peakMemory(int) int64 { return 0 }
