package sim

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// wantCompleted waits for completed packets of one link.
func (h *rawHost) wantCompleted(handle hci.Handle, n uint16) {
	h.t.Helper()
	h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: n}}})
}

// TestCompletedReports sends five packets at once in each way of reporting.
func TestCompletedReports(t *testing.T) {
	for mode, want := range map[CompletedReports][]uint16{
		CompletedPromptly:   {4, 1},
		CompletedOneByOne:   {1, 1, 1, 1, 1},
		CompletedByHalf:     {4, 1},
		CompletedAtEventEnd: {5},
	} {
		bubble(t, nil, func(t *testing.T, a *Air) {
			h := newHost(t, a.NewController(&ControllerConfig{Completed: mode})).up()
			handle, _ := h.connect(a.NewRawPeer(nil))
			time.Sleep(time.Second)
			for i := range byte(5) {
				h.data(handle, true, frame(4, i))
			}
			for _, n := range want {
				h.wantCompleted(handle, n)
			}
			h.idle(time.Minute)
		})
	}
	// One packet waits in the buffers for ever, so that one of eight completed
	// packets is not reported.
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(&ControllerConfig{Completed: CompletedByHalf})).up()
		p := a.NewRawPeer(nil)
		handle, _ := h.connect(p)
		stalled, _ := h.connect(a.NewRawPeer(&RawPeerConfig{Temper: Temper{Rules: []Rule{{On: OnLink, Do: Stall}}}}))
		h.data(stalled, true, frame(4, 0))
		h.data(handle, true, frame(4, 1))
		h.idle(time.Second)
		h.do(hci.Disconnect{Handle: stalled, Reason: hci.StatusRemoteUserTerminated})
		h.want(&hci.DisconnectionComplete{Handle: stalled, Reason: hci.StatusLocalHostTerminated})
		h.data(handle, true, frame(4, 2))
		h.wantCompleted(handle, 2)
	})
}

// TestCreditsOfOneLink withholds, loses and adds credits of one link alone.
func TestCreditsOfOneLink(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p, other := a.NewRawPeer(nil), a.NewRawPeer(nil)
		mine, _ := h.connect(p)
		theirs, _ := h.connect(other)
		c.Fault(CreditFault{Peer: p.Address(), Withhold: true, For: 10 * time.Second})
		at := time.Now()
		h.data(mine, true, frame(4, 1))
		h.data(theirs, true, frame(4, 1))
		h.wantCompleted(theirs, 1)
		h.wantCompleted(mine, 1)
		if took := time.Since(at); took != 10*time.Second {
			t.Errorf("kept for %v, want 10 s", took)
		}
		h.data(mine, true, frame(4, 2))
		h.wantCompleted(mine, 1)

		c.Fault(CreditFault{Lose: true})
		c.Fault(CreditFault{Peer: other.Address(), Extra: 2})
		h.data(mine, true, frame(4, 3))
		h.data(theirs, true, frame(4, 3))
		h.wantCompleted(theirs, 3)
		h.idle(time.Second)
		c.Fault(CreditFault{})
		c.Fault(CreditFault{Peer: other.Address()})
		h.idle(time.Minute) // lost for good
		h.data(mine, true, frame(4, 4))
		h.wantCompleted(mine, 1)
		if n := c.Stats().Held; n != 0 {
			t.Errorf("%d packets in the buffers, want none", n)
		}
	})
}

// TestCreditsLostByChance loses about half of the credits.
func TestCreditsLostByChance(t *testing.T) {
	bubble(t, &Config{Seed: 5}, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{Completed: CompletedOneByOne})
		h := newHost(t, c).up()
		handle, _ := h.connect(a.NewRawPeer(nil))
		c.Fault(CreditFault{Lose: true, Chance: 0.5})
		got := 0
		for range 40 {
			h.data(handle, true, frame(4, 1))
			if _, ok := h.tryRead(time.Second); ok {
				got++
			}
		}
		if got < 10 || got > 30 {
			t.Errorf("%d of 40 credits returned, want about 20", got)
		}
	})
}

// TestStall has a device acknowledge no data, while the link stays up.
func TestStall(t *testing.T) {
	tempered(t, Temper{Rules: []Rule{{On: OnRequest, Do: Stall}}}, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.ask(0x0A, 3, 0)
		h.wantCompleted(c.handle, 1) // the packet that triggered it
		c.ask(0x0A, 3, 0)
		h.idle(time.Hour)
		h.do(hci.Disconnect{Handle: c.handle, Reason: hci.StatusRemoteUserTerminated})
		c.wantEnd(hci.StatusLocalHostTerminated)
	})
}
