//go:build unix

package acceptance

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
)

// UntilSignal is a context until somebody ends the program: by Ctrl-C, SIGTERM or
// SIGHUP. A second Ctrl-C ends the clean-up too, with which the next run goes on; the
// others may come twice without anybody's meaning it, from make and to the whole group.
// What nohup ignores goes on being ignored. Nor does it end the program that nobody reads
// any more what it prints, as when Ctrl-C has ended tee.
func UntilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // ignored, the steps' bash would inherit that
	ctx, stop := signal.NotifyContext(parent, slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)...)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	return ctx, stop
}

// separate keeps a terminal's Ctrl-C from a process and its children.
func separate(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks a separate process and its children to end, and kill ends them.
func terminate(command *exec.Cmd) error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
func kill(command *exec.Cmd) error      { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }

// endChapter ends the group of this process: bash, and all that the chapter has started.
func endChapter() { _ = syscall.Kill(0, syscall.SIGTERM) }

// endure has this process finish what it has begun.
func endure() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }
