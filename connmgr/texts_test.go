package connmgr

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestErrorTexts has the error texts of bleak-retry-connector, with the matching advice.
func TestErrorTexts(t *testing.T) { synctest.Test(t, testErrorTexts) }

func testErrorTexts(t *testing.T) {
	for _, c := range []struct {
		err      error
		attempts int
		text     string
		advice   string // a word of it; "" is none at all
	}{
		{abort, 9, "[org.bluez.Error.Failed] le-connection-abort-by-local", "interference"},
		{slots4, 9, "No backend with an available connection slot", "free connection"},
		{espCancel, 9, "ESP_GATT_CONN_CONN_CANCEL", "free connection"},
		{gone, 4, "org.freedesktop.DBus.Error.UnknownObject", "advertises"},
		{missing, 9, "device vanished", "advertises"},
		{timeout, 4, "TimeoutError", ""},
		{plain, 4, "boom", ""},
	} {
		got := run(t, Upstream46Policy(), c.err).err.Error()
		want := fmt.Sprintf("kettle - AA:BB:CC:DD:EE:FF: Failed to connect after %d attempt(s): %s", c.attempts, c.text)
		advice, ok := strings.CutPrefix(got, want)
		if !ok || (advice == "") != (c.advice == "") || advice != "" && !strings.HasPrefix(advice, ": ") || !strings.Contains(advice, c.advice) {
			t.Errorf("got  %s\nwant %s: ... %s", got, want, c.advice)
		}
	}
}

// TestFailuresAreLogged: each attempt, with what failed and how long the wait
// is.
func TestFailuresAreLogged(t *testing.T) { synctest.Test(t, testFailuresAreLogged) }

func testFailuresAreLogged(t *testing.T) {
	var lines []string
	e := testEstablisher(Upstream46Policy())
	e.log = func(msg string, args ...any) { lines = append(lines, msg+" "+fmt.Sprint(args...)) }
	e.try = func(context.Context, int) (*Client, Attempt) { return nil, Attempt{Err: eof} }
	if _, err := e.makeAttempts(t.Context()); err == nil {
		t.Fatal("no error")
	}
	begun, failed := 0, 0
	for _, l := range lines {
		if strings.HasPrefix(l, "connecting ") {
			begun++
		}
		if strings.HasPrefix(l, "failed to connect ") && strings.Contains(l, "EOFError") && strings.Contains(l, "backing off") && strings.Contains(l, "250ms") {
			failed++
		}
	}
	if begun != 9 || failed != 9 {
		t.Errorf("%d beginnings and %d failures of 9 are logged:\n%s", begun, failed, strings.Join(lines, "\n"))
	}
}

// TestMaxAttemptsByDefault: the same budgets, without a wait after the last
// failure.
func TestMaxAttemptsByDefault(t *testing.T) { synctest.Test(t, testMaxAttemptsByDefault) }

func testMaxAttemptsByDefault(t *testing.T) {
	p := DefaultPolicy()
	p.MaxAttempts = 0
	for _, err := range []error{abort, plain, timeout, slots4} {
		check(t, run(t, p, err), categoryError(p.classify(err, nil).Category), 1, 0)
	}
	check(t, run(t, p, nil), nil, 1, 0)
	p.MaxAttempts = 1
	check(t, run(t, p, abort), ErrAborted, 9, 8*250*ms)
	check(t, run(t, p, plain), ErrConnection, 1, 0)
	check(t, run(t, p, append(times(2, abort), timeout)...), ErrNotFound, 3, 2*250*ms)
	p.MaxTransients = 1
	check(t, run(t, p, abort), ErrAborted, 1, 0)
}

// TestDeviceString has upstream's format for each thing that may be unknown.
func TestDeviceString(t *testing.T) {
	mac := hci.MAC{0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA}
	for want, d := range map[string]Device{
		"AA:BB:CC:DD:EE:FF":                  {},
		"AA:BB:CC:DD:EE:FF - kettle":         {Name: "kettle"},
		"AA:BB:CC:DD:EE:FF - kettle -> hci2": {Name: "kettle", Adapter: "hci2"},
		"AA:BB:CC:DD:EE:FF -> hci10":         {Name: "aa:bb:cc:dd:ee:ff", Adapter: "hci10"},
	} {
		d.Addr = hci.Addr{MAC: mac}
		if got := d.String(); got != want || d.Source() != d.Adapter {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLookup: which adapter's view of a device counts.
func TestLookup(t *testing.T) {
	m := &Manager{devices: newDevices(newDuty()), links: newLinks()}
	addr := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}
	other := hci.Addr{MAC: hci.MAC{9}}
	s := addr.MAC.String()
	wantOn := func(why, adapter string) {
		t.Helper()
		if d, ok := m.Device(s); (adapter != "") != ok || d.Adapter != adapter {
			t.Errorf("%s: %v on %q, want %q", why, ok, d.Adapter, adapter)
		}
	}
	restore := func(a hci.Addr, adapter string, rssi int) {
		m.RestoreDiscoveries([]Device{{Addr: a, Adapter: adapter, RSSI: rssi, Smoothed: rssi, Seen: time.Now()}})
	}
	wantOn("never heard", "")
	restore(other, "hci0", -30)
	wantOn("only another device restored", "")
	restore(addr, "hci0", NoRSSI)
	wantOn("heard without a strength", "hci0")
	restore(addr, "hci1", -60)
	wantOn("any strength beats none", "hci1")
	restore(addr, "hci2", -56)
	wantOn("4 dB are not enough to switch", "hci1")
	restore(addr, "hci3", -55)
	wantOn("5 dB are", "hci3")
	restore(addr, "hci3", -20)
	wantOn("what was heard is not overwritten", "hci3")
	if d, ok := m.DeviceByAdapter(s, "hci2"); !ok || d.RSSI != -56 || d.Adapter != "hci2" {
		t.Errorf("by adapter: %v, %v", d, ok)
	}
	if d, ok := m.DeviceByAdapter(strings.ToLower(s), "hci3"); !ok || d.RSSI != -55 {
		t.Errorf("in lower case: %v, %v", d, ok)
	}
	for _, adapter := range []string{"hci9", ""} {
		if d, ok := m.DeviceByAdapter(s, adapter); ok {
			t.Errorf("by adapter %q: %v", adapter, d)
		}
	}
	if _, ok := m.Device("nonsense"); ok {
		t.Error("a device for an address that is none")
	}
}
