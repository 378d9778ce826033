package l2cap

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// packet is an ACL data packet.
type packet struct {
	start bool
	data  []byte
}

// fakeLink is a Link without goroutines: the test is the loop, and posted tasks
// run at once.
type fakeLink struct {
	refused  int // requests for a key
	tb       testing.TB
	m        *Mux
	now      time.Time
	role     hci.Role
	maxACL   int
	room     int // packets taken until Room says no
	waiting  bool
	sent     []packet
	deadline time.Time
	done     chan struct{}
	err      error
	reason   hci.Status
	cause    error
	updates  []hci.ConnParams
	updated  func(time.Time, hci.ConnParamsInUse, error)
	replies  []paramReply
	posted   chan loop.Task // if not nil, posted tasks wait here
}

type paramReply struct {
	params hci.ConnParams
	accept bool
}

var testPeer = hci.Addr{MAC: hci.MAC{6, 5, 4, 3, 2, 1}, Kind: hci.AddrPublic}

// newFakeLink makes a link whose controller has 27-byte buffers and a Mux on it.
func newFakeLink(tb testing.TB, role hci.Role, cfg *Config) *fakeLink {
	l := &fakeLink{tb: tb, now: epoch, role: role, maxACL: 27, room: 1000, done: make(chan struct{})}
	l.m = NewMux(l.now, l, cfg)
	l.m.clock = func() time.Time { return l.now }
	return l
}

func (l *fakeLink) SendACL(start bool, data []byte) {
	if len(data) > l.maxACL {
		l.tb.Errorf("ACL packet of %d bytes, the buffers have %d", len(data), l.maxACL)
	}
	l.sent = append(l.sent, packet{start, bytes.Clone(data)})
}

func (l *fakeLink) MaxACLData() int { return l.maxACL }

func (l *fakeLink) Room() bool {
	if len(l.sent) < l.room {
		return true
	}
	l.waiting = true
	return false
}

func (l *fakeLink) SetDeadline(t time.Time) { l.deadline = t }

func (l *fakeLink) StartDisconnect(reason hci.Status, cause error) { l.reason, l.cause = reason, cause }

func (l *fakeLink) StartUpdate(p hci.ConnParams, done func(time.Time, hci.ConnParamsInUse, error)) {
	l.updates = append(l.updates, p)
	l.updated = done
}

func (l *fakeLink) ReplyParamRequest(req *hci.LERemoteConnectionParameterRequest, accept bool) {
	l.replies = append(l.replies, paramReply{req.Params, accept})
}

func (l *fakeLink) RefuseKey() { l.refused++ }

func (l *fakeLink) Role() hci.Role     { return l.role }
func (l *fakeLink) Peer() hci.Addr     { return testPeer }
func (l *fakeLink) Handle() hci.Handle { return 0x0040 }

func (l *fakeLink) Post(t loop.Task) bool {
	if l.posted != nil {
		l.posted <- t
		return true
	}
	t.Run(l.now)
	return true
}

func (l *fakeLink) Done() <-chan struct{} { return l.done }
func (l *fakeLink) Err() error            { return l.err }

// down ends the link as the controller does.
func (l *fakeLink) down(cause error) {
	l.err = cause
	l.m.Down(l.now, cause)
	close(l.done)
}

// recv passes the Mux a frame in one packet; payload is hexadecimal.
func (l *fakeLink) recv(cid CID, payload string) {
	l.tb.Helper()
	l.recvBytes(cid, unhex(l.tb, payload))
}

func (l *fakeLink) recvBytes(cid CID, payload []byte) {
	l.m.ACL(l.now, true, frameBytes(cid, payload))
}

func frameBytes(cid CID, payload []byte) []byte {
	b := wire.AppendU16(nil, uint16(len(payload)))
	return append(wire.AppendU16(b, uint16(cid)), payload...)
}

// free empties the link's queue, as after sending all of it.
func (l *fakeLink) free() {
	l.sent = nil
	if l.waiting {
		l.waiting = false
		l.m.Writable(l.now)
	}
}

// take returns the frames sent since the last call, as "CID payload" in hex.
func (l *fakeLink) take() []string {
	l.tb.Helper()
	var frames []string
	for i := 0; i < len(l.sent); {
		if !l.sent[i].start {
			l.tb.Fatalf("sent a continuation without start: % x", l.sent[i].data)
		}
		b := l.sent[i].data
		for i++; i < len(l.sent) && !l.sent[i].start; i++ {
			b = append(b, l.sent[i].data...)
		}
		r := wire.NewReader(b)
		n, cid := r.U16(), r.U16()
		if int(n) != r.Len() {
			l.tb.Fatalf("sent a frame whose header says %d of %d bytes", n, r.Len())
		}
		frames = append(frames, fmt.Sprintf("%04x %x", cid, r.Rest()))
	}
	l.sent = nil
	return frames
}

// want checks that exactly these frames were sent since the last check.
func (l *fakeLink) want(why string, frames ...string) {
	l.tb.Helper()
	for i, f := range frames {
		cid, payload, _ := strings.Cut(f, " ")
		frames[i] = cid + " " + strings.ReplaceAll(payload, " ", "")
	}
	if got := l.take(); !slices.Equal(got, frames) {
		l.tb.Errorf("%s: sent %q, want %q", why, got, frames)
	}
}

// wantIdle checks that nothing was sent.
func (l *fakeLink) wantIdle(why string) {
	l.tb.Helper()
	l.want(why)
}

// advance moves time and lets the deadline expire on its way.
func (l *fakeLink) advance(d time.Duration) {
	end := l.now.Add(d)
	for !l.deadline.IsZero() && !l.deadline.After(end) {
		l.now = l.deadline
		l.deadline = time.Time{}
		l.m.Expire(l.now)
	}
	l.now = end
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// proto is a Handler that records its calls.
type proto struct {
	ch     *Channel
	frames []string
	events []hci.Event
	log    []string
	onTurn func(now time.Time)
}

func (p *proto) Frame(_ time.Time, pdu []byte) { p.frames = append(p.frames, hex.EncodeToString(pdu)) }

func (p *proto) Writable(now time.Time) {
	p.log = append(p.log, "writable")
	if p.onTurn != nil {
		p.onTurn(now)
	}
}

func (p *proto) Expire(now time.Time) {
	p.log = append(p.log, fmt.Sprint("expire ", now.Sub(epoch)))
}

func (p *proto) Down(_ time.Time, cause error) { p.log = append(p.log, fmt.Sprint("down ", cause)) }

func (p *proto) Event(_ time.Time, ev hci.Event) { p.events = append(p.events, ev) }

// on returns a constructor of p for Config.
func (p *proto) on() func(time.Time, *Channel) Handler {
	return func(_ time.Time, ch *Channel) Handler {
		p.ch = ch
		return p
	}
}
