package hostile_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

// TestDiscovery: attribute tables that are malformed or have no end. Discovery ends with
// an error that names its request, within its limit of two minutes.
func TestDiscovery(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(l *sim.RawLink, pdu []byte)
		cause  error
	}{
		"the same handle again and again": {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06 0100 0100 0018")) }, nil},
		"handles that go back":            {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06 0500 0600 0018 0300 0400 0118")) }, nil},
		"an end before the start":         {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06 0500 0400 0018")) }, nil},
		"handle 0":                        {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06 0000 0100 0018")) }, nil},
		"an entry size of 0":              {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 00 0100 0100 0018")) }, nil},
		"an entry size of 255":            {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 ff 0100 0100 0018")) }, nil},
		"entries of mixed size":           {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06 0100 0100 0018 0200 0200 01")) }, nil},
		"no entries":                      {func(l *sim.RawLink, pdu []byte) { l.Send(cidATT, octets("11 06")) }, nil},
		"a service at every handle":       {everyHandle, gatt.ErrTooManyAttributes},
		"one service each 29 seconds":     {slowly, gatt.ErrDiscoveryTimeout},
		"one service up to 0xFFFF, all characteristics the same": {func(l *sim.RawLink, pdu []byte) {
			if att.Opcode(pdu[0]) == att.OpReadByGroupTypeReq {
				reply(l, pdu, 1, "11 06 0100 ffff 0018")
				return
			}
			if att.Opcode(pdu[0]) != att.OpReadByTypeReq {
				reply(l, pdu, 0, "")
				return
			}
			l.Send(cidATT, octets("09 07 0200 02 0300 002a 0400 02 0500 012a 0600 02 0700 022a"))
		}, nil},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.replies(func(l *sim.RawLink, pdu []byte) bool {
				if att.Opcode(pdu[0]) == att.OpReadReq {
					return false
				}
				test.answer(l, pdu)
				return true
			})
			begin := time.Now()
			_, err := c.GATT().Discover(w.t.Context())
			took := time.Since(begin)
			var de *gatt.DiscoveryError
			if !errors.As(err, &de) || test.cause != nil && !errors.Is(err, test.cause) || took > 10*time.Minute {
				w.t.Errorf("got %v after %v, want a discovery error of %v", err, took, test.cause)
			}
			if test.cause != gatt.ErrDiscoveryTimeout {
				w.wantRead(c, "on the same link")
			}
		}))
	}
}

// everyHandle has a service at every handle.
func everyHandle(l *sim.RawLink, pdu []byte) {
	if att.Opcode(pdu[0]) != att.OpReadByGroupTypeReq {
		reply(l, pdu, 0, "")
		return
	}
	answer := []byte{0x11, 6}
	for i := range 3 {
		h := (int(pdu[1]) | int(pdu[2])<<8) + i
		answer = append(answer, byte(h), byte(h>>8), byte(h), byte(h>>8), 0, 0x18)
	}
	l.Send(cidATT, answer)
}

// slowly is everyHandle with 29 s before each answer, one second less than the limit.
func slowly(l *sim.RawLink, pdu []byte) {
	req := append([]byte(nil), pdu...)
	time.AfterFunc(29*time.Second, func() { everyHandle(l, req) })
}
