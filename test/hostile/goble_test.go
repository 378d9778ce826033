package hostile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// Each test in this file is a defect of go-ble that hangs or kills a program. Defects
// that malformed octets of a peer cause are rows of the tables in the other files.
// Defects that package host tests are not repeated.

// An orphan scan response made every later command fail.
func TestGoBLEOrphanScanResponse(t *testing.T) {
	bubble(func(w *world) {
		sc := w.scan(nil)
		orphan := hci.Addr{MAC: hci.MAC{1, 2, 3}}
		w.ctl.InjectEvent(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Type: hci.AdvScanRsp, Addr: orphan, RSSI: -50, Data: octets("02 0a 00")}}})
		if r := w.report(sc, orphan); !r.ScanResponse {
			w.t.Errorf("report %+v", r)
		}
		sc.Close()
		for range 3 {
			again := w.scan(nil)
			again.Close()
		}
	})(t)
}

// A dial got no result if its connection failed, and the handle 0 in the event replaced
// that of another link.
func TestGoBLEFailedConnectionTakesNoHandle(t *testing.T) {
	bubble(func(w *world) {
		for range 20 {
			p := w.air.NewRawPeer(nil)
			w.ctl.Fault(sim.ConnectFault{Peer: p.Address(), Status: hci.StatusFailedToEstablish})
			ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
			if _, err := w.host.Connect(ctx, p.Address(), options()); !errors.Is(err, hci.StatusFailedToEstablish) {
				w.t.Errorf("got %v", err)
			}
			cancel()
			p.SetAdvertising(false)
			w.wantRead(w.good, "the first link")
		}
	})(t)
}

// A connection reported right behind the Command Status was dropped.
func TestGoBLEConnectionRightBehindTheStatus(t *testing.T) {
	bubble(func(w *world) {
		p := w.air.NewRawPeer(&sim.RawPeerConfig{Interval: time.Millisecond})
		for i := range 200 {
			c, err := w.host.Connect(w.t.Context(), p.Address(), options())
			if err != nil {
				w.t.Fatalf("dial %d: %v", i, err)
			}
			if err := c.Close(); err != nil {
				w.t.Fatal(err)
			}
		}
	})(t)
}

// A dial whose context ended while the controller completed the connection blocked
// forever, and its error was a plain string.
func TestGoBLEContextEndsAsTheConnectionCompletes(t *testing.T) {
	bubble(func(w *world) {
		p := w.air.NewRawPeer(&sim.RawPeerConfig{Interval: 20 * time.Millisecond})
		for i := range 100 {
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(i)*500*time.Microsecond)
			c, err := w.host.Connect(ctx, p.Address(), options())
			cancel()
			switch {
			case err == nil:
				c.Close()
			case !errors.Is(err, context.DeadlineExceeded):
				w.t.Fatalf("dial %d: %v", i, err)
			}
		}
	})(t)
}

// A search by advertisement hung when its parent context was canceled, and when the scan
// waited for its handler.
func TestGoBLESearchThatFindsNothing(t *testing.T) {
	bubble(func(w *world) {
		sc := w.scan(&controller.ScanOptions{Filter: &controller.ScanFilter{Name: "nobody"}})
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := sc.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			w.t.Errorf("got %v", err)
		}
		p := w.air.NewRawPeer(&sim.RawPeerConfig{AdvData: octets("03 09 68 69")})
		r := w.report(w.scan(nil), p.Address())
		for range sc.All(ctx) { // whoever connects from within the loop over reports
			break
		}
		if _, err := w.host.Connect(w.t.Context(), r.Addr, options()); err != nil {
			w.t.Error(err)
		}
	})(t)
}

// PDUs of more than 23 octets before the MTU exchange, and answers without a request,
// froze the adapter after 16 packets.
func TestGoBLELongPDUAndAnswersNobodyWaitsFor(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		for range 100 {
			e.Send(cidATT, append(octets("1b 0300"), make([]byte, 200)...))
			e.Send(cidATT, append(octets("0b"), make([]byte, 200)...))
			e.att("13")
		}
		e.drain()
		w.wantRead(c, "on the same link")
	})(t)
}

// A writer that waited for a credit and a disconnect deadlocked.
func TestGoBLEDisconnectWhileWritersWait(t *testing.T) {
	bubbleOn(&sim.ControllerConfig{ACLNum: 1}, func(w *world) {
		c, _ := w.connect()
		w.ctl.Fault(sim.CreditFault{Withhold: true})
		var writers []<-chan error
		for range 4 {
			writers = append(writers, call(func() error {
				for {
					if err := c.GATT().WriteNoResponse(context.Background(), 3, make([]byte, 20)); err != nil {
						return err
					}
				}
			}))
		}
		time.Sleep(time.Second)
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
		for _, ch := range writers {
			if err := returned(w.t, ch, time.Second); !errors.Is(err, hci.StatusLocalHostTerminated) {
				w.t.Errorf("a writer got %v", err)
			}
		}
		w.ctl.Fault(sim.CreditFault{})
		time.Sleep(time.Second)
	})(t)
}

// The reader answered a peer's request for connection parameters, or for a key, and then
// waited for itself, 10 s for every command.
func TestGoBLEPeerAsksForParameters(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		e.sig("12 07 0800 1800 1800 0000 c800")
		begin := time.Now()
		for range 10 {
			if _, err := c.Link().RSSI(w.t.Context()); err != nil {
				w.t.Error(err)
			}
		}
		if took := time.Since(begin); took > 100*time.Millisecond {
			w.t.Errorf("ten commands took %v", took)
		}
		e.want("accepted", "0005: 130702000000")
		time.Sleep(2 * time.Second)
		if p := c.Link().State().Params; p.Interval != 30*time.Millisecond || p.Timeout != 2*time.Second {
			w.t.Errorf("parameters %+v", p)
		}
	})(t)
}

// Service discovery by a phone blocked all notifications; a malformed MTU
// request made every later request hang.
func TestGoBLERequestsOfThePeer(t *testing.T) {
	bubble(func(w *world) {
		c, e, sub := w.subscribed(0)
		e.att("10 0100 ffff 0028")
		e.att("02 17")
		e.att("1b 0300 09")
		if v, err := sub.Next(w.t.Context()); err != nil || v.Data[0] != 9 {
			w.t.Errorf("notification %+v, %v", v, err)
		}
		w.wantRead(c, "on the same link")
	})(t)
}

// Disconnecting waited for a pending request, and reading while handling a
// notification deadlocked.
func TestGoBLEReadWhileHandlingANotification(t *testing.T) {
	bubble(func(w *world) {
		c, e, sub := w.subscribed(0)
		e.att("1b 0300 09")
		for v, err := range sub.All(w.t.Context()) {
			if err != nil || v.Data[0] != 9 {
				w.t.Fatalf("notification %+v, %v", v, err)
			}
			w.wantRead(c, "within the loop over notifications")
			e.mute()
			read := call(func() error { _, err := c.GATT().ReadHandle(context.Background(), 3); return err })
			time.Sleep(time.Second)
			begin := time.Now()
			if err := c.Close(); err != nil || time.Since(begin) > time.Second {
				w.t.Errorf("closed with %v after %v", err, time.Since(begin))
			}
			if err := returned(w.t, read, time.Second); !errors.Is(err, hci.StatusLocalHostTerminated) {
				w.t.Errorf("the read got %v", err)
			}
			break
		}
	})(t)
}

// After a timeout, the late answer was used for the next request.
func TestGoBLELateAnswerAfterATimeout(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		e.replies(func(l *sim.RawLink, _ []byte) bool {
			time.AfterFunc(31*time.Second, func() { l.Send(cidATT, octets("0b 66")) })
			return true
		})
		if _, err := c.GATT().ReadHandle(w.t.Context(), 3); !errors.Is(err, att.ErrTransactionTimeout) {
			w.t.Errorf("got %v", err)
		}
		if v, err := c.GATT().ReadHandle(w.t.Context(), 4); !errors.Is(err, att.ErrTransactionTimeout) {
			w.t.Errorf("the next read got % x, %v", v, err)
		}
		w.wantLost(c, 5*time.Second, att.ErrTransactionTimeout, "")
		time.Sleep(5 * time.Second)
	})(t)
}

// A late signaling answer was sent on a closed channel.
func TestGoBLELateSignalingAnswer(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		if _, err := c.L2CAP().Dial(w.t.Context(), 0x80, nil); err == nil {
			w.t.Error("dialed without an answer")
		}
		e.sig("15 01 0a00 4100 1700 1700 0100 0000")
		e.sig("15 01 0a00 4100 1700 1700 0100 0000")
		e.drain()
		w.wantRead(c, "on the same link")
	})(t)
}

// A second stop, or close, of anything panicked.
func TestGoBLECloseTwice(t *testing.T) {
	bubble(func(w *world) {
		c, _, sub := w.subscribed(0)
		sc := w.scan(nil)
		other := w.air.NewController(nil)
		h, err := host.Open(w.t.Context(), other, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for range 3 {
			sc.Close()
			if err := errors.Join(sub.Close(), c.Close(), h.Close()); err != nil {
				w.t.Error(err)
			}
		}
	})(t)
}

// A failed CCCD write was remembered as success, and an end before the start
// made discovery loop.
func TestGoBLEFailedSubscribe(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		refuse := true
		e.replies(func(l *sim.RawLink, pdu []byte) bool {
			if att.Opcode(pdu[0]) == att.OpWriteReq && refuse {
				refuse = false
				l.Send(cidATT, octets("01 12 0400 0e"))
				return true
			}
			return answerTable(l, pdu)
		})
		ch, err := c.GATT().Char(w.t.Context(), gatt.UUID16(0x180F), level)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := ch.Subscribe(w.t.Context(), nil); !errors.Is(err, att.CodeUnlikelyError) {
			w.t.Errorf("got %v", err)
		}
		if _, err := ch.Subscribe(w.t.Context(), nil); err != nil {
			w.t.Errorf("the retry got %v", err)
		}
	})(t)
}
