package lambdahost

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// processAttributes put a process into a group of its own, so that what it
// starts can be ended with it and a Ctrl-C of the terminal does not reach it, and
// let it die with this one.
//
// The kernel sends Pdeathsig when the thread ends that made the process, not when
// the process does. See environment.run, which keeps that thread.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitEnd returns when the process has ended, and reports whether it has still
// not been waited for, which keeps its number from being given to another.
func awaitEnd(pid int) bool {
	return waitid(pid, syscall.WEXITED|syscall.WNOWAIT) == 0
}

// waitid is waitid(2) for a process of this one, without the details.
func waitid(pid int, options uintptr) syscall.Errno {
	const processByID = 1 // P_PID
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, processByID, uintptr(pid), 0, options, 0, 0)
		if errno != syscall.EINTR {
			return errno
		}
	}
}

// Freeze stops the process of an environment with SIGSTOP, and returns when it
// stands still: kill(2) alone returns while some of its threads may still be
// running. SIGCONT lets it go on, and its deadline kills it all the same.
func Freeze(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping process %d: %w", pid, err)
	}
	// WEXITED: or one that is killed meanwhile would be waited for in vain.
	if errno := waitid(pid, syscall.WSTOPPED|syscall.WEXITED|syscall.WNOWAIT); errno != 0 {
		return fmt.Errorf("waiting until process %d has stopped: %w", pid, errno)
	}
	return nil
}

// peakMemory returns the most memory that the running process has had resident,
// in bytes, or 0 if that is not known.
//
// Not rusage: Linux counts into a child's ru_maxrss what its parent had resident
// when it started the child.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			if fields := bytes.Fields(rest); len(fields) == 2 {
				kilobytes, _ := strconv.ParseInt(string(fields[0]), 10, 64)
				return kilobytes << 10
			}
		}
	}
	return 0
}
