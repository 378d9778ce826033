package hostile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// TestControllerRecovers: faults of a controller that the host tolerates, within the
// time limit of an answer.
func TestControllerRecovers(t *testing.T) {
	for name, f := range map[string]func(w *world){
		"no answer to a command that can be done without": func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, NoAnswer: true, Ignore: true})
			begin := time.Now()
			_, err := w.good.Link().RSSI(w.t.Context())
			if took := time.Since(begin); !errors.Is(err, controller.ErrNoAnswer) || took != 2*time.Second {
				w.t.Errorf("got %v after %v, want no answer after 2s", err, took)
			}
			if _, err := w.good.Link().RSSI(w.t.Context()); !errors.Is(err, controller.ErrUnanswered) {
				w.t.Errorf("got %v, want that it is not tried again", err)
			}
		},
		"answers twice": func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, Times: sim.Always, Copies: 2})
			for range 10 {
				if _, err := w.good.Link().RSSI(w.t.Context()); err != nil {
					w.t.Error(err)
				}
				// The copies would answer the next command of the same opcode.
				time.Sleep(100 * time.Millisecond)
			}
			if n := w.host.Controller().Stats().ForeignAnswers; n != 20 {
				w.t.Errorf("%d answers to nothing counted, want 20", n)
			}
		},
		"completion for another opcode": func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, As: hci.OpLERand})
			begin := time.Now()
			if _, err := w.good.Link().RSSI(w.t.Context()); !errors.Is(err, controller.ErrNoAnswer) || time.Since(begin) != 2*time.Second {
				w.t.Errorf("got %v after %v", err, time.Since(begin))
			}
		},
		"a late answer": func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, Delay: 3 * time.Second})
			if _, err := w.good.Link().RSSI(w.t.Context()); !errors.Is(err, controller.ErrNoAnswer) {
				w.t.Errorf("got %v", err)
			}
			time.Sleep(2 * time.Second)
			if _, err := w.good.Link().RSSI(w.t.Context()); err != nil {
				w.t.Errorf("after the late answer: %v", err)
			}
		},
		"command credits that come late": func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, NoCredits: true, CreditDelay: 3 * time.Second})
			begin := time.Now()
			for range 2 {
				if _, err := w.good.Link().RSSI(w.t.Context()); err != nil {
					w.t.Error(err)
				}
			}
			if took := time.Since(begin); took < 3*time.Second || took > 3100*time.Millisecond {
				w.t.Errorf("the second command took until %v, want 3s", took)
			}
		},
		"data credits that never come, on one link": func(w *world) {
			c, _ := w.connect()
			w.ctl.Fault(sim.CreditFault{Withhold: true})
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
			defer cancel()
			var err error
			for err == nil {
				err = c.GATT().WriteNoResponse(ctx, 3, make([]byte, 20))
			}
			if !errors.Is(err, controller.ErrNoDataCredit) {
				w.t.Errorf("the writer got %v, want the fault of the controller", err)
			}
			if err := c.Close(); err != nil { // the buffers come back with the end of the link
				w.t.Error(err)
			}
			w.ctl.Fault(sim.CreditFault{})
		},
		"data credits that come twice": func(w *world) {
			c, e := w.connect()
			e.mute()
			w.ctl.Fault(sim.CreditFault{Extra: 3})
			for range 500 {
				if err := c.GATT().WriteNoResponse(w.t.Context(), 3, make([]byte, 20)); err != nil {
					w.t.Fatal(err)
				}
			}
			e.drain()
			// Nobody can tell a credit too many from a good one before the first overflow. From
			// then on half of the buffers stay unused.
			if s := w.ctl.Stats(); s.Overruns > 8 {
				w.t.Errorf("%d packets beyond the buffers, want no more than there are buffers", s.Overruns)
			}
			w.wantOverruns = true
			if n := w.host.Controller().Stats().ExcessCredits; n == 0 {
				w.t.Error("no credit counted as excess")
			}
			w.ctl.ClearFaults()
		},
		"the end of a link not reported, after our disconnect": func(w *world) {
			c, _ := w.connect()
			w.ctl.Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
			begin := time.Now()
			if err := c.Close(); err != nil || time.Since(begin) > 7*time.Second {
				w.t.Errorf("closed with %v after %v, want within supervision timeout and an answer's time", err, time.Since(begin))
			}
		},
		"the end of a link not reported, after the peer's": func(w *world) {
			c, e := w.connect()
			w.ctl.Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
			e.Disconnect(hci.StatusRemoteUserTerminated)
			begin := time.Now()
			_, err := c.GATT().ReadHandle(w.t.Context(), 3)
			if took := time.Since(begin); err == nil || took > 33*time.Second {
				w.t.Errorf("a read on the dead link: %v after %v, want an error after 30s", err, took)
			}
			w.wantLost(c, 10*time.Second, nil, "")
			w.wantUnknownHandles = true // the host could not know
		},
		"a handle given again without the end of the link before": func(w *world) {
			c, e := w.connect()
			w.ctl.Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
			e.Disconnect(hci.StatusRemoteUserTerminated)
			time.Sleep(time.Second)
			again, _ := w.connect()
			if again.Link().Handle() != c.Link().Handle() {
				w.t.Fatal("the controller gave another handle: this tests nothing")
			}
			w.wantLost(c, time.Second, controller.ErrStale, "")
			w.wantRead(again, "on the link that has the handle")
		},
		"a connection that is never established": func(w *world) {
			p := w.air.NewRawPeer(nil)
			w.ctl.Fault(sim.ConnectFault{Peer: p.Address()})
			c, err := w.host.Connect(w.t.Context(), p.Address(), options())
			if err == nil {
				w.wantLost(c, 5*time.Second, hci.StatusFailedToEstablish, "")
			} else if !errors.Is(err, hci.StatusFailedToEstablish) {
				w.t.Errorf("got %v", err)
			}
		},
		"a connection reported as failed": func(w *world) {
			p := w.air.NewRawPeer(nil)
			w.ctl.Fault(sim.ConnectFault{Peer: p.Address(), Status: hci.StatusFailedToEstablish})
			if _, err := w.host.Connect(w.t.Context(), p.Address(), options()); !errors.Is(err, hci.StatusFailedToEstablish) {
				w.t.Errorf("got %v", err)
			}
		},
		"a connection reported late": func(w *world) {
			p := w.air.NewRawPeer(nil)
			w.ctl.Fault(sim.ConnectFault{Peer: p.Address(), Delay: 3 * time.Second})
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			defer cancel()
			begin := time.Now()
			if _, err := w.host.Connect(ctx, p.Address(), options()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
				w.t.Errorf("got %v after %v", err, time.Since(begin))
			}
			time.Sleep(10 * time.Second)
			if s := w.ctl.Stats(); s.Links != 1 {
				w.t.Errorf("%d links, want the good one alone", s.Links)
			}
		},
		"a scan that cannot be stopped": func(w *world) {
			sc := w.scan(nil)
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusUnspecified})
			before := w.ctl.Stats().Commands
			sc.Close()
			time.Sleep(45 * time.Second) // less than Config.IdleCheck: the link is idle, too
			if n := w.ctl.Stats().Commands - before; n != 1 {
				w.t.Errorf("asked to stop %d times, want once", n)
			}
			w.ctl.ClearFaults()
		},
		"a disconnect that is refused": func(w *world) {
			c, e := w.connect()
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Status: hci.StatusUnspecified})
			if err := c.Link().Disconnect(w.t.Context()); !errors.Is(err, hci.StatusUnspecified) {
				w.t.Errorf("got %v, want the refusal", err)
			}
			w.wantRead(c, "on the link that did not end")
			e.Disconnect(hci.StatusRemoteUserTerminated)
			w.wantLost(c, 5*time.Second, hci.StatusRemoteUserTerminated, "")
		},
		"MIC failure on a link": func(w *world) {
			c, e := w.connect()
			e.mute()
			read := call(func() error { _, err := c.GATT().ReadHandle(context.Background(), 3); return err })
			time.Sleep(time.Second)
			w.ctl.InjectEvent(&hci.DisconnectionComplete{Handle: c.Link().Handle(), Reason: hci.StatusMICFailure})
			w.wantLost(c, time.Second, hci.StatusMICFailure, "")
			if err := returned(w.t, read, time.Second); !errors.Is(err, hci.StatusMICFailure) {
				w.t.Errorf("the read got %v", err)
			}
		},
	} {
		t.Run(name, bubble(f))
	}
}

// fatal is a fault that ends the host.
type fatal struct {
	fault  func(w *world)
	within time.Duration
	cause  error
}

// TestControllerFails: a fault that the host cannot tolerate ends it, and every waiting
// call returns the cause within the stated time: a reader, a writer, a dialer, a
// scanner, a command, and a wait for the end of a link.
func TestControllerFails(t *testing.T) {
	for name, f := range map[string]fatal{
		"hardware error":              {func(w *world) { w.ctl.HardwareError(0x42, false) }, time.Second, controller.HardwareFault(0x42)},
		"hardware error and reset":    {func(w *world) { w.ctl.HardwareError(0x42, true) }, time.Second, controller.HardwareFault(0x42)},
		"transport closed":            {func(w *world) { w.ctl.Unplug() }, time.Second, sim.ErrUnplugged},
		"half a packet, then nothing": {func(w *world) { w.ctl.Inject(octets("04 0e")); w.ctl.Unplug() }, time.Second, sim.ErrUnplugged},
		"no answer to a command that must have one": {func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpDisconnect, NoAnswer: true, Ignore: true})
			go w.good.Close()
		}, 3 * time.Second, controller.ErrNoAnswer},
		"no command credits for ever": {func(w *world) {
			w.ctl.Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, NoCredits: true, Times: sim.Always})
			go w.good.Link().RSSI(context.Background())
			go w.good.Link().RSSI(context.Background())
		}, 5 * time.Second, controller.ErrNoCredit},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testControllerFails(t, f) }) })
	}
}

func testControllerFails(t *testing.T, f fatal) {
	w := newWorld(t, nil)
	c, e := w.connect()
	e.mute()
	sc := w.scan(nil)
	ctx := context.Background()
	waiters := map[string]<-chan error{
		"a reader":          call(func() error { _, err := c.GATT().ReadHandle(ctx, 3); return err }),
		"the one behind it": call(func() error { _, err := c.GATT().ReadHandle(ctx, 3); return err }),
		"a dialer": call(func() error {
			_, err := w.host.Connect(ctx, hci.Addr{MAC: hci.MAC{7}}, &controller.ConnectOptions{Timeout: -1})
			return err
		}),
		"a scanner":                       call(func() error { _, err := sc.Next(ctx); return err }),
		"an acceptor":                     call(func() error { _, err := w.host.Accept(ctx); return err }),
		"a caller that waits for the end": call(func() error { <-c.Done(); return c.Err() }),
		"a channel":                       call(func() error { _, err := c.L2CAP().Dial(ctx, 0x80, nil); return err }),
		"a writer": call(func() error {
			for {
				if err := c.GATT().WriteNoResponse(ctx, 3, make([]byte, 20)); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
		}),
	}
	time.Sleep(time.Second)
	f.fault(w)
	select {
	case <-w.host.Done():
	case <-time.After(f.within):
		t.Fatalf("the host is still open after %v", f.within)
	}
	if err := w.host.Err(); !errors.Is(err, f.cause) {
		t.Errorf("the host ended with %v, want %v", err, f.cause)
	}
	for who, ch := range waiters {
		if err := returned(t, ch, 2*time.Second); !errors.Is(err, f.cause) {
			t.Errorf("%s got %v, want %v", who, err, f.cause)
		}
	}
	if _, err := w.host.Connect(ctx, c.Peer(), nil); !errors.Is(err, f.cause) {
		t.Errorf("a dial afterwards got %v", err)
	}
	if err := w.host.Close(); err != nil {
		t.Error(err)
	}
	// The remedy is to open the controller again.
	w.ctl.ClearFaults()
	w.host = w.open(w.ctl.Plug())
	again, _ := w.connect()
	w.wantRead(again, "on the reopened controller")
	w.host.Close()
	w.wantAccounts()
}

// TestSilentReset: a controller loses its state during a connection, without an event.
// The data of the link is never acknowledged, and a command shows that the link is gone.
// The controller works when it is opened again.
func TestSilentReset(t *testing.T) { synctest.Test(t, testSilentReset) }

func testSilentReset(t *testing.T) {
	w := newWorld(t, nil)
	w.ctl.Crash()
	begin := time.Now()
	_, err := w.good.GATT().ReadHandle(t.Context(), 3)
	if took := time.Since(begin); !errors.Is(err, controller.ErrEventLost) || took < 6*time.Second || took > 6010*time.Millisecond {
		t.Errorf("the read got %v after %v", err, took)
	}
	w.wantLost(w.good, 2*time.Second, controller.ErrEventLost, "")
	if err := w.host.Close(); err != nil {
		t.Error(err)
	}
	w.host = w.open(w.ctl.Plug())
	c, _ := w.connect()
	w.wantRead(c, "on the reopened controller")
	w.host.Close()
	w.wantUnknownHandles = true // the request
	w.wantAccounts()
}

// TestHalfStart: a controller fails during the start-up.
func TestHalfStart(t *testing.T) {
	for name, f := range map[string]struct {
		fault  func(c *sim.Controller)
		within time.Duration
		cause  error
	}{
		"no answer": {func(c *sim.Controller) {
			c.Fault(sim.CommandFault{Opcode: hci.OpReset, NoAnswer: true, Times: sim.Always})
		}, 6 * time.Second, controller.ErrNoAnswer},
		"one answer missing": {func(c *sim.Controller) { c.Fault(sim.CommandFault{Opcode: hci.OpReset, NoAnswer: true}) }, 2 * time.Second, nil},
		"an error": {func(c *sim.Controller) {
			c.Fault(sim.CommandFault{Opcode: hci.OpReset, Status: hci.StatusHardwareFailure})
		}, time.Second, hci.StatusHardwareFailure},
		"no command credits": {func(c *sim.Controller) { c.Fault(sim.CommandFault{Opcode: hci.OpReset, NoCredits: true}) }, 4 * time.Second, controller.ErrNoCredit},
		"unplugged":          {func(c *sim.Controller) { c.Unplug() }, time.Second, sim.ErrUnplugged},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				air := sim.New(nil)
				defer air.Close()
				c := air.NewController(nil)
				f.fault(c)
				begin := time.Now()
				h, err := host.Open(t.Context(), c, nil)
				if err == nil {
					defer h.Close()
				}
				if took := time.Since(begin); !errors.Is(err, f.cause) || took > f.within+100*time.Millisecond {
					t.Errorf("got %v after %v, want %v within %v", err, took, f.cause, f.within)
				}
			})
		})
	}
}
