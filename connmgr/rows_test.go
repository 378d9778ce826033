package connmgr

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// ends is the result of an Establish all of whose attempts fail with one error.
type ends struct {
	want     error // of the category
	attempts int
	took     time.Duration
}

// classRow is one error with its end under the upstream preset, where the last
// failure pays its wait, too, and under the default preset, where it does not,
// and where tries of the same attempt may repeat at once.
type classRow struct {
	name     string
	err      error
	upstream ends
	def      ends
	redials  int // in each attempt of the default preset
}

func (r classRow) test(t *testing.T) {
	t.Run(r.name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := run(t, Upstream46Policy(), r.err)
			check(t, o, r.upstream.want, r.upstream.attempts, r.upstream.took)
			o = run(t, DefaultPolicy(), r.err)
			if tries := r.def.attempts * (1 + r.redials); o.attempts != tries {
				t.Errorf("default preset: %d tries, want %d", o.attempts, tries)
			}
			o.attempts /= 1 + r.redials
			check(t, o, r.def.want, r.def.attempts, r.def.took)
		})
	})
}

// TestRowsOfWords has each error that bleak-retry-connector knows by class or
// text. Its counts are 9 transient errors, or 4 timeouts and others together.
func TestRowsOfWords(t *testing.T) {
	dbus := func(text string) error { return bleak(errclass.KindDBus, "[org.bluez.Error.Failed] "+text) }
	word := func(text string) error { return bleak(errclass.KindBleak, text) }
	// transient errors, 9 of them, and others, 4, with their wait
	transient := func(want error, wait time.Duration) (up, def ends) {
		return ends{want, 9, 9 * wait}, ends{want, 9, 8 * wait}
	}
	counted := func(want error, wait time.Duration) (up, def ends) {
		return ends{want, 4, 4 * wait}, ends{want, 4, 3 * wait}
	}
	row := func(err error, up, def ends) classRow {
		return classRow{name: err.Error(), err: err, upstream: up, def: def}
	}
	both := func(err error, f func(error, time.Duration) (ends, ends), want error, wait time.Duration) classRow {
		up, def := f(want, wait)
		return row(err, up, def)
	}
	for _, r := range []classRow{
		both(dbus("le-connection-abort-by-local"), transient, ErrAborted, 250*ms),
		both(dbus("br-connection-canceled"), transient, ErrAborted, 250*ms),
		both(word("ESP_GATT_CONN_FAIL_ESTABLISH"), transient, ErrAborted, 500*ms),
		both(word("ESP_GATT_CONN_TERMINATE_PEER_USER"), transient, ErrAborted, 250*ms),
		both(word("ESP_GATT_CONN_TERMINATE_LOCAL_HOST"), transient, ErrAborted, 250*ms),
		both(word("ESP_GATT_CONN_TIMEOUT"), counted, ErrAborted, 500*ms),
		both(word("ESP_GATT_ERROR"), counted, ErrAborted, time.Second),
		// A refusal or a silent device, later upstream versions say, not slots.
		row(word("ESP_GATT_CONN_CONN_CANCEL"), ends{ErrOutOfSlots, 9, 36 * time.Second}, ends{ErrAborted, 9, 32 * time.Second}),
		both(word("No backend with an available connection slot"), transient, ErrOutOfSlots, 4*time.Second),
		both(word("out of connection slots"), transient, ErrOutOfSlots, 4*time.Second),
		both(bleak(errclass.KindDeviceNotFound, "gone"), transient, ErrNotFound, 4*time.Second),
		both(bleak(errclass.KindNotFound, "device not found"), transient, ErrNotFound, 4*time.Second),
		row(bleak(errclass.KindNotFound, "gone"), ends{ErrConnection, 9, 36 * time.Second}, ends{ErrNotFound, 9, 32 * time.Second}),
		both(word("characteristic not found"), counted, ErrNotFound, 100*ms),
		both(bleak(errclass.KindDBus, "org.freedesktop.DBus.Error.UnknownObject"), counted, ErrNotFound, 250*ms),
		// The words alone, without the class, wait less upstream.
		row(word("org.freedesktop.DBus.Error.UnknownObject"), ends{ErrNotFound, 4, 400 * ms}, ends{ErrNotFound, 4, 750 * ms}),
		both(bleak(errclass.KindDBus, "[org.bluez.Error.InProgress] Operation already in progress"), counted, ErrConnection, 250*ms),
		both(bleak(errclass.KindDBus, "[org.bluez.Error.NotReady] Resource Not Ready"), counted, ErrConnection, 250*ms),
		both(dbus("something else"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-refused"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-busy"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-link-layer-protocol-error"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-create-socket"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-unknown"), counted, ErrConnection, 250*ms),
		both(dbus("le-connection-gatt-browsing"), counted, ErrConnection, 250*ms),
		// Upstream does not know these; the default treats them by the reason that
		// they stand for.
		row(dbus("le-connection-timeout"), ends{ErrConnection, 4, time.Second}, ends{ErrAborted, 4, 750 * ms}),
		row(dbus("le-connection-abort-by-remote"), ends{ErrConnection, 4, time.Second}, ends{ErrAborted, 4, 750 * ms}),
		{"le-connection-concurrent-connection-limit", dbus("le-connection-concurrent-connection-limit"), ends{ErrConnection, 4, time.Second}, ends{ErrOutOfSlots, 9, 32*time.Second + 9*250*ms}, 1},
		{"le-connection-memory-allocation", dbus("le-connection-memory-allocation"), ends{ErrConnection, 4, time.Second}, ends{ErrOutOfSlots, 9, 32*time.Second + 9*250*ms}, 1},
		row(dbus("le-connection-not-supported"), ends{ErrConnection, 4, time.Second}, ends{ErrConnection, 1, 0}),
		row(dbus("le-connection-invalid-arguments"), ends{ErrConnection, 4, time.Second}, ends{ErrConnection, 1, 0}),
		{"le-connection-already-connected", dbus("le-connection-already-connected"), ends{ErrConnection, 4, time.Second}, ends{ErrConnection, 4, 750 * ms}, 1},
		{"le-connection-key-missing", dbus("le-connection-key-missing"), ends{ErrConnection, 4, time.Second}, ends{ErrBondLost, 1, 250 * ms}, 1},
		both(word("ESP_GATT_CONN_LMP_TIMEOUT"), counted, ErrConnection, 100*ms),
		both(word("ESP_GATT_CONN_UNKNOWN"), counted, ErrConnection, 100*ms),
		both(word("ESP_GATT_CONN_L2C_FAILURE"), counted, ErrConnection, 100*ms),
		both(word("ESP_GATT_CONN_NONE"), counted, ErrConnection, 100*ms),
		both(word("Disconnected"), counted, ErrConnection, 0),
		both(word("failed to discover services, device disconnected"), counted, ErrConnection, 100*ms),
		both(word("no words known"), counted, ErrConnection, 100*ms),
		both(timeout, counted, ErrNotFound, 250*ms),
		{"KeyError", services, ends{ErrConnection, 9, 900 * ms}, ends{ErrConnection, 9, 800 * ms}, 1},
		both(eof, transient, ErrConnection, 250*ms),
		// Nine attempts without any wait helped nobody.
		row(pipe, ends{ErrConnection, 9, 0}, ends{ErrConnection, 9, 2 * time.Second}),
		both(bleak(errclass.KindAttribute, ""), counted, ErrConnection, 100*ms),
		row(bleak(errclass.KindOther, "ValueError"), ends{ErrConnection, 1, 0}, ends{ErrConnection, 1, 0}),
	} {
		r.test(t)
	}
}

// TestRowsOfCodes has each HCI and ATT code of which a treatment is known, as
// this stack reports it.
func TestRowsOfCodes(t *testing.T) {
	const s = time.Second
	dialed := func(st hci.Status) error { return dialError(st) }
	command := func(st hci.Status) error { return &controller.CommandError{Op: hci.OpLESetScanEnable, Err: st} }
	var rows []classRow
	add := func(what string, err func(hci.Status) error, up, def ends, redials int, codes ...hci.Status) {
		for _, st := range codes {
			rows = append(rows, classRow{fmt.Sprintf("0x%02x %s", uint8(st), what), err(st), up, def, redials})
		}
	}
	add("dial", dialed, ends{ErrNotFound, 4, s}, ends{ErrNotFound, 4, 750 * ms}, 0, 0x02, 0x3C)
	add("handle", command, ends{ErrConnection, 4, 0}, ends{ErrConnection, 4, 0}, 0, 0x02)
	add("fault", refused, ends{ErrConnection, 9, 2250 * ms}, ends{ErrConnection, 9, 2 * s}, 0, 0x03)
	add("keys", ended, ends{ErrConnection, 4, 0}, ends{ErrBondLost, 1, 250 * ms}, 1, 0x05, 0x06, 0x3D)
	add("full", refused, ends{ErrOutOfSlots, 9, 36 * s}, ends{ErrOutOfSlots, 9, 32*s + 9*250*ms}, 1, 0x07, 0x09, 0x0D)
	add("full, late", dialed, ends{ErrOutOfSlots, 9, 36 * s}, ends{ErrOutOfSlots, 9, 32*s + 9*250*ms}, 1, 0x07, 0x09, 0x0D)
	add("reason", ended, ends{ErrAborted, 4, 2 * s}, ends{ErrAborted, 4, 1500 * ms}, 0, 0x08)
	add("exists", refused, ends{ErrConnection, 4, s}, ends{ErrConnection, 4, 300 * ms}, 1, 0x0B)
	add("disallowed", refused, ends{ErrConnection, 4, s}, ends{ErrConnection, 4, 4*300*ms + 3*250*ms}, 3, 0x0C)
	add("security", ended, ends{ErrConnection, 4, 400 * ms}, ends{ErrConnection, 1, 0}, 0, 0x0E, 0x18, 0x2F)
	add("unchanged", refused, ends{ErrConnection, 1, 0}, ends{ErrConnection, 1, 0}, 0, 0x01, 0x11, 0x12, 0x1A, 0x20)
	add("peer", ended, ends{ErrAborted, 9, 2250 * ms}, ends{ErrAborted, 9, 2 * s}, 0, 0x13)
	add("busy peer", ended, ends{ErrConnection, 4, s}, ends{ErrAborted, 9, 32 * s}, 0, 0x14, 0x15)
	add("local", ended, ends{ErrAborted, 9, 2250 * ms}, ends{ErrAborted, 9, 2 * s}, 0, 0x16)
	add("collision", ended, ends{ErrConnection, 4, 400 * ms}, ends{ErrConnection, 4, 300 * ms}, 2, 0x1F, 0x23, 0x28, 0x2A)
	add("response", ended, ends{ErrConnection, 4, 400 * ms}, ends{ErrConnection, 4, 300 * ms}, 0, 0x22)
	add("busy", refused, ends{ErrConnection, 4, 400 * ms}, ends{ErrConnection, 4, 4*s + 300*ms}, 10, 0x3A)
	add("params", ended, ends{ErrConnection, 4, 400 * ms}, ends{ErrConnection, 4, 300 * ms}, 0, 0x3B)
	add("missed", ended, ends{ErrAborted, 9, 4500 * ms}, ends{ErrAborted, 9, 4 * s}, 3, 0x3E)
	add("missed, as a status", dialed, ends{ErrAborted, 9, 4500 * ms}, ends{ErrAborted, 9, 4 * s}, 3, 0x3E)
	changed := ends{ErrConnection, 9, 900 * ms}
	rows = append(rows,
		classRow{"hardware error event", &controller.Error{What: "controller", Err: controller.HardwareFault(1)}, ends{ErrConnection, 9, 2250 * ms}, ends{ErrConnection, 20, 63750 * ms}, 0},
		classRow{"adapter gone", &controller.Error{What: "read", Err: io.EOF}, ends{ErrConnection, 9, 2250 * ms}, ends{ErrConnection, 20, 63750 * ms}, 0},
		classRow{"not heard", dialError(controller.ErrDialTimeout), ends{ErrNotFound, 4, s}, ends{ErrNotFound, 4, 750 * ms}, 0},
		classRow{"ATT left unanswered", att.ErrTransactionTimeout, ends{ErrNotFound, 4, s}, ends{ErrConnection, 4, 750 * ms}, 0},
		classRow{"ATT 0x12", &att.Error{Code: att.CodeDatabaseOutOfSync}, changed, ends{ErrConnection, 9, 800 * ms}, 1},
		classRow{"ATT 0x01", &att.Error{Code: att.CodeInvalidHandle}, changed, ends{ErrConnection, 9, 800 * ms}, 1},
		classRow{"service changed", gatt.ErrStale, changed, ends{ErrConnection, 9, 800 * ms}, 1},
		classRow{"ETIMEDOUT", syscall.ETIMEDOUT, ends{ErrNotFound, 4, s}, ends{ErrConnection, 4, 750 * ms}, 0},
		classRow{"EPIPE", syscall.EPIPE, ends{ErrConnection, 9, 0}, ends{ErrConnection, 9, 2 * s}, 0},
	)
	for _, r := range rows {
		r.test(t)
	}
}

// TestMixedBudgets: budgets do not mix, but the last failure decides what
// the error means, whatever came before.
func TestMixedBudgets(t *testing.T) {
	for _, c := range []struct {
		name    string
		errs    []error
		up, def ends
	}{
		{"8 transients, then others", append(times(8, abort), plain),
			ends{ErrConnection, 12, (8*250 + 4*100) * ms}, ends{ErrConnection, 12, (8*250 + 3*100) * ms}},
		{"3 others, then transients", append(times(3, plain), abort),
			ends{ErrAborted, 12, (3*100 + 9*250) * ms}, ends{ErrAborted, 12, (3*100 + 8*250) * ms}},
		{"timeouts and others share", []error{timeout, plain, timeout, plain},
			ends{ErrConnection, 4, (2*250 + 2*100) * ms}, ends{ErrConnection, 4, (2*250 + 100) * ms}},
		{"timeout as the last", []error{abort, plain, plain, abort, plain, timeout},
			ends{ErrNotFound, 6, (2*250 + 3*100 + 250) * ms}, ends{ErrNotFound, 6, (2*250 + 3*100) * ms}},
		{"bond lost in between", []error{abort, plain, bleak(errclass.KindDBus, "le-connection-key-missing")},
			// upstream does not know the words, and counts on
			ends{ErrConnection, 5, (250 + 100 + 3*250) * ms}, ends{ErrBondLost, 3, (250 + 100 + 250) * ms}},
		{"fatal in between", []error{abort, plain, bleak(errclass.KindOther, "ValueError")},
			ends{ErrConnection, 3, (250 + 100) * ms}, ends{ErrConnection, 3, (250 + 100) * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, run(t, Upstream46Policy(), c.errs...), c.up.want, c.up.attempts, c.up.took)
				o := run(t, DefaultPolicy(), c.errs...)
				if e, ok := errors.AsType[*EstablishError](o.err); ok {
					o.attempts = len(e.Attempts) // the tries of one are one
				}
				check(t, o, c.def.want, c.def.attempts, c.def.took)
			})
		})
	}
}
