//go:build peers

package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// openCanal opens a controller of RootCanal.
func openCanal(t *testing.T, port int) *controller.Controller {
	t.Helper()
	tr, err := hcisock.Open(conntest.Within(t), adapter(port), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := controller.Open(conntest.Within(t), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctl.Close() })
	return ctl
}

// awaitReport scans until a report has data.
func awaitReport(t *testing.T, ctl *controller.Controller, data []byte) controller.Report {
	t.Helper()
	sc, err := ctl.Scan(conntest.Within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	for {
		r, err := sc.Next(conntest.Within(t))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(r.Data, data) {
			return r.Clone()
		}
	}
}

// TestSetsOnRootCanal advertises three sets at once on a controller of another make, each
// with data and an address of its own.
func TestSetsOnRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	sender, observer := openCanal(t, c.Extended), openCanal(t, c.Extended)
	static := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	long := bytes.Repeat([]byte{1, 0x7F}, 150)
	for _, o := range []*controller.AdvertiseOptions{
		{NonConnectable: true, Data: []byte{2, 0x7F, 1}},
		{NonConnectable: true, Data: []byte{2, 0x7F, 2}, Address: static},
		{NonConnectable: true, Extended: true, Data: long, SecondaryPHY: hci.PHY2M},
	} {
		if _, err := sender.AddAdvertising(conntest.Within(t), o); err != nil {
			t.Fatal(err)
		}
	}
	own, err := sender.OwnAddress(conntest.Within(t))
	if err != nil {
		t.Fatal(err)
	}
	if r := awaitReport(t, observer, []byte{2, 0x7F, 1}); r.Addr != own || r.Extended {
		t.Errorf("the first set: %v, extended %v", r.Addr, r.Extended)
	}
	if r := awaitReport(t, observer, []byte{2, 0x7F, 2}); r.Addr != static {
		t.Errorf("the second set: %v", r.Addr)
	}
	if r := awaitReport(t, observer, long); r.Addr != own || !r.Extended || r.SecondaryPHY != hci.PHY2M {
		t.Errorf("the third set: %v, extended %v on %v", r.Addr, r.Extended, r.SecondaryPHY)
	}
}

// TestSyncOnRootCanal follows periodic advertising over controllers of another make, and
// its change and loss.
func TestSyncOnRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	sender, observer := openCanal(t, c.Extended), openCanal(t, c.Extended)
	data := []byte{2, 0x7F, 9}
	set, err := sender.AddAdvertising(conntest.Within(t), &controller.AdvertiseOptions{
		NonConnectable: true, Extended: true, Data: data, Periodic: &controller.PeriodicOptions{Data: []byte{2, 0x7F, 1}, Interval: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := awaitReport(t, observer, data)
	if r.PeriodicInterval != 50*time.Millisecond {
		t.Errorf("the scan reports an interval of %v", r.PeriodicInterval)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := observer.Sync(ctx, r.Addr, r.SID^1, nil); err == nil {
		t.Error("synchronized with a set that is not there")
	}
	s, err := observer.Sync(conntest.Within(t), r.Addr, r.SID, &controller.SyncOptions{Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Interval() != 50*time.Millisecond {
		t.Errorf("interval %v", s.Interval())
	}
	await := func(want []byte) {
		t.Helper()
		for {
			r, err := s.Next(conntest.Within(t))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(r.Data, want) {
				return
			}
		}
	}
	await([]byte{2, 0x7F, 1})
	if err := set.SetPeriodicData(conntest.Within(t), []byte{2, 0x7F, 2}); err != nil {
		t.Fatal(err)
	}
	await([]byte{2, 0x7F, 2})
	if err := set.Stop(conntest.Within(t)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Next(conntest.Within(t))
	}
	if !strings.Contains(err.Error(), controller.ErrSyncLost.Error()) {
		t.Errorf("ended with %v", err)
	}
}

// TestAdvertiseOnRootCanal runs moor advertise and moor scan --sync against each other.
func TestAdvertiseOnRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	m := moortest.New(t, "--adapter", adapter(c.Extended))
	js := m.With(append(m.Args, "--json")...)
	const uuid = "e2c56db5-dffb-48d2-b060-d0f5a71096e0"
	run := m.Start(t, "advertise", "ibeacon", uuid, "100", "1", "+", "eddystone-url", "https://goo.gl/Aq18zF")
	if line := run.Line(t); !strings.Contains(line, "iBeacon "+uuid+"/100/1 + https://goo.gl/Aq18zF; Ctrl-C ends") {
		t.Errorf("advertise: %s", line)
	}
	heard := js.Start(t, "scan", "--duration", "0")
	for want := map[string]bool{"iBeacon": true, "Eddystone": true}; len(want) > 0; {
		var r struct {
			Payloads []struct{ Format string }
		}
		if err := json.Unmarshal([]byte(heard.Line(t)), &r); err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Payloads {
			delete(want, p.Format)
		}
	}
	heard.Interrupt(t)
	heard.Wait(t).OK(t)
	run.Interrupt(t)
	run.Wait(t).OK(t)

	run = m.Start(t, "advertise", "--name", "moor", "--periodic", "027f07")
	run.Line(t)
	follow := m.Start(t, "scan", "--sync", "--duration", "0")
	if line := follow.Line(t); !strings.Contains(line, "synchronized, every 100ms") {
		t.Errorf("scan --sync: %s", line)
	}
	if line := follow.Line(t); !strings.Contains(line, "027f07") {
		t.Errorf("scan --sync: %s", line)
	}
	follow.Interrupt(t)
	follow.Wait(t).OK(t)
	run.Interrupt(t)
	run.Wait(t).OK(t)
}
