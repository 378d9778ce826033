package hostile_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/sim"
)

// TestFragments: fragments that do not form a frame are dropped, and so are frames on
// unknown channels. The link stays up.
func TestFragments(t *testing.T) {
	for name, attack := range map[string]func(e *end){
		"continuation without a start": func(e *end) { e.SendData(false, octets("0500 0400 0103")) },
		"ten thousand of them": func(e *end) {
			for range 10000 {
				e.SendData(false, octets("00"))
			}
		},
		"start of one octet": func(e *end) { e.SendData(true, octets("05")) },
		"header in single octets, then no": func(e *end) {
			e.SendData(true, octets("05"))
			e.SendData(false, octets("00"))
			e.SendData(false, octets("04"))
		},
		"length 0":            func(e *end) { e.SendData(true, octets("0000 0400")) },
		"length 0, with data": func(e *end) { e.SendData(true, octets("0000 0400 0a")) },
		"length 65535": func(e *end) {
			e.SendData(true, octets("ffff 0400"))
			for range 300 {
				e.SendData(false, make([]byte, 251))
			}
		},
		"shorter than its header says": func(e *end) { e.SendData(true, octets("0900 0400 0a")) },
		"longer than its header says":  func(e *end) { e.SendData(true, octets("0200 0400 0a 03 00")) },
		"overrun by a continuation":    func(e *end) { e.SendData(true, octets("0300 0400 0a")); e.SendData(false, octets("03 00 00 00")) },
		"start within a frame":         func(e *end) { e.SendData(true, octets("0300 0400 0a")); e.SendData(true, octets("0300 0400 0a")) },
		"channel 0":                    func(e *end) { e.Send(0, octets("0102")) },
		"channel of BR/EDR":            func(e *end) { e.Send(1, octets("0102")) },
		"channel that is not open":     func(e *end) { e.Send(0x40, octets("0102")) },
		"last channel":                 func(e *end) { e.Send(0xFFFF, make([]byte, 65535)) },
		"ATT frame of 65535":           func(e *end) { e.Send(cidATT, bytes.Repeat([]byte{0x0A}, 65535)) },
		"SMP frame of 65535":           func(e *end) { e.Send(6, bytes.Repeat([]byte{0x01}, 65535)) },
		"SMP of no octets":             func(e *end) { e.Send(6, nil) },
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			w.wantFlat(func() { attack(e); e.drain() })
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestSignaling: the answers on the signaling channel, octet by octet.
func TestSignaling(t *testing.T) {
	for name, test := range map[string]struct {
		send string
		want []string
	}{
		"empty":                             {"", nil},
		"code alone":                        {"12", nil},
		"no length":                         {"12 01", []string{"0005: 010102000000"}},
		"length beyond the frame":           {"12 01 ff00 0000", []string{"0005: 010102000000"}},
		"length short of the frame":         {"12 01 0000 0600", []string{"0005: 010102000000"}},
		"unknown code":                      {"7f 03 0000", []string{"0005: 010302000000"}},
		"two commands in a frame":           {"7f 03 0000 7f 04 0000", []string{"0005: 010302000000"}},
		"two responses in a frame":          {"13 03 0200 0000 13 04 0200 0000", nil},
		"beyond the signaling MTU":          {"7f 05 1800 000000000000000000000000000000000000000000000000", []string{"0005: 01050400" + "01001700"}},
		"identifier 0":                      {"06 00 0400 4000 4000", nil},
		"Command Reject nobody waits for":   {"01 09 0200 0000", nil},
		"a response nobody waits for":       {"15 09 0a00 4000 1700 1700 0100 0000", nil},
		"parameters: interval 5":            {"12 07 0800 0500 0600 0000 c800", []string{"0005: 130702000100"}},
		"parameters: interval 3201":         {"12 07 0800 0600 810c 0000 c800", []string{"0005: 130702000100"}},
		"parameters: latency 500":           {"12 07 0800 0600 0600 f401 c800", []string{"0005: 130702000100"}},
		"parameters: timeout 9":             {"12 07 0800 0600 0600 0000 0900", []string{"0005: 130702000100"}},
		"parameters: timeout 3201":          {"12 07 0800 0600 0600 0000 810c", []string{"0005: 130702000100"}},
		"parameters: timeout below latency": {"12 07 0800 5000 5000 0a00 6400", []string{"0005: 130702000100"}},
		"parameters: upside down":           {"12 07 0800 2000 1000 0000 c800", []string{"0005: 130702000100"}},
		"channel to nothing":                {"14 08 0a00 8000 4000 1700 1700 0100", []string{"0005: 15080a0000000000000000000200"}},
		"end of no channel":                 {"06 08 0400 4000 4100", []string{"0005: 01080600020040004100"}},
		"credits for no channel":            {"16 08 0400 4000 0100", []string{"0005: 01080600020000004000"}},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.take()
			e.sig(test.send)
			e.want(test.send, test.want...)
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestSignalFlood: a peer that sends endless requests gets answers as long as the link
// has room. The queue of answers is bounded.
func TestSignalFlood(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		w.wantFlat(func() {
			for range 10000 {
				e.sig("7f 03 0000")
			}
			e.drain()
		})
		w.wantRead(c, "on the same link")
	})(t)
}

// TestChannelViolations: a peer that breaks the rules of a credit-based channel loses
// only that channel.
func TestChannelViolations(t *testing.T) {
	for name, test := range map[string]struct {
		accept string // Connection Response behind its header
		attack func(e *end)
		words  string
	}{
		"MPS of 22":            {"4100 1700 1600 0100 0000", nil, "MPS 22"},
		"MTU of 22":            {"4100 1600 1700 0100 0000", nil, "MTU 22"},
		"CID of BR/EDR":        {"0400 1700 1700 0100 0000", nil, "CID"},
		"too many credits":     {"4100 1700 1700 ffff 0000", func(e *end) { e.sig("16 09 0400 4100 0100") }, "65535"},
		"SDU beyond the MTU":   {"4100 1700 1700 0100 0000", func(e *end) { e.Send(0x40, octets("ffff 01")) }, "65535"},
		"frame beyond the MPS": {"4100 1700 1700 0100 0000", func(e *end) { e.Send(0x40, make([]byte, 300)) }, "300"},
		"SDU of one octet":     {"4100 1700 1700 0100 0000", func(e *end) { e.Send(0x40, octets("01")) }, "begins with"},
		"more than the SDU":    {"4100 1700 1700 0100 0000", func(e *end) { e.Send(0x40, octets("0100 0102")) }, "in an SDU of 1"},
		"more than the credits": {"4100 1700 1700 0100 0000", func(e *end) {
			for range 20 {
				e.Send(0x40, octets("0100 01"))
			}
		}, "without credit"},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			type opened struct {
				c   *l2cap.Conn
				err error
			}
			ch := make(chan opened, 1)
			go func() {
				conn, err := c.L2CAP().Dial(w.t.Context(), 0x80, nil)
				ch <- opened{conn, err}
			}()
			if got := e.take(); len(got) != 1 {
				w.t.Fatalf("the peer was sent %q, want a request", got)
			}
			e.sig("15 01 0a00" + test.accept)
			o := returned(w.t, ch, 5*time.Second)
			if test.attack != nil {
				if o.err != nil {
					w.t.Fatal(o.err)
				}
				test.attack(e)
				select {
				case <-o.c.Done():
				case <-time.After(5 * time.Second):
					w.t.Fatal("the channel goes on")
				}
				o.err = o.c.Err()
			}
			if !errors.Is(o.err, l2cap.ErrViolation) || !bytes.Contains([]byte(o.err.Error()), []byte(test.words)) {
				w.t.Errorf("got %v, want a violation about %q", o.err, test.words)
			}
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestChannelWithoutAnswer: a request for a channel without an answer ends after the 30 s
// of the specification.
func TestChannelWithoutAnswer(t *testing.T) {
	bubble(func(w *world) {
		c, _ := w.connect()
		begin := time.Now()
		_, err := c.L2CAP().Dial(w.t.Context(), 0x80, nil)
		var te *l2cap.TimeoutError
		if took := time.Since(begin); !errors.As(err, &te) || took != 30*time.Second {
			w.t.Errorf("got %v after %v", err, took)
		}
		w.wantRead(c, "on the same link")
	})(t)
}

// TestAnswersThatAreNotTaken: a peer sends requests but accepts no answers, or the
// controller keeps all buffers. The queues stay bounded: 16 answers on the signaling
// channel, and on ATT the answers to a few requests. More requests break the rule that a
// client waits for its answer.
func TestAnswersThatAreNotTaken(t *testing.T) {
	for name, test := range map[string]struct {
		cid  uint16
		send string
		lost bool
	}{
		"signaling":   {cidSignal, "7f 03 0000", false},
		"pairing":     {6, "01 03 00 00 10 00 00", false},
		"reads":       {cidATT, "0a 0300", true},
		"MTU":         {cidATT, "02 1700", true},
		"unknown":     {cidATT, "3f", true},
		"indications": {cidATT, "1d 0300 00", true},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.mute()
			w.ctl.Fault(sim.CreditFault{Withhold: true})
			w.wantFlat(func() {
				for range 10000 {
					e.Send(test.cid, octets(test.send))
				}
				e.drain()
			})
			w.ctl.Fault(sim.CreditFault{}) // gives back what was kept
			if test.lost {
				w.wantLost(c, 10*time.Second, nil, "must wait for the")
				return
			}
			if err := c.Err(); !errors.Is(err, controller.ErrNoDataCredit) {
				w.t.Errorf("the link ended with %v, want the fault of the controller", err)
			}
		}))
	}
}
