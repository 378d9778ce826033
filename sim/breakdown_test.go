package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestHang has a controller die silently, until it is replugged.
func TestHang(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		_, l := h.connect(a.NewRawPeer(&RawPeerConfig{Once: true}))
		time.Sleep(time.Second)
		c.Hang()
		h.send(hci.ReadBDADDR{})
		<-l.Done()
		if l.Reason() != hci.StatusConnectionTimeout {
			t.Errorf("the peer's link ended with %v", l.Reason())
		}
		h.idle(time.Hour)
		h = newHost(t, c.Plug()) // another host finds it as it is
		h.send(hci.Reset{})
		h.idle(time.Hour)
		c.Unplug()
		h = newHost(t, c.Plug()).up()
		h.connect(a.NewRawPeer(nil))
		c.Hang()
		c.Crash() // restarts, without a link
		h.doStatus(hci.ReadRSSI{Handle: only}, hci.StatusUnknownConnection)
	})
}

// TestCure has controllers that hang until a cure; weaker ones have no effect.
func TestCure(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		for cure := CureReopen; cure <= CureReplug; cure++ {
			c := a.NewController(nil)
			h := newHost(t, c).up()
			c.HangUntil(cure)
			h.send(hci.ReadBDADDR{})
			h.idle(time.Minute)
			for weaker := CureReopen; weaker < cure; weaker++ {
				c.Apply(weaker)
				h = newHost(t, c.Plug())
				h.send(hci.Reset{})
				h.idle(time.Minute)
			}
			c.Apply(cure)
			newHost(t, c.Plug()).up()
		}
		for _, cure := range []Cure{CureReopen, CurePowerCycle, CureUSBReset, CureReplug} {
			c := a.NewController(nil)
			h := newHost(t, c).up()
			_, l := h.connect(a.NewRawPeer(&RawPeerConfig{Once: true}))
			c.Apply(cure)
			select {
			case err := <-h.err:
				if cure < CureUSBReset || !errors.Is(err, ErrUnplugged) {
					t.Errorf("cure %d: the host lost its controller with %v", cure, err)
				}
			case <-time.After(time.Minute):
				if cure >= CureUSBReset {
					t.Errorf("cure %d: the host has its controller", cure)
				}
			}
			time.Sleep(time.Minute) // longer than the supervision timeout
			var reason hci.Status
			a.runAndWait(func() { reason = l.Reason() })
			if ended := reason != 0; ended != (cure != CureReopen) {
				t.Errorf("cure %d: the link has ended: %v", cure, ended)
			}
		}
	})
}

// TestReplug takes an adapter away for five seconds, twice; the second time it
// comes back under another name.
func TestReplug(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		open := func(name string) hci.Transport {
			t.Helper()
			tr, err := a.OpenTransport(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			return tr
		}
		wantGone := func(name string) {
			t.Helper()
			if _, err := a.OpenTransport(t.Context(), name); !errors.Is(err, ErrUnplugged) {
				t.Errorf("open %s: %v, want ErrUnplugged", name, err)
			}
		}
		h := newHost(t, open("hci0")).up()
		a.runAndWait(func() { a.made["hci0"].Replug(5*time.Second, "") })
		if err := <-h.err; !errors.Is(err, ErrUnplugged) {
			t.Errorf("read failed with %v", err)
		}
		time.Sleep(5*time.Second - time.Nanosecond)
		wantGone("hci0")
		time.Sleep(time.Nanosecond)
		h = newHost(t, open("hci0")).up()

		a.runAndWait(func() { a.made["hci0"].Replug(5*time.Second, "hci1") })
		<-h.err
		wantGone("hci0")
		time.Sleep(5 * time.Second)
		wantGone("hci0")
		newHost(t, open("hci1")).up()
	})
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{Name: "hci0"})
		c.Replug(-1, "")
		if _, err := c.Plug().ReadPacket(nil); !errors.Is(err, ErrUnplugged) {
			t.Errorf("read failed with %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := a.OpenTransport(t.Context(), "hci0"); !errors.Is(err, ErrUnplugged) {
			t.Errorf("open: %v, want ErrUnplugged", err)
		}
		c.Replug(0, "hci7")
		time.Sleep(time.Nanosecond)
		if _, err := a.OpenTransport(t.Context(), "hci7"); err != nil {
			t.Error(err)
		}
	})
}
