package controller

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/ring"
)

// Link is one LE connection. Methods that must run on the loop are for its
// [LinkHandler]. All other methods may be called from any other goroutine.
type Link struct {
	// Set when the link is made.
	c      *core
	handle hci.Handle
	peer   hci.Addr
	role   hci.Role
	own    hci.Addr // own address on air
	air    hci.Addr // peer's address on air
	done   chan struct{}
	err    atomic.Pointer[DisconnectError] // set before done is closed and any continuation runs

	// Owned by the loop.
	handler  LinkHandler
	down     bool              // the link is not in core.links any more
	queue    ring.Ring[[]byte] // packets that wait for a buffer of the controller
	inflight int               // packets in the controller's buffers
	acked    uint64            // packets that the controller has acknowledged
	times    timetable
	share    share
	// unacked is the time since which packets have been in flight without an
	// acknowledgment; judged reports that they took too long; see stalls.
	unacked time.Time
	judged  bool
	// deliveries are the calls of OnDelivered that wait, in order.
	deliveries []delivery
	ready      bool // the link is in core.data.ready
	waiting    bool // Room has returned false
	deadline   timer
	heardAt    time.Time     // see LastHeard
	verifying  bool          // the controller is asked whether it has the link
	ending     error         // cause passed to StartDisconnect
	local      bool          // this host has ended the link
	refused    []func(error) // called if the controller refuses to disconnect
	end        *linkWait     // waits for the Disconnection Complete event
	leaving    bool          // this host ends the link, perhaps once queued data has reached the peer
	waits      []*linkWait
	// phyAsked and lengthAsked report that a command has set the PHY or the data
	// length of the link.
	phyAsked, lengthAsked bool
	tuning                bool     // a tuning is under way
	tunings               []func() // start those that wait for its end

	mu    sync.Mutex
	state LinkState // guarded by mu
}

// LinkState is the state of a link at one moment.
type LinkState struct {
	Params hci.ConnParamsInUse
	// TX and RX are the PHYs in use, initially hci.PHY1M.
	TX, RX hci.PHY
	// MaxTX and MaxRX are the largest link layer payloads in octets, initially 27.
	MaxTX, MaxRX uint16
	// Encrypted reports whether the link is encrypted.
	Encrypted bool
	// Ending reports whether this host has begun to end the link.
	Ending bool
}

// connection holds the fields that both connection complete events have.
type connection struct {
	handle hci.Handle
	role   hci.Role
	peer   hci.Addr
	params hci.ConnParamsInUse
	// localRPA and peerRPA are the private addresses that the controller generated
	// and resolved; zero if there are none.
	localRPA, peerRPA hci.MAC
}

// addLink makes the link of a connection complete event. A link that still has its
// handle goes down with ErrStale.
func (c *core) addLink(cn connection) *Link {
	if old := c.links[cn.handle]; old != nil {
		old.takeDown(&DisconnectError{Handle: old.handle, Peer: old.peer, Cause: ErrStale})
	}
	l := &Link{c: c, handle: cn.handle, peer: cn.peer, role: cn.role, done: make(chan struct{})}
	l.own, l.air = c.own, cn.onAir()
	if own := c.adv.linkAddress(); cn.role == hci.RolePeripheral && own != (hci.Addr{}) {
		l.own = own
	}
	if cn.localRPA != (hci.MAC{}) {
		l.own = hci.Addr{MAC: cn.localRPA, Kind: hci.AddrRandom}
	}
	l.heardAt = c.now
	l.state = LinkState{Params: cn.params, TX: hci.PHY1M, RX: hci.PHY1M, MaxTX: 27, MaxRX: 27}
	l.deadline.f = func(now time.Time) {
		if l.handler != nil {
			l.handler.Expire(now)
		}
	}
	c.links[cn.handle] = l
	if cn.role == hci.RolePeripheral {
		c.peripheralLinks++
	}
	c.sweep.noteHandle(cn.handle)
	c.log.Log(c.ctx, LevelLink, "link up", "handle", cn.handle, "peer", cn.peer, "role", cn.role)
	if c.cfg.NewLink != nil {
		l.handler = c.cfg.NewLink(c.now, l)
	}
	c.up.addLink(l)
	c.linkCheck.startTimer()
	c.sweep.verifyLate(l)
	return l
}

// handleDisconnectionComplete handles Disconnection Complete.
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

// loseLink ends a link that the controller does not have.
func (l *Link) loseLink() {
	l.c.stats.LostEvents++
	l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Cause: ErrEventLost})
}

// takeDown ends the link: it reclaims the buffers and passes cause to all
// continuations and to the handler. done is closed last, so that a caller that
// waits for it finds everything on the link down.
func (l *Link) takeDown(cause *DisconnectError) {
	c := l.c
	if c.links[l.handle] != l {
		return
	}
	delete(c.links, l.handle)
	l.down = true
	if c.heard == l {
		c.heard = nil
	}
	if l.role == hci.RolePeripheral {
		c.peripheralLinks--
	}
	if l.leaving {
		l.forgetLeaving()
	}
	c.up.removeLink(l)
	c.dropQueuedData(l)
	c.timers.stopTimer(&l.deadline)
	c.log.Log(c.ctx, LevelLink, "link down", "handle", l.handle, "peer", l.peer, "error", cause)
	l.err.Store(cause)
	c.failQueued(func(cmd *command) bool { return cmd.link == l }, func(*command) error { return cause })
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

// Handle returns the connection handle. Once this link is down, another link may
// have the same handle.
func (l *Link) Handle() hci.Handle { return l.handle }

// Peer returns the address of the peer. If the controller has resolved a private
// address, it is the identity address, and its kind is an identity kind.
func (l *Link) Peer() hci.Addr { return l.peer }

// OnAir returns the addresses in use on air when the link was made. They may be
// private addresses where Peer and Info.Address are identities. Pairing uses the
// addresses on air.
func (l *Link) OnAir() (own, peer hci.Addr) { return l.own, l.air }

// Role returns the role of this host on the link.
func (l *Link) Role() hci.Role { return l.role }

// Done is closed when the link and everything on it are down.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns the reason for the end of the link, a *[DisconnectError]; nil while
// it is up.
func (l *Link) Err() error {
	if err := l.err.Load(); err != nil {
		return err
	}
	return nil
}

// LastHeard returns the time when the peer last sent data or acknowledged a packet of
// this host. The time may lag by a connection interval and the peripheral latency. It
// is the zero time once the Controller has ended. Must not be called on the loop.
func (l *Link) LastHeard() time.Time {
	at, _ := askLoop(context.Background(), l.c, func(err error) error { return err },
		func(_ func() bool, done func(time.Time, error)) { done(l.heardAt, nil) })
	return at
}

// State returns the present state of the link.
func (l *Link) State() LinkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Handler returns the handler that Config.NewLink returned for the link.
func (l *Link) Handler() LinkHandler { return l.handler }

// Post implements loop.Poster. It must not be called on the loop.
func (l *Link) Post(t loop.Task) bool { return l.c.post(t) }

// SendACL queues one ACL data packet with a copy of data, at most MaxACLData
// octets. start marks the first packet of an L2CAP frame. On a link that is down
// it does nothing. Must run on the loop.
func (l *Link) SendACL(start bool, data []byte) {
	if !l.down && len(data) <= l.c.data.length {
		l.c.queueData(l, start, data)
	}
}

// MaxACLData returns the largest payload in octets that fits one buffer of the
// controller. Must run on the loop.
func (l *Link) MaxACLData() int { return l.c.data.length }

// Room reports whether the queue of the link is below its bound. After it has
// returned false, LinkHandler.Writable is called as soon as there is room. Must
// run on the loop.
func (l *Link) Room() bool {
	if l.queue.Len() < l.c.roomBound() {
		return true
	}
	l.waiting = true
	return false
}

// SetDeadline requests one call of LinkHandler.Expire at t. It replaces an earlier
// request; the zero time cancels it. Must run on the loop.
func (l *Link) SetDeadline(t time.Time) {
	if !l.down {
		l.c.timers.setTimer(&l.deadline, t)
	}
}
