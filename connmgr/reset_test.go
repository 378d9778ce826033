package connmgr_test

import (
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// The end of an adapter by a reset gives the reason. Those of a scan are in
// TestAdapterThatDoesNotScan and TestAdapterThatStaysSilent.
func TestReasonOfReset(t *testing.T) { inBubble(t, testReasonOfReset) }

func testReasonOfReset(t *testing.T) {
	for _, c := range []struct {
		fault sim.Fault
		want  string
	}{
		{sim.CreditFault{Lose: true, For: 10 * second},
			"6s down: ended: reset: data to C0:FE:00:00:00:01: the controller keeps the data of the link and reports nothing as sent"},
		{sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Status: hci.StatusHardwareFailure, Times: 3},
			"1s down: ended: reset: 3 faults of the controller in a row, the last: controller: connect C0:FE:00:00:00:01/random: " +
				"controller: LE Extended Create Connection: hardware failure (0x03)"},
		{sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Status: hci.StatusConnectionExists, Times: 2},
			"0s down: ended: reset: controller: connect C0:FE:00:00:00:01/random: the controller has a link to the peer " +
				"that this host does not know: controller: LE Extended Create Connection: connection already exists (0x0b)"},
	} {
		l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{ACLNum: 2})
		l.device(1)
		changes := l.changes()
		l.adapters[0].Fault(c.fault)
		l.establish(1, nil).Close()
		wantStrings(t, "changes", changes(), c.want)
		l.m.Close()
	}
}
