package sim

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestLinkLife goes through a link's life, with exact events and times.
func TestLinkLife(t *testing.T) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		p := a.NewRawPeer(&RawPeerConfig{Interval: 100 * time.Millisecond})
		h := newHost(t, a.NewController(nil)).up()
		time.Sleep(50*time.Millisecond - time.Since(a.start)) // half way between two advertisements
		h.do(create(p.Address()))
		// The next advertisement starts at 100 ms. Its packet on channel 37 takes
		// 16 octets · 8 µs, then come IFS and CONNECT_IND of 44 octets · 8 µs.
		h.want(&hci.LEEnhancedConnectionComplete{
			Handle: 0x40, Role: hci.RoleCentral, Peer: p.Address(),
			Params: hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: 2 * time.Second}, AdvertisingHandle: 0xFF, SyncHandle: 0xFFFF,
		})
		made := 100*time.Millisecond + 128*time.Microsecond + 150*time.Microsecond + 352*time.Microsecond
		if at := time.Since(a.start); at != made {
			t.Errorf("connected at %v, want %v", at, made)
		}
		h.want(&hci.LEChannelSelectionAlgorithm{Handle: 0x40, Algorithm: 1})
		l, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		h.data(0x40, true, frame(4, 1, 2, 3))
		wantFrame(t, l, 4, 1, 2, 3)
		// The first anchor is 1.25 ms after the request; 7 octets and an empty
		// packet back.
		took := made + 1250*time.Microsecond + (10+7)*8*time.Microsecond + 150*time.Microsecond + 80*time.Microsecond
		if at := time.Since(a.start); at != took {
			t.Errorf("data arrived at %v, want %v", at, took)
		}
		h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x40, Count: 1}}})

		h.data(0x40, true, frame(4, 1, 2, 3)[:2]) // in pieces
		h.data(0x40, false, frame(4, 1, 2, 3)[2:])
		wantFrame(t, l, 4, 1, 2, 3)
		next[*hci.NumberOfCompletedPackets](h)

		l.Send(4, []byte{9})
		h.wantData(0x40, true, frame(4, 9))
		anchor := made + 1250*time.Microsecond + 2*30*time.Millisecond
		if at, want := time.Since(a.start), anchor+80*time.Microsecond+150*time.Microsecond+(10+5)*8*time.Microsecond; at != want {
			t.Errorf("answer arrived at %v, want %v", at, want)
		}

		h.do(hci.Disconnect{Handle: 0x40, Reason: hci.StatusRemoteUserTerminated})
		h.want(&hci.DisconnectionComplete{Handle: 0x40, Reason: hci.StatusLocalHostTerminated})
		<-l.Done()
		if l.Reason() != hci.StatusRemoteUserTerminated {
			t.Errorf("the peer was told %v", l.Reason())
		}
		h.idle(time.Hour)
		h.doStatus(hci.ReadRSSI{Handle: 0x40}, hci.StatusUnknownConnection)
	})
}

func TestPeerEndsLink(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		handle, l := h.connect(a.NewRawPeer(nil))
		l.Disconnect(hci.StatusRemotePowerOff)
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusRemotePowerOff})
		<-l.Done()
		if l.Reason() != hci.StatusLocalHostTerminated {
			t.Errorf("the peer's own reason is %v", l.Reason())
		}
	})
}

func TestSupervisionTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		handle, l := h.connect(p)
		time.Sleep(10 * time.Second) // an idle link lives
		h.idle(0)
		a.SetAway(p, true)
		gone := time.Now()
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusConnectionTimeout})
		if d := time.Since(gone); d > 2*time.Second || d < 2*time.Second-30*time.Millisecond {
			t.Errorf("noticed after %v, want the timeout of 2 s from the last event before", d)
		}
		<-l.Done()
		if l.Reason() != hci.StatusConnectionTimeout {
			t.Errorf("the peer's reason is %v", l.Reason())
		}
	})
}
