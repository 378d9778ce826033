package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/moor-ble/moor/internal/ownsocket"
)

// listenSocket listens at a TCP port or a Unix socket. A Unix socket is for this user
// alone; one that nobody listens at any more is replaced.
func listenSocket(ctx context.Context, p Place) (net.Listener, error) {
	if p.Kind == PlaceTCP {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", p.Name)
		if err != nil {
			return nil, explainListen(p, err)
		}
		return l, nil
	}
	l, err := ownsocket.Listen(ctx, p.Name)
	switch {
	case errors.Is(err, ownsocket.ErrBusy):
		return nil, &ListenError{p, err, "end it, or choose another path"}
	case errors.Is(err, ownsocket.ErrLongPath):
		return nil, &ListenError{p, err, "choose a shorter one"}
	case errors.Is(err, ownsocket.ErrNoSocket):
		return nil, &ListenError{p, err, "remove it, or choose another path"}
	case err != nil:
		return nil, explainListen(p, err)
	}
	return l, nil
}

// ListenError is the error of Listen.
type ListenError struct {
	Place  Place
	Err    error
	Remedy string // may be empty
}

// Error returns the place, the error and the remedy.
func (e *ListenError) Error() string {
	s := fmt.Sprintf("lab: %v: %v", e.Place, e.Err)
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// Unwrap returns the error of the system.
func (e *ListenError) Unwrap() error { return e.Err }

func explainListen(p Place, err error) error {
	e := &ListenError{Place: p, Err: err}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		e.Err = number // the rest repeats the place
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Remedy = "end the program that listens there, or choose another port (port 0 is a free one)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Remedy = "it is no address of this machine: see `ip address`"
	case errors.Is(err, fs.ErrPermission) && p.Kind == PlaceTCP:
		e.Remedy = "choose a port from 1024 on"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		e.Remedy = "choose a path in a directory that exists and that you may write"
	}
	return e
}
