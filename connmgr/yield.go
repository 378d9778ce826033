package connmgr

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// A dial takes a slot for as long as it lasts, though the controller has no link yet.
// Dials to devices that are away must not keep the slots from devices that are there:
// such a dial gives its slot to a device on air that waits for one, and its Establish
// listens until its device is heard. It keeps its place in the queue.

// errDialYields ends a dial to a device that is away in favor of one that is on air.
var errDialYields = errors.New("dial yields its slot to a device on air")

// isAway reports whether the device cannot be reached now: all of the adapters scan, and
// none has heard it lately.
func (x *attempts) isAway(as []*Adapter) bool { return x.isSilentSince(time.Now().Add(-onAirFor), as) }

// isSilentSince reports whether all of the adapters scan, and none has heard the device
// since then. Scans are on the 1M PHY.
func (x *attempts) isSilentSince(then time.Time, as []*Adapter) bool {
	if x.opts.PHYs.Has(hci.PHYsCoded) || slices.ContainsFunc(as, func(a *Adapter) bool { return !a.isScanning() }) {
		return false
	}
	silent, now := true, time.Now()
	x.m.devices.visitHeard(x.target, func(d *Device) bool {
		silent = x.m.duty.silence(d.accepts, now) >= now.Sub(then) || !x.mayUse(d.Adapter)
		return silent
	})
	return silent
}

// isScanning reports whether the adapter remembers the devices that it hears.
func (a *Adapter) isScanning() bool { return !a.m.cfg.DisableScan && a.ScanErr() == nil }

// enterDial enters the dial of the Establish over an adapter. Unless the adapters cannot
// hear the device, or the policy forbids it, the dial may have to yield.
func (x *attempts) enterDial(a *Adapter) {
	a.beginDial()
	select {
	case <-x.place.yield: // of an earlier dial
	default:
	}
	if !x.policy.NoWake && !x.opts.PHYs.Has(hci.PHYsCoded) {
		x.m.places.enterDial(x.place, a)
	}
}

func (x *attempts) leaveDial(a *Adapter) {
	x.m.places.leaveDial(x.place, a)
	a.endDial()
}

// dialing holds the dials of an adapter that may have to yield.
type dialing struct {
	places map[*place]struct{}
	// onAir is the time until which all of their devices are on air; zero: not known.
	onAir time.Time
}

// enterDial enters that an adapter dials for a place.
func (ps *places) enterDial(p *place, a *Adapter) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.dials[a] == nil {
		ps.dials[a] = &dialing{places: map[*place]struct{}{}}
	}
	ps.dials[a].places[p], ps.dials[a].onAir = struct{}{}, time.Time{}
}

// leaveDial does nothing if the dial was not entered.
func (ps *places) leaveDial(p *place, a *Adapter) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if d := ps.dials[a]; d != nil {
		delete(d.places, p)
	}
}

// askToYield asks a dial over one of the adapters, to a device that is away, for its
// slot: the one of lowest priority. It reports whether there is any.
func (m *Manager) askToYield(as []*Adapter) bool {
	dials := m.places.listAway(as, m.devices.onAirLeft)
	if len(dials) == 0 {
		return false
	}
	p := slices.MinFunc(dials, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.wants, b.wants), bytes.Compare(a.mac[:], b.mac[:]))
	})
	select {
	case p.yield <- struct{}{}:
	default: // it is asked already
	}
	return true
}

// listAway returns the places, as they are now, of those for whom one of the adapters
// dials although their devices are away: onAirLeft is not positive. The devices of an
// adapter are looked at once for all that ask until one of them may be away.
func (ps *places) listAway(as []*Adapter, onAirLeft func(target) time.Duration) (away []place) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	now := time.Now()
	for _, a := range as {
		d := ps.dials[a]
		if d == nil || now.Before(d.onAir) {
			continue
		}
		least := onAirFor
		for p := range d.places {
			left := onAirLeft(target{addr: hci.Addr{MAC: p.mac}})
			if left <= 0 {
				away = append(away, *p)
			}
			least = min(least, left)
		}
		d.onAir = now.Add(least)
	}
	return away
}

// isOnAir reports whether any adapter has heard t as connectable lately.
func (ds *devices) isOnAir(t target) bool { return ds.onAirLeft(t) > 0 }

// onAirLeft returns for how long t is on air at least, without a further report; not
// positive: it is away.
func (ds *devices) onAirLeft(t target) (left time.Duration) {
	now := time.Now()
	ds.visitHeard(t, func(d *Device) bool {
		left = onAirFor - ds.duty.silence(d.accepts, now)
		return left <= 0
	})
	return left
}
