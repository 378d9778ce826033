package sim

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"go.uber.org/goleak"
)

// TestCloseAtAnyTime closes a busy air at many moments of its life. A goroutine
// that is left behind makes the bubble fail, as does a call that hangs.
func TestCloseAtAnyTime(t *testing.T) {
	for at := time.Duration(0); at < 3*time.Second; at += 37 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			a := New(&Config{Seed: uint64(at)})
			var wg sync.WaitGroup
			busy(t, a, &wg)
			time.Sleep(at)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			if err := a.Close(); err != nil { // again
				t.Error(err)
			}
		})
	}
}

// busy starts everything that an air can have. All goroutines of wg end with the
// air.
func busy(t *testing.T, a *Air, wg *sync.WaitGroup) {
	c := a.NewController(&ControllerConfig{Name: "hci0"})
	d := a.NewDevice(&DeviceConfig{
		Table: sensor(), TableChanges: []TableChange{{At: time.Second, Indicate: true}},
		Temper: Temper{
			Rules:            []Rule{{On: OnRequest, Delay: time.Minute}, {On: OnLink, Skip: 3, Do: FallSilent}},
			Notifications:    []Notification{{Every: 50 * time.Millisecond, Handle: 3}},
			Advertising:      []AdvChange{{At: time.Second, Interval: time.Second}},
			SecurityRequests: []SecurityRequest{{After: time.Second}},
		},
	})
	wg.Go(func() {
		p, err := a.NewPeripheral(context.Background(), Thermometer())
		if err == nil {
			<-p.Host().Done()
		} else if !errors.Is(err, net.ErrClosed) {
			t.Errorf("peripheral: %v", err)
		}
	})
	wg.Go(func() { // a host that dials, asks, and is left waiting
		b := make([]byte, hci.MaxPacketLen)
		for _, p := range []hci.Params{
			hci.Reset{}, hci.SetEventMask{Mask: ^uint64(0)}, hci.LESetEventMask{Mask: ^uint64(0)}, create(d.Address()),
		} {
			packet, err := hci.AppendCommand(nil, p)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.WritePacket(packet)
		}
		for {
			n, err := c.ReadPacket(b)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("read: %v", err)
				}
				return
			}
			if b[0] == eventPacket && n > 8 && b[1] == hci.EvLEMeta {
				_ = c.WritePacket(append([]byte{dataPacket, 0x40, 0, 7, 0}, frame(cidATT, 0x0A, 3, 0)...))
			}
		}
	})
	central := a.NewRawPeer(&RawPeerConfig{Silent: true})
	peer := a.NewRawPeer(&RawPeerConfig{Interval: 300 * time.Millisecond})
	wg.Go(func() {
		l, err := central.Connect(context.Background(), peer.Address(), params)
		if err != nil {
			return
		}
		l.Send(4, make([]byte, 5000))
		_, _ = l.Receive(context.Background())
		<-l.Done()
	})
	wg.Go(func() { // nobody to connect to
		_, err := a.NewRawPeer(nil).Connect(context.Background(), hci.Addr{}, params)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("connect: %v", err)
		}
	})
	wg.Go(func() {
		for {
			l, err := peer.Accept(context.Background())
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("accept: %v", err)
				}
				return
			}
			<-l.Done()
		}
	})
	wg.Go(func() {
		for i := 0; ; i++ {
			tr, err := a.OpenTransport(context.Background(), "hci1")
			if err != nil && !errors.Is(err, ErrUnplugged) {
				return
			}
			if err == nil {
				_ = tr.WritePacket([]byte{commandPacket, 3, 12, 0})
				_, _ = tr.ReadPacket(make([]byte, hci.MaxPacketLen))
			}
			if i == 3 {
				c.Fault(EventFault{Behind: 5, Delay: time.Minute, Times: Always})
			}
			time.Sleep(100 * time.Millisecond)
			_ = c.Stats()
		}
	})
}

// TestClosedAir refuses whatever is asked of it.
func TestClosedAir(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		d := a.NewDevice(nil)
		c := a.NewController(nil)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		late := a.NewController(nil)
		for _, tr := range []hci.Transport{c, late, c.Plug(), late.Plug()} {
			if _, err := tr.ReadPacket(nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
			if err := tr.WritePacket([]byte{commandPacket, 3, 12, 0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v", err)
			}
		}
		if _, err := a.NewRawPeer(nil).Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := a.NewPeripheral(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("peripheral: %v", err)
		}
		if _, err := a.OpenTransport(t.Context(), "hci9"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("open: %v", err)
		}
		if v := d.Value(1); v != nil {
			t.Errorf("value % x", v)
		}
		d.SetTable(nil, true)
		a.SetTemper(d, Temper{Rules: []Rule{{}}})
		c.Replug(time.Second, "hci5")
		c.Hang()
	})
}

// TestCloseWithoutBubble leaves no goroutine behind in real time either.
func TestCloseWithoutBubble(t *testing.T) {
	a := New(nil)
	var wg sync.WaitGroup
	busy(t, a, &wg)
	if _, err := a.NewPeripheral(t.Context(), Lamp()); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	goleak.VerifyNone(t)
}
