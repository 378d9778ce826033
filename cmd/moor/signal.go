package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// signalError is the cause of a context that a signal has ended.
type signalError struct {
	syscall.Signal
	ignored bool // before this process began, as in a background job
}

func (e signalError) Error() string { return e.String() + " signal" }

// Unwrap returns context.Canceled: nothing has failed.
func (e signalError) Unwrap() error { return context.Canceled }

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends, with a
// signalError as its cause. From then on signals have their default effect, so that
// a second one ends the process at once. Under nohup, SIGHUP has no effect. Once hangups
// has been called, each SIGHUP is sent to its channel instead.
func untilSignal() (ctx context.Context, hangups func() <-chan struct{}) {
	ctx, cancel := context.WithCancelCause(context.Background())
	taken := make(chan struct{}, 1)
	var takes atomic.Bool
	hangups = func() <-chan struct{} {
		takes.Store(true)
		return taken
	}
	caught := make(chan os.Signal, 1)
	ignored := map[os.Signal]bool{}
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ignored[s] = signal.Ignored(s)
		if s != syscall.SIGHUP || !ignored[s] {
			signal.Notify(caught, s)
		}
	}
	go func() {
		s := <-caught
		for ; s == syscall.SIGHUP && takes.Load(); s = <-caught {
			select {
			case taken <- struct{}{}:
			default: // one waits already
			}
		}
		signal.Stop(caught)
		number, _ := s.(syscall.Signal)
		cancel(signalError{number, ignored[s]})
	}()
	return ctx, hangups
}

// exit ends the process with code. If a signal made the command fail, the process
// dies by that signal instead. The shell then knows to end more than this command, such
// as the loop around it.
func exit(ctx context.Context, code int) {
	if by, ok := errors.AsType[signalError](context.Cause(ctx)); ok && code != 0 {
		code = 128 + int(by.Signal) // as a shell shows it, if the signal is ignored
		if self, err := os.FindProcess(os.Getpid()); err == nil && !by.ignored && self.Signal(by.Signal) == nil {
			time.Sleep(deliveryTime)
		}
	}
	os.Exit(code)
}

// deliveryTime is longer than a signal takes to reach its own process, even on a busy
// machine.
const deliveryTime = 10 * time.Second
