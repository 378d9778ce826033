package remote_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/remote"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// through is a Client of device 1 through a proxy of three slots.
func through(t *testing.T) (*connmgr.Manager, *board, *sim.Device, *connmgr.Client) {
	l := newLab(t)
	b := l.board("attic", 3, nil)
	d := l.device(1)
	m := l.manager(connmgr.Config{Adapters: []string{"esphome:attic"}})
	c, err := m.Establish(within(t, 30*time.Second), addrOf(1).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return m, b, d, c
}

// TestValues: notifications and indications, in their order, until the subscription ends.
func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, d, c := through(t)
		for _, chr := range []gatt.UUID{level, counter} {
			h := d.Find(chr)
			sub, err := c.Subscribe(t.Context(), battery, chr, nil)
			if err != nil {
				t.Fatal(err)
			}
			const values = 20
			go func() {
				for i := range values {
					time.Sleep(200 * time.Millisecond)
					d.SetValue(h, []byte{byte(i)})
				}
			}()
			for i := range values {
				v, err := sub.Next(within(t, 10*time.Second))
				if err != nil || len(v.Data) != 1 || v.Data[0] != byte(i) || v.Dropped != 0 {
					t.Fatalf("%v: value %d: %x, %v", chr, i, v.Data, err)
				}
			}
			if err := sub.Close(); err != nil {
				t.Error(err)
			}
			cccd, err := c.GATT().ReadHandle(t.Context(), h+1)
			if err != nil || !slices.Equal(cccd, []byte{0, 0}) {
				t.Errorf("%v: CCCD % x, %v", chr, cccd, err)
			}
		}
	})
}

// TestErrorsOfTheDevice: codes of ATT arrive as they are.
func TestErrorsOfTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, d, c := through(t)
		if err := c.Write(t.Context(), battery, level, []byte{1}); err == nil {
			t.Error("a value that is to be read was written")
		}
		if _, err := c.GATT().ReadHandle(t.Context(), d.Find(level)+100); err == nil {
			t.Error("an attribute that does not exist was read")
		}
		if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != 1 {
			t.Errorf("%x, %v", v, err)
		}
	})
}

// TestEndOfTheDevice: the reason for the end of the link is the device's, and the slot of the
// proxy is free.
func TestEndOfTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b, d, c := through(t)
		time.Sleep(10 * time.Second)
		if u := m.Slots().Usage(c.Adapter()); u.Used != 1 || u.Slots != 3 {
			t.Errorf("usage %+v", u)
		}
		b.l.air.SetAway(d, true)
		<-c.Done()
		if !errors.Is(c.Err(), hci.StatusConnectionTimeout) {
			t.Errorf("ended with %v", c.Err())
		}
	})
}

// TestParams: the proxy changes the parameters of its link.
func TestParams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b, _, c := through(t)
		got, err := c.SetConnectionParams(t.Context(), 80, 80, 0, 600)
		if err != nil || got.Interval != 100*time.Millisecond || got.Timeout != 6*time.Second {
			t.Errorf("%+v, %v", got, err)
		}
		links := b.m.Adapters()[0].Controller().Links()
		if len(links) != 1 || links[0].State().Params.Interval != 100*time.Millisecond {
			t.Errorf("links of the proxy %+v", links)
		}
	})
}

// TestPairing: the proxy pairs and keeps the bond.
func TestPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		b := l.board("attic", 3, nil)
		lamp := sim.Lamp()
		p, err := l.air.NewPeripheral(t.Context(), lamp)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		m := l.manager(connmgr.Config{Adapters: []string{"esphome:attic"}})
		const address = "C0:FF:EE:00:00:03/random"
		_, err = m.Establish(within(t, 30*time.Second), address, &connmgr.Options{Pair: true, Pairing: &smp.PairOptions{MITM: true}, MaxAttempts: -1})
		if !errors.Is(err, connmgr.ErrProxyPairing) {
			t.Errorf("got %v", err)
		}
		c, err := m.Establish(within(t, 30*time.Second), address, &connmgr.Options{Pair: true})
		if err != nil {
			t.Fatal(err)
		}
		if s := c.Security(); !s.Encrypted || !s.Bonded || s.Authenticated || c.Paired() == nil {
			t.Errorf("security %+v", s)
		}
		stored := func() int { return len(b.m.Adapters()[0].Bonds().Store().All()) }
		if stored() != 1 {
			t.Errorf("the proxy has %d bonds", stored())
		}
		if err := m.Adapters()[0].Proxy().Unpair(t.Context(), c.Address().MAC); err != nil || stored() != 0 {
			t.Errorf("%v; the proxy has %d bonds", err, stored())
		}
		c.Close()
	})
}

// TestLacks: what no proxy can do fails at once, with the reason and the remedy.
func TestLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _, c := through(t)
		begin := time.Now()
		link, ctl := c.Conn().Link(), m.Adapters()[0].Controller()
		for what, try := range map[string]func() error{
			"PHY":      func() error { _, _, err := link.SetPHY(t.Context(), hci.PHYs2M, hci.PHYs2M); return err },
			"channel":  func() error { _, err := c.L2CAP().Dial(t.Context(), 0x80, nil); return err },
			"channels": func() error { _, err := c.L2CAP().DialEnhanced(t.Context(), 0x80, 2, nil); return err },
			"listener": func() error { _, err := c.L2CAP().Listen(0x80, nil); return err },
			"data length": func() error {
				_, err := controller.Exec(t.Context(), ctl, hci.LESetDataLength{Handle: link.Handle(), TXOctets: 100, TXTime: time.Millisecond})
				return err
			},
		} {
			if err := try(); !errors.Is(err, remote.ErrLacking) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := ctl.Sync(t.Context(), addrOf(1), 0, nil); !errors.Is(err, controller.ErrNoPeriodicAdvertising) {
			t.Errorf("periodic advertising: %v", err)
		}
		if d := time.Since(begin); d > 0 {
			t.Errorf("took %v", d)
		}
	})
}
