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

// broadcast is a controller with a host that has a periodic set, and one that observes.
type broadcast struct {
	air                   *Air
	sender, receiver      *Controller
	broadcaster, observer *controller.Controller
	set                   *controller.AdvertisingSet
}

func openController(t *testing.T, tr hci.Transport) *controller.Controller {
	t.Helper()
	ctl, err := controller.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctl.Close() })
	return ctl
}

func newBroadcast(t *testing.T, a *Air, p *controller.PeriodicOptions) *broadcast {
	t.Helper()
	b := &broadcast{air: a, sender: a.NewController(nil), receiver: a.NewController(nil)}
	b.broadcaster, b.observer = openController(t, b.sender), openController(t, b.receiver)
	var err error
	b.set, err = b.broadcaster.AddAdvertising(t.Context(), &controller.AdvertiseOptions{
		NonConnectable: true, Extended: true, SecondaryPHY: hci.PHY2M, Data: []byte{3, 0xFF, 1, 2}, Periodic: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hear scans for the set and returns its first report.
func (b *broadcast) hear(t *testing.T) controller.Report {
	t.Helper()
	sc, err := b.observer.Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	r, err := sc.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Clone()
}

func (b *broadcast) follow(t *testing.T, o *controller.SyncOptions) *controller.Sync {
	t.Helper()
	r := b.hear(t)
	s, err := b.observer.Sync(t.Context(), r.Addr, r.SID, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestPeriodicAdvertising(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		long := bytes.Repeat([]byte{1, 0x7F}, 400)
		b := newBroadcast(t, a, &controller.PeriodicOptions{Data: long, Interval: 50 * time.Millisecond})
		if r := b.hear(t); r.PeriodicInterval != 50*time.Millisecond || r.SID != 1 || r.SecondaryPHY != hci.PHY2M {
			t.Errorf("heard interval %v, set %d, PHY %v", r.PeriodicInterval, r.SID, r.SecondaryPHY)
		}
		s := b.follow(t, nil)
		if s.Interval() != 50*time.Millisecond || s.PHY() != hci.PHY2M {
			t.Errorf("interval %v, PHY %v", s.Interval(), s.PHY())
		}
		var last time.Time
		for n := range 10 {
			r, err := s.Next(t.Context())
			if err != nil || !bytes.Equal(r.Data, long) || r.RSSI != -50 || n > 0 && r.Time.Sub(last) != 50*time.Millisecond {
				t.Fatalf("report %d: %d octets, %d dBm after %v, %v", n, len(r.Data), r.RSSI, r.Time.Sub(last), err)
			}
			last = r.Time
		}
		if err := b.set.SetPeriodicData(t.Context(), []byte{2, 0x7F, 9}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Next(t.Context())
		for err == nil && len(r.Data) > 3 {
			r, err = s.Next(t.Context())
		}
		if err != nil || !bytes.Equal(r.Data, []byte{2, 0x7F, 9}) || r.Time.Sub(last)%(50*time.Millisecond) != 0 {
			t.Errorf("new data: % x after %v, %v", []byte(r.Data), r.Time.Sub(last), err)
		}
		s.Close()
		if _, err := s.Next(t.Context()); err == nil {
			t.Error("a report after Close")
		}
		if n := b.broadcaster.Stats().ForeignAnswers + b.observer.Stats().ForeignAnswers; n != 0 {
			t.Errorf("%d foreign answers", n)
		}
	})
}

// TestPeriodicSkip hears one packet of three.
func TestPeriodicSkip(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		b := newBroadcast(t, a, &controller.PeriodicOptions{Interval: 50 * time.Millisecond})
		s := b.follow(t, &controller.SyncOptions{Skip: 2})
		x, _ := s.Next(t.Context())
		y, err := s.Next(t.Context())
		if err != nil || y.Time.Sub(x.Time) != 150*time.Millisecond {
			t.Errorf("%v between packets, %v", y.Time.Sub(x.Time), err)
		}
	})
}

// TestPeriodicAdvertisingIsLost after the timeout: on the air, or since it was stopped.
func TestPeriodicAdvertisingIsLost(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *broadcast){
		"out of range": func(_ *testing.T, b *broadcast) { b.air.SetPath(b.sender, b.receiver, Path{Loss: 1}) },
		"stopped": func(t *testing.T, b *broadcast) {
			if err := b.set.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, a *Air) {
				b := newBroadcast(t, a, &controller.PeriodicOptions{Interval: 100 * time.Millisecond})
				s := b.follow(t, &controller.SyncOptions{Timeout: 2 * time.Second})
				if _, err := s.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
				end(t, b)
				begin := time.Now()
				var err error
				for err == nil {
					_, err = s.Next(t.Context())
				}
				if took := time.Since(begin); !errors.Is(err, controller.ErrSyncLost) || took < 1900*time.Millisecond || took > 2100*time.Millisecond {
					t.Errorf("%v after %v, want the loss after 2s", err, took)
				}
			})
		})
	}
}

// TestSyncWithAnAbsentDevice waits until the caller gives up. The next search works.
func TestSyncWithAnAbsentDevice(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		b := newBroadcast(t, a, &controller.PeriodicOptions{})
		r := b.hear(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := b.observer.Sync(ctx, r.Addr, 9, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		s, err := b.observer.Sync(t.Context(), r.Addr, r.SID, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

// TestSyncWithALegacyController names what is missing.
func TestSyncWithALegacyController(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ctl := openController(t, a.NewController(&ControllerConfig{Features: DefaultFeatures &^ hci.FeaturePeriodicAdvertising}))
		if _, err := ctl.Sync(t.Context(), hci.Addr{}, 1, nil); !errors.Is(err, controller.ErrNoPeriodicAdvertising) {
			t.Errorf("sync: %v", err)
		}
		_, err := ctl.AddAdvertising(t.Context(), &controller.AdvertiseOptions{NonConnectable: true, Extended: true, Periodic: &controller.PeriodicOptions{}})
		if !errors.Is(err, controller.ErrNotSupported) {
			t.Errorf("advertise: %v", err)
		}
	})
}

// TestPeriodicCommands checks the answers of a controller to commands in the wrong state.
func TestPeriodicCommands(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		ext := hci.LESetExtendedAdvertisingParameters{Handle: 1, IntervalMin: 100e6, IntervalMax: 100e6, ChannelMap: 7, TxPower: 127, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M}
		params := hci.LESetPeriodicAdvertisingParameters{Handle: 1, IntervalMin: 100e6, IntervalMax: 100e6}
		data := func(op hci.AdvOperation, n int) hci.Params {
			return hci.LESetPeriodicAdvertisingData{Handle: 1, Operation: op, Data: make([]byte, n)}
		}
		on, off := hci.LESetPeriodicAdvertisingEnable{Enable: true, Handle: 1}, hci.LESetPeriodicAdvertisingEnable{Handle: 1}
		h.doStatus(params, hci.StatusUnknownAdvertisingID)
		legacy := ext
		legacy.Properties = hci.AdvPropsLegacyNonConnectable
		h.do(legacy)
		h.doStatus(params, hci.StatusInvalidParameters)
		h.do(ext)
		h.doStatus(on, hci.StatusCommandDisallowed)
		h.doStatus(data(hci.AdvDataComplete, 1), hci.StatusCommandDisallowed)
		h.do(params)
		h.doStatus(data(hci.AdvDataLast, 1), hci.StatusInvalidParameters)
		h.do(data(hci.AdvDataFirst, 252))
		h.doStatus(on, hci.StatusCommandDisallowed)
		for range 5 {
			h.do(data(hci.AdvDataIntermediate, 252))
		}
		h.doStatus(data(hci.AdvDataLast, 252), hci.StatusMemoryFull)
		h.do(data(hci.AdvDataComplete, 3))
		h.do(on)
		h.doStatus(params, hci.StatusCommandDisallowed)
		h.doStatus(data(hci.AdvDataFirst, 3), hci.StatusCommandDisallowed)
		h.doStatus(hci.LERemoveAdvertisingSet{Handle: 1}, hci.StatusCommandDisallowed)
		h.doStatus(hci.LEClearAdvertisingSets{}, hci.StatusCommandDisallowed)
		connectable := ext
		connectable.Properties = hci.AdvPropConnectable
		h.doStatus(connectable, hci.StatusInvalidParameters)
		h.do(off)
		h.do(hci.LERemoveAdvertisingSet{Handle: 1})

		sync := hci.LEPeriodicAdvertisingCreateSync{Timeout: time.Second}
		h.doStatus(hci.LEPeriodicAdvertisingCreateSyncCancel{}, hci.StatusCommandDisallowed)
		h.doStatus(hci.LEPeriodicAdvertisingTerminateSync{Sync: 0x100}, hci.StatusUnknownAdvertisingID)
		h.doStatus(sync, hci.StatusSuccess)
		h.doStatus(sync, hci.StatusCommandDisallowed)
		h.do(hci.LEPeriodicAdvertisingCreateSyncCancel{})
		if ev := next[*hci.LEPeriodicAdvertisingSyncEstablished](h); ev.Status != hci.StatusCanceledByHost {
			t.Errorf("canceled: %+v", ev)
		}
	})
}
