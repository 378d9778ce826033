package sim

import (
	"bytes"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// wantPacket waits for a packet with exactly these octets.
func (h *rawHost) wantPacket(want ...byte) {
	h.t.Helper()
	if got := h.read(); !bytes.Equal(got, want) {
		h.t.Fatalf("got % x, want % x", got, want)
	}
}

// TestRefusalsAtWhim answers commands with statuses that hosts meet.
func TestRefusalsAtWhim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		for _, st := range []hci.Status{0x03, 0x0C, 0x07, 0x09, 0x0D, 0x12, 0x1F} {
			c.Fault(CommandFault{Opcode: hci.OpLECreateConnection, Status: st, Skip: 1})
			h.do(create(hci.Addr{}))
			h.do(hci.LECreateConnectionCancel{})
			h.wantFailed(hci.StatusUnknownConnection)
			h.doStatus(create(hci.Addr{}), st)
			h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed) // nothing has begun
		}
	})
}

// TestRefusalWhileLinksAreUp refuses a connect only beside another link.
func TestRefusalWhileLinksAreUp(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p, other := a.NewRawPeer(nil), a.NewRawPeer(nil)
		refuse := CommandFault{Opcode: hci.OpLECreateConnection, Status: hci.StatusRemoteLowResources, MinLinks: 1, Times: Always}
		c.Fault(refuse)
		handle, _ := h.connect(p)
		h.doStatus(create(other.Address()), hci.StatusRemoteLowResources)
		h.do(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated})
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusLocalHostTerminated})
		h.connect(other)
	})
}

// TestSpoiltAnswers covers the forms that an answer can take, octet by octet.
func TestSpoiltAnswers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, ShortBy: 4})
		h.send(hci.ReadBDADDR{})
		h.wantPacket(4, 0x0E, 6, 1, 0x09, 0x10, 0, 0, 0)
		c.Fault(CommandFault{Opcode: hci.OpReset, ShortBy: 1}) // without a status
		h.send(hci.Reset{})
		h.wantPacket(4, 0x0E, 3, 1, 0x03, 0x0C)
		h.up()

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, OtherEvent: true})
		h.send(hci.ReadBDADDR{})
		h.wantPacket(4, 0x0F, 4, 0, 1, 0x09, 0x10)
		c.Fault(CommandFault{Opcode: hci.OpLECreateConnection, OtherEvent: true})
		h.send(create(hci.Addr{}))
		h.wantPacket(4, 0x0E, 4, 1, 0x0D, 0x20, 0)

		// It says no, and does it all the same.
		c.Fault(CommandFault{Opcode: hci.OpLECreateConnectionCancel, Status: hci.StatusCommandDisallowed, Execute: true})
		h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed)
		h.wantFailed(hci.StatusUnknownConnection)

		c.Fault(CommandFault{Status: hci.StatusUnspecified, Times: 2}) // every command
		h.doStatus(hci.LERand{}, hci.StatusUnspecified)
		h.doStatus(hci.ReadBDADDR{}, hci.StatusUnspecified)
		h.do(hci.ReadBDADDR{})
	})
}

// TestFaultsByChance spoil about half, and the same half in each run.
func TestFaultsByChance(t *testing.T) {
	run := func() (refused string) {
		bubble(t, &Config{Seed: 3}, func(t *testing.T, a *Air) {
			c := a.NewController(nil)
			h := newHost(t, c).up()
			c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, Status: hci.StatusHardwareFailure, Chance: 0.5, Times: Always})
			for range 40 {
				h.send(hci.ReadBDADDR{})
				if next[*hci.CommandComplete](h).Return[0] == 0 {
					refused += "."
				} else {
					refused += "x"
				}
			}
		})
		return refused
	}
	first := run()
	if n := bytes.Count([]byte(first), []byte("x")); n < 10 || n > 30 {
		t.Errorf("%d of 40 refused, want about 20", n)
	}
	if again := run(); again != first {
		t.Errorf("refused %s, in another run %s", first, again)
	}
}
