package hcisock

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"
)

// dial connects to a controller behind a TCP or Unix stream socket. Package net sets
// TCP_NODELAY, which HCI with its small packets needs.
func dial(ctx context.Context, network string, a Address) (*Stream, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, a.Name)
	if err == nil {
		return newStream(a.String(), newPromptConn(c)), nil
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
		e.Remedy = "make the server listen on a stream socket"
	}
	return nil, e
}
