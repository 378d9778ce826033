package controller

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// Sizes of the queues between the goroutines of a Controller.
const (
	// packetBuffers is how many packets the reader may be ahead of the loop. It
	// fills only if the loop is held up by a transport that does not take
	// packets.
	packetBuffers = 64
	// reservedBuffers are kept from advertising reports: when no more are left,
	// reports are dropped and counted, while all else still gets through.
	reservedBuffers = 16
	taskQueue       = 64
	acceptQueue     = 16
	// closeTime is how long Close waits for links to end in an orderly way, and
	// again for the answer to the reset.
	closeTime = time.Second
)

// Controller is one controller in use. All its methods may be called from any
// goroutine but its loop.
type Controller struct {
	core     core // of the loop, once it runs
	tr       hci.Transport
	tasks    chan task
	packets  chan *packetBuffer
	free     chan *packetBuffer
	readErr  chan error
	accepted chan *Link
	dropped  atomic.Uint64
	snoop    *hci.SnoopWriter // of the loop

	stuck atomic.Bool // the transport was closed because it took no packet

	info atomic.Pointer[Info] // after start-up
	stop chan struct{}        // closed when the loop has ended, for the reader
	quit chan struct{}        // closed when the reader has ended
	done chan struct{}        // closed after both goroutines' end
	err  error                // set before done is closed
}

// Open starts the controller behind tr: reset, what it is and can do, event
// masks, buffers, own address. It owns tr from then on and closes it when it
// fails. ctx bounds the start alone. A nil cfg is the default.
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
	ctl.core.post, ctl.core.closed = ctl.Post, ctl.done
	ctl.core.onPeripheralLink = ctl.queueAccepted
	if cfg.Snoop != nil {
		ctl.snoop = hci.NewSnoop(cfg.Snoop)
	}
	go ctl.readPackets()
	go ctl.runLoop()
	info, err := ctl.startUp(ctx)
	if err != nil {
		ctl.endLoop(errClosed)
		<-ctl.done
		return nil, fmt.Errorf("controller: start of the controller: %w", err)
	}
	ctl.info.Store(info)
	return ctl, nil
}

// accept queues a link for Accept. On the loop.
func (ctl *Controller) queueAccepted(l *Link) {
	for range len(ctl.accepted) { // those that ended meanwhile make room
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

// Info returns what is known of the controller since start-up.
func (ctl *Controller) Info() Info {
	if i := ctl.info.Load(); i != nil {
		return *i
	}
	return Info{}
}

// Stats returns what was counted so far.
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

// Post hands t to the loop; see loop.Poster.
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

// Links returns the links that are up, in the order of their handles. It does not
// wait.
func (ctl *Controller) Links() []*Link {
	if ls := ctl.core.up.Load(); ls != nil {
		return slices.Clone(*ls)
	}
	return nil
}

// Done is closed when the device has ended and its transport is closed.
func (ctl *Controller) Done() <-chan struct{} { return ctl.done }

// Err returns why the device ended: an error that unwraps to net.ErrClosed
// after Close, otherwise a *Error; nil while it lives.
func (ctl *Controller) Err() error {
	select {
	case <-ctl.done:
		return ctl.err
	default:
		return nil
	}
}

// Close lets what was written reach the peers, disconnects all links, gives
// them up to a second for both, resets the controller and closes the transport.
// Waiters get an error that unwraps to net.ErrClosed. Closing again does nothing.
func (ctl *Controller) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	links, _ := askLoop(ctx, &ctl.core, commandFailed(hci.OpDisconnect), func(_ func() bool, done func([]*Link, error)) {
		ls := ctl.core.sortedLinks()
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
	// Scans, dials and advertising end with the reset, and so does a link that has
	// used up the time above.
	reset, cancelReset := context.WithTimeout(context.Background(), closeTime)
	defer cancelReset()
	_, _ = Exec(reset, ctl, hci.Reset{})
	ctl.endLoop(errClosed)
	<-ctl.done
	return nil
}

// end makes the loop end with cause.
func (ctl *Controller) endLoop(cause error) {
	ctl.Post(loop.Func(func(time.Time) { ctl.core.failController(cause) }))
}
