package errclass_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
)

// TestFromStack: an error that any package may return is the stack's only in an error of
// the stack; that all of those are known is the concern of TestComplete.
func TestFromStack(t *testing.T) {
	for _, err := range []error{
		nil, errors.New("le-connection-busy"), errors.New("device not found"), context.Canceled, context.DeadlineExceeded,
		os.ErrDeadlineExceeded, io.EOF, net.ErrClosed, syscall.EPIPE, syscall.EIO, syscall.ENODEV, os.ErrPermission,
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	} {
		if errclass.FromStack(err) {
			t.Errorf("%v is taken for an error of the stack", err)
		}
		if err == nil {
			continue
		}
		for _, own := range []error{&controller.Error{Err: err}, &controller.DisconnectError{Cause: err}, fmt.Errorf("%w: %w", err, controller.ErrNoAnswer)} {
			if !errclass.FromStack(own) {
				t.Errorf("%v is not taken for an error of the stack", own)
			}
		}
	}
	if !errclass.FromStack(&errclass.RemoteError{}) {
		t.Error("a RemoteError is not taken for an error of the stack")
	}
}
