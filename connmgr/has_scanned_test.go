package connmgr_test

import (
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// A scan that is given up after a report has scanned, even if the controller has not yet
// answered the command that began it.
func TestScanThatIsNotAnswered(t *testing.T) { inBubble(t, testScanThatIsNotAnswered) }

func testScanThatIsNotAnswered(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true})
	l.device(1)
	l.adapters[0].Fault(sim.EventFault{
		Code: hci.EvCommandComplete, Times: sim.Always, Delay: second,
		Match: func(ev hci.Event) bool {
			done, ok := ev.(*hci.CommandComplete)
			return ok && done.Opcode == hci.OpLESetExtendedScanEnable
		},
	})
	if l.m.Adapter("hci0").HasScanned() {
		t.Error("scanned before the scan")
	}
	heard := 0
	for _, err := range l.m.Scan(t.Context(), nil) {
		if err != nil {
			t.Error(err)
		}
		heard++
		break
	}
	if heard != 1 || !l.m.Adapter("hci0").HasScanned() {
		t.Errorf("%d reports, scanned %v; want one, true", heard, l.m.Adapter("hci0").HasScanned())
	}
}
