package hci

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/internal/queue"
	"github.com/moor-ble/moor/internal/wire"
)

// FuzzCore gives a core a random stream of events, tasks and time: a
// controller that lies, users that come and go, and a clock. After each step
// its accounts must be right, and in the end, when the controller says nothing
// more and then fails, everybody who waited must have been told, once.
func FuzzCore(f *testing.F) {
	f.Add([]byte{})
	for _, s := range coreSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<10 { // longer ones say nothing new, but more slowly
			return
		}
		// A core that never returns would stop the fuzzer without a word.
		defer time.AfterFunc(10*time.Second, func() { panic("the core does not return") }).Stop()
		w := newWorld(t)
		for w.script = wire.NewReader(script); w.script.Len() > 0; {
			w.step()
			w.check()
		}
		w.end()
	})
}

// Steps of a script, by the octet that begins them.
const (
	stepPacket    = iota // a packet as it stands in the script
	stepAnswer           // an answer to a command that was sent
	stepForeign          // an answer to whatever
	stepTime             // time passes
	stepDial             // somebody wants a link
	stepLeave            // and does not any more
	stepRun              // a command
	stepConnected        // a link, or the failure of one
	stepEnded            // the end of a link
	stepCompleted        // data packets are reported as sent
	stepSend             // data goes out
	stepScan             // a scanner comes or goes
	stepAdvertise        // advertising changes
	stepProcedure        // something is done with a link
	stepLinkEvent        // something happens to a link
	stepData             // data comes in
	stepAdvert           // so does an advertisement
	stepKinds
)

// coreSeeds are scripts of what happens on good days.
func coreSeeds() [][]byte {
	dial := []byte{stepDial, 1, 0}
	answer := []byte{stepAnswer, 0, 1, 0}
	up := []byte{stepConnected, 0, 0, 0, 0}
	return [][]byte{
		slices.Concat(dial, answer, up, []byte{stepSend, 0, 9, stepCompleted, 0, 9, stepEnded, 0, 0x13}),
		slices.Concat(dial, answer, []byte{stepLeave, 0}, answer, []byte{stepConnected, 2, 0, 0, 0}),
		slices.Concat([]byte{stepDial, 2, 0, stepDial, 2, 1}, answer, answer, answer, answer, answer, answer, up),
		slices.Concat([]byte{stepScan, 0}, answer, answer, []byte{stepAdvert, 0, 1, 0, 3, 2, 1, 6, stepScan, 1}, answer),
		slices.Concat([]byte{stepAdvertise, 1}, answer, answer, answer, answer, []byte{stepConnected, 0, 1, 1, 1}, answer),
		slices.Concat(dial, answer, up, []byte{stepProcedure, 0, 0}, answer, []byte{stepLinkEvent, 0, 0, 0, stepProcedure, 0, 9}, answer, []byte{stepTime, 250, stepTime, 250}),
		slices.Concat([]byte{stepRun, 0, stepRun, 0, stepRun, 1}, []byte{stepForeign, 7, 1, 0}, answer, []byte{stepTime, 200}, answer),
		slices.Concat(dial, answer, up, []byte{stepPacket, 6, 4, 0x3E, 2, 3, 9, 9, stepData, 0, 1, 3, 1, 2, 3}),
	}
}

// world is a core, whoever uses it, and a controller that only remembers what
// it was sent.
type world struct {
	*harness
	script  wire.Reader
	sent    []Opcode  // that have not been answered
	waiters []*waiter // all that there ever were
	dials   []*dial
	scans   []*Scanner
	downs   map[*Link]int
	made    []*Link
}

// waiter is somebody who is to be told exactly once.
type waiter struct {
	what  string
	times int
}

func newWorld(t *testing.T) *world {
	w := &world{harness: newHarness(t, 3), downs: map[*Link]int{}}
	w.c.cfg.DisableTuning = false
	w.c.cfg.NewLink = func(_ time.Time, l *Link) LinkHandler {
		w.made = append(w.made, l)
		return &fuzzHandler{w, l}
	}
	w.c.info.AcceptListSize = 3
	w.c.info.Features = ^Features(0)
	w.c.info.States = 0
	accepted := 0
	w.c.accept = func(l *Link) {
		if accepted++; accepted%3 == 0 {
			w.c.orphan(l)
		}
	}
	return w
}

// fuzzHandler is a protocol that answers everything.
type fuzzHandler struct {
	w *world
	l *Link
}

func (h *fuzzHandler) ACL(time.Time, bool, []byte) { h.l.SendACL(true, []byte("answer")) }
func (h *fuzzHandler) Writable(time.Time)          { h.l.SendACL(true, []byte("more")) }
func (h *fuzzHandler) Expire(time.Time)            { h.l.StartDisconnect(StatusRemoteUserTerminated, ErrNoAnswer) }
func (h *fuzzHandler) Down(time.Time, error)       { h.w.downs[h.l]++ }

func (h *fuzzHandler) Event(_ time.Time, ev Event) {
	switch ev := ev.(type) {
	case *LELongTermKeyRequest:
		h.l.RefuseKey()
	case *LERemoteConnectionParameterRequest:
		h.l.ReplyParamRequest(ev, ev.Params.Latency == 0)
	}
}

func (w *world) waiter(what string) *waiter {
	n := &waiter{what: what}
	w.waiters = append(w.waiters, n)
	return n
}

func (n *waiter) told() { n.times++ }

// next returns the next octet of the script, below n.
func (w *world) octet(n int) int { return int(w.script.U8()) % n }

func (w *world) addr() Addr {
	return []Addr{peerA, peerB, {MAC: MAC{0xC1}}, {MAC: MAC{0xD1}, Kind: AddrRandom}}[w.octet(4)]
}

func (w *world) opcode() Opcode {
	ops := []Opcode{
		0, OpReadRSSI, OpLERand, OpDisconnect, OpLECreateConnection, OpLECreateConnectionCancel, OpLESetScanEnable,
		OpLESetScanParameters, OpLESetAdvertisingEnable, OpLESetPHY, OpLEReadRemoteFeatures, OpLEClearFilterAcceptList, OpLEConnectionUpdate,
	}
	return ops[w.octet(len(ops))]
}

func (w *world) code() Status {
	return []Status{0, StatusUnknownConnection, StatusCommandDisallowed, StatusConnectionExists, StatusUnsupportedFeature, StatusFailedToEstablish, 0xEE}[w.octet(7)]
}

// link takes one of the links that are up.
func (w *world) link() *Link {
	ls := w.c.sortedLinks()
	n := w.octet(8)
	if len(ls) == 0 {
		return nil
	}
	return ls[n%len(ls)]
}

func (w *world) step() {
	switch w.octet(stepKinds) {
	case stepPacket:
		w.c.packet(w.now, w.script.Bytes(min(w.octet(64), w.script.Len())))
	case stepAnswer:
		n, credits, st := w.octet(4), uint8(w.octet(4)), w.code()
		if len(w.sent) > 0 {
			n %= len(w.sent)
			op := w.sent[n]
			w.sent = slices.Delete(w.sent, n, n+1)
			w.answer(op, credits, st)
		}
	case stepForeign:
		op := w.opcode()
		w.answer(op, uint8(w.octet(4)), w.code())
	case stepTime:
		w.pass(time.Duration(w.octet(256)) * 20 * time.Millisecond)
	case stepDial:
		x := &dial{opts: &ConnectOptions{}}
		for range 1 + w.octet(3) {
			x.peers = append(x.peers, w.addr())
		}
		n := w.waiter("a dial")
		x.done = func(*Link, error) { n.told() }
		w.dials = append(w.dials, x)
		w.do(func(time.Time) { w.c.dial.add(x) })
	case stepLeave:
		if n := w.octet(8); len(w.dials) > 0 {
			x := w.dials[n%len(w.dials)]
			w.do(func(time.Time) { x.gone = true; w.c.dial.stop(x, errClosed) })
		}
	case stepRun:
		n := w.waiter("a command")
		p := []Params{ReadRSSI{Handle: 1}, LERand{}, Disconnect{Handle: 2, Reason: 0x13}, LESetPHY{Handle: 1}}[w.octet(4)]
		w.do(func(time.Time) { w.c.run(p, func(time.Time, []byte, error) { n.told() }) })
	case stepConnected:
		st, h, role := w.code(), Handle(w.octet(4)), Role(w.octet(2))
		ev := &LEConnectionComplete{Status: st, Handle: h, Role: role, Peer: w.addr()}
		ev.Params = ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second}
		w.event(ev)
	case stepEnded:
		w.event(&DisconnectionComplete{Handle: Handle(w.octet(4)), Reason: Status(w.octet(256))})
	case stepCompleted:
		h := Handle(w.octet(4))
		n := uint16(w.octet(256))
		w.event(&NumberOfCompletedPackets{Counts: []CompletedPackets{{Handle: h, Count: n}, {Handle: h, Count: n << 8}}})
	case stepSend:
		l, n := w.link(), w.octet(32)
		if l != nil {
			w.do(func(time.Time) {
				for range n {
					l.Room()
					l.SendACL(true, []byte("data"))
				}
			})
		}
	case stepScan:
		w.stepScan()
	case stepAdvertise:
		n, o := w.waiter("an advertiser"), (*AdvertiseOptions)(nil)
		if k := w.octet(4); k > 0 {
			o = &AdvertiseOptions{MaxLinks: k - 1, NonConnectable: k == 3}
		}
		w.do(func(time.Time) { w.c.adv.want(o, func(error) { n.told() }) })
	case stepProcedure:
		w.stepProcedure()
	case stepLinkEvent:
		w.stepLinkEvent()
	case stepData:
		h, start := Handle(w.octet(4)), w.octet(2) == 0
		w.c.packet(w.now, AppendACL(nil, h, start, w.script.Bytes(min(w.octet(32), w.script.Len()))))
	case stepAdvert:
		typ, from := AdvType(w.octet(5)), w.addr()
		w.advert(typ, from, -40, w.script.Bytes(min(w.octet(32), w.script.Len())))
	}
}

// answer answers a command in the way that its kind has.
func (w *world) answer(op Opcode, credits uint8, st Status) {
	switch op {
	case OpLECreateConnection, OpDisconnect, OpLEReadRemoteFeatures, OpLEConnectionUpdate, OpLESetPHY, OpLEEnableEncryption:
		w.event(&CommandStatus{Status: st, NumPackets: credits, Opcode: op})
	default:
		w.event(&CommandComplete{NumPackets: credits, Opcode: op, Return: []byte{byte(st), 1, 0, 0, 0, 0, 0, 0, 0}})
	}
}

func (w *world) stepScan() {
	if n := w.octet(4); n > 0 && len(w.scans) > 0 {
		sc := w.scans[n%len(w.scans)]
		w.do(func(time.Time) { w.c.scan.remove(sc) })
		return
	}
	n := w.waiter("a scanner")
	sc := &Scanner{queue: queue.New[Report](4), opts: ScanOptions{Passive: len(w.scans)%2 == 0}}
	w.scans = append(w.scans, sc)
	w.do(func(time.Time) { w.c.scan.add(sc, func(error) { n.told() }) })
}

func (w *world) stepProcedure() {
	l, kind := w.link(), w.octet(5)
	if l == nil {
		return
	}
	n := w.waiter("a procedure")
	w.do(func(now time.Time) {
		switch kind {
		case 0:
			p := ConnParams{IntervalMin: 30e6, IntervalMax: 50e6, Timeout: 4e9}
			l.StartUpdate(p, func(time.Time, ConnParamsInUse, error) { n.told() })
		case 1:
			l.startRemoteFeatures(func(Features, error) { n.told() })
		case 2:
			l.startPHY(PHYs2M, PHYs2M, func(PHY, PHY, error) { n.told() })
		case 3:
			l.StartEncryption([8]byte{}, 0, [16]byte{}, func(time.Time, error) { n.told() })
		case 4:
			n.told()
			l.StartDisconnect(StatusRemoteUserTerminated, nil)
			l.SetDeadline(now.Add(time.Second))
		}
	})
}

func (w *world) stepLinkEvent() {
	h, st := Handle(w.octet(4)), w.code()
	p := ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second}
	switch w.octet(8) {
	case 0:
		w.event(&LEConnectionUpdateComplete{Status: st, Handle: h, Params: p})
	case 1:
		w.event(&LEReadRemoteFeaturesComplete{Status: st, Handle: h, Features: ^Features(0)})
	case 2:
		w.event(&LEPHYUpdateComplete{Status: st, Handle: h, TX: PHY2M, RX: PHY2M})
	case 3:
		w.event(&EncryptionChange{Status: st, Handle: h, Enabled: 1})
	case 4:
		w.event(&LELongTermKeyRequest{Handle: h})
	case 5:
		w.event(&LERemoteConnectionParameterRequest{Handle: h, Params: ConnParams{IntervalMin: 30e6, IntervalMax: 50e6, Timeout: 4e9}})
	case 6:
		w.event(&LEScanTimeout{})
	case 7:
		w.event(&LEAdvertisingSetTerminated{Status: st})
	}
}

// check takes what was sent and holds the core's accounts against each other.
func (w *world) check() {
	c := w.c
	for _, p := range c.out {
		switch PacketType(p[0]) {
		case PacketCommand:
			r := wire.NewReader(p[1:])
			w.sent = append(w.sent, Opcode(r.U16()))
		case PacketACL:
			if _, _, err := ParseACL(p[1:]); err != nil {
				w.t.Fatalf("sent % x: %v", p, err)
			}
		default:
			w.t.Fatalf("sent % x", p)
		}
	}
	c.out = nil
	if k := &c.cmds; k.credits < 0 || k.credits > k.limit {
		w.t.Fatalf("%d command credits of at most %d", k.credits, k.limit)
	}
	inflight := 0
	for h, l := range c.links {
		if l.handle != h || w.downs[l] != 0 {
			w.t.Fatalf("link %v is under handle %v, told of its end %d times", l.handle, h, w.downs[l])
		}
		inflight += l.inflight
		if in := slices.Contains(c.data.ready, l); l.inflight < 0 || in != l.ready || in != (l.queue.len() > 0) {
			w.t.Fatalf("link %v: %d in flight, %d queued, listed %v, ready %v", h, l.inflight, l.queue.len(), in, l.ready)
		}
	}
	if d := &c.data; d.free < 0 || d.free+inflight != d.total {
		w.t.Fatalf("%d buffers free and %d in use, of %d", d.free, inflight, d.total)
	}
	if d := &c.dial; (d.state == dialIdle) != (len(d.group) == 0) {
		w.t.Fatalf("the initiator is in state %d for %d dials", d.state, len(d.group))
	}
	for i, t := range c.timers.heap {
		if t.index != i+1 || t.f == nil {
			w.t.Fatalf("timer %d of the heap believes to be %d", i+1, t.index)
		}
	}
	for _, n := range w.waiters {
		if n.times > 1 {
			w.t.Fatalf("%s was told %d times", n.what, n.times)
		}
	}
}

// pass moves time like the harness's, and fails if the core never comes to rest.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for range 1000 {
		next := w.c.timers.next()
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		w.now = next
		w.c.expire(w.now)
		w.check()
	}
	w.t.Fatalf("the core did something a thousand times within %v, with nobody saying anything", d)
}

// end leaves the core alone with a controller that says nothing more, for a
// day, and then ends it.
func (w *world) end() {
	w.pass(24 * time.Hour)
	w.check()
	if len(w.c.cmds.queue) > 0 || len(w.c.cmds.pending) > 0 {
		w.t.Fatalf("%d commands queued and %d pending after a day of silence", len(w.c.cmds.queue), len(w.c.cmds.pending))
	}
	if d := &w.c.dial; len(d.group)+len(d.waiting) > 0 {
		w.t.Fatalf("%d and %d dials are left after a day of silence, in state %d", len(d.group), len(d.waiting), d.state)
	}
	for _, n := range w.waiters {
		if n.times != 1 {
			w.t.Fatalf("%s was told %d times after a day of silence", n.what, n.times)
		}
	}
	w.event(&HardwareError{Code: 1})
	if w.c.err == nil || len(w.c.links) != 0 || !w.c.timers.next().IsZero() {
		w.t.Fatalf("after the end: error %v, %d links, next timer at %v", w.c.err, len(w.c.links), w.c.timers.next())
	}
	for _, l := range w.made {
		if l.Err() == nil || w.downs[l] != 1 {
			w.t.Fatalf("a link to %v was told of its end %d times, with %v", l.peer, w.downs[l], l.Err())
		}
	}
}
