package replay

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Controller plays a capture. It implements hci.Transport.
type Controller struct {
	wake chan struct{} // a packet was queued
	done chan struct{} // closed by Close

	mu         sync.Mutex
	plan       *plan    // guarded by mu
	queue      []packet // guarded by mu: on the way to the host, in order
	unexpected []string // guarded by mu
	closed     bool     // guarded by mu
}

// packet is a packet of the controller, and the time from which the host may read it.
type packet struct {
	due time.Time
	h4  []byte
}

// New returns a controller that plays records, which it does not change. Packets of the
// controller follow those of the host after the time that the capture has between them.
// Those before the first packet of the host are omitted, as they belong to an earlier host.
func New(records []hci.SnoopRecord) *Controller {
	first := slices.IndexFunc(records, func(rec hci.SnoopRecord) bool { return rec.Sent })
	if first < 0 {
		first = len(records)
	}
	return &Controller{wake: make(chan struct{}, 1), done: make(chan struct{}), plan: newPlan(records[first:])}
}

// Unexpected returns descriptions of the packets of the host that the capture does not have,
// except repeated commands.
func (c *Controller) Unexpected() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.unexpected)
}

// Left returns descriptions of the packets of the captured host that this host has not sent,
// except commands that it has sent less often.
func (c *Controller) Left() (left []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rec := range c.plan.left() {
		left = append(left, hci.Describe(rec.Packet))
	}
	return left
}

// WritePacket implements hci.Transport. It does not block.
func (c *Controller) WritePacket(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return closedError("write")
	}
	index, ok := c.plan.find(b)
	if !ok {
		c.answerOtherLocked(b)
		return nil
	}
	now, from := time.Now(), c.plan.records[index].Time
	for _, i := range c.plan.play(index) {
		rec := c.plan.records[i]
		c.queueLocked(now.Add(max(rec.Time.Sub(from), 0)), rec.Packet)
	}
	return nil
}

// answerOtherLocked answers a packet that the capture does not have: a command as the time
// before, or as one that the controller does not know; data as sent. Must be called with mu
// locked.
func (c *Controller) answerOtherLocked(b []byte) {
	op, isCommand := commandOpcode(hci.SnoopRecord{Sent: true, Packet: b})
	if answer, ok := c.plan.findAgain(op); isCommand && ok {
		c.queueLocked(time.Now(), c.plan.records[answer].Packet)
		return
	}
	c.unexpected = append(c.unexpected, hci.Describe(b))
	event := []byte{byte(hci.PacketEvent)}
	if isCommand {
		c.queueLocked(time.Now(), hci.AppendCommandComplete(event, 1, op, hci.StatusUnknownCommand, nil))
		return
	}
	if len(b) == 0 || hci.PacketType(b[0]) != hci.PacketACL {
		return
	}
	if h, _, err := hci.ParseACL(b[1:]); err == nil {
		c.queueLocked(time.Now(), hci.AppendEvent(event, &hci.NumberOfCompletedPackets{
			Counts: []hci.CompletedPackets{{Handle: h.Handle, Count: 1}},
		}))
	}
}

// queueLocked appends a packet for the host, which does not overtake those before. Must be
// called with mu locked.
func (c *Controller) queueLocked(due time.Time, h4 []byte) {
	if n := len(c.queue); n > 0 && due.Before(c.queue[n-1].due) {
		due = c.queue[n-1].due
	}
	c.queue = append(c.queue, packet{due, h4})
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ReadPacket implements hci.Transport.
func (c *Controller) ReadPacket(b []byte) (int, error) {
	for {
		wait, next, err := c.takePacket()
		switch {
		case err != nil:
			return 0, err
		case next != nil && len(next) > len(b):
			return 0, fmt.Errorf("replay: read: packet of %d octets into a buffer of %d: use hci.MaxPacketLen", len(next), len(b))
		case next != nil:
			return copy(b, next), nil
		}
		c.sleep(wait)
	}
}

// takePacket returns the next packet if it is due, and else the time until then; 0 if there
// is none.
func (c *Controller) takePacket() (wait time.Duration, h4 []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, nil, closedError("read")
	case len(c.queue) == 0:
		return 0, nil, nil
	}
	next := c.queue[0]
	if wait := time.Until(next.due); wait > 0 {
		return wait, nil, nil
	}
	c.queue = c.queue[1:]
	return 0, next.h4, nil
}

// sleep waits for the next packet, for a time if that is above 0.
func (c *Controller) sleep(wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-c.wake:
	case <-c.done:
	}
}

// Close implements hci.Transport.
func (c *Controller) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	return nil
}

func closedError(op string) error { return fmt.Errorf("replay: %s: %w", op, net.ErrClosed) }
