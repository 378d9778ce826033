package hcisock

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"
)

// dial connects to a controller behind a TCP or Unix stream socket. TCP has
// no-delay set, which is what net does: HCI is made of small packets.
func dial(ctx context.Context, network string, a Address) (*Stream, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, a.Name)
	if err == nil {
		return newStream(a.String(), c), nil
	}
	if ctx.Err() != nil {
		return nil, canceled(ctx, a.String(), "connect")
	}
	e := &OpenError{Address: a.String(), Op: "connect", Err: err, Cause: CauseUnreachable,
		Remedy: "start the controller's server and check host and port"}
	if network == "unix" {
		e.Remedy = "start the controller's server and check the path"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Cause = CauseNoAdapter
	case errors.Is(err, fs.ErrPermission):
		e.Cause, e.Remedy = CausePermission, "get write permission on the socket's file"
	case errors.Is(err, syscall.EPROTOTYPE):
		e.Remedy = "the socket is no stream socket: let the server use one"
	}
	return nil, e
}
