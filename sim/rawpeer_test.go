package sim

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestBusyPeer advertises without taking connects, until it is free.
func TestBusyPeer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p := a.NewRawPeer(nil)
		p.SetConnectable(false)
		h.scan(hci.LESetScanParameters{}, false)
		if r := next[*hci.LEAdvertisingReport](h).Reports[0]; r.Type != hci.AdvScanInd {
			t.Errorf("heard as type %d, want ADV_SCAN_IND", r.Type)
		}
		h.do(hci.LESetScanEnable{})
		h.do(create(p.Address()))
		h.idle(time.Minute)
		p.SetConnectable(true)
		h.connected()
	})
}

func TestAwayAndBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p := a.NewRawPeer(nil)
		a.SetAway(p, true)
		h.do(create(p.Address()))
		h.idle(time.Minute)
		a.SetAway(p, false)
		ev := h.connected()
		time.Sleep(time.Second)
		a.SetAway(p, true)
		h.idle(1900 * time.Millisecond)
		a.SetAway(p, false) // within the supervision timeout
		h.idle(time.Minute)
		h.data(ev.Handle, true, frame(4, 1))
		next[*hci.NumberOfCompletedPackets](h)
	})
}

// TestRawCentral has a peer connect to a peer.
func TestRawCentral(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		p, central := a.NewRawPeer(nil), a.NewRawPeer(&RawPeerConfig{Silent: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := central.Connect(ctx, hci.Addr{}, params); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connected to nobody: %v", err)
		}
		cl, err := central.Connect(t.Context(), p.Address(), params)
		if err != nil {
			t.Fatal(err)
		}
		pl, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pl.Peer() != central.Address() || pl.Role() != hci.RolePeripheral || cl.Role() != hci.RoleCentral {
			t.Errorf("the peripheral knows %v as %v", pl.Peer(), pl.Role())
		}
		cl.Send(4, []byte{1})
		wantFrame(t, pl, 4, 1)
		long := bytes.Repeat([]byte{2}, 1000)
		pl.Send(5, long)
		wantFrame(t, cl, 5, long...)
		cl.SendData(false, []byte{1, 2}) // continues nothing
		cl.SendData(true, []byte{2, 0, 6, 0, 1})
		cl.SendData(true, []byte{1, 0, 7, 0, 9}) // the first never ended
		wantFrame(t, pl, 7, 9)
		cl.Disconnect(hci.StatusRemoteUserTerminated)
		<-pl.Done()
		if _, err := pl.Receive(t.Context()); !errors.Is(err, ErrLinkDown) {
			t.Errorf("receive on an ended link: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if _, err := p.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept on a closed air: %v", err)
		}
		if _, err := central.Connect(t.Context(), p.Address(), params); !errors.Is(err, net.ErrClosed) {
			t.Errorf("connect on a closed air: %v", err)
		}
	})
}

// TestHostThatDoesNotRead leaves data on the air until the host reads, and
// loses none of it.
func TestHostThatDoesNotRead(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		_, l := h.connect(a.NewRawPeer(nil))
		const frames = 2000
		for i := range frames {
			l.Send(4, []byte{byte(i), byte(i >> 8)})
		}
		time.Sleep(time.Minute)
		if s := c.Stats(); s.Refused == 0 || s.DataReceived > dataRoom+1 {
			t.Errorf("%d packets refused, %d taken; want room for %d", s.Refused, s.DataReceived, dataRoom)
		}
		if n := l.Queued(); n < frames-dataRoom-2 {
			t.Errorf("%d packets left with the peer", n)
		}
		for i := range frames {
			h.wantData(only, true, frame(4, byte(i), byte(i>>8)))
		}
	})
}

// TestUsage counts what radios do.
func TestUsage(t *testing.T) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		p := a.NewRawPeer(&RawPeerConfig{Interval: 100 * time.Millisecond})
		h := newHost(t, c).up()
		handle, _ := h.connect(p)
		time.Sleep(time.Second)
		before, peer := a.Usage(c), a.Usage(p)
		if peer.Advertised != 2 {
			t.Errorf("%d advertising events before the connect, want those at 0 and 100 ms", peer.Advertised)
		}
		h.data(handle, true, frame(4, 1))
		next[*hci.NumberOfCompletedPackets](h)
		after := a.Usage(c)
		// 5 octets there, none back, and two spaces.
		want := (15+10)*8*time.Microsecond + 300*time.Microsecond
		if d := after.OnAir - before.OnAir; d != want || after.Sent != before.Sent+1 || after.Received != before.Received+1 {
			t.Errorf("one exchange took %v, %+v", d, after)
		}
		if after.Listening != before.Listening || after.Listening == 0 || after.Listening > 101*time.Millisecond {
			t.Errorf("listened for %v while connecting", after.Listening)
		}
	})
}
