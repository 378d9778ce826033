package connmgr

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// WaitFor waits for a connectable advertisement of the device with an address, and
// returns the device. A device that an adapter of the Manager has heard within the last ten
// seconds is returned at once.
// With Config.DisableScan, the Manager scans for as long as the call lasts. If no adapter
// can scan, the error is returned at once.
func (m *Manager) WaitFor(ctx context.Context, address string) (Device, error) {
	t, err := parseTarget(address)
	if err != nil {
		return Device{}, err
	}
	t = m.identifyTarget(t)
	heard, stop := m.devices.awaitHeard(t)
	defer func() { stop() }()
	if d, ok := m.lastHeard(t); ok && time.Since(d.Seen) < lately {
		return d, nil
	}
	defer m.duty.beginWait()()
	deaf, begin := make(chan error, 1), time.Now()
	adapters := m.wake.await(news{change: adapterChanged})
	if m.cfg.DisableScan {
		if !m.enterCall() {
			return Device{}, errManagerClosed
		}
		defer m.tasks.Done()
		listen, stop := m.bindContext(ctx, 0)
		defer m.listenFor(listen, t, deaf)()
		defer stop()
	}
	for {
		if reason, lasts := m.whyDeaf(begin); lasts && !m.cfg.DisableScan {
			return Device{}, reason
		}
		select {
		case err := <-deaf:
			return Device{}, err
		case <-adapters:
			adapters = m.wake.await(news{change: adapterChanged})
			continue
		case <-heard:
		case <-m.done:
			return Device{}, errManagerClosed
		case <-ctx.Done():
			return Device{}, m.endOfWait(ctx, begin)
		}
		heard, stop = m.devices.awaitHeard(t)
		if d, ok := m.lastHeard(t); ok { // else it is forgotten, or not connectable any more
			return d, nil
		}
	}
}

// lastHeard returns the newest entry of t that is connectable, of the adapters that the
// Manager has. Entries of an earlier run may be those of others, which hear other devices.
func (m *Manager) lastHeard(t target) (newest Device, ok bool) {
	adapters := m.Adapters()
	m.devices.visitHeard(t, func(d *Device) bool {
		own := slices.ContainsFunc(adapters, func(a *Adapter) bool { return a.name == d.Adapter })
		if own && d.Connectable && (!ok || d.Seen.After(newest.Seen)) {
			newest, ok = *d, true
		}
		return true
	})
	return newest, ok
}

// listenFor scans for t on all adapters that are up until ctx ends; wait returns after
// that. If no adapter can scan, deaf receives a reason.
func (m *Manager) listenFor(ctx context.Context, t target, deaf chan<- error) (wait func()) {
	o := &controller.ScanOptions{Passive: m.cfg.PassiveScan}
	if !m.isBonded(t) { // a bonded device may advertise under any private address
		public, random := t.addr, t.addr
		public.Kind, random.Kind = hci.AddrPublic, hci.AddrRandom
		o.Filter = &controller.ScanFilter{Addrs: []hci.Addr{public, random}}
	}
	begin := time.Now()
	var listeners sync.WaitGroup
	failed := make(chan error, len(m.Adapters()))
	for _, a := range m.Adapters() {
		listeners.Go(func() { failed <- a.listenOnce(ctx, o) })
	}
	go func() {
		listeners.Wait()
		if ctx.Err() != nil {
			return
		}
		reason, _ := m.whyDeaf(begin)
		if reason == nil { // an adapter has come back meanwhile
			reason = <-failed
		}
		deaf <- reason
	}()
	return listeners.Wait
}
