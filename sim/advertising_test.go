package sim

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// listen returns what ctl hears in a time, by the data, of the newest report each.
func listen(t *testing.T, ctl *controller.Controller, d time.Duration, o controller.ScanOptions) map[string]controller.Report {
	t.Helper()
	sc, err := ctl.Scan(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	heard := map[string]controller.Report{}
	for {
		r, err := sc.Next(ctx)
		if err != nil {
			return heard
		}
		heard[string(r.Data)+string(r.Response)] = r.Clone()
	}
}

func add(t *testing.T, ctl *controller.Controller, o *controller.AdvertiseOptions) *controller.AdvertisingSet {
	t.Helper()
	s, err := ctl.AddAdvertising(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	static = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	onAir  = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0x46}, Kind: hci.AddrRandom} // resolvable
)

// TestSetsOnAir advertises five sets at once, each with everything of its own.
func TestSetsOnAir(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		tr := a.NewController(&ControllerConfig{AdvertisingSets: 5})
		sender, observer := openController(t, tr), openController(t, a.NewController(nil))
		long := bytes.Repeat([]byte{1, 0x7F}, 700)
		if err := sender.Advertise(t.Context(), &controller.AdvertiseOptions{Data: []byte{2, 1, 6}, Response: []byte{3, 9, 'h', 'i'}}); err != nil {
			t.Fatal(err)
		}
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Data: []byte{2, 1, 4}, Address: static, Interval: time.Second})
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Extended: true, Data: long, Address: onAir, PrimaryPHY: hci.PHYCoded})
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Extended: true, Response: []byte{2, 0x7F, 1}, SecondaryPHY: hci.PHY2M})
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Extended: true, Data: []byte{2, 0x7F, 2}, Anonymous: true})
		before := a.Usage(tr).Advertised
		heard := listen(t, observer, 10*time.Second, controller.ScanOptions{PHYs: hci.PHYs1M | hci.PHYsCoded, Duplicates: true})
		if n := a.Usage(tr).Advertised - before; n < 390 || n > 415 { // four sets at 100 ms, one at 1 s, and the random delay
			t.Errorf("%d advertising events in 10 s", n)
		}
		public := sender.Info().Address
		for data, want := range map[string]controller.Report{
			string([]byte{2, 1, 6, 3, 9, 'h', 'i'}): {Addr: public, Connectable: true, Scannable: true, PrimaryPHY: hci.PHY1M, SID: 0xFF},
			string([]byte{2, 1, 4}):                 {Addr: static, PrimaryPHY: hci.PHY1M, SID: 0xFF},
			string(long):                            {Addr: onAir, Extended: true, PrimaryPHY: hci.PHYCoded, SecondaryPHY: hci.PHYCoded, SID: 2},
			string([]byte{2, 0x7F, 1}):              {Addr: public, Scannable: true, Extended: true, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY2M, SID: 3},
			string([]byte{2, 0x7F, 2}):              {Addr: hci.Addr{Kind: hci.AddrAnonymous}, Extended: true, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, SID: 4},
		} {
			got, ok := heard[data]
			got.Time, got.RSSI, got.TxPower, got.Data, got.Response, got.ScanResponse = want.Time, 0, 0, nil, nil, false
			if !ok || got.Addr != want.Addr || got.Connectable != want.Connectable || got.Scannable != want.Scannable || got.Extended != want.Extended ||
				got.PrimaryPHY != want.PrimaryPHY || got.SecondaryPHY != want.SecondaryPHY || got.SID != want.SID {
				t.Errorf("% x: heard %v, %+v, want %+v", data[:3], ok, got, want)
			}
		}
		if _, err := sender.AddAdvertising(t.Context(), nil); !errors.Is(err, hci.StatusMemoryFull) {
			t.Errorf("a sixth set: %v", err)
		}
	})
}

// TestSetsAndLinks: each connectable set pauses while a central is connected, and goes on
// when the link ends. The beacon beside them does not pause.
func TestSetsAndLinks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		sender, central := openController(t, a.NewController(nil)), openController(t, a.NewController(nil))
		one, two, three := []byte{2, 0x7F, 1}, []byte{2, 0x7F, 2}, []byte{2, 0x7F, 3}
		add(t, sender, &controller.AdvertiseOptions{Data: one})
		add(t, sender, &controller.AdvertiseOptions{Data: two, Address: static, Extended: true})
		add(t, sender, &controller.AdvertiseOptions{Data: three, NonConnectable: true})
		for range 2 {
			for _, peer := range []hci.Addr{sender.Info().Address, static} {
				l, err := central.Connect(t.Context(), peer, nil)
				if err != nil {
					t.Fatal(err)
				}
				accepted, err := sender.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if heard := listen(t, central, 2*time.Second, controller.ScanOptions{}); len(heard) != 1 || heard[string(three)].Data == nil {
					t.Errorf("while %v is connected: %d sets are heard", peer, len(heard))
				}
				if err := l.Disconnect(t.Context()); err != nil {
					t.Fatal(err)
				}
				<-accepted.Done()
				if heard := listen(t, central, 2*time.Second, controller.ScanOptions{}); len(heard) != 3 {
					t.Errorf("after the link: %d sets are heard", len(heard))
				}
			}
		}
	})
}

// TestAcceptListOnAir: the devices on the list alone connect.
func TestAcceptListOnAir(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		sender, friend, stranger := openController(t, a.NewController(nil)), openController(t, a.NewController(nil)), openController(t, a.NewController(nil))
		add(t, sender, &controller.AdvertiseOptions{Extended: true, Data: []byte{2, 1, 6}, Accept: []hci.Addr{friend.Info().Address}})
		if _, err := stranger.Connect(t.Context(), sender.Info().Address, &controller.ConnectOptions{Timeout: 5 * time.Second}); !errors.Is(err, controller.ErrDialTimeout) {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := friend.Connect(t.Context(), sender.Info().Address, &controller.ConnectOptions{Timeout: 5 * time.Second}); err != nil {
			t.Errorf("a friend: %v", err)
		}
	})
}

// TestDirectedOnAir: the target alone connects, on both kinds of controller and at both
// rates.
func TestDirectedOnAir(t *testing.T) {
	for _, cfg := range []*ControllerConfig{nil, {Legacy: true}} {
		for _, high := range []bool{false, true} {
			bubble(t, nil, func(t *testing.T, a *Air) {
				sender, friend, stranger := openController(t, a.NewController(cfg)), openController(t, a.NewController(nil)), openController(t, a.NewController(nil))
				o := &controller.AdvertiseOptions{Peer: friend.Info().Address, HighDuty: high}
				if !high {
					add(t, sender, o)
					if _, err := stranger.Connect(t.Context(), sender.Info().Address, &controller.ConnectOptions{Timeout: 5 * time.Second}); !errors.Is(err, controller.ErrDialTimeout) {
						t.Errorf("a stranger: %v", err)
					}
					if _, err := friend.Connect(t.Context(), sender.Info().Address, nil); err != nil {
						t.Errorf("the target: %v", err)
					}
					return
				}
				begin := time.Now()
				s := add(t, sender, o)
				<-s.Done()
				if took := time.Since(begin).Round(10 * time.Millisecond); !errors.Is(s.Err(), controller.ErrAdvertisingEnded) || took != 1280*time.Millisecond {
					t.Errorf("ended with %v after %v, want 1.28s", s.Err(), took)
				}
			})
		}
	}
}

// TestSetEnds after its duration and after its events.
func TestSetEnds(t *testing.T) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		sender := openController(t, a.NewController(nil))
		begin := time.Now()
		s := add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Duration: 3 * time.Second})
		x := add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, MaxEvents: 5, Interval: time.Second})
		<-s.Done()
		if took := time.Since(begin).Round(10 * time.Millisecond); !errors.Is(s.Err(), hci.StatusAdvertisingTimeout) || took != 3*time.Second {
			t.Errorf("ended with %v after %v, want 3s", s.Err(), took)
		}
		<-x.Done()
		if took := time.Since(begin).Round(100 * time.Millisecond); !errors.Is(x.Err(), hci.StatusLimitReached) || took != 4*time.Second {
			t.Errorf("ended with %v after %v, want five events in 4s", x.Err(), took)
		}
	})
}

// TestSetsAndPrivateAddresses: the sets without an address of their own follow the change.
func TestSetsAndPrivateAddresses(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		sender, observer := openController(t, a.NewController(nil)), openController(t, a.NewController(nil))
		one, two := []byte{2, 0x7F, 1}, []byte{2, 0x7F, 2}
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Data: one})
		add(t, sender, &controller.AdvertiseOptions{NonConnectable: true, Data: two, Address: static})
		n := byte(0)
		next := func() hci.MAC { n++; return hci.MAC{n, 5: 0x40} }
		if err := sender.UsePrivateAddresses(t.Context(), next, time.Minute); err != nil {
			t.Fatal(err)
		}
		for want := range byte(3) {
			heard := listen(t, observer, 5*time.Second, controller.ScanOptions{})
			if got := heard[string(one)].Addr; got != (hci.Addr{MAC: hci.MAC{want + 1, 5: 0x40}, Kind: hci.AddrRandom}) {
				t.Errorf("%d: the first set is on air as %v", want, got)
			}
			if got := heard[string(two)].Addr; got != static {
				t.Errorf("%d: the second set is on air as %v", want, got)
			}
			time.Sleep(55 * time.Second)
		}
	})
}

// TestSetOfACallerThatLeaves is removed.
func TestSetOfACallerThatLeaves(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		tr := a.NewController(nil)
		sender, observer := openController(t, tr), openController(t, a.NewController(nil))
		tr.Fault(CommandFault{Opcode: hci.OpLESetExtendedAdvertisingParameters, Delay: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := sender.AddAdvertising(ctx, &controller.AdvertiseOptions{Data: []byte{2, 1, 6}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if heard := listen(t, observer, 2*time.Second, controller.ScanOptions{}); len(heard) != 0 {
			t.Errorf("heard %v", heard)
		}
		s := add(t, sender, &controller.AdvertiseOptions{Data: []byte{2, 1, 6}})
		if err := errors.Join(s.Stop(t.Context()), s.Stop(t.Context())); err != nil || !errors.Is(s.Err(), controller.ErrSetStopped) {
			t.Errorf("stopped with %v, ended with %v", err, s.Err())
		}
		if err := s.Change(t.Context(), nil); !errors.Is(err, controller.ErrSetStopped) {
			t.Errorf("changed after the end: %v", err)
		}
	})
}
