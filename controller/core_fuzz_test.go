package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/internal/wire"
)

// FuzzCore drives a core with a random stream of events, tasks and time: a
// controller that breaks the rules, callers that come and go, and a clock. The
// accounts must be right after each step. At the end the controller falls silent
// and then fails, and by then every waiting caller must have got one result.
func FuzzCore(f *testing.F) {
	f.Add([]byte{})
	for _, s := range slices.Concat(coreSeeds(), capturedSeeds(f)) {
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

// Steps of a script, by their first octet.
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
	stepAddress          // the own address, or the resolving list, is another
	stepKinds
)

// coreSeeds are scripts of a controller and callers that keep the rules.
func coreSeeds() [][]byte {
	dial := []byte{stepDial, 0, 0} // one peer
	two := []byte{stepDial, 1, 0, 1}
	answer := []byte{stepAnswer, 0, 1, 0}   // to the first command, with a credit, success
	up := []byte{stepConnected, 0, 0, 0, 0} // handle 0, as central
	ended := []byte{stepEnded, 0, 0x13}     // it
	pending := []byte{stepProcedure, 0, 0}  // new parameters for it
	return [][]byte{
		slices.Concat(dial, answer, up, []byte{stepSend, 0, 9, stepCompleted, 0, 9}, ended),
		slices.Concat(dial, answer, []byte{stepLeave, 0}, answer, []byte{stepConnected, 1, 0, 0, 0}),
		slices.Concat(two, []byte{stepDial, 0, 2}, answer, answer, answer, answer, answer, answer, up),
		slices.Concat([]byte{stepScan, 0}, answer, answer, []byte{stepAdvert, 0, 1, 3, 2, 1, 6, stepScan, 1}, answer),
		slices.Concat([]byte{stepAdvertise, 1}, answer, answer, answer, answer, []byte{stepConnected, 0, 1, 1, 1}, answer),
		slices.Concat(dial, answer, up, pending, answer, answer, []byte{stepLinkEvent, 0, 0, 0}, ended),
		slices.Concat(dial, answer, up, pending, answer, answer, ended),
		slices.Concat(dial, answer, up, pending, ended, answer, answer),
		slices.Concat([]byte{stepRun, 0, stepRun, 0, stepRun, 1}, []byte{stepForeign, 7, 1, 0}, answer, []byte{stepTime, 200}, answer),
		slices.Concat(dial, answer, up, []byte{stepPacket, 6, 4, 0x3E, 2, 3, 9, 9, stepData, 0, 1, 3, 1, 2, 3}),
		slices.Concat([]byte{stepScan, 0, stepAddress, 3}, answer, answer, answer, answer, dial, []byte{stepAddress, 1}, answer, answer, up),
		slices.Concat(dial, answer, up, []byte{stepProcedure, 0, 4}, answer, answer, dial, []byte{stepTime, 250, stepTime, 250}),
	}
}

// capturedSeeds are scripts of the packets that the controllers of the captures have sent.
func capturedSeeds(f *testing.F) (scripts [][]byte) {
	f.Helper()
	for _, records := range replay.Seeds(f, "../testdata/btsnoop") {
		var script []byte
		for _, rec := range records {
			if n := len(rec.Packet); !rec.Sent && n < 64 && len(script)+2+n <= 1<<10 {
				script = append(append(script, stepPacket, byte(n)), rec.Packet...)
			}
		}
		scripts = append(scripts, script)
	}
	return scripts
}

// world is a core with its callers, and a controller that only remembers the
// commands that it was sent.
type world struct {
	*harness
	script  wire.Reader
	sent    []hci.Opcode // that have not been answered
	waiters []*waiter    // all that there ever were
	dials   []*dial
	scans   []*Scanner
	downs   map[*Link]int
	made    []*Link
}

// waiter is a caller who must get exactly one result.
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
	w.c.info.Features = ^hci.Features(0)
	w.c.info.States = 0
	w.c.info.ResolvingListSize = 2
	w.c.info.Commands.Add(hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLESetAddressResolutionEnable)
	accepted := 0
	w.c.onPeripheralLink = func(l *Link) {
		if accepted++; accepted%3 == 0 {
			w.c.closeUnwanted(l)
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
func (h *fuzzHandler) Expire(time.Time) {
	h.l.StartDisconnect(hci.StatusRemoteUserTerminated, ErrNoAnswer)
}
func (h *fuzzHandler) Down(time.Time, error) { h.w.downs[h.l]++ }

func (h *fuzzHandler) Event(_ time.Time, ev hci.Event) {
	switch ev := ev.(type) {
	case *hci.LELongTermKeyRequest:
		h.l.RefuseKey()
	case *hci.LERemoteConnectionParameterRequest:
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

func (w *world) addr() hci.Addr {
	return []hci.Addr{peerA, peerB, {MAC: hci.MAC{0xC1}}, {MAC: hci.MAC{0xD1}, Kind: hci.AddrRandom}}[w.octet(4)]
}

func (w *world) opcode() hci.Opcode {
	ops := []hci.Opcode{
		0, hci.OpReadRSSI, hci.OpLERand, hci.OpDisconnect, hci.OpLECreateConnection, hci.OpLECreateConnectionCancel, hci.OpLESetScanEnable,
		hci.OpLESetScanParameters, hci.OpLESetAdvertisingEnable, hci.OpLESetPHY, hci.OpLEReadRemoteFeatures, hci.OpLEClearFilterAcceptList, hci.OpLEConnectionUpdate,
	}
	return ops[w.octet(len(ops))]
}

func (w *world) code() hci.Status {
	return []hci.Status{0, hci.StatusUnknownConnection, hci.StatusCommandDisallowed, hci.StatusConnectionExists, hci.StatusUnsupportedFeature, hci.StatusFailedToEstablish, 0xEE}[w.octet(7)]
}

// link takes one of the links that are up.
func (w *world) link() *Link {
	ls := w.c.up.listLinks()
	n := w.octet(8)
	if len(ls) == 0 {
		return nil
	}
	return ls[n%len(ls)]
}

// check takes the sent packets and checks that the accounts of the core agree.
func (w *world) check() {
	c := w.c
	for _, p := range c.out {
		switch hci.PacketType(p[0]) {
		case hci.PacketCommand:
			r := wire.NewReader(p[1:])
			w.sent = append(w.sent, hci.Opcode(r.U16()))
		case hci.PacketACL:
			if _, _, err := hci.ParseACL(p[1:]); err != nil {
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
		if in := slices.Contains(c.data.ready, l); l.inflight < 0 || in != l.ready || in != (l.queue.Len() > 0) {
			w.t.Fatalf("link %v: %d in flight, %d queued, listed %v, ready %v", h, l.inflight, l.queue.Len(), in, l.ready)
		}
	}
	if d := &c.data; d.free < 0 || d.free+inflight != d.total {
		w.t.Fatalf("%d buffers free and %d in use, of %d", d.free, inflight, d.total)
	}
	if d := &c.dial; (d.state == dialIdle) != (len(d.group) == 0) {
		w.t.Fatalf("the initiator is in state %d for %d dials", d.state, len(d.group))
	}
	w.checkQuiet()
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
		next := w.c.timers.nextDue()
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		w.now = next
		w.c.runTimers(w.now)
		w.check()
	}
	w.t.Fatalf("the core did something a thousand times within %v, with nobody saying anything", d)
}

// end runs the core for a day with a silent controller, and then ends it.
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
	w.event(&hci.HardwareError{Code: 1})
	if w.c.err == nil || len(w.c.links) != 0 || !w.c.timers.nextDue().IsZero() {
		w.t.Fatalf("after the end: error %v, %d links, next timer at %v", w.c.err, len(w.c.links), w.c.timers.nextDue())
	}
	for _, l := range w.made {
		if l.Err() == nil || w.downs[l] != 1 {
			w.t.Fatalf("a link to %v was told of its end %d times, with %v", l.peer, w.downs[l], l.Err())
		}
	}
}
