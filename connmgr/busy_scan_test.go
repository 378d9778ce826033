package connmgr_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// A controller that refuses to scan beside a link scans again after its end. It keeps the
// link and the extended commands, and is not reset.
func TestScanRefusedBesideALink(t *testing.T) { inBubble(t, testScanRefusedBesideALink) }

func testScanRefusedBesideALink(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.device(2)
	time.Sleep(second)
	changes := l.changes()
	for _, op := range []hci.Opcode{hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable} {
		l.adapters[0].Fault(sim.CommandFault{Opcode: op, Status: hci.StatusCommandDisallowed, MinLinks: 1, Times: sim.Always})
	}
	c := l.establish(1, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*second)
	defer cancel()
	heard := map[string]int{}
	var refused, again time.Duration
	begin := time.Now()
	for r, err := range l.m.Scan(ctx, nil) { // its start restarts the scan
		e, isAdapter := errors.AsType[*connmgr.AdapterError](err)
		switch {
		case isAdapter && errors.Is(err, hci.StatusCommandDisallowed):
			refused = time.Since(begin)
			time.AfterFunc(10*second, func() { c.Close() })
		case isAdapter && e.Err == nil:
			again = time.Since(begin)
		case err == nil:
			heard[r.Name()]++
		}
	}
	a := l.m.Adapter("hci0")
	if refused > second || again < 10*second || again > 16*second || heard["sensor 2"] == 0 || a.ScanErr() != nil {
		t.Errorf("refused after %v, scans again after %v, heard %v, %v", refused, again, heard, a.ScanErr())
	}
	if i := a.Controller().Info(); !i.Extended {
		t.Errorf("the legacy commands are in use: %v", i.ExtendedRefused)
	}
	for _, s := range changes() {
		if strings.Contains(s, "down") {
			t.Errorf("the adapter went %s", s)
		}
	}
}
