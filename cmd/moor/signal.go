package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalError is why a command was ended.
type signalError struct {
	syscall.Signal
	ignored bool // by whoever started this process, as of background jobs
}

func (e signalError) Error() string { return e.String() + " signal" }

// Unwrap tells that nothing failed.
func (e signalError) Unwrap() error { return context.Canceled }

// untilSignal returns a context that the first signal to end ends, with a
// signalError as its cause. By then signals do what they do by default, so that
// a second one ends the process at once. Under nohup, nobody hangs up.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
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
		signal.Stop(caught)
		number, _ := s.(syscall.Signal)
		cancel(signalError{number, ignored[s]})
	}()
	return ctx
}

// exit ends the process with code. A command that failed since a signal came
// dies by that signal after all: so a shell knows that its user wants to end
// more than this command, such as the loop around it.
func exit(ctx context.Context, code int) {
	if by, ok := errors.AsType[signalError](context.Cause(ctx)); ok && code != 0 {
		code = 128 + int(by.Signal) // as a shell shows it, where it is ignored
		if self, err := os.FindProcess(os.Getpid()); err == nil && !by.ignored && self.Signal(by.Signal) == nil {
			time.Sleep(deliveryTime)
		}
	}
	os.Exit(code)
}

// deliveryTime is more than a signal takes to reach its own process, however busy
// the machine is.
const deliveryTime = 10 * time.Second
