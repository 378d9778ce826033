package controller

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// Sizes of the queues between the goroutines of a Controller.
const (
	// packetBuffers bounds how many packets other than advertising reports the reader
	// may be ahead of the loop.
	// The queue fills only while the transport blocks a write of the loop.
	packetBuffers = 64
	taskQueue     = 64
	acceptQueue   = 16
	// closeTime bounds how long Close waits for the links to end, and then for
	// the answer to the reset.
	closeTime = time.Second
)

// Controller is one open controller. Its methods may be called from any goroutine
// except its loop.
type Controller struct {
	core     core         // owned by the holder of turn once the loop runs
	turn     sync.Mutex   // see runLoop
	armed    time.Time    // when the alarm of the loop is due, or zero; guarded by turn
	ahead    atomic.Int32 // packets in hand between the reader and the loop, without adverts
	tr       hci.Transport
	tasks    chan task
	packets  chan *packetBuffer
	free     chan *packetBuffer
	adverts  adverts
	readErr  chan error
	accepted chan *Link
	dropped  atomic.Uint64
	snoop    *hci.SnoopWriter // guarded by turn

	stuck atomic.Bool // the transport was closed because a write took too long

	info atomic.Pointer[Info] // set after start-up
	stop chan struct{}        // closed at the end of the loop; ends the reader
	quit chan struct{}        // closed at the end of the reader
	done chan struct{}        // closed after the end of both goroutines
}

// Open starts up the controller behind tr: it resets it, reads its version,
// commands, features and buffers, and sets the event masks and the own address. The
// remainder, sizes and states to read and defaults for links, follows the start of the
// first scan, or a call that needs it sooner, such as Controller.Connect,
// Controller.Advertise or Controller.Info.
//
// Open takes ownership of tr and closes it if the start-up fails. ctx bounds the
// start-up only. A nil cfg means all defaults.
func Open(ctx context.Context, tr hci.Transport, cfg *Config) (*Controller, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	ctl := &Controller{
		tr: tr, tasks: make(chan task, taskQueue),
		packets: make(chan *packetBuffer, packetBuffers), free: make(chan *packetBuffer, packetBuffers),
		readErr: make(chan error, 1), accepted: make(chan *Link, acceptQueue),
		stop: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	ctl.core.setup(*cfg)
	ctl.core.fresh, ctl.core.lacks = true, Lacks(tr)
	ctl.adverts.init()
	ctl.core.post, ctl.core.closed = ctl.Post, ctl.done
	ctl.core.onPeripheralLink = ctl.queueAccepted
	ctl.core.legacy.publish = func(i Info) { ctl.info.Store(&i) }
	if cfg.Snoop != nil {
		ctl.snoop = hci.NewSnoop(cfg.Snoop)
		if cfg.SnoopKeys {
			ctl.snoop = hci.NewSnoopWithKeys(cfg.Snoop)
		}
	}
	go ctl.readPackets()
	go ctl.runLoop()
	info, err := ctl.startUp(ctx)
	if err != nil {
		ctl.endLoop(errClosed)
		<-ctl.done
		return nil, fmt.Errorf("controller: start-up: %w", err)
	}
	ctl.info.Store(info)
	return ctl, nil
}

// queueAccepted queues a link for Accept, or closes it if the queue is full of
// links that are up. Must run on the loop.
func (ctl *Controller) queueAccepted(l *Link) {
	for range len(ctl.accepted) { // links that have gone down make room
		select {
		case old := <-ctl.accepted:
			if old.Err() == nil {
				ctl.accepted <- old // the loop is the only sender: there is room
			}
		default:
		}
	}
	select {
	case ctl.accepted <- l:
	default:
		ctl.core.closeUnwanted(l)
	}
}

// Info returns the properties that the controller reported at its start-up. Refusals
// since then change Extended, ExtendedRefused and CodedRefused. Info waits for the end of
// the start-up, a part of which runs behind the start of the first scan; see AwaitInfo. It
// must not be called on the loop.
func (ctl *Controller) Info() Info {
	i, err := ctl.AwaitInfo(context.Background())
	if err != nil { // the Controller has ended
		return ctl.KnownInfo()
	}
	return i
}

// AwaitInfo waits for the end of the start-up, and returns the properties of the
// controller; see Info. Without a scan, it begins the part of the start-up that is left.
// It must not be called on the loop. Its error is the cause of ctx, or the error that
// ended the Controller before.
func (ctl *Controller) AwaitInfo(ctx context.Context) (Info, error) {
	return askLoop(ctx, &ctl.core, wrapDuring(ctx, "start-up"), func(_ func() bool, done func(Info, error)) {
		c := &ctl.core
		c.remainder.afterEnd(func() { done(c.info, c.err) })
	})
}

// KnownInfo returns the properties that are known by now, without waiting. Until the end
// of the start-up, FeaturePages, AcceptListSize, ResolvingListSize, States and MaxData are
// zero. It may be called on the loop.
func (ctl *Controller) KnownInfo() Info { return *ctl.info.Load() }

// Stats returns the counters. It waits for the loop, and must not be called on it.
func (ctl *Controller) Stats() Stats {
	ch := make(chan Stats, 1)
	if !ctl.Post(loop.Func(func(time.Time) { ch <- ctl.core.stats })) {
		<-ctl.done
		return ctl.finalStats()
	}
	select {
	case s := <-ch:
		s.DroppedAdvertRead = ctl.dropped.Load()
		return s
	case <-ctl.done:
		return ctl.finalStats()
	}
}

func (ctl *Controller) finalStats() Stats {
	s := ctl.core.stats // the loop has ended
	s.DroppedAdvertRead = ctl.dropped.Load()
	return s
}

// Post implements loop.Poster.
func (ctl *Controller) Post(t loop.Task) bool {
	select {
	case <-ctl.stop:
		return false
	default:
	}
	select {
	case ctl.tasks <- t:
		return true
	case <-ctl.stop:
		return false
	}
}

// Links returns the links that are up, in the order of their handles. It does
// not wait for the loop.
func (ctl *Controller) Links() []*Link { return ctl.core.up.listLinks() }

// Done is closed when the Controller has ended and its transport is closed.
func (ctl *Controller) Done() <-chan struct{} { return ctl.done }

// Err returns why the Controller ends: an error that unwraps to net.ErrClosed
// after Close, otherwise an *[Error]. It returns nil before that. The end has begun
// when a link goes down for it, or a command fails; Done is closed later.
func (ctl *Controller) Err() error {
	if err := ctl.core.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the Controller. It waits up to a second until queued data has
// reached the peers and all links are disconnected, then resets the controller
// and closes the transport. Waiting calls return an error that unwraps to
// net.ErrClosed. A second Close does nothing. The result is always nil.
func (ctl *Controller) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	links, _ := askLoop(ctx, &ctl.core, commandFailed(hci.OpDisconnect), func(_ func() bool, done func([]*Link, error)) {
		ls := ctl.core.up.listLinks()
		for _, l := range ls {
			l.linger(func() { l.StartDisconnect(hci.StatusRemoteUserTerminated, errClosed) })
		}
		done(ls, nil)
	})
	for _, l := range links {
		select {
		case <-l.done:
		case <-ctx.Done():
		}
	}
	// The reset ends scans, dials and advertising, and any link that did not end
	// in time.
	ctl.Post(loop.Func(func(time.Time) { ctl.core.resetAtEnd(errClosed) }))
	select {
	case <-ctl.done:
	case <-time.After(closeTime):
		ctl.endLoop(errClosed)
		<-ctl.done
	}
	return nil
}

// endLoop ends the loop with cause.
func (ctl *Controller) endLoop(cause error) {
	ctl.Post(loop.Func(func(time.Time) { ctl.core.failController(cause) }))
}
