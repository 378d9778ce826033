package controller

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// harness drives a core without goroutines: events go in, packets come out.
type harness struct {
	t   *testing.T
	c   *core
	now time.Time
	log []string // what handlers were told
}

var (
	peerA = hci.Addr{MAC: hci.MAC{0xA1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	peerB = hci.Addr{MAC: hci.MAC{0xB1, 2, 3, 4, 5, 6}}
)

// newHarness returns a started core: one command at a time, num data buffers
// of 27 octets, legacy commands, and scanning while initiating.
func newHarness(t *testing.T, num int) *harness {
	h := &harness{t: t, c: &core{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.c.setup(Config{DisableTuning: true, NewLink: func(_ time.Time, l *Link) LinkHandler {
		return &recorder{h, l}
	}})
	h.c.info = Info{ACLLen: 27, ACLNum: num, States: hci.LEStateActiveScanAndInitiate}
	h.c.data = dataCredits{length: 27, total: num, free: num}
	h.c.started, h.c.cmds.window = true, maxOutstanding
	h.c.post = func(x task) bool { h.do(x.Run); return true }
	h.c.closed = make(chan struct{})
	return h
}

type recorder struct {
	h *harness
	l *Link
}

func (r *recorder) ACL(_ time.Time, start bool, data []byte) {
	r.h.log = append(r.h.log, "acl "+string(data))
}
func (r *recorder) Event(time.Time, hci.Event)  { r.h.log = append(r.h.log, "event") }
func (r *recorder) Writable(time.Time)          { r.h.log = append(r.h.log, "writable") }
func (r *recorder) Expire(time.Time)            { r.h.log = append(r.h.log, "expire") }
func (r *recorder) Down(_ time.Time, err error) { r.h.log = append(r.h.log, "down: "+err.Error()) }

func (h *harness) do(f func(time.Time)) { h.c.runTask(h.now, loop.Func(f)) }

// event delivers one event.
func (h *harness) event(ev hci.Event) {
	h.c.handlePacket(h.now, hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev))
}

// complete answers op; ret are the octets after the status.
func (h *harness) complete(op hci.Opcode, st hci.Status, ret ...byte) {
	h.event(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: append([]byte{byte(st)}, ret...)})
}

func (h *harness) status(op hci.Opcode, st hci.Status) {
	h.event(&hci.CommandStatus{Status: st, NumPackets: 1, Opcode: op})
}

// want takes the next packet, which must be the command p.
func (h *harness) want(p hci.Params, why string) {
	h.t.Helper()
	w, err := hci.AppendCommand(nil, p)
	if err != nil {
		h.t.Fatal(err)
	}
	h.wantPacket(w, why)
}

// wantData takes the next packet, which must be this data packet.
func (h *harness) wantData(l hci.Handle, start bool, data string, why string) {
	h.t.Helper()
	h.wantPacket(hci.AppendACL(nil, l, start, []byte(data)), why)
}

func (h *harness) wantPacket(w []byte, why string) {
	h.t.Helper()
	if len(h.c.out) == 0 {
		h.t.Fatalf("%s: nothing was sent, want % x (%s)", why, w, hci.Describe(w))
	}
	got := h.c.out[0]
	h.c.out = h.c.out[1:]
	if !bytes.Equal(got, w) {
		h.t.Fatalf("%s:\n got % x (%s)\nwant % x (%s)", why, got, hci.Describe(got), w, hci.Describe(w))
	}
}

func (h *harness) idle(why string) {
	h.t.Helper()
	for _, p := range h.c.out {
		h.t.Errorf("%s: unexpected % x (%s)", why, p, hci.Describe(p))
	}
	h.c.out = nil
}

// pass moves time, stopping at every deadline on the way.
func (h *harness) pass(d time.Duration) {
	end := h.now.Add(d)
	for {
		next := h.c.timers.nextDue()
		if next.IsZero() || next.After(end) {
			break
		}
		h.now = next
		h.c.runTimers(h.now)
	}
	h.now = end
}

// link makes a link as if by a dial.
func (h *harness) link(handle hci.Handle, peer hci.Addr) *Link {
	h.c.now = h.now
	return h.c.addLink(connection{
		handle: handle, role: hci.RoleCentral, peer: peer, params: hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second},
	})
}

// serverLink adds a link on which this host is the peripheral.
func (h *harness) serverLink(handle hci.Handle, peer hci.Addr) *Link {
	l := h.link(handle, peer)
	l.role = hci.RolePeripheral
	return l
}

func (h *harness) connected(st hci.Status, handle hci.Handle, peer hci.Addr) {
	ev := &hci.LEConnectionComplete{Status: st}
	if st == hci.StatusSuccess {
		ev.Handle, ev.Peer = handle, peer
		ev.Params = hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second}
	}
	h.event(ev)
}

// run starts a command and returns a pointer to its future result.
func (h *harness) run(p hci.Params) *error {
	res := new(error)
	*res = errPending
	h.do(func(time.Time) { h.c.runCommand(p, func(_ time.Time, _ []byte, err error) { *res = err }) })
	return res
}

var errPending = errors.New("pending")

func TestCommandsKeepToTheirCredits(t *testing.T) {
	h := newHarness(t, 1)
	a := h.run(hci.ReadRSSI{Handle: 1})
	b := h.run(hci.LERand{})
	c := h.run(hci.ReadRSSI{Handle: 2})
	h.want(hci.ReadRSSI{Handle: 1}, "before the controller has said anything it takes one command")
	h.idle("no credit is left")
	h.event(&hci.CommandComplete{NumPackets: 0, Opcode: hci.OpReadRSSI, Return: []byte{0, 1, 0, 0xD0}})
	if *a != nil || *b != errPending {
		t.Errorf("results %v, %v; want nil and pending", *a, *b)
	}
	h.idle("the controller took the credit away")
	h.event(&hci.CommandComplete{NumPackets: 2})
	h.want(hci.LERand{}, "an answer to opcode 0 refills credits")
	h.want(hci.ReadRSSI{Handle: 2}, "both credits may be used")
	h.complete(hci.OpReadRSSI, hci.StatusUnknownConnection)
	if !errors.Is(*c, hci.StatusUnknownConnection) || (*c).(*CommandError).Op != hci.OpReadRSSI {
		t.Errorf("got %v, want the status and the command", *c)
	}
}

func TestOneUnansweredCommandPerOpcode(t *testing.T) {
	h := newHarness(t, 1)
	h.event(&hci.CommandComplete{NumPackets: 3})
	h.run(hci.ReadRSSI{Handle: 1})
	h.run(hci.ReadRSSI{Handle: 2})
	h.run(hci.LERand{})
	h.want(hci.ReadRSSI{Handle: 1}, "first")
	h.want(hci.LERand{}, "another opcode may pass")
	h.idle("the same opcode waits for its answer")
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0xD0)
	h.want(hci.ReadRSSI{Handle: 2}, "answered, so the next may go")
}

func TestForeignAndDoubledAnswersAreDropped(t *testing.T) {
	h := newHarness(t, 1)
	a := h.run(hci.LERand{})
	h.want(hci.LERand{}, "sent")
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0xD0)
	if *a != errPending {
		t.Errorf("an answer to another opcode completed the command: %v", *a)
	}
	h.complete(hci.OpLERand, hci.StatusSuccess, 1, 2, 3, 4, 5, 6, 7, 8)
	h.complete(hci.OpLERand, hci.StatusSuccess, 1, 2, 3, 4, 5, 6, 7, 8)
	if *a != nil || h.c.stats.ForeignAnswers != 2 {
		t.Errorf("result %v, %d foreign answers; want nil and 2", *a, h.c.stats.ForeignAnswers)
	}
}

func TestOptionalCommandWithoutAnswer(t *testing.T) {
	h := newHarness(t, 1)
	a := h.run(hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M})
	b := h.run(hci.LESetPHY{Handle: 2, TX: hci.PHYs2M, RX: hci.PHYs2M})
	c := h.run(hci.ReadRSSI{Handle: 1})
	h.want(hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M}, "sent")
	h.pass(2*time.Second - 1)
	if *a != errPending {
		t.Fatalf("gave up before 2 s: %v", *a)
	}
	h.idle("the only credit is with the unanswered command")
	h.pass(1)
	if !errors.Is(*a, ErrNoAnswer) || !errors.Is(*b, ErrUnanswered) || h.c.err != nil {
		t.Fatalf("results %v, %v, Controller: %v", *a, *b, h.c.err)
	}
	h.want(hci.ReadRSSI{Handle: 1}, "the Controller works without the answer")
	if d := h.run(hci.LESetPHY{Handle: 1}); !errors.Is(*d, ErrUnanswered) {
		t.Errorf("got %v: it must not be tried again", *d)
	}
	h.status(hci.OpLESetPHY, hci.StatusSuccess)
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0)
	if *c != nil {
		t.Errorf("the late answer disturbed another command: %v", *c)
	}
	h.run(hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M})
	h.want(hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M}, "after its late answer the controller is asked again")
}

func TestEssentialCommandWithoutAnswerEndsTheDevice(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	a := h.run(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated})
	b := h.run(hci.ReadRSSI{Handle: 1})
	h.pass(2 * time.Second)
	var dev *Error
	if !errors.As(h.c.err, &dev) || !errors.Is(h.c.err, ErrNoAnswer) {
		t.Fatalf("the Controller ended with %v", h.c.err)
	}
	for _, err := range []error{*a, *b, l.Err()} {
		if !errors.Is(err, ErrNoAnswer) {
			t.Errorf("a waiter got %v, want the cause", err)
		}
	}
}

func TestControllerWithoutCreditsEndsTheDevice(t *testing.T) {
	h := newHarness(t, 1)
	h.run(hci.LERand{})
	h.want(hci.LERand{}, "the only credit")
	h.event(&hci.CommandComplete{NumPackets: 0, Opcode: hci.OpLERand, Return: make([]byte, 9)})
	h.pass(time.Hour)
	a := h.run(hci.ReadRSSI{Handle: 1})
	h.pass(4*time.Second - 1)
	h.event(&hci.CommandComplete{NumPackets: 1})
	h.want(hci.ReadRSSI{Handle: 1}, "the credit came in time")
	h.event(&hci.CommandComplete{NumPackets: 0, Opcode: hci.OpReadRSSI, Return: []byte{0, 1, 0, 0xD0}})
	b := h.run(hci.LERand{})
	h.pass(4*time.Second - 1)
	if *a != nil || *b != errPending || h.c.err != nil {
		t.Fatalf("results %v, %v, Controller: %v", *a, *b, h.c.err)
	}
	h.pass(1)
	if !errors.Is(*b, ErrNoCredit) || !errors.Is(h.c.err, ErrNoCredit) {
		t.Errorf("got %v, Controller: %v, want no credit", *b, h.c.err)
	}
}

func TestOneSmallDataBuffer(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	h.do(func(time.Time) {
		for _, s := range []string{"one", "two", "three"} {
			l.SendACL(s == "one", []byte(s))
		}
	})
	h.wantData(1, true, "one", "the only buffer")
	h.idle("the buffer is in use")
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 1, Count: 1}}})
	h.wantData(1, false, "two", "the buffer is free again")
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 1, Count: 9}, {Handle: 7, Count: 3}}})
	h.wantData(1, false, "three", "more packets than were sent are one buffer all the same")
	if s := h.c.stats; s.ExcessCredits != 8 || s.UnknownHandles != 1 || h.c.data.free != 0 {
		t.Errorf("excess %d, unknown %d, free %d; want 8, 1, 0", s.ExcessCredits, s.UnknownHandles, h.c.data.free)
	}
}

func TestBuffersAreSharedAndReturned(t *testing.T) {
	h := newHarness(t, 4)
	a, b := h.link(1, peerA), h.link(2, peerB)
	h.do(func(time.Time) {
		for range 8 {
			a.SendACL(true, []byte("a"))
		}
	})
	h.wantData(1, true, "a", "first")
	h.wantData(1, true, "a", "second")
	h.wantData(1, true, "a", "third")
	h.idle("with another link there, one buffer is kept for it")
	h.do(func(time.Time) { b.SendACL(true, []byte("b")) })
	h.wantData(2, true, "b", "the other link is served though the first is stalled")
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	if h.c.data.free != 3 || len(h.c.links) != 1 {
		t.Errorf("%d buffers free, want the 3 of the dead link back", h.c.data.free)
	}
	h.do(func(time.Time) { a.SendACL(true, []byte("a")) })
	h.idle("a dead link sends nothing")
	h.event(&hci.DisconnectionComplete{Handle: 2, Reason: hci.StatusConnectionTimeout})
	if h.c.data.free != 4 {
		t.Errorf("%d buffers free, want 4", h.c.data.free)
	}
}

func TestRoomAndWritable(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	room := 0
	h.do(func(time.Time) {
		for l.Room() {
			l.SendACL(true, []byte("x"))
			room++
		}
	})
	if room != minRoom {
		t.Errorf("room for %d packets, want %d", room, minRoom)
	}
	done := 0
	for len(h.log) == 0 && done < 100 {
		h.c.out = nil
		h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 1, Count: 1}}})
		done++
	}
	if want := minRoom/2 - 1; done != want || h.log[0] != "writable" {
		t.Errorf("told %v after %d packets, want writable after %d", h.log, done, want)
	}
}

func TestFailEndsEverythingWithItsCause(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(0, peerA)
	cmd := h.run(hci.ReadRSSI{Handle: 0})
	var dialed error
	h.do(func(time.Time) {
		h.c.dial.addDial(&dial{peers: []hci.Addr{peerB}, done: func(_ *Link, err error) { dialed = err }})
	})
	h.event(&hci.HardwareError{Code: 0x42})
	for _, err := range []error{h.c.err, *cmd, dialed, l.Err()} {
		if !errors.Is(err, HardwareFault(0x42)) {
			t.Errorf("a waiter got %v, want the fault", err)
		}
	}
	if !errors.Is(l.Err(), net.ErrClosed) {
		t.Errorf("the link's error %v does not unwrap to net.ErrClosed", l.Err())
	}
	if len(h.log) != 1 || h.c.timers.nextDue() != (time.Time{}) {
		t.Errorf("handler told %v, next timer %v", h.log, h.c.timers.nextDue())
	}
}

// canceled returns a context that has ended, for calls that must not wait.
func canceled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}

func TestDisconnectLetsDataArriveFirst(t *testing.T) {
	h := newHarness(t, 2)
	a, b := h.link(1, peerA), h.link(2, peerB)
	h.do(func(time.Time) { a.SendACL(true, []byte("last words")); b.SendACL(true, []byte("x")) })
	h.wantData(1, true, "last words", "written")
	h.wantData(2, true, "x", "written")
	ctx, cancel := canceled()
	defer cancel()
	_ = a.Disconnect(ctx)
	h.idle("not before the peer has it")
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 1, Count: 1}}})
	h.want(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated}, "now it has")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	_ = b.Disconnect(ctx)
	h.pass(lingerTime - 1)
	h.idle("the peer still has time")
	h.pass(1)
	h.want(hci.Disconnect{Handle: 2, Reason: hci.StatusRemoteUserTerminated}, "but not for ever")
}
