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
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

func dial(s hci.Status) error { return &controller.ConnectError{Err: s} }
func refusedDial(s hci.Status) error {
	return &controller.ConnectError{Err: &controller.CommandError{Op: hci.OpLECreateConnection, Err: s}}
}
func command(s hci.Status) error { return &controller.CommandError{Op: hci.OpLESetScanEnable, Err: s} }
func ended(s hci.Status) error   { return &controller.DisconnectError{Handle: 1, Reason: s} }

// TestDefault checks the Default treatment of errors with a status.
func TestDefault(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		final   errclass.Category
		redial  int
		budget  errclass.Budget
		backoff time.Duration
		action  errclass.Action
	}{
		{"missed request to connect", ended(0x3E), errclass.Aborted, 3, errclass.BudgetTransient, 500 * ms, 0},
		{"missed request, as a status", dial(0x3E), errclass.Aborted, 3, errclass.BudgetTransient, 500 * ms, 0},
		{"authentication failure", ended(0x05), errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond},
		{"key missing", ended(0x06), errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond},
		{"MIC failure", ended(0x3D), errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond},
		{"memory full", refusedDial(0x07), errclass.OutOfSlots, 1, errclass.BudgetTransient, 4 * s, errclass.LowerLimit | errclass.AwaitSlot},
		{"connection limit", refusedDial(0x09), errclass.OutOfSlots, 1, errclass.BudgetTransient, 4 * s, errclass.LowerLimit | errclass.AwaitSlot},
		{"rejected resources", dial(0x0D), errclass.OutOfSlots, 1, errclass.BudgetTransient, 4 * s, errclass.LowerLimit | errclass.AwaitSlot},
		{"a list of the controller is full", &controller.ConnectError{Err: command(0x07)}, errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0},
		{"controller busy", dial(0x3A), errclass.Connection, 10, errclass.BudgetConnect, 100 * ms, 0},
		{"bad parameters", refusedDial(0x12), errclass.Fatal, 0, errclass.BudgetNone, 0, 0},
		{"unknown command", command(0x01), errclass.Fatal, 0, errclass.BudgetNone, 0, 0},
		{"unsupported by the remote, after connecting", ended(0x1A), errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0},
		{"canceled dial", dial(0x02), errclass.NotFound, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"command on a dead handle", command(0x02), errclass.Connection, 0, errclass.BudgetConnect, 0, 0},
		{"hardware failure", command(0x03), errclass.Connection, 0, errclass.BudgetTransient, 250 * ms, errclass.RecoverAdapter | errclass.OtherAdapter},
		{"exists", refusedDial(0x0B), errclass.Connection, 1, errclass.BudgetConnect, 100 * ms, errclass.Adopt},
		{"disallowed", refusedDial(0x0C), errclass.Connection, 3, errclass.BudgetConnect, 250 * ms, 0},
		{"supervision timeout", ended(0x08), errclass.Aborted, 0, errclass.BudgetConnect, 500 * ms, errclass.RelaxParams},
		{"peer hung up", ended(0x13), errclass.Aborted, 0, errclass.BudgetTransient, 250 * ms, 0},
		{"peer low on resources", ended(0x14), errclass.Aborted, 0, errclass.BudgetTransient, 4 * s, 0},
		{"ended by the controller's own side", ended(0x16), errclass.Aborted, 0, errclass.BudgetTransient, 250 * ms, 0},
		{"unacceptable parameters", ended(0x3B), errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, errclass.RelaxParams},
		{"reserved code", ended(0x2B), errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0},
		{"unheard", &controller.ConnectError{Err: controller.ErrDialTimeout}, errclass.NotFound, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"closed by its user", &controller.DisconnectError{Reason: 0x16, Local: true}, errclass.Canceled, 0, errclass.BudgetNone, 0, 0},
		{"closed for want of an answer", &controller.DisconnectError{Reason: 0x16, Local: true, Cause: att.ErrTransactionTimeout},
			errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"closed because the controller keeps its data", &controller.DisconnectError{Reason: 0x16, Local: true, Cause: controller.ErrNoDataCredit},
			errclass.Connection, 0, errclass.BudgetTransient, 250 * ms, errclass.RecoverAdapter | errclass.OtherAdapter},
		{"closed because the peer acknowledges no data", &controller.DisconnectError{Reason: 0x16, Local: true, Cause: controller.ErrUnacknowledged},
			errclass.Aborted, 0, errclass.BudgetConnect, 500 * ms, 0},
		{"closed for a reason that is not known", &controller.DisconnectError{Reason: 0x13, Local: true, Cause: errors.New("whatever")},
			errclass.Aborted, 0, errclass.BudgetTransient, 250 * ms, 0},
		{"lost with its adapter", &controller.DisconnectError{Cause: &controller.Error{What: "read", Err: io.EOF}},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"lost with an unplugged adapter", &controller.DisconnectError{Cause: &controller.Error{What: "read", Err: syscall.ENODEV}},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"lost with a crashed adapter", &controller.DisconnectError{Cause: &controller.Error{What: "fault", Err: controller.HardwareFault(3)}},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"dialed while the controller ended", &controller.ConnectError{Err: &controller.Error{What: "write", Err: syscall.EPIPE}},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"dialed while the adapter was closed", &controller.ConnectError{Err: fmt.Errorf("device closed: %w", net.ErrClosed)},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"lost while the adapter was closed", &controller.DisconnectError{Cause: fmt.Errorf("device closed: %w", net.ErrClosed)},
			errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"stream to the adapter", io.ErrUnexpectedEOF, errclass.Connection, 0, errclass.BudgetAdapter, 250 * ms, errclass.OtherAdapter},
		{"ended without a reason", &controller.DisconnectError{}, errclass.Connection, 0, errclass.BudgetTransient, 250 * ms, 0},
		{"its end was not reported", &controller.DisconnectError{Cause: controller.ErrEventLost},
			errclass.Connection, 0, errclass.BudgetConnect, 0, 0},
		{"a link that this host does not know", &controller.ConnectError{Err: controller.ErrUnknownLink},
			errclass.Connection, 1, errclass.BudgetConnect, 250 * ms, errclass.RecoverAdapter | errclass.OtherAdapter},
		{"a full remote radio", &errclass.RemoteError{Kind: errclass.KindTimeout, Text: "No free BLE connection slot became available"},
			errclass.OutOfSlots, 0, errclass.BudgetTransient, 4 * s, errclass.AwaitSlot},
		{"a slow remote radio", &errclass.RemoteError{Kind: errclass.KindTimeout}, errclass.NotFound, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"parameters refused by a central", l2cap.ErrParamsRejected, errclass.Connection, 0, errclass.BudgetNone, 0, 0},
		{"out of sync", fmt.Errorf("read: %w", errors.Join(gatt.ErrStale, att.CodeDatabaseOutOfSync)),
			errclass.Connection, 1, errclass.BudgetTransient, 100 * ms, errclass.Rediscover},
		{"invalid handle", &att.Error{Code: att.CodeInvalidHandle}, errclass.Connection, 1, errclass.BudgetTransient, 100 * ms, errclass.Rediscover},
		{"insufficient encryption", &att.Error{Code: att.CodeInsufficientEncryption}, errclass.Connection, 0, errclass.BudgetNone, 0, errclass.Secure},
		{"write not permitted", &att.Error{Code: att.CodeWriteNotPermitted}, errclass.Fatal, 0, errclass.BudgetNone, 0, 0},
		{"application error", &att.Error{Code: 0x80}, errclass.Fatal, 0, errclass.BudgetNone, 0, 0},
		{"no resources for a channel", &l2cap.ConnectError{Err: l2cap.ResultNoResources}, errclass.Connection, 0, errclass.BudgetConnect, s, 0},
		{"radio switched off", &hcisock.OpenError{Cause: hcisock.CauseRFKill, Err: syscall.Errno(132)},
			errclass.Connection, 0, errclass.BudgetConnect, 250 * ms, errclass.RecoverAdapter | errclass.OtherAdapter},
		{"no permission", &hcisock.OpenError{Cause: hcisock.CausePermission, Err: syscall.EPERM}, errclass.Fatal, 0, errclass.BudgetNone, 0, 0},
		{"caller gave up", &controller.ConnectError{Err: context.Canceled}, errclass.Canceled, 0, errclass.BudgetNone, 0, 0},
		{"out of time", fmt.Errorf("read: %w", context.DeadlineExceeded), errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"socket deadline", os.ErrDeadlineExceeded, errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"net error", &net.DNSError{IsTimeout: true}, errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0},
		{"pipe", &os.SyscallError{Syscall: "write", Err: syscall.EPIPE}, errclass.Connection, 0, errclass.BudgetTransient, 250 * ms,
			errclass.RecoverAdapter | errclass.OtherAdapter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := errclass.Of(tt.err)
			if got.Category != tt.final || got.Redial.Times != tt.redial || got.Budget != tt.budget || got.Backoff != tt.backoff || got.Action != tt.action {
				t.Errorf("%v is of row %q: %v, redial %d, %v, wait %v, %v; want %v, redial %d, %v, wait %v, %v", tt.err, got.Row,
					got.Category, got.Redial.Times, got.Budget, got.Backoff, got.Action, tt.final, tt.redial, tt.budget, tt.backoff, tt.action)
			}
			if got.Transient() != (tt.budget == errclass.BudgetTransient) || errclass.Retryable(tt.err) != (tt.budget != errclass.BudgetNone) {
				t.Errorf("transient %v, retryable %v", got.Transient(), errclass.Retryable(tt.err))
			}
		})
	}
}

// TestUpstreamOfOurs checks that the Upstream treatment of this stack's errors is
// that of the errors that upstream's user would have seen.
func TestUpstreamOfOurs(t *testing.T) {
	for _, tt := range []struct {
		err  error
		like errclass.RemoteError
	}{
		{ended(0x3E), errclass.RemoteError{Text: "ESP_GATT_CONN_FAIL_ESTABLISH"}},
		{ended(0x08), errclass.RemoteError{Text: "ESP_GATT_CONN_TIMEOUT"}},
		{ended(0x13), errclass.RemoteError{Text: "ESP_GATT_CONN_TERMINATE_PEER_USER"}},
		{ended(0x16), errclass.RemoteError{Text: "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"}},
		{ended(0x22), errclass.RemoteError{Text: "ESP_GATT_CONN_LMP_TIMEOUT"}},
		{ended(0x3D), errclass.RemoteError{Text: "Disconnected"}},
		{refusedDial(0x09), errclass.RemoteError{Text: "connection slot"}},
		{refusedDial(0x0C), errclass.RemoteError{Kind: errclass.KindDBus, Text: "org.bluez.Error.InProgress"}},
		{refusedDial(0x12), errclass.RemoteError{Kind: errclass.KindOther}},
		{dial(0x02), errclass.RemoteError{Kind: errclass.KindTimeout}},
		{controller.ErrDialTimeout, errclass.RemoteError{Kind: errclass.KindTimeout}},
		{context.DeadlineExceeded, errclass.RemoteError{Kind: errclass.KindTimeout}},
		{gatt.ErrStale, errclass.RemoteError{Kind: errclass.KindKey}},
		{gatt.ErrNotFound, errclass.RemoteError{Text: "not found"}},
		{syscall.EPIPE, errclass.RemoteError{Kind: errclass.KindBrokenPipe}},
		{io.EOF, errclass.RemoteError{Kind: errclass.KindEOF}},
		{context.Canceled, errclass.RemoteError{Kind: errclass.KindOther}},
	} {
		got, want := errclass.Upstream46.Of(tt.err), errclass.Upstream46.Of(&tt.like)
		got.Row, want.Row = "", ""
		if got != want {
			t.Errorf("%v: got %+v, want that of %v: %+v", tt.err, got, &tt.like, want)
		}
	}
}

// TestNil checks that nil has the zero Class.
func TestNil(t *testing.T) {
	if got := errclass.Of(nil); got != (errclass.Class{}) {
		t.Errorf("got %+v", got)
	}
	if errclass.Retryable(nil) {
		t.Error("nil is retryable")
	}
}

// TestUnknownNames checks that a value without a name prints as a number.
func TestUnknownNames(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"category 0xfe":              errclass.Category(0xFE),
		"budget 0xfe":                errclass.Budget(0xFE),
		"delay 0xfe":                 errclass.Delay(0xFE),
		"kind 0xfe":                  errclass.Kind(0xFE),
		"treatment 0xfe":             errclass.Treatment(0xFE),
		"none":                       errclass.Action(0),
		"adopt, action 0x0f":         errclass.Adopt | 1<<15,
		"phase 0xfe":                 errclass.Phase(0xFE),
		"discover":                   errclass.PhaseDiscover,
		"adapter":                    errclass.BudgetAdapter,
		"upstream 4.6":               errclass.Upstream46,
		"upstream 4.7":               errclass.Upstream47,
		"lower limit, other adapter": errclass.LowerLimit | errclass.OtherAdapter,
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := errclass.DefaultBackoffs().For(errclass.Delay(0xFE)); got != 0 {
		t.Errorf("an unknown delay takes %v", got)
	}
}

// TestAdvicePairing checks that a pairing that failed is never advised.
func TestAdvicePairing(t *testing.T) {
	const (
		disagree = "the two sides cannot pair as asked for: allow less with smp.Config.AllowLegacy or a smaller MinKeySize, " +
			"or give smp.Config a Delegate that shows and enters passkeys"
		demands = "the device asks for a safer pairing: give smp.Config a Delegate that shows and enters passkeys, " +
			"or pair out of band"
		passkey = "the passkeys were not the same, or another device is in between: pair again with the number that is shown"
		denied  = "the device refused to pair: allow it there, as by its pairing mode, and pair again"
	)
	for _, tt := range []struct {
		err    error
		budget errclass.Budget
		want   string
	}{
		{&smp.Error{Reason: smp.ReasonPairingNotSupported}, errclass.BudgetNone,
			"the device does not pair: connect without pairing; or it still has a bond with this host: remove that on the device"},
		{&smp.Error{Reason: smp.ReasonPairingNotSupported, Local: true}, errclass.BudgetNone,
			"this host does not accept a pairing that the other side begins: pair from here, or clear smp.Config.DisableIncoming"},
		{&smp.Error{Reason: smp.ReasonAuthenticationRequirements, Local: true}, errclass.BudgetNone, disagree},
		{&smp.Error{Reason: smp.ReasonEncryptionKeySize, Local: true}, errclass.BudgetNone, disagree},
		{&smp.Error{Reason: smp.ReasonAuthenticationRequirements}, errclass.BudgetNone, demands},
		{&smp.Error{Reason: smp.ReasonOOBNotAvailable}, errclass.BudgetNone, demands},
		{&smp.Error{Reason: smp.ReasonPasskeyEntryFailed}, errclass.BudgetNone, passkey},
		{&smp.Error{Reason: smp.ReasonConfirmValueFailed, Local: true}, errclass.BudgetNone, passkey},
		{&smp.Error{Reason: smp.ReasonUnspecified}, errclass.BudgetNone, denied},
		{&smp.Error{Reason: smp.ReasonUnspecified, Local: true}, errclass.BudgetNone, ""},
		{&smp.Error{Reason: smp.ReasonUnspecified, Local: true, Err: fmt.Errorf("%w: %w", smp.ErrKeysDiffer, hci.StatusAuthenticationFailure)},
			errclass.BudgetNone, "the two sides do not have the same key after pairing: pair again; if that fails, remove old bonds on the device first"},
		{&smp.Error{Reason: smp.ReasonRepeatedAttempts}, errclass.BudgetConnect, ""},
		{smp.ErrNoBond, errclass.BudgetNone, pairAdvice},
		{smp.ErrBonded, errclass.BudgetNone, ""},
		{smp.ErrWeakBond, errclass.BudgetNone, ""},
	} {
		if c := errclass.Of(tt.err); c.Advice != tt.want || c.Budget != tt.budget {
			t.Errorf("%v: %v, advice %q, want %v, %q", tt.err, c.Budget, c.Advice, tt.budget, tt.want)
		}
	}
}

// TestCanceledByRemoteRadio checks that the time of an attempt tells the two causes
// of ESP_GATT_CONN_CONN_CANCEL apart.
func TestCanceledByRemoteRadio(t *testing.T) {
	const (
		rejected = "the remote radio refused the connection at once: see its log, restart it, or update its firmware"
		silent   = "the remote radio gave up waiting for the device: bring the device closer, or add a radio near it"
	)
	err := &errclass.RemoteError{Text: "ESP_GATT_CONN_CONN_CANCEL"}
	for elapsed, want := range map[time.Duration]string{0: rejected, 8*s - 1: rejected, 8 * s: silent, 12 * s: silent} {
		c := errclass.Default.Classify(err, &errclass.Situation{Elapsed: elapsed})
		if c.Advice != want || c.Category != errclass.Aborted || c.Backoff != 4*s || c.Budget != errclass.BudgetTransient {
			t.Errorf("after %v: %+v, want the advice %q", elapsed, c, want)
		}
	}
}

// A controller that is not made for LE, and one whose extended commands do not work, have
// an advice that can be followed.
func TestAdviceOnControllers(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{controller.ErrNoLE, "this adapter is for Bluetooth Classic only: use an adapter with Bluetooth 4.0 or later"},
		{&controller.CommandError{Op: hci.OpLESetExtendedScanParameters, Err: hci.StatusUnknownCommand}, extendedRefused},
		{&controller.CommandError{Op: hci.OpLESetExtendedScanEnable, Err: hci.StatusInvalidParameters}, extendedRefused},
		{&controller.CommandError{Op: hci.OpLEExtendedCreateConnection, Err: hci.StatusUnknownCommand}, extendedRefused},
	} {
		if got := errclass.Of(tt.err).Advice; got != tt.want {
			t.Errorf("%v: advice %q, want %q", tt.err, got, tt.want)
		}
	}
}

const extendedRefused = "this adapter refuses the extended commands: use the legacy commands " +
	"(controller.Config.DisableExtended, or --no-extended), or another adapter"
