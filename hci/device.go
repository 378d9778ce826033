package hci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// Sizes of the queues between the goroutines of a Device.
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

// Device is one controller in use. All its methods may be called from any
// goroutine but its loop.
type Device struct {
	core     core // of the loop, once it runs
	tr       Transport
	tasks    chan task
	packets  chan *packetBuffer
	free     chan *packetBuffer
	readErr  chan error
	accepted chan *Link
	dropped  atomic.Uint64
	snoop    *SnoopWriter // of the loop

	stuck atomic.Bool // the transport was closed because it took no packet

	info atomic.Pointer[Info] // after start-up
	stop chan struct{}        // closed when the loop has ended, for the reader
	quit chan struct{}        // closed when the reader has ended
	done chan struct{}        // closed after both goroutines' end
	err  error                // set before done is closed
}

type packetBuffer struct {
	n int
	b [MaxPacketLen]byte
}

// Open starts the controller behind tr: reset, what it is and can do, event
// masks, buffers, own address. It owns tr from then on and closes it when it
// fails. ctx bounds the start alone. A nil cfg is the default.
func Open(ctx context.Context, tr Transport, cfg *Config) (*Device, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	d := &Device{
		tr: tr, tasks: make(chan task, taskQueue),
		packets: make(chan *packetBuffer, packetBuffers), free: make(chan *packetBuffer, packetBuffers),
		readErr: make(chan error, 1), accepted: make(chan *Link, acceptQueue),
		stop: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	d.core.setup(*cfg)
	d.core.post, d.core.closed = d.Post, d.done
	d.core.accept = d.accept
	if cfg.Snoop != nil {
		d.snoop = NewSnoop(cfg.Snoop)
	}
	go d.read()
	go d.loop()
	info, err := d.start(ctx)
	if err != nil {
		d.end(errClosed)
		<-d.done
		return nil, fmt.Errorf("hci: start of the controller: %w", err)
	}
	d.info.Store(info)
	return d, nil
}

// accept queues a link for Accept. On the loop.
func (d *Device) accept(l *Link) {
	for range len(d.accepted) { // those that ended meanwhile make room
		select {
		case old := <-d.accepted:
			if old.Err() == nil {
				d.accepted <- old // the loop is the only sender: there is room
			}
		default:
		}
	}
	select {
	case d.accepted <- l:
	default:
		d.core.orphan(l)
	}
}

// Info returns what is known of the controller since start-up.
func (d *Device) Info() Info {
	if i := d.info.Load(); i != nil {
		return *i
	}
	return Info{}
}

// Stats returns what was counted so far.
func (d *Device) Stats() Stats {
	ch := make(chan Stats, 1)
	if !d.Post(loop.Func(func(time.Time) { ch <- d.core.stats })) {
		<-d.done
		return d.finalStats()
	}
	select {
	case s := <-ch:
		s.DroppedAdvertRead = d.dropped.Load()
		return s
	case <-d.done:
		return d.finalStats()
	}
}

func (d *Device) finalStats() Stats {
	s := d.core.stats // the loop has ended
	s.DroppedAdvertRead = d.dropped.Load()
	return s
}

// Post hands t to the loop; see loop.Poster.
func (d *Device) Post(t loop.Task) bool {
	select {
	case <-d.stop:
		return false
	default:
	}
	select {
	case d.tasks <- t:
		return true
	case <-d.stop:
		return false
	}
}

// Links returns the links that are up, in the order of their handles. It does not
// wait.
func (d *Device) Links() []*Link {
	if ls := d.core.up.Load(); ls != nil {
		return slices.Clone(*ls)
	}
	return nil
}

// Done is closed when the device has ended and its transport is closed.
func (d *Device) Done() <-chan struct{} { return d.done }

// Err returns why the device ended: an error that unwraps to net.ErrClosed
// after Close, otherwise a *DeviceError; nil while it lives.
func (d *Device) Err() error {
	select {
	case <-d.done:
		return d.err
	default:
		return nil
	}
}

// Close lets what was written reach the peers, disconnects all links, gives
// them up to a second for both, resets the controller and closes the transport.
// Waiters get an error that unwraps to net.ErrClosed. Closing again does nothing.
func (d *Device) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	links, _ := ask(ctx, &d.core, OpDisconnect.failed, func(_ func() bool, done func([]*Link, error)) {
		ls := d.core.sortedLinks()
		for _, l := range ls {
			l.drain(func() { l.StartDisconnect(StatusRemoteUserTerminated, errClosed) })
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
	_, _ = Exec(reset, d, Reset{})
	d.end(errClosed)
	<-d.done
	return nil
}

// end makes the loop end with cause.
func (d *Device) end(cause error) {
	d.Post(loop.Func(func(time.Time) { d.core.fail(cause) }))
}

// read takes packets from the transport until it fails. It blocks only in the
// transport, or while the loop has all buffers.
func (d *Device) read() {
	defer close(d.quit)
	made := 0
	for {
		var p *packetBuffer
		select {
		case p = <-d.free:
		default:
			if made < packetBuffers {
				p = new(packetBuffer)
				made++
				break
			}
			select {
			case p = <-d.free:
			case <-d.stop:
				return
			}
		}
		for {
			n, err := d.tr.ReadPacket(p.b[:])
			if err != nil {
				d.readErr <- err
				return
			}
			p.n = n
			if len(d.packets) < packetBuffers-reservedBuffers || !isAdvertising(p.b[:n]) {
				break
			}
			d.dropped.Add(1)
		}
		select {
		case d.packets <- p:
		case <-d.stop:
			return
		}
	}
}

// isAdvertising reports whether an H4 packet is an LE (Extended) Advertising
// Report event.
func isAdvertising(b []byte) bool {
	return len(b) > 3 && PacketType(b[0]) == PacketEvent && b[1] == byte(EvLEMeta) &&
		(b[3] == byte(EvLEAdvertisingReport) || b[3] == byte(EvLEExtendedAdvertisingReport))
}

// loop owns core. It ends when core has failed.
func (d *Device) loop() {
	c := &d.core
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var armed time.Time
	patience := time.AfterFunc(time.Hour, d.unstick)
	patience.Stop()
	for c.err == nil {
		select {
		case p := <-d.packets:
			now := time.Now()
			d.capture(now, false, p.b[:p.n])
			c.packet(now, p.b[:p.n])
			d.free <- p
		case t := <-d.tasks:
			c.call(time.Now(), t)
		case <-alarm.C:
			armed = time.Time{}
			c.expire(time.Now())
		case err := <-d.readErr:
			c.now = time.Now()
			d.drain()
			c.fail(d.transportError("read", err))
		}
		d.write(patience)
		if next := c.timers.next(); !next.Equal(armed) {
			armed = next
			if next.IsZero() {
				alarm.Stop()
			} else {
				alarm.Reset(time.Until(next))
			}
		}
	}
	d.finish()
}

// drain handles what the reader delivered before it failed.
func (d *Device) drain() {
	for {
		select {
		case p := <-d.packets:
			d.capture(d.core.now, false, p.b[:p.n])
			d.core.packet(d.core.now, p.b[:p.n])
		default:
			return
		}
	}
}

// write sends what the core wants sent. A transport that does not take it in
// the time for an answer to a command is closed, which ends the write: with the
// loop held up, nobody could be told of anything any more.
func (d *Device) write(patience *time.Timer) {
	c := &d.core
	if len(c.out) == 0 {
		return
	}
	patience.Reset(c.cfg.commandTimeout())
	defer patience.Stop()
	for i := 0; i < len(c.out); i++ { // fail may not append, but commands may
		p := c.out[i]
		c.out[i] = nil
		if err := d.tr.WritePacket(p); err != nil {
			c.fail(d.transportError("write", err))
			break
		}
		d.capture(c.now, true, p)
		c.recycle(p)
	}
	c.out = c.out[:0]
}

// capture logs and captures a packet.
func (d *Device) capture(now time.Time, sent bool, p []byte) {
	if d.core.log.Enabled(d.core.ctx, LevelPacket) {
		what := "received"
		if sent {
			what = "sent"
		}
		d.core.log.Log(d.core.ctx, LevelPacket, what, "packet", Describe(p))
	}
	if d.snoop == nil {
		return
	}
	if err := d.snoop.Packet(now, sent, p); err != nil {
		d.core.log.Log(d.core.ctx, LevelDevice, "capture ended", "error", err)
		d.snoop = nil
	}
}

// finish closes everything after core.fail.
func (d *Device) finish() {
	close(d.stop)
	_ = d.tr.Close()
	// Tasks that were posted in time still run: on a failed core they find out
	// what ended it.
	for {
		select {
		case t := <-d.tasks:
			d.core.call(time.Now(), t)
			continue
		default:
		}
		break
	}
	<-d.quit
	d.err = d.core.err
	close(d.done)
}

func (d *Device) unstick() {
	d.stuck.Store(true)
	_ = d.tr.Close()
}

func (d *Device) transportError(what string, err error) error {
	if d.stuck.Load() {
		return &DeviceError{"transport", ErrStuck}
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the other side closed it (%w)", err)
	} else if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("hci: transport closed: %w", err)
	}
	return &DeviceError{"transport " + what, err}
}
