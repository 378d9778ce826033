package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestCommandsWaitForAReset sends nothing between a reset and its answer.
func TestCommandsWaitForAReset(t *testing.T) {
	h := newHarness(t, 1)
	h.event(&hci.CommandComplete{NumPackets: 3})
	h.run(hci.Reset{})
	a := h.run(hci.LERand{})
	h.want(hci.Reset{}, "first")
	h.event(&hci.CommandComplete{NumPackets: 3})
	h.idle("the controller resets itself")
	h.complete(hci.OpReset, hci.StatusSuccess)
	h.want(hci.LERand{}, "it has done so")
	if *a != errPending {
		t.Errorf("the command ended with %v", *a)
	}
}

// TestResetEndsCommands ends the commands that a controller forgets with a reset. They
// count as answered: the same commands are sent again, and the controller does not end.
func TestResetEndsCommands(t *testing.T) {
	for _, st := range []hci.Status{hci.StatusSuccess, hci.StatusUnspecified} {
		h := newHarness(t, 1)
		h.event(&hci.CommandComplete{NumPackets: 3})
		optional, vital := h.run(hci.LERand{}), h.run(hci.LESetScanEnable{})
		h.want(hci.LERand{}, "sent")
		h.want(hci.LESetScanEnable{}, "sent")
		h.run(hci.Reset{})
		h.want(hci.Reset{}, "does not wait for the answers")
		h.event(&hci.CommandComplete{NumPackets: 3, Opcode: hci.OpReset, Return: []byte{byte(st)}})
		if st != hci.StatusSuccess {
			if *optional != errPending || *vital != errPending {
				t.Errorf("a refused reset has ended the commands: %v, %v", *optional, *vital)
			}
			continue
		}
		if !errors.Is(*optional, ErrReset) || !errors.Is(*vital, ErrReset) {
			t.Errorf("results %v and %v, want the reset", *optional, *vital)
		}
		h.pass(time.Minute)
		h.run(hci.LERand{})
		h.run(hci.LESetScanEnable{})
		h.run(hci.ReadRSSI{Handle: 1})
		h.want(hci.LERand{}, "again")
		h.want(hci.LESetScanEnable{}, "again")
		h.want(hci.ReadRSSI{Handle: 1}, "all three credits are there")
		if h.c.err != nil {
			t.Errorf("the controller ended: %v", h.c.err)
		}
	}
}
