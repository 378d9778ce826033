package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// Config holds the options of an Air. The zero value is a perfect radio with
// seed 0.
type Config struct {
	// Seed is the seed of the random number generator that decides everything
	// that is left to chance.
	Seed uint64
	// Path is the radio path between two nodes for which SetPath was not called.
	Path Path
	// ExactAdvertising removes the random delay of 0 to 10 ms between
	// advertising events (Vol 6, Part B, 4.4.2.2.1), so that a test knows the time
	// of each event.
	ExactAdvertising bool
	// Log, if set, is called for every packet on the air and on HCI. It runs on
	// the air's goroutine: it must neither block nor keep Entry.Packet.
	Log func(Entry)
}

// Air is a simulated radio with any number of nodes. See the package
// documentation for its time, order and chance.
type Air struct {
	cfg   Config
	start time.Time
	wake  chan struct{} // one slot: something is in the inbox
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // leaf; guards the inbox, the node count and the peripherals
	dirty  []*port
	calls  []call
	free   [][]byte // for the packets of raw peers
	count  int
	closed bool

	peripherals []*Peripheral

	// The rest belongs to the goroutine.
	clock
	rng         *rand.Rand
	nodes       []*radio
	paths       map[[2]int]*Path
	listeners   []*listener
	hears       []*listener // for deliverPacket
	advertisers []*advertiser
	links       []*link
	linkCount   uint64
	taken       []*port
	ran         []call
	used        [][]byte               // on their way to free
	made        map[string]*Controller // by OpenTransport, or renamed
	retired     []string               // names of controllers that have another one now
}

// call is work that another goroutine or a script has posted: either the
// function f, or a packet to be sent on a raw link.
type call struct {
	f    func()
	link *RawLink
	p    txPacket
}

// New makes an air and starts its goroutine, which Close ends. A nil cfg is
// the zero Config.
func New(cfg *Config) *Air {
	a := &Air{
		start: time.Now(),
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		paths: map[[2]int]*Path{},
		made:  map[string]*Controller{},
	}
	if cfg != nil {
		a.cfg = *cfg
	}
	a.rng = rand.New(rand.NewPCG(a.cfg.Seed, 0x6d6f6f72))
	go a.runAir()
	return a
}

// Close ends the air and everything on it: links, controllers, raw peers and
// peripherals. Every call that waits for one of them returns with an error that
// is net.ErrClosed. Close returns when all goroutines that the air has started
// have ended, so scripts must not call it. It may be called at any time, and
// later calls do nothing. It returns nil.
func (a *Air) Close() error {
	a.mu.Lock()
	a.closed = true
	peripherals := a.peripherals
	a.mu.Unlock()
	a.signal()
	<-a.done
	for _, p := range peripherals {
		_ = p.Close() // reports that the air is closed
	}
	return nil
}

// adopt makes Close close a peripheral. It reports false if the air is closed.
func (a *Air) adopt(p *Peripheral) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.peripherals = append(slices.DeleteFunc(a.peripherals, (*Peripheral).isClosed), p)
	return true
}

func (a *Air) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// post runs f on the air's goroutine. It never blocks and may be called from
// any goroutine. A closed air drops f, and post reports false.
func (a *Air) post(f func()) bool {
	a.mu.Lock()
	open := !a.closed
	if open {
		a.calls = append(a.calls, call{f: f})
	}
	a.mu.Unlock()
	a.signal()
	return open
}

// postPacket sends a packet, given in two parts, on a raw link. It never blocks
// and may be called from any goroutine.
func (a *Air) postPacket(l *RawLink, start bool, head, tail []byte) {
	a.mu.Lock()
	if !a.closed {
		var b []byte
		if n := len(a.free); n > 0 {
			b, a.free = a.free[n-1][:0], a.free[:n-1]
		}
		b = append(append(b, head...), tail...)
		a.calls = append(a.calls, call{link: l, p: txPacket{buf: b, start: start}})
	}
	a.mu.Unlock()
	a.signal()
}

func (c *call) runCall() {
	switch {
	case c.link == nil:
		c.f()
	case !c.link.endpoint.dead:
		c.link.endpoint.queueData(c.p)
	}
}

// runAndWait runs f on the air's goroutine and waits for it. It reports false
// if the air was closed before f could run.
func (a *Air) runAndWait(f func()) bool {
	ran := make(chan struct{})
	a.post(func() { f(); close(ran) })
	select {
	case <-ran:
		return true
	case <-a.done:
	}
	select {
	case <-ran:
		return true
	default:
		return false
	}
}

// elapsed returns the present time on the air's scale. Any goroutine may call
// it.
func (a *Air) elapsed() instant { return instant(time.Since(a.start)) }

// wallTime converts an instant of the air to wall-clock time.
func (a *Air) wallTime(at instant) time.Time { return a.start.Add(time.Duration(at)) }

// runAir is the air's goroutine. It empties the inbox, fires the timers that are
// due, and sleeps until the next timer or call. Timers fire before calls of the
// same instant, so that the order does not depend on which of the two woke the
// goroutine.
func (a *Air) runAir() {
	defer close(a.done)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		closed := a.collectInbox()
		now := a.elapsed()
		for a.fireNext(now) {
		}
		a.now = max(a.now, now)
		for i := range a.ran {
			a.ran[i].runCall()
			a.ran[i] = call{}
		}
		a.ran = a.ran[:0]
		if closed {
			a.endNodes()
			return
		}
		next := a.nextTime()
		if next <= a.elapsed() && next != never {
			continue
		}
		if next != never {
			alarm.Reset(next.since(a.elapsed()))
		} else {
			alarm.Stop()
		}
		select {
		case <-a.wake:
		case <-alarm.C:
		}
	}
}

// collectInbox empties the inbox. Packets go to their controllers, each armed
// for its time; calls go to a.ran.
func (a *Air) collectInbox() (closed bool) {
	a.mu.Lock()
	a.taken = append(a.taken[:0], a.dirty...)
	clear(a.dirty)
	a.dirty = a.dirty[:0]
	a.ran, a.calls = a.calls, a.ran[:0]
	a.free = append(a.free, a.used...)
	a.used = a.used[:0]
	for _, p := range a.taken {
		p.collectInput()
	}
	closed = a.closed
	a.mu.Unlock()
	for i, p := range a.taken {
		p.c.armInput()
		a.taken[i] = nil
	}
	return closed
}

// errClosed is the error of every call that waits for a closed air.
var errClosed = fmt.Errorf("sim: air: %w", net.ErrClosed)

// endNodes unplugs every controller, when the air has been closed.
func (a *Air) endNodes() {
	for _, n := range a.nodes {
		if c, ok := n.node.(*Controller); ok {
			c.unplugHost(errClosed)
		}
		if p, ok := n.node.(*RawPeer); ok {
			p.endPeer()
		}
	}
}

// chance reports true with probability p.
func (a *Air) chance(p float64) bool {
	return p > 0 && (p >= 1 || a.rng.Float64() < p)
}
