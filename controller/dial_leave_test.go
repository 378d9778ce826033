package controller_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// A caller leaves at the moment at which the controller refuses its dial because of a link
// that the host does not know. The loop queues that dial again, and the caller's error is
// of its own: the race detector sees whether it is made of what the loop writes.
func TestCallerLeavesWhileItsDialIsRefused(t *testing.T) {
	synctest.Test(t, testCallerLeavesWhileItsDialIsRefused)
}

func testCallerLeavesWhileItsDialIsRefused(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.on = func(p hci.Params) bool {
		if p.Opcode() == hci.OpLECreateConnection {
			s.send(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
			return true
		}
		return false
	}
	d := open(t, s, host, &controller.Config{DisableTuning: true})
	peer := hci.Addr{MAC: hci.MAC{9}}
	gone := errors.New("gone")
	for range 100 {
		ctx, leave := context.WithCancelCause(t.Context())
		errs := make(chan error)
		go func() { _, err := d.Connect(ctx, peer, nil); errs <- err }()
		synctest.Wait()
		s.send(&hci.LEConnectionComplete{Status: hci.StatusConnectionExists, Peer: peer})
		leave(gone)
		err := <-errs
		if ce, ok := errors.AsType[*controller.ConnectError](err); !ok || ce.Peer != peer || !errors.Is(err, gone) {
			t.Fatalf("got %v, want a ConnectError of the peer with the cause of the context", err)
		}
		time.Sleep(time.Minute) // the sweep ends
	}
}
