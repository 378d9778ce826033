package errclass

import (
	"slices"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
)

// stackRows are the rows that match errors of the stack alone.
var stackRows = slices.Concat(smpRows, localRows, attRows, l2capRows, hciRows)

// stackErrors are the errors of the stack in the other rows.
var stackErrors = []match{as[*controller.DisconnectError](), as[*hcisock.OpenError](), is(l2cap.ErrLinkDown), as[*RemoteError]()}

// FromStack reports whether err is or wraps an error of this module's packages, or a
// RemoteError. All others may come from anywhere, also if they have a row in the table:
// EPIPE may be that of the program's own socket.
func FromStack(err error) bool {
	if err == nil {
		return false
	}
	s := describeError(err, nil)
	applies := func(m match) bool { return m.matches(s) }
	return slices.ContainsFunc(stackErrors, applies) ||
		slices.ContainsFunc(stackRows, func(r row) bool { return slices.ContainsFunc(r.match, applies) })
}
