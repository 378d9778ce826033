package hostile_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// gone is a handle without a link.
const gone hci.Handle = 0x0EFF

// TestEventsForHandlesThatAreGone: events of unknown links, and of links that are down,
// are counted and dropped.
func TestEventsForHandlesThatAreGone(t *testing.T) {
	params := hci.ConnParamsInUse{Interval: interval, Timeout: time.Second}
	for name, ev := range map[string]hci.Event{
		"Disconnection Complete":          &hci.DisconnectionComplete{Handle: gone, Reason: hci.StatusConnectionTimeout},
		"Encryption Change":               &hci.EncryptionChange{Handle: gone, Enabled: 1},
		"Encryption Key Refresh Complete": &hci.EncryptionKeyRefreshComplete{Handle: gone},
		"LE Connection Update Complete":   &hci.LEConnectionUpdateComplete{Handle: gone, Params: params},
		"LE Read Remote Features":         &hci.LEReadRemoteFeaturesComplete{Handle: gone},
		"Read Remote Version":             &hci.ReadRemoteVersionInformationComplete{Handle: gone},
		"LE Data Length Change":           &hci.LEDataLengthChange{Handle: gone},
		"LE PHY Update Complete":          &hci.LEPHYUpdateComplete{Handle: gone},
		"LE Long Term Key Request":        &hci.LELongTermKeyRequest{Handle: gone},
		"LE Remote Parameter Request":     &hci.LERemoteConnectionParameterRequest{Handle: gone},
		"Number Of Completed Packets":     &hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: gone, Count: 65535}}},
	} {
		t.Run(name, bubble(func(w *world) {
			for range 1000 {
				w.ctl.InjectEvent(ev)
			}
			time.Sleep(time.Second)
			if n := w.host.Controller().Stats().UnknownHandles; n != 1000 {
				w.t.Errorf("%d events for unknown handles counted, want 1000", n)
			}
		}))
	}
}

// TestEndOfALinkReportedTwice: the second event must not end the next link with the same
// handle.
func TestEndOfALinkReportedTwice(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		h := c.Link().Handle()
		w.ctl.Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Copies: 3})
		e.Disconnect(hci.StatusRemoteUserTerminated)
		w.wantLost(c, 5*time.Second, hci.StatusRemoteUserTerminated, "")
		time.Sleep(time.Second)
		if n := w.host.Controller().Stats().UnknownHandles; n != 3 {
			w.t.Errorf("%d events for unknown handles counted, want 3", n)
		}
		again, _ := w.connect()
		if again.Link().Handle() != h {
			w.t.Logf("handle %v was not used again, but %v", h, again.Link().Handle())
		}
		w.wantRead(again, "on the link after it")
	})(t)
}

// TestDataForHandlesThatAreGone: data without a link, empty data packets, and data of
// other transports.
func TestDataForHandlesThatAreGone(t *testing.T) {
	bubble(func(w *world) {
		c, _ := w.connect()
		w.ctl.Inject(hci.AppendACL(nil, gone, true, octets("0300 0400 0a 03 00")))
		w.ctl.Inject(hci.AppendACL(nil, gone, false, nil))
		w.ctl.Inject(hci.AppendACL(nil, c.Link().Handle(), true, nil))
		w.ctl.Inject(hci.AppendACL(nil, c.Link().Handle(), false, nil))
		w.ctl.Inject(octets("02 00 00 ff ff"))    // a length beyond the packet
		w.ctl.Inject(octets("02 00"))             // half a header
		w.ctl.Inject(octets("03 00 00 01 00"))    // SCO
		w.ctl.Inject(octets("05 00 00 01 00 00")) // ISO
		w.ctl.Inject(octets("02 ff ff 01 00 00")) // reserved flags
		time.Sleep(time.Second)
		w.wantRead(c, "on the link that got empty data")
		if s := w.host.Controller().Stats(); s.UnknownHandles != 2 || s.MalformedPackets != 3 {
			w.t.Errorf("counted %+v, want 2 unknown handles and 3 malformed packets", s)
		}
	})(t)
}

// TestPacketsOfUnknownType: packets of unknown type are counted and dropped.
func TestPacketsOfUnknownType(t *testing.T) {
	bubble(func(w *world) {
		n := uint64(0)
		for typ := range 256 {
			switch hci.PacketType(typ) {
			case hci.PacketEvent, hci.PacketACL, hci.PacketSCO, hci.PacketISO:
				continue
			default:
			}
			w.ctl.Inject([]byte{byte(typ), 1, 2, 3})
			n++
		}
		time.Sleep(time.Second)
		if s := w.host.Controller().Stats(); s.MalformedPackets != n {
			w.t.Errorf("%d packets counted as malformed, want %d", s.MalformedPackets, n)
		}
	})(t)
}

// TestHalfPackets: every event in the life of a link, truncated at every octet.
func TestHalfPackets(t *testing.T) {
	bubble(func(w *world) {
		for _, ev := range []hci.Event{
			&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpReadRSSI, Return: []byte{0, 0, 0, 0}},
			&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpDisconnect},
			&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: gone, Count: 1}, {Handle: gone, Count: 1}}},
			&hci.LEConnectionComplete{Handle: gone}, &hci.LEEnhancedConnectionComplete{Handle: gone},
			&hci.DisconnectionComplete{Handle: w.good.Link().Handle()}, &hci.HardwareError{Code: 1},
			&hci.LELongTermKeyRequest{Handle: w.good.Link().Handle()},
		} {
			whole := hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)
			for cut := range len(whole) {
				half := bytes.Clone(whole[:cut])
				w.ctl.Inject(half)
				if cut > 2 { // and once more with a length that fits
					half = bytes.Clone(half)
					half[2] = byte(cut - 3)
					w.ctl.Inject(half)
				}
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		if s := w.host.Controller().Stats(); s.MalformedPackets < 100 {
			w.t.Errorf("%d packets counted as malformed", s.MalformedPackets)
		}
	})(t)
}

// TestNoise: packets of noise between those of good links. Only noise that is by chance
// a valid event about the end of a link, or of the controller, may end one.
func TestNoise(t *testing.T) {
	bubble(func(w *world) {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range 20000 {
			b := make([]byte, 1+rng.IntN(60))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			b[0] = byte(1 + rng.IntN(6))
			if hci.PacketType(b[0]) == hci.PacketEvent && len(b) > 2 {
				b[2] = byte(len(b) - 3)
				if b[1] == hci.EvHardwareError || b[1] == hci.EvDisconnectionComplete {
					continue
				}
			}
			if hci.PacketType(b[0]) == hci.PacketACL && len(b) > 5 {
				b[2] |= 0x0F // of no link
			}
			w.ctl.Inject(b)
			if i%16 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		w.wantUnknownHandles = true
	})(t)
}

// TestConnectionsThatNobodyAskedFor: connection complete events without a dial.
func TestConnectionsThatNobodyAskedFor(t *testing.T) {
	bubble(func(w *world) {
		w.ctl.InjectEvent(&hci.LEConnectionComplete{Status: hci.StatusFailedToEstablish, Handle: w.good.Link().Handle()})
		w.ctl.InjectEvent(&hci.LEEnhancedConnectionComplete{Status: 0xFF})
		w.ctl.InjectEvent(&hci.LEConnectionComplete{Handle: gone, Peer: hci.Addr{MAC: hci.MAC{9}}})
		time.Sleep(10 * time.Second)
		s := w.host.Controller().Stats()
		if s.OrphanConnections != 1 || s.ForeignAnswers != 2 {
			w.t.Errorf("counted %+v, want one orphan and two failures of nobody", s)
		}
		w.wantUnknownHandles = true // the orphan was closed
		c, _ := w.connect()
		w.wantRead(c, "on the next link")
	})(t)
}

// TestLongTermKeyRequests: endless requests for keys, from a controller or a peer, do not
// block commands.
func TestLongTermKeyRequests(t *testing.T) {
	bubble(func(w *world) {
		for range 200 {
			w.ctl.InjectEvent(&hci.LELongTermKeyRequest{Handle: w.good.Link().Handle()})
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := w.good.Link().RSSI(ctx); err != nil {
			w.t.Errorf("a command between key requests: %v", err)
		}
	})(t)
}
