package controller

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/ring"
)

// Link is one LE connection. Methods marked "on the loop" are for the link's
// [LinkHandler]; all others may be called from any other goroutine.
type Link struct {
	// Set when the link is made.
	c      *core
	handle hci.Handle
	peer   hci.Addr
	role   hci.Role
	own    hci.Addr // on the air, as is air
	air    hci.Addr
	done   chan struct{}
	err    atomic.Pointer[DisconnectError] // set before anybody is told of the end

	// Owned by the loop.
	handler  LinkHandler
	queue    ring.Ring[[]byte] // packets that wait for a buffer of the controller
	inflight int               // packets in the controller's buffers
	acked    uint64
	// deliveries wait for packets to be acknowledged, in order.
	deliveries []delivery
	ready      bool // in core.data.ready
	waiting    bool // Room said no
	deadline   timer
	ending     error         // cause given to StartDisconnect
	leaving    bool          // Disconnect waits until what was written is delivered
	local      bool          // this host asked for the end
	refused    []func(error) // by Disconnect, if the controller does not end the link
	end        *linkWait     // for the end that the controller has begun
	waits      []*linkWait
	// phyAsked and lengthAsked report that the controller has been told of a PHY
	// or a data length for the link.
	phyAsked, lengthAsked bool

	heard atomic.Int64 // when the peer was heard last, in nanoseconds of Unix time

	mu    sync.Mutex
	state LinkState // guarded by mu
}

// LinkState is what is known of a link at one moment.
type LinkState struct {
	Params hci.ConnParamsInUse
	// TX and RX are the PHYs in use, PHY1M until an event says otherwise.
	TX, RX hci.PHY
	// MaxTX and MaxRX are the largest link layer payloads in octets, 27 until an
	// event says otherwise.
	MaxTX, MaxRX uint16
	// Encrypted reports whether the link is encrypted.
	Encrypted bool
}

// connection is what both connection complete events say.
type connection struct {
	handle hci.Handle
	role   hci.Role
	peer   hci.Addr
	params hci.ConnParamsInUse
	// The private addresses that the controller made and resolved; zero if none.
	localRPA, peerRPA hci.MAC
}

// addLink makes the link of a connection complete event.
func (c *core) addLink(cn connection) *Link {
	if old := c.links[cn.handle]; old != nil {
		old.takeDown(&DisconnectError{Handle: old.handle, Peer: old.peer, Cause: ErrStale})
	}
	l := &Link{c: c, handle: cn.handle, peer: cn.peer, role: cn.role, done: make(chan struct{})}
	l.own, l.air = c.own, cn.peer.Identity()
	if cn.role == hci.RolePeripheral && c.adv.own != (hci.Addr{}) {
		l.own = c.adv.own
	}
	if cn.localRPA != (hci.MAC{}) {
		l.own = hci.Addr{MAC: cn.localRPA, Kind: hci.AddrRandom}
	}
	if cn.peerRPA != (hci.MAC{}) {
		l.air = hci.Addr{MAC: cn.peerRPA, Kind: hci.AddrRandom}
	}
	l.noteHeard()
	l.state = LinkState{Params: cn.params, TX: hci.PHY1M, RX: hci.PHY1M, MaxTX: 27, MaxRX: 27}
	l.deadline.f = func(now time.Time) {
		if l.handler != nil {
			l.handler.Expire(now)
		}
	}
	c.links[cn.handle] = l
	c.sweep.noteHandle(cn.handle)
	c.log.Log(c.ctx, LevelLink, "link up", "handle", cn.handle, "peer", cn.peer, "role", cn.role)
	if c.cfg.NewLink != nil {
		l.handler = c.cfg.NewLink(c.now, l)
	}
	c.publishLinks()
	return l
}

// disconnected handles Disconnection Complete.
func (c *core) handleDisconnectionComplete(ev *hci.DisconnectionComplete) {
	l := c.links[ev.Handle]
	if l == nil {
		c.stats.UnknownHandles++
		c.sweep.noteDisconnected(ev.Handle)
		c.adv.noteUnknownLink()
		return
	}
	if ev.Status != hci.StatusSuccess {
		l.refuseDisconnect(&CommandError{hci.OpDisconnect, ev.Status})
		return
	}
	l.takeDown(&DisconnectError{
		Handle: l.handle, Peer: l.peer, Reason: ev.Reason,
		Local: l.local && ev.Reason == hci.StatusLocalHostTerminated, Cause: l.ending,
	})
}

// down ends the link: buffers go back, every waiter gets the cause. Whoever waits
// for done comes last, and finds what runs on the link down as well.
func (l *Link) takeDown(cause *DisconnectError) {
	c := l.c
	if c.links[l.handle] != l {
		return
	}
	delete(c.links, l.handle)
	c.publishLinks()
	c.dropQueuedData(l)
	c.timers.stopTimer(&l.deadline)
	c.log.Log(c.ctx, LevelLink, "link down", "handle", l.handle, "peer", l.peer, "error", cause)
	l.err.Store(cause)
	waits := l.waits
	l.waits = nil
	for _, w := range waits {
		c.timers.stopTimer(&w.timer)
		w.fail(cause)
	}
	if l.handler != nil {
		l.handler.Down(c.now, cause)
	}
	close(l.done)
	c.adv.noteLinkDown()
	c.dial.startInitiation()
}

// Handle returns the connection handle; it may be in use by another link once
// this one is down.
func (l *Link) Handle() hci.Handle { return l.handle }

// Peer returns the address that the link was made with; for a resolved private
// address the identity, with a kind that says so.
func (l *Link) Peer() hci.Addr { return l.peer }

// OnAir returns the addresses that the link was made with, which may be private
// ones where Peer and Info.Address are identities. Pairing is about these.
func (l *Link) OnAir() (own, peer hci.Addr) { return l.own, l.air }

// Role returns this host's role on the link.
func (l *Link) Role() hci.Role { return l.role }

// Done is closed when the link is down, and so is all that runs on it.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns why the link ended, a *DisconnectError; nil while it is up.
func (l *Link) Err() error {
	if err := l.err.Load(); err != nil {
		return err
	}
	return nil
}

// LastHeard returns when the peer was heard last: when it sent data, or its link
// layer acknowledged a packet of this host. It may lag by a connection interval,
// and by the peripheral latency. Any goroutine may call it.
func (l *Link) LastHeard() time.Time { return time.Unix(0, l.heard.Load()) }

func (l *Link) noteHeard() { l.heard.Store(l.c.now.UnixNano()) }

// State returns what is known of the link now.
func (l *Link) State() LinkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Handler returns what Config.NewLink made for this link.
func (l *Link) Handler() LinkHandler { return l.handler }

// Post hands t to the device's loop; see loop.Poster. It is not for the loop.
func (l *Link) Post(t loop.Task) bool { return l.c.post(t) }

// SendACL queues one ACL data packet of at most MaxACLData octets, which it
// copies. start marks the first packet of an L2CAP frame. On a link that is
// down it does nothing. On the loop.
func (l *Link) SendACL(start bool, data []byte) {
	if l.c.links[l.handle] == l && len(data) <= l.c.data.length {
		l.c.queueData(l, start, data)
	}
}

// MaxACLData returns the payload that fits one buffer of the controller. On
// the loop.
func (l *Link) MaxACLData() int { return l.c.data.length }

// Room reports whether the link's queue is below its bound. After it returned
// false, the handler's Writable is called once there is room. On the loop.
func (l *Link) Room() bool {
	if l.queue.Len() < roomBound {
		return true
	}
	l.waiting = true
	return false
}

// SetDeadline asks for one call of the handler's Expire at t; the zero time
// takes the request back. On the loop.
func (l *Link) SetDeadline(t time.Time) {
	if l.c.links[l.handle] == l {
		l.c.timers.setTimer(&l.deadline, t)
	}
}

// sortedLinks returns the links in the order of their handles, so that what
// is done to all of them happens in the same order each time.
func (c *core) sortedLinks() []*Link {
	ls := make([]*Link, 0, len(c.links))
	for _, l := range c.links {
		ls = append(ls, l)
	}
	slices.SortFunc(ls, func(a, b *Link) int { return cmp.Compare(a.handle, b.handle) })
	return ls
}

// publishLinks follows each change of links.
func (c *core) publishLinks() {
	ls := c.sortedLinks()
	c.up.Store(&ls)
}
