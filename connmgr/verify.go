package connmgr

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

const (
	// verifyEvery is the shortest time between two checks of the links of an adapter that
	// are made for want of slots.
	verifyEvery = 10 * time.Second
	// dropsEvery is how often a transport is asked for packets that it has dropped.
	dropsEvery = time.Second
	// dropsSettle is the time from a drop to the check of the links. A check spares links
	// whose peer was heard within the last second.
	dropsSettle = 2 * time.Second
)

// dropCounter is a transport that counts the incoming packets that it has lost, such as
// hcisock.Socket.
type dropCounter interface {
	// Drops returns the number of packets lost so far.
	Drops() (uint32, error)
}

// verifyFull checks the links of those adapters that have no free slot: the event of a
// link's end may have been lost. It does not wait for the result.
func (m *Manager) verifyFull(as []*Adapter) {
	m.account.mu.Lock()
	defer m.account.mu.Unlock()
	for _, a := range as {
		if time.Since(m.account.checked[a]) < verifyEvery || m.slots.Room(a.name) {
			continue
		}
		m.account.checked[a] = time.Now()
		if h := a.up(); h != nil {
			m.tasks.Go(func() { a.verifyLinks(m.ctx, h) })
		}
	}
}

// verifyLinks asks the controller for each idle link whether it still has it. A link that
// it does not have ends, and its slot is released.
func (a *Adapter) verifyLinks(ctx context.Context, h *host.Host) {
	lost, err := h.Controller().VerifyLinks(ctx)
	if lost > 0 || err != nil && ctx.Err() == nil {
		a.m.log.Debug("links verified", "adapter", a.name, "lost", lost, "error", err)
	}
}

// watchDrops verifies the links of an adapter, and has its dials begin anew, whenever its
// transport has dropped packets, until the host ends.
func (a *Adapter) watchDrops(ctx context.Context, tr hci.Transport, h *host.Host) {
	counter, ok := tr.(dropCounter)
	if !ok {
		return
	}
	seen, err := counter.Drops()
	tick := time.NewTicker(dropsEvery)
	defer tick.Stop()
	for err == nil {
		select {
		case <-tick.C:
		case <-h.Done():
			return
		case <-ctx.Done():
			return
		}
		var n uint32
		if n, err = counter.Drops(); err == nil && n != seen {
			a.m.log.Warn("transport dropped packets", "adapter", a.name, "packets", n-seen)
			seen = n
			if sleep(ctx, dropsSettle) != nil {
				return
			}
			a.verifyLinks(ctx, h)
			a.m.wake.signal(news{dropped, a}) // a dial may have made its link
		}
	}
}
