package connmgr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// A table that lacks the Database Hash that its device states is discovered again, since
// it may have changed meanwhile. Once both discoveries have found the same, one is enough
// for as long as the trait lasts and the table is the same.
func TestFalseDatabaseHash(t *testing.T) { inBubble(t, testFalseDatabaseHash) }

func testFalseDatabaseHash(t *testing.T) {
	l := newLab(t, connmgr.Config{StateDir: t.TempDir()})
	false16 := make([]byte, 16)
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: lampTable(false16, battery8(42))})
	discoveries := func(want int) {
		t.Helper()
		l.trace.reset()
		c := l.establish(1, nil)
		defer c.Close()
		n := 0
		for _, r := range l.trace.requests() {
			if strings.HasPrefix(r, "100100ffff") { // Read By Group Type, of all handles
				n++
			}
		}
		if n != want || c.Cached() {
			t.Errorf("%d discoveries, cached %v; want %d: requests %q", n, c.Cached(), want, l.trace.requests())
		}
	}
	discoveries(2)
	l.wantTraits("second-discovery 1")
	discoveries(1)
	discoveries(1)
	l.wantTraits("second-discovery 1")
	time.Sleep(time.Hour)
	discoveries(2)
	l.wantTraits("second-discovery 2")
	time.Sleep(24 * time.Hour)
	discoveries(1)
	d.SetTable(lampTable(false16, battery8(42), serialService), false) // new firmware
	discoveries(2)
	l.wantTraits("second-discovery 1")
	d.SetTable(lampTable(nil, battery8(42), serialService), false) // and one that is right
	discoveries(1)
	l.wantTraits()
}
