package connmgr_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/sim"
)

// An old report of an adapter must not outweigh a new one of another adapter, however
// strong it was.
func TestYesterdaysAddress(t *testing.T) { inBubble(t, testYesterdaysAddress) }

func testYesterdaysAddress(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ResolvingListSize: -1})
	rpa := l.private(time.Minute)
	c, err := l.m.Establish(t.Context(), rpa.String(), &connmgr.Options{Pair: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	time.Sleep(5 * time.Minute)
	old, ok := l.m.DeviceByAdapter(address(1).String(), "hci0")
	if !ok {
		t.Fatal("not heard under its identity")
	}
	old.OnAir, old.Adapter, old.Smoothed, old.Seen = rpa, "hci1", old.Smoothed+10, time.Now().Add(-24*time.Hour)
	l.m.RestoreDiscoveries([]connmgr.Device{old})
	l.establish(1, nil).Close()
	if d, ok := l.m.Device(address(1).String()); !ok || d.Source() != "hci0" {
		t.Errorf("device %v from %q, want what hci0 hears", d, d.Source())
	}
	d, err := l.m.WaitFor(t.Context(), address(1).String())
	if err != nil || d.Source() != "hci0" {
		t.Errorf("waited for %v from %q, %v; want what hci0 hears", d, d.Source(), err)
	}
}

func TestWaitForOneThatMayBeConnected(t *testing.T) { inBubble(t, testWaitForOneThatMayBeConnected) }

func testWaitForOneThatMayBeConnected(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.put(&sim.PeripheralConfig{Name: "beacon", Address: address(1), Advertise: &controller.AdvertiseOptions{NonConnectable: true}})
	time.Sleep(5 * second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*second)
	defer cancel()
	if d, err := l.m.WaitFor(ctx, address(1).String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("device %v, error %v; want the end of the context", d, err)
	}
}

func TestWaitForNews(t *testing.T) { inBubble(t, testWaitForNews) }

func testWaitForNews(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	// The strongest report is a minute old and not connectable.
	l.m.RestoreDiscoveries([]connmgr.Device{{
		Addr: address(1), Adapter: "hci1", RSSI: -20, Smoothed: -20, Seen: time.Now().Add(-time.Minute),
	}})
	time.AfterFunc(5*second, func() { l.device(1) })
	d, err := l.m.WaitFor(t.Context(), address(1).String())
	if err != nil || d.Source() != "hci0" || !d.Connectable || time.Since(d.Seen) > second {
		t.Errorf("waited for %v from %q, connectable %v; want what hci0 hears now", d, d.Source(), d.Connectable)
	}
}

// A fresh record of an adapter that the Manager does not have does not end the wait: its
// own adapters may not hear the device.
func TestWaitForOwnAdapters(t *testing.T) { inBubble(t, testWaitForOwnAdapters) }

func testWaitForOwnAdapters(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	elsewhere := connmgr.Device{Addr: address(1), Adapter: "hci7", RSSI: -50, Smoothed: -50, Seen: time.Now(), Connectable: true}
	l.m.RestoreDiscoveries([]connmgr.Device{elsewhere})
	e, err := l.m.Explain(address(1).String())
	if want := "no adapter in use has heard it; hci7, which is not in use, heard it 0 ms ago"; err != nil || e.Verdict != connmgr.VerdictNeverHeard || e.Reason != want {
		t.Errorf("verdict %q, %q, %v; want %q", e.Verdict, e.Reason, err, want)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*second)
	defer cancel()
	if d, err := l.m.WaitFor(ctx, address(1).String()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
		t.Errorf("device %v, %v, after %v; want the end of the context", d, err, time.Since(begin))
	}
	elsewhere.Adapter, elsewhere.Seen = "hci0", time.Now()
	l.m.RestoreDiscoveries([]connmgr.Device{elsewhere})
	if d, err := l.m.WaitFor(t.Context(), address(1).String()); err != nil || d.Source() != "hci0" {
		t.Errorf("device %v, %v; want the record of hci0", d, err)
	}
}

func TestNameThatForgesALogLine(t *testing.T) { inBubble(t, testNameThatForgesALogLine) }

func testNameThatForgesALogLine(t *testing.T) {
	const name = "\x1b[2Jx\nERROR root"
	l := newLab(t, connmgr.Config{})
	l.put(&sim.PeripheralConfig{Name: name, Address: address(1)})
	time.Sleep(5 * second)
	d, ok := l.m.Device(address(1).String())
	if !ok || d.Name != name {
		t.Fatalf("heard %q", d.Name)
	}
	if s, want := d.String(), "C0:FE:00:00:00:01 - \uFFFD[2Jx\uFFFDERROR root -> hci0"; s != want {
		t.Errorf("device %q, want %q", s, want)
	}
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Policy: once(), Require: lacking})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("error %q", err)
	}
}

func TestAdapterThatIsNone(t *testing.T) { inBubble(t, testAdapterThatIsNone) }

func testAdapterThatIsNone(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Adapter: "hci7"})
	const want = `connmgr: adapter "hci7" is not one of this manager's, which are hci0, hci1`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestPolicyWithoutTimeouts(t *testing.T) { inBubble(t, testPolicyWithoutTimeouts) }

func testPolicyWithoutTimeouts(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Policy: &connmgr.Policy{MaxAttempts: 2, MaxTransients: 1}})
	if d := time.Since(begin); !errors.Is(err, connmgr.ErrNotFound) || d.Round(second) != 40*second {
		t.Errorf("error %v after %v, want ErrNotFound after twice the default of 20s", err, d)
	}
}
