package hci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// ConnectOptions holds the options of Connect and ConnectAny. Zero fields have
// their defaults; nil is the same as an empty one.
type ConnectOptions struct {
	// Timeout bounds how long the controller listens for the peer, counted from
	// when it begins; default 20 s, negative none. Time spent waiting for other
	// dials on the same controller does not count: ctx bounds that.
	Timeout time.Duration
	// Params are the parameters that the link starts with; default 30–50 ms,
	// latency 0, supervision timeout 4.2 s.
	Params ConnParams
	// ScanInterval and ScanWindow are how the controller listens while it
	// initiates, 2.5 ms to 10.24 s; default 60 ms each, listening all the time.
	ScanInterval, ScanWindow time.Duration
}

func (o *ConnectOptions) timeout() time.Duration {
	if o == nil || o.Timeout == 0 {
		return 20 * time.Second
	}
	return o.Timeout
}

func (o *ConnectOptions) params() ConnParams {
	if o == nil || o.Params == (ConnParams{}) {
		return ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 4200 * time.Millisecond}
	}
	return o.Params
}

func (o *ConnectOptions) scan() (interval, window time.Duration) {
	interval, window = 60*time.Millisecond, 60*time.Millisecond
	if o != nil && o.ScanInterval != 0 {
		interval, window = o.ScanInterval, o.ScanInterval
	}
	if o != nil && o.ScanWindow != 0 {
		window = o.ScanWindow
	}
	return min(max(interval, window), 10240*time.Millisecond), window
}

// dial is one wish to connect. It belongs to the loop from the moment it is
// queued until done has been called, which happens once.
type dial struct {
	peers []Addr // several: by accept list
	opts  *ConnectOptions
	done  func(*Link, error)
	// end is why the dial is being canceled; nil while it is wanted.
	end     error
	gone    bool // the caller does not wait any more
	retried bool // once after 0x0C with the scan out of the way
}

// The initiator of a controller is one: a second LE Create Connection while
// one is pending is refused with 0x0C. These are its states.
//
//	            queue            status 0          complete event
//	idle ──────────────▶ starting ─────────▶ initiating ─────────▶ idle
//	                        │                    │ ctx, timeout      ▲
//	                        │ error              ▼                   │
//	                        └────────▶ idle   canceling ─────────────┘
//	                                   complete event, or cancelWait over
type dialState uint8

const (
	dialIdle dialState = iota
	dialStarting
	dialInitiating
	dialCanceling
)

// cancelWait is how long after a cancel the connection complete event may
// take. The specification sends it at once (7.8.13); some controllers never
// do, and must not hold up all later dials.
const cancelWait = time.Second

// dialer owns the initiator of a controller and every race about it.
type dialer struct {
	c     *core
	state dialState
	cur   *dial // nil only while idle
	queue []*dial
	timer timer // attempt timeout, or cancelWait
}

func (d *dialer) init(c *core) {
	d.c = c
	d.timer.f = d.expire
}

// add queues x. On the loop.
func (d *dialer) add(x *dial) {
	if d.c.err != nil {
		x.done(nil, x.wrap(d.c.err))
		return
	}
	d.queue = append(d.queue, x)
	d.next()
}

// next starts the first queued dial that can be, if the initiator is free.
func (d *dialer) next() {
	if d.state != dialIdle || d.c.err != nil {
		return
	}
	i := slices.IndexFunc(d.queue, func(x *dial) bool { return !d.ending(x) })
	if i < 0 {
		d.c.scan.resume()
		return
	}
	x := d.queue[i]
	d.queue = slices.Delete(d.queue, i, i+1)
	d.cur, d.state = x, dialStarting
	if d.c.info.scanWhileInitiating() {
		d.prepare()
		return
	}
	d.c.scan.pause(d.prepare)
}

// ending reports whether a link to a peer of x is being closed: until it is
// gone the controller refuses another one with 0x0B, connection exists.
func (d *dialer) ending(x *dial) bool {
	for _, l := range d.c.links {
		if l.local && x.wants(l.peer) {
			return true
		}
	}
	return false
}

// prepare fills the accept list if there are several peers, then initiates.
func (d *dialer) prepare() {
	x := d.cur
	if x.end != nil {
		d.finish(nil, x.end)
		return
	}
	if len(x.peers) == 1 {
		d.create()
		return
	}
	d.c.run(LEClearFilterAcceptList{}, func(_ time.Time, _ []byte, err error) { d.fillAcceptList(x.peers, err) })
}

func (d *dialer) fillAcceptList(rest []Addr, err error) {
	switch {
	case err != nil:
		d.finish(nil, err)
	case d.cur.end != nil:
		d.finish(nil, d.cur.end)
	case len(rest) == 0:
		d.create()
	default:
		d.c.run(LEAddDeviceToFilterAcceptList{Addr: rest[0].Identity()},
			func(_ time.Time, _ []byte, err error) { d.fillAcceptList(rest[1:], err) })
	}
}

// create sends the command that initiates.
func (d *dialer) create() {
	x, c := d.cur, d.c
	p := x.opts.params()
	interval, window := x.opts.scan()
	var peer Addr
	policy := uint8(1) // by accept list
	if len(x.peers) == 1 {
		peer, policy = x.peers[0].Identity(), 0
	}
	var cmd Params = LECreateConnection{
		ScanInterval: interval, ScanWindow: window, FilterPolicy: policy, Peer: peer,
		OwnAddrKind: c.info.Address.Kind, Params: p,
	}
	if c.info.Extended {
		phy := InitiatingPHY{ScanInterval: interval, ScanWindow: window, Params: p}
		ext := LEExtendedCreateConnection{FilterPolicy: policy, OwnAddrKind: c.info.Address.Kind, Peer: peer}
		ext.PHYs, ext.Initiating = PHYs1M, []InitiatingPHY{phy}
		cmd = ext
	}
	c.run(cmd, func(now time.Time, _ []byte, err error) { d.started(now, err) })
}

// started takes the Command Status of the create command.
func (d *dialer) started(now time.Time, err error) {
	x := d.cur
	if d.state != dialStarting || x == nil {
		return // the connection came before the status
	}
	switch {
	case statusOf(err) == StatusCommandDisallowed && !x.retried && x.end == nil && d.c.scan.active():
		// This controller cannot initiate while it scans, whatever it says of its
		// states. Once more without the scan.
		x.retried = true
		d.c.info.scanBlocksInitiating = true
		d.c.scan.pause(d.prepare)
	case err != nil:
		d.finish(nil, err)
	case x.end != nil:
		d.cancel()
	default:
		d.state = dialInitiating
		if t := x.opts.timeout(); t > 0 {
			d.c.timers.set(&d.timer, now.Add(t))
		}
	}
}

// stop takes back a dial whose caller has gone or whose time is up, wherever
// it is. end is what its caller gets unless the connection comes first.
func (d *dialer) stop(x *dial, end error) {
	if x != d.cur {
		if i := slices.Index(d.queue, x); i >= 0 {
			d.queue = slices.Delete(d.queue, i, i+1)
			x.done(nil, x.wrap(end))
		}
		return
	}
	if x.end == nil {
		x.end = end
		if d.state == dialInitiating {
			d.cancel()
		}
	}
}

// cancel ends the initiation. It is over when the connection complete event
// has come: with 0x02, or with the connection, which then was faster.
func (d *dialer) cancel() {
	d.state = dialCanceling
	d.c.timers.set(&d.timer, d.c.now.Add(d.c.cfg.commandTimeout()+cancelWait))
	d.c.run(LECreateConnectionCancel{}, func(now time.Time, _ []byte, err error) {
		// 0x0C says that nothing is pending: the connection was faster, and its
		// event is on its way.
		if d.state == dialCanceling {
			d.c.timers.set(&d.timer, now.Add(cancelWait))
		}
	})
}

func (d *dialer) expire(time.Time) {
	switch d.state {
	case dialInitiating:
		d.stop(d.cur, ErrDialTimeout)
	case dialCanceling:
		d.c.log.Log(d.c.ctx, LevelDevice, "canceled connection never reported as ended")
		d.finish(nil, d.cur.end)
	case dialIdle, dialStarting:
	}
}

// finish ends the current dial and starts the next one.
func (d *dialer) finish(l *Link, err error) {
	x := d.cur
	d.cur, d.state = nil, dialIdle
	d.c.timers.stop(&d.timer)
	if err != nil {
		err = x.wrap(err)
	}
	x.done(l, err)
	d.next()
}

func (x *dial) wrap(err error) error {
	e := &ConnectError{Err: err}
	if len(x.peers) == 1 {
		e.Peer = x.peers[0]
	}
	return e
}

// wants reports whether x is waiting for a peer with this address.
func (x *dial) wants(peer Addr) bool {
	return slices.ContainsFunc(x.peers, func(p Addr) bool { return p.Identity() == peer.Identity() })
}

// connected handles both connection complete events.
func (c *core) connected(status Status, cn connection) {
	d := &c.dial
	switch {
	case status == StatusAdvertisingTimeout: // of directed advertising (7.8.9)
		c.adv.stopped()
	case status != StatusSuccess:
		// A failed event has no valid handle: it must not touch any link.
		if d.state == dialIdle || d.cur == nil {
			c.stats.ForeignAnswers++
			return
		}
		if d.state == dialCanceling && status == StatusUnknownConnection {
			d.finish(nil, d.cur.end)
			return
		}
		d.finish(nil, status)
	case cn.role == RolePeripheral:
		l := c.addLink(cn)
		c.adv.connected()
		if c.accept != nil {
			c.accept(l)
		}
	default:
		c.connectedAsCentral(cn)
	}
}

// connectedAsCentral gives a new link to the dial that wants it: the current
// one, or one that waits in the queue for the same peer when this connection
// is the late success of a dial that is over. Otherwise the link is closed.
func (c *core) connectedAsCentral(cn connection) {
	d := &c.dial
	if x := d.cur; x != nil && d.state != dialIdle && x.wants(cn.peer) {
		l := c.addLink(cn)
		if x.gone {
			c.orphan(l)
			d.finish(nil, x.end)
			return
		}
		l.tune()
		d.finish(l, nil)
		return
	}
	l := c.addLink(cn)
	for i, x := range d.queue {
		if x.wants(cn.peer) {
			d.queue = slices.Delete(d.queue, i, i+1)
			l.tune()
			x.done(l, nil)
			return
		}
	}
	c.orphan(l)
}

func (c *core) orphan(l *Link) {
	c.stats.OrphanConnections++
	l.StartDisconnect(StatusRemoteUserTerminated, ErrUnwanted)
}

// ErrUnwanted is the cause of links that came up after whoever asked for them
// had given up, and were closed for it.
var ErrUnwanted = errors.New("nobody was waiting for the connection any more")

func (d *dialer) fail(err error) {
	cur, queue := d.cur, d.queue
	d.cur, d.queue, d.state = nil, nil, dialIdle
	d.c.timers.stop(&d.timer)
	if cur != nil {
		cur.done(nil, cur.wrap(err))
	}
	for _, x := range queue {
		x.done(nil, x.wrap(err))
	}
}

// Connect makes a link to peer as central and returns it. Dials of one Device
// take turns. An error is a *ConnectError. When ctx ends, Connect returns at
// once; should the controller complete the connection all the same, the link
// is closed, or given to another Connect that waits for the same peer.
func (d *Device) Connect(ctx context.Context, peer Addr, o *ConnectOptions) (*Link, error) {
	return d.connect(ctx, []Addr{peer}, o)
}

// ConnectAny makes a link to whichever of peers is heard first, by the
// controller's filter accept list (Vol 4, Part E, 7.8.16), which has
// Info.AcceptListSize places. Link.Peer says which one it was.
func (d *Device) ConnectAny(ctx context.Context, peers []Addr, o *ConnectOptions) (*Link, error) {
	if n := d.Info().AcceptListSize; len(peers) == 0 || len(peers) > n {
		return nil, &ConnectError{Err: fmt.Errorf("%d peers do not fit the controller's accept list of 1 to %d", len(peers), n)}
	}
	return d.connect(ctx, peers, o)
}

func (d *Device) connect(ctx context.Context, peers []Addr, o *ConnectOptions) (*Link, error) {
	x := &dial{peers: slices.Clone(peers)}
	if o != nil {
		opts := *o
		x.opts = &opts
	}
	if err := x.opts.params().Validate(); err != nil {
		return nil, x.wrap(err)
	}
	if ctx.Err() != nil {
		return nil, x.wrap(context.Cause(ctx))
	}
	ch := make(chan reply[*Link], 1)
	x.done = func(l *Link, err error) { ch <- reply[*Link]{l, err} }
	if !d.Post(loop.Func(func(time.Time) { d.core.dial.add(x) })) {
		return nil, x.wrap(d.Err())
	}
	select {
	case r := <-ch:
		return r.v, r.err
	case <-d.done:
	case <-ctx.Done():
		select {
		case r := <-ch:
			return r.v, r.err
		default:
		}
		end := context.Cause(ctx)
		d.Post(loop.Func(func(time.Time) {
			x.gone = true
			d.core.dial.stop(x, end)
			select { // the link came while the caller was leaving
			case r := <-ch:
				if r.v != nil {
					d.core.orphan(r.v)
				}
			default:
			}
		}))
		return nil, x.wrap(end)
	}
	select {
	case r := <-ch:
		return r.v, r.err
	default:
		return nil, x.wrap(d.Err())
	}
}
