package connmgr_test

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// A private address that a bond resolves finds its device, given with its kind or without,
// and also once the device uses another one; so does the identity address. The controller
// resolves addresses or does not, and the Manager scans or does not.
func TestWaitForAPrivateAddress(t *testing.T) { inBubble(t, testWaitForAPrivateAddress) }

func testWaitForAPrivateAddress(t *testing.T) {
	for _, c := range []struct {
		legacy, quiet bool
	}{{false, false}, {true, false}, {false, true}, {true, true}} {
		l := newLab(t, connmgr.Config{DisableScan: c.quiet}, &sim.ControllerConfig{Legacy: c.legacy})
		found := make(chan connmgr.Device, 1)
		if c.quiet { // for the lab, which looks for what the Manager has heard
			go func() {
				d, _ := l.m.Find(t.Context(), func(connmgr.Device) bool { return true })
				found <- d
			}()
		}
		rpa := l.private(time.Minute)
		client, err := l.m.Establish(t.Context(), rpa.String(), &connmgr.Options{Pair: true})
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		for _, address := range []string{rpa.String(), rpa.MAC.String(), address(1).String()} {
			time.Sleep(2 * time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 5*second)
			d, err := l.m.WaitFor(ctx, address)
			cancel()
			if err != nil || d.Addr.MAC == rpa.MAC || d.Name != "lock" {
				t.Errorf("%+v, %s: found %v, %v", c, address, d, err)
			}
			got, err := l.m.Establish(t.Context(), address, nil)
			if err != nil {
				t.Fatalf("%+v, %s: %v", c, address, err)
			}
			got.Close()
		}
		l.m.Close()
		l.air.Close()
	}
}
