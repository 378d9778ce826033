package hostile_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// TestWrongAnswers: sixteen answers that do not belong to the request end the bearer and
// its link at once, with an error that names the rule.
func TestWrongAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer string // to Read Request for handle 3
		rule   att.Rule
	}{
		"another response":              {"13", att.RuleResponse},
		"a response of an MTU exchange": {"03 1700", att.RuleResponse},
		"an error for another request":  {"01 12 0300 0a", att.RuleErrorRequest},
		"an error of one octet":         {"01", att.RuleErrorRequest},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.replies(func(l *sim.RawLink, _ []byte) bool {
				for range 16 {
					l.Send(cidATT, octets(test.answer))
				}
				return true
			})
			begin := time.Now()
			_, err := c.GATT().ReadHandle(w.t.Context(), 3)
			var pe *att.ProtocolError
			if !errors.As(err, &pe) || pe.Rule != test.rule || pe.Pending != att.OpReadReq || time.Since(begin) > time.Second {
				w.t.Errorf("the read got %v after %v, want rule %v", err, time.Since(begin), test.rule)
			}
			w.wantBroken(c, test.rule)
		}))
	}
}

// TestMalformedAnswers: an answer with the right opcode that cannot be decoded fails the
// one call. The link stays up.
func TestMalformedAnswers(t *testing.T) {
	read := func(c *host.Conn) error {
		_, err := c.GATT().ReadByUUID(context.Background(), level, att.HandleRange{})
		return err
	}
	for name, test := range map[string]struct {
		answer string
		call   func(c *host.Conn) error
	}{
		"Read By Type of entry size 0":  {"09 00 0300 2a", read},
		"Read By Type of entry size 1":  {"09 01 03", read},
		"Read By Type of no entries":    {"09 03", read},
		"Read By Type of no octets":     {"09", read},
		"Read By Type with a remainder": {"09 03 0300 2a 04", read},
		"Read By Type of handle 0":      {"09 03 0000 2a", read},
		"Read By Type that goes back":   {"09 03 0500 2a 0400 2a", read},
		"an error cut off":              {"01 08 0100", read},
		"an error too long":             {"01 08 0100 0a 00", read},
		"MTU of 0": {"03 0000", func(c *host.Conn) error {
			mtu, err := c.GATT().ExchangeMTU(context.Background())
			if mtu != 23 {
				return errors.New("the MTU went below 23")
			}
			return errors.Join(err, &att.MalformedError{}) // it is taken as 23
		}},
		"MTU cut off": {"03 17", func(c *host.Conn) error { _, err := c.GATT().ExchangeMTU(context.Background()); return err }},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.replies(func(l *sim.RawLink, _ []byte) bool { l.Send(cidATT, octets(test.answer)); return true })
			var me *att.MalformedError
			if err := test.call(c); !errors.As(err, &me) {
				w.t.Errorf("got %v, want a malformed response", err)
			}
			e.replies(nil)
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestMTUExchange: whatever MTU the peer sends, the result is the smaller of both, and
// from 23 to 517.
func TestMTUExchange(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		mtu    int
	}{
		"0": {"03 0000", 23}, "22": {"03 1600", 23}, "23": {"03 1700", 23}, "100": {"03 6400", 100},
		"65535": {"03 ffff", 517}, "not supported": {"01 02 0000 06", 23},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.replies(func(l *sim.RawLink, pdu []byte) bool {
				if pdu[0] != byte(att.OpExchangeMTUReq) {
					return false
				}
				l.Send(cidATT, octets(test.answer))
				l.Send(cidATT, octets("03 4000")) // once more, though nobody asked
				return true
			})
			if mtu, err := c.GATT().ExchangeMTU(w.t.Context()); mtu != test.mtu || err != nil {
				w.t.Errorf("MTU %d, %v; want %d", mtu, err, test.mtu)
			}
			time.Sleep(time.Second)
			if mtu := c.GATT().MTU(); mtu != test.mtu {
				w.t.Errorf("MTU %d after an answer that nobody asked for, want %d", mtu, test.mtu)
			}
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestUnsolicited: unsolicited PDUs are dropped.
func TestUnsolicited(t *testing.T) {
	for name, pdu := range map[string]string{
		"an empty PDU":                    "",
		"a read response":                 "0b 01",
		"an error response":               "01 0a 0300 0a",
		"a write response":                "13",
		"an MTU response of 0":            "03 0000",
		"a confirmation":                  "1e",
		"a notification of no handle":     "1b",
		"a notification of half a handle": "1b 03",
		"a notification of handle 0":      "1b 0000 01",
		"one for a handle nobody knows":   "1b ffff 01",
		"several that end in the middle":  "23 0300 ff00 01",
		"several of none":                 "23",
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			for range 100 {
				e.att(pdu)
			}
			e.drain()
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestIndicationsAreConfirmedOnce: malformed indications too.
func TestIndicationsAreConfirmedOnce(t *testing.T) {
	for name, pdu := range map[string]string{
		"without a CCCD": "1d 0300 01", "of no handle": "1d", "of handle 0": "1d 0000", "huge": "1d 0300" + string(bytes.Repeat([]byte("00"), 600)),
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.take()
			if name == "huge" { // beyond what L2CAP takes for ATT: nothing that could be confirmed
				e.att(pdu)
				e.want("an indication of 603 octets")
			} else {
				for range 3 {
					e.att(pdu)
					e.want("an indication", "0004: 1e")
				}
			}
			w.wantRead(c, "on the same link")
		}))
	}
}

// subscribed is a peer with one characteristic that notifies, value handle 3,
// and a subscription to it.
func (w *world) subscribed(queue int) (*host.Conn, *end, *gatt.Subscription) {
	w.t.Helper()
	c, e := w.connect()
	e.replies(func(l *sim.RawLink, pdu []byte) bool { return answerTable(l, pdu) })
	ch, err := c.GATT().Char(w.t.Context(), gatt.UUID16(0x180F), level)
	if err != nil {
		w.t.Fatal(err)
	}
	sub, err := ch.Subscribe(w.t.Context(), &gatt.SubscribeOptions{Queue: queue})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, e, sub
}

// answerTable answers like a server with one service and one characteristic, Battery
// Level at handle 3 with its CCCD at 4.
func answerTable(l *sim.RawLink, pdu []byte) bool {
	switch op := att.Opcode(pdu[0]); op {
	case att.OpReadReq, att.OpExchangeMTUReq:
		return false
	case att.OpFindByTypeValueReq:
		reply(l, pdu, 1, "07 0100 ffff")
	case att.OpReadByTypeReq:
		if len(pdu) == 7 && pdu[5] == 0x03 && pdu[6] == 0x28 {
			reply(l, pdu, 2, "09 07 0200 1a 0300 192a")
			return true
		}
		reply(l, pdu, 0xFFFF, "")
	case att.OpFindInformationReq:
		reply(l, pdu, 4, "05 01 0400 0229")
	case att.OpWriteReq:
		l.Send(cidATT, []byte{byte(att.OpWriteRsp)})
	}
	return true
}

// reply sends an answer that begins at a handle, or Attribute Not Found if the request
// starts behind it.
func reply(l *sim.RawLink, req []byte, handle int, answer string) {
	if start := int(req[1]) | int(req[2])<<8; start > handle || answer == "" {
		l.Send(cidATT, []byte{byte(att.OpErrorRsp), req[0], req[1], req[2], byte(att.CodeAttributeNotFound)})
		return
	}
	l.Send(cidATT, octets(answer))
}

// TestNotificationStorm: ten thousand notifications without a reader. The oldest are
// dropped and counted, and memory stays within the bound of the queue.
func TestNotificationStorm(t *testing.T) {
	bubble(func(w *world) {
		c, e, sub := w.subscribed(64)
		sent := 0
		w.wantFlat(func() {
			for range 5000 {
				e.Send(cidATT, []byte{byte(att.OpHandleValueNotification), 3, 0, byte(sent), byte(sent >> 8)})
				sent++
			}
			e.drain()
		})
		for i := range 64 {
			v, err := sub.Next(w.t.Context())
			if n := sent - 64 + i; err != nil || !slices.Equal(v.Data, []byte{byte(n), byte(n >> 8)}) || (i == 0) != (v.Dropped == uint64(sent-64)) {
				w.t.Fatalf("value %d: %+v, %v", i, v, err)
			}
		}
		w.wantRead(c, "on the same link")
	})(t)
}

// TestLongReadFlood: a peer sends a value without end.
func TestLongReadFlood(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		e.replies(func(l *sim.RawLink, pdu []byte) bool {
			l.Send(cidATT, append([]byte{pdu[0] + 1}, make([]byte, 22)...))
			return true
		})
		if _, err := c.GATT().ReadLong(w.t.Context(), 3); !errors.Is(err, gatt.ErrValueTooLong) {
			w.t.Errorf("got %v", err)
		}
		e.replies(nil)
		w.wantRead(c, "on the same link")
	})(t)
}

// TestPreparedWriteEcho: a peer echoes a different value.
func TestPreparedWriteEcho(t *testing.T) {
	for name, spoil := range map[string]func(echo []byte) []byte{
		"the value":  func(b []byte) []byte { b[5] ^= 1; return b },
		"the handle": func(b []byte) []byte { b[1] ^= 1; return b },
		"the offset": func(b []byte) []byte { b[3] ^= 1; return b },
		"its length": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			executed := make(chan byte, 10)
			e.replies(func(l *sim.RawLink, pdu []byte) bool {
				switch att.Opcode(pdu[0]) {
				case att.OpPrepareWriteReq:
					echo := spoil(bytes.Clone(pdu))
					echo[0]++
					l.Send(cidATT, echo)
				case att.OpExecuteWriteReq:
					executed <- pdu[1]
					l.Send(cidATT, []byte{byte(att.OpExecuteWriteRsp)})
				default:
					return false
				}
				return true
			})
			var me *gatt.PrepareMismatchError
			if err := c.GATT().WriteLong(w.t.Context(), 3, make([]byte, 100)); !errors.As(err, &me) {
				w.t.Errorf("got %v", err)
			}
			if flag := <-executed; flag != 0 {
				w.t.Errorf("executed with flag %d, want cancel", flag)
			}
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestRequestWhileOursPends: both sides send requests at once, the peer two. The host
// answers them in order and still matches the answer to its own request.
func TestRequestWhileOursPends(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		e.mute()
		e.take()
		read := call(func() error { _, err := c.GATT().ReadHandle(context.Background(), 3); return err })
		e.want("our request", "0004: 0a0300")
		e.att("02 1700")
		e.att("10 0100 ffff 0028")
		e.want("answers to two requests", "0004: 030502", "0004: 110601000500001806000f000118100013000f18")
		e.att("0b 2a")
		if err := returned(w.t, read, time.Second); err != nil {
			w.t.Errorf("our read got %v", err)
		}
	})(t)
}
