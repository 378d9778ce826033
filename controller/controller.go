package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

type packetBuffer struct {
	n int
	b [hci.MaxPacketLen]byte
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
	ctl.core.accept = ctl.accept
	if cfg.Snoop != nil {
		ctl.snoop = hci.NewSnoop(cfg.Snoop)
	}
	go ctl.read()
	go ctl.loop()
	info, err := ctl.start(ctx)
	if err != nil {
		ctl.end(errClosed)
		<-ctl.done
		return nil, fmt.Errorf("controller: start of the controller: %w", err)
	}
	ctl.info.Store(info)
	return ctl, nil
}

// accept queues a link for Accept. On the loop.
func (ctl *Controller) accept(l *Link) {
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
		ctl.core.orphan(l)
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
	links, _ := ask(ctx, &ctl.core, commandFailed(hci.OpDisconnect), func(_ func() bool, done func([]*Link, error)) {
		ls := ctl.core.sortedLinks()
		for _, l := range ls {
			l.drain(func() { l.StartDisconnect(hci.StatusRemoteUserTerminated, errClosed) })
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
	ctl.end(errClosed)
	<-ctl.done
	return nil
}

// end makes the loop end with cause.
func (ctl *Controller) end(cause error) {
	ctl.Post(loop.Func(func(time.Time) { ctl.core.fail(cause) }))
}

// read takes packets from the transport until it fails. It blocks only in the
// transport, or while the loop has all buffers.
func (ctl *Controller) read() {
	defer close(ctl.quit)
	made := 0
	for {
		var p *packetBuffer
		select {
		case p = <-ctl.free:
		default:
			if made < packetBuffers {
				p = new(packetBuffer)
				made++
				break
			}
			select {
			case p = <-ctl.free:
			case <-ctl.stop:
				return
			}
		}
		for {
			n, err := ctl.tr.ReadPacket(p.b[:])
			if err != nil {
				ctl.readErr <- err
				return
			}
			p.n = n
			if len(ctl.packets) < packetBuffers-reservedBuffers || !isAdvertising(p.b[:n]) {
				break
			}
			ctl.dropped.Add(1)
		}
		select {
		case ctl.packets <- p:
		case <-ctl.stop:
			return
		}
	}
}

// isAdvertising reports whether an H4 packet is an LE (Extended) Advertising
// Report event.
func isAdvertising(b []byte) bool {
	return len(b) > 3 && hci.PacketType(b[0]) == hci.PacketEvent && b[1] == byte(hci.EvLEMeta) &&
		(b[3] == byte(hci.EvLEAdvertisingReport) || b[3] == byte(hci.EvLEExtendedAdvertisingReport))
}

// loop owns core. It ends when core has failed.
func (ctl *Controller) loop() {
	c := &ctl.core
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var armed time.Time
	patience := time.AfterFunc(time.Hour, ctl.unstick)
	patience.Stop()
	for c.err == nil {
		select {
		case p := <-ctl.packets:
			now := time.Now()
			ctl.capture(now, false, p.b[:p.n])
			c.packet(now, p.b[:p.n])
			ctl.free <- p
		case t := <-ctl.tasks:
			c.call(time.Now(), t)
		case <-alarm.C:
			armed = time.Time{}
			c.expire(time.Now())
		case err := <-ctl.readErr:
			c.now = time.Now()
			ctl.drain()
			c.fail(ctl.transportError("read", err))
		}
		ctl.write(patience)
		if next := c.timers.next(); !next.Equal(armed) {
			armed = next
			if next.IsZero() {
				alarm.Stop()
			} else {
				alarm.Reset(time.Until(next))
			}
		}
	}
	ctl.finish()
}

// drain handles what the reader delivered before it failed.
func (ctl *Controller) drain() {
	for {
		select {
		case p := <-ctl.packets:
			ctl.capture(ctl.core.now, false, p.b[:p.n])
			ctl.core.packet(ctl.core.now, p.b[:p.n])
		default:
			return
		}
	}
}

// write sends what the core wants sent. A transport that does not take it in
// the time for an answer to a command is closed, which ends the write: with the
// loop held up, nobody could be told of anything any more.
func (ctl *Controller) write(patience *time.Timer) {
	c := &ctl.core
	if len(c.out) == 0 {
		return
	}
	patience.Reset(c.cfg.commandTimeout())
	defer patience.Stop()
	for i := 0; i < len(c.out); i++ { // fail may not append, but commands may
		p := c.out[i]
		c.out[i] = nil
		if err := ctl.tr.WritePacket(p); err != nil {
			c.fail(ctl.transportError("write", err))
			break
		}
		ctl.capture(c.now, true, p)
		c.recycle(p)
	}
	c.out = c.out[:0]
}

// capture logs and captures a packet.
func (ctl *Controller) capture(now time.Time, sent bool, p []byte) {
	if ctl.core.log.Enabled(ctl.core.ctx, LevelPacket) {
		what := "received"
		if sent {
			what = "sent"
		}
		ctl.core.log.Log(ctl.core.ctx, LevelPacket, what, "packet", hci.Describe(p))
	}
	if ctl.snoop == nil {
		return
	}
	if err := ctl.snoop.Packet(now, sent, p); err != nil {
		ctl.core.log.Log(ctl.core.ctx, LevelController, "capture ended", "error", err)
		ctl.snoop = nil
	}
}

// finish closes everything after core.fail.
func (ctl *Controller) finish() {
	close(ctl.stop)
	_ = ctl.tr.Close()
	// Tasks that were posted in time still run: on a failed core they find out
	// what ended it.
	for {
		select {
		case t := <-ctl.tasks:
			ctl.core.call(time.Now(), t)
			continue
		default:
		}
		break
	}
	<-ctl.quit
	ctl.err = ctl.core.err
	close(ctl.done)
}

func (ctl *Controller) unstick() {
	ctl.stuck.Store(true)
	_ = ctl.tr.Close()
}

func (ctl *Controller) transportError(what string, err error) error {
	if ctl.stuck.Load() {
		return &Error{"transport", ErrStuck}
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the other side closed it (%w)", err)
	} else if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("controller: transport closed: %w", err)
	}
	return &Error{"transport " + what, err}
}
