//go:build unix

// Package filelock keeps two processes from doing one thing at once.
package filelock

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// Take takes the lock that the file stands for, and returns what gives it back.
// While another process has it, waiting is called once and Take blocks until ctx
// ends. The kernel frees it when the process dies.
func Take(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a lock file: %w", err)
	}
	unlock = func() { _ = file.Close() }
	if Try(file) {
		return unlock, nil
	}
	waiting()
	locked := make(chan error, 1)
	go func() {
		for {
			err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
			if err != syscall.EINTR {
				locked <- err
				return
			}
		}
	}()
	select {
	case err := <-locked:
		if err != nil {
			unlock()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		return unlock, nil
	case <-ctx.Done():
		// The call cannot be interrupted; when it comes back it gives the lock on.
		go func() {
			<-locked
			unlock()
		}()
		return nil, fmt.Errorf("waiting for another process to unpack: %w", ctx.Err())
	}
}

// Try takes the lock of an open file if nobody has it.
func Try(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
