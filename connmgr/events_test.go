package connmgr_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// Every event and error of a device has its address with the kind, even if the
// program has given none.
func TestEventsHaveTheAddress(t *testing.T) { inBubble(t, testEventsHaveTheAddress) }

func testEventsHaveTheAddress(t *testing.T) {
	for _, scan := range []bool{true, false} {
		l := newLab(t, connmgr.Config{DisableScan: !scan})
		l.device(1)
		time.Sleep(second)
		events := l.m.Events(t.Context())
		given := address(1).MAC.String()
		if !scan {
			given = address(1).String()
		}
		c, err := l.m.Establish(t.Context(), given, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.UpdateParams(t.Context(), hci.ConnParams{
			IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Timeout: 5 * second,
		}); err != nil {
			t.Fatal(err)
		}
		c.Close()
		_, err = l.m.Establish(t.Context(), given, &connmgr.Options{Policy: once(), Require: lacking})
		if e, ok := errors.AsType[*connmgr.EstablishError](err); !ok || e.Address != address(1) {
			t.Errorf("error %#v, want the address %v", err, address(1))
		}
		l.m.Close()
		got := map[string]hci.Addr{}
		for ev := range events {
			switch ev := ev.(type) {
			case connmgr.AttemptStarted:
				got["started"] = ev.Address
			case connmgr.AttemptFailed:
				got["failed"] = ev.Address
			case connmgr.Connected:
				got["connected"] = ev.Address
			case connmgr.ParamsChanged:
				got["params"] = ev.Address
			case connmgr.Disconnected:
				got["disconnected"] = ev.Address
			case connmgr.SlotsChanged:
				if ev.Allocated {
					got["allocated"] = ev.Address
				} else {
					got["released"] = ev.Address
				}
			case connmgr.AdapterChanged:
			}
		}
		for _, ev := range []string{"started", "failed", "connected", "params", "disconnected", "allocated", "released"} {
			if got[ev] != address(1) {
				t.Errorf("scan %v: %s has the address %v, want %v", scan, ev, got[ev], address(1))
			}
		}
	}
}

// Options of the Security Manager that the Manager would not use are refused.
func TestHostSMPIsRefused(t *testing.T) {
	_, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Host: host.Config{SMP: &smp.Config{MITM: true}}})
	const want = "connmgr: Config.Host.SMP is set: put the options of the Security Manager into Config.Pairing"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
