package connmgr_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// A scan on the coded PHY that a controller refuses ends there with the reason. The
// Manager's own scan goes on, and the adapter is not reset.
func TestCodedScanRefused(t *testing.T) { inBubble(t, testCodedScanRefused) }

func testCodedScanRefused(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.Sleep(second)
	changes := l.changes()
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanParameters, Status: hci.StatusInvalidParameters})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var errs []error
	for _, err := range l.m.Scan(ctx, &connmgr.ScanOptions{PHYs: hci.PHYs1M | hci.PHYsCoded}) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || !errors.Is(errs[0], controller.ErrNoCodedPHY) || !errors.Is(errs[1], context.DeadlineExceeded) {
		t.Errorf("the scan yielded %v, want the missing PHY once, and the end of the time", errs)
	}
	a := l.m.Adapter("hci0")
	if i := a.Controller().Info(); !i.Extended || !errors.Is(i.CodedRefused, hci.StatusInvalidParameters) || a.ScanErr() != nil {
		t.Errorf("extended %v, coded PHY refused: %v, scan: %v", i.Extended, i.CodedRefused, a.ScanErr())
	}
	// Nobody waits: the adapter listens once in 5.12 s.
	if d, ok := l.m.Device(address(1).String()); !ok || time.Since(d.Seen) > 6*second {
		t.Errorf("the Manager's own scan does not hear the device: %+v", d)
	}
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{PHYs: hci.PHYs1M | hci.PHYsCoded})
	if err != nil {
		t.Errorf("a dial on the coded PHY: %v; the controller has not refused that", err)
	}
	wantStrings(t, "changes", changes())
}
