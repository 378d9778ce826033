package l2cap

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func TestSendCutsFrames(t *testing.T) {
	pdu := make([]byte, 60)
	for i := range pdu {
		pdu[i] = byte(i)
	}
	for _, tt := range []struct {
		n, maxACL int
		want      []int // lengths of the packets
	}{
		{0, 27, []int{4}},
		{23, 27, []int{27}},
		{24, 27, []int{27, 1}},
		{50, 27, []int{27, 27}},
		{51, 27, []int{27, 27, 1}},
		{60, 251, []int{64}},
		{60, 64, []int{64}},
	} {
		t.Run(fmt.Sprintf("%d bytes in packets of %d", tt.n, tt.maxACL), func(t *testing.T) {
			var p proto
			l := newFakeLink(t, hci.RoleCentral, &Config{ATT: p.on()})
			l.maxACL = tt.maxACL
			p.ch.Send(pdu[:tt.n])
			var got []int
			var all []byte
			for i, s := range l.sent {
				if s.start != (i == 0) {
					t.Errorf("packet %d: start = %v", i, s.start)
				}
				got = append(got, len(s.data))
				all = append(all, s.data...)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("packets of %v bytes, want %v", got, tt.want)
			}
			if want := frameBytes(cidATT, pdu[:tt.n]); !bytes.Equal(all, want) {
				t.Errorf("sent % x, want % x", all, want)
			}
		})
	}
}

func TestSendRefusesWhatNoFrameHolds(t *testing.T) {
	var p proto
	l := newFakeLink(t, hci.RoleCentral, &Config{ATT: p.on()})
	p.ch.Send(make([]byte, 65535))
	if n := len(l.take()); n != 1 {
		t.Errorf("the longest frame was sent as %d frames, want 1", n)
	}
	p.ch.Send(make([]byte, 65536))
	l.wantIdle("65536 bytes fit no frame")
	if l.reason != hci.StatusRemoteUserTerminated || l.cause == nil {
		t.Errorf("link ended with %v, %v; want 0x13 and a cause", l.reason, l.cause)
	}
}

// nullLink does nothing, so that only this package is measured.
type nullLink struct{ fakeLink }

func (*nullLink) SendACL(bool, []byte) {}

func newNullLink(tb testing.TB, cfg *Config) *nullLink {
	l := &nullLink{fakeLink{tb: tb, now: epoch, maxACL: 27, room: 1, done: make(chan struct{})}}
	l.m = NewMux(l.now, l, cfg)
	return l
}

// count is a Handler that counts bytes, without allocation.
type count struct {
	proto
	n int
}

func (c *count) Frame(_ time.Time, pdu []byte) { c.n += len(pdu) }

func TestNoAllocations(t *testing.T) {
	var c count
	l := newNullLink(t, &Config{ATT: func(_ time.Time, ch *Channel) Handler { c.ch = ch; return &c }})
	pdu := make([]byte, 100)
	whole := frameBytes(cidATT, pdu[:23])
	long := frameBytes(cidATT, pdu)
	for name, f := range map[string]func(){
		"frame out":      func() { c.ch.Send(pdu) },
		"whole frame in": func() { l.m.ACL(l.now, true, whole) },
		"frame in pieces": func() {
			l.m.ACL(l.now, true, long[:27])
			l.m.ACL(l.now, false, long[27:54])
			l.m.ACL(l.now, false, long[54:81])
			l.m.ACL(l.now, false, long[81:])
		},
		"deadline and room": func() {
			c.ch.SetDeadline(l.now.Add(rtx))
			if !c.ch.Room() {
				t.Error("no room")
			}
			c.ch.SetDeadline(time.Time{})
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	if c.n == 0 {
		t.Error("no frame arrived")
	}
}

func BenchmarkFrameOut(b *testing.B) {
	var p proto
	l := newNullLink(b, &Config{ATT: p.on()})
	l.maxACL = 251
	pdu := make([]byte, 247)
	b.ReportAllocs()
	b.SetBytes(int64(len(pdu)))
	for b.Loop() {
		p.ch.Send(pdu)
	}
}

func BenchmarkFrameInOnePacket(b *testing.B) {
	var c count
	l := newNullLink(b, &Config{ATT: func(time.Time, *Channel) Handler { return &c }})
	f := frameBytes(cidATT, make([]byte, 247))
	b.ReportAllocs()
	b.SetBytes(247)
	for b.Loop() {
		l.m.ACL(l.now, true, f)
	}
}

func BenchmarkFrameInTenPackets(b *testing.B) {
	var c count
	l := newNullLink(b, &Config{ATT: func(time.Time, *Channel) Handler { return &c }})
	f := frameBytes(cidATT, make([]byte, 247))
	b.ReportAllocs()
	b.SetBytes(247)
	for b.Loop() {
		l.m.ACL(l.now, true, f[:27])
		for i := 27; i < len(f); i += 27 {
			l.m.ACL(l.now, false, f[i:min(i+27, len(f))])
		}
	}
}
