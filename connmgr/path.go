package connmgr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// failurePenalty is subtracted, in dB, for each failed dial of the adapter to the
	// device; it fades.
	failurePenalty = 4.0
	// repeatedFailures is the weight of the failures from which repeatedPenalty is
	// subtracted in addition, so that any other adapter that hears the device is tried.
	repeatedFailures = 1.5
	repeatedPenalty  = 40.0
	// dialingPenalty is subtracted for each dial that is under way on the adapter, up to
	// dialingLimit: dials to absent devices must not drive a device to an adapter that
	// hardly hears it.
	dialingPenalty = 3.0
	dialingLimit   = 6.0
	// lastSlotPenalty keeps the last free slot of an adapter for devices that only this
	// adapter hears.
	lastSlotPenalty = 6.0
	// avoidPenalty puts the adapter that has failed behind all others that hear the device.
	avoidPenalty = 200.0
	// fullPenalty puts full adapters last: a slot may be released there first.
	fullPenalty = 1000.0
	// stalePenalty is subtracted for each second in which the adapter has not heard the
	// device while another one has, beginning after staleAfter, up to staleLimit: the
	// device may have left its range.
	staleAfter   = time.Second
	stalePenalty = 15.0
	staleLimit   = 45.0
	// unheardRSSI is the signal strength assumed for an adapter that has not heard the
	// device.
	unheardRSSI = -110
)

// path is an adapter by which a device may be reached.
type path struct {
	adapter *Adapter
	heard   bool      // the adapter has heard the device
	rssi    int       // smoothed; NoRSSI if it is not known
	seen    time.Time // last
	score   float64   // in dB; the highest is the best
	hears   bool      // see reception
	fails   bool      // repeated dials by this adapter have failed
	dialing int       // the dials under way; of equal scores, the fewest are the best
}

// rankAdapters returns the adapters that can be used for t, the best first. While any of
// them hears t, only such adapters are returned; and, if repeated dials by all of these have
// failed, those that do not scan, for which silence means nothing. The adapter of the
// previous attempt stays first unless another one is better by 5 dB; the one of
// Options.Prefer comes first. The adapter named avoid comes after the others that have a
// free slot.
func (m *Manager) rankAdapters(t target, last *Adapter, avoid string, o *Options) ([]*Adapter, error) {
	bonded, err := m.bondedAdapters(t, o)
	if err != nil {
		return nil, err
	}
	paths := make([]path, 0, len(m.adapters))
	var refusal error
	for _, a := range m.adapters {
		if o.Adapter != "" && a.name != o.Adapter || a.up() == nil || bonded != nil && !slices.Contains(bonded, a) {
			continue
		}
		if p := a.Proxy(); p != nil && p.Refusal() != nil {
			refusal = p.Refusal()
			continue
		}
		paths = append(paths, path{adapter: a, score: unheardRSSI})
	}
	now := time.Now()
	newest := m.addHeard(paths, t)
	for i := range paths {
		p := &paths[i]
		if p.heard && p.rssi != NoRSSI {
			silent := m.duty.silence(p.seen, newest) - staleAfter
			p.score = float64(p.rssi) - min(max(0, silent.Seconds())*stalePenalty, staleLimit)
		}
		m.addPenalties(p, t, now)
		switch {
		case p.adapter.name == avoid:
			p.score -= avoidPenalty
		case p.adapter == last:
			p.score += RSSISwitchThreshold
		}
	}
	if len(paths) == 0 && bonded != nil {
		return nil, fmt.Errorf("%w: %s has the bond with the device: %w", ErrNoAdapter, bonded[0].name, syscall.ENODEV)
	}
	if len(paths) == 0 && refusal != nil {
		return nil, refusal
	}
	if len(paths) == 0 {
		return nil, m.noAdapter(o.Adapter)
	}
	if slices.ContainsFunc(paths, func(p path) bool { return p.hears }) {
		works := slices.ContainsFunc(paths, func(p path) bool { return p.hears && !p.fails })
		paths = slices.DeleteFunc(paths, func(p path) bool { return !p.hears && (works || p.adapter.isScanning()) })
	}
	slices.SortStableFunc(paths, func(a, b path) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.dialing, b.dialing))
	})
	m.preferPath(paths, avoid, o)
	as := make([]*Adapter, len(paths))
	for i, p := range paths {
		as[i] = p.adapter
	}
	return as, nil
}

// addHeard enters the way in which the adapters hear t, and returns the time of the last
// report of t by any adapter.
func (m *Manager) addHeard(paths []path, t target) (newest time.Time) {
	m.devices.visitReception(t, func(d *Device, r reception) {
		newest = latest(newest, d.Seen)
		for i := range paths {
			if p := &paths[i]; p.adapter.name == d.Adapter {
				p.heard, p.hears, p.rssi, p.seen = true, r.hears, d.Smoothed, d.Seen
			}
		}
	})
	return newest
}

// addPenalties lowers the score of a path by the failures, dials and slots of its adapter.
func (m *Manager) addPenalties(p *path, t target, now time.Time) {
	a := p.adapter
	a.mu.Lock()
	failed := a.failed[t.addr.MAC].weightAt(now)
	p.dialing = a.dialing
	a.mu.Unlock()
	p.score -= failurePenalty*failed + min(dialingPenalty*float64(p.dialing), dialingLimit)
	if p.fails = failed > repeatedFailures; p.fails {
		p.score -= repeatedPenalty
	}
	switch m.slots.Usage(a.name).Free {
	case 0:
		p.score -= fullPenalty
	case 1:
		p.score -= lastSlotPenalty
	default: // room, or an unknown number
	}
}

// bondedAdapters returns the adapters that have a bond with t; nil if none has. Only
// these may then be used: over another adapter, the link would not be encrypted, and any
// device with the same address would be trusted.
func (m *Manager) bondedAdapters(t target, o *Options) ([]*Adapter, error) {
	var bonded []*Adapter
	for _, a := range m.adapters {
		if a.hasBond(t) {
			bonded = append(bonded, a)
		}
	}
	if bonded == nil || o.Adapter == "" || slices.ContainsFunc(bonded, func(a *Adapter) bool { return a.name == o.Adapter }) {
		return bonded, nil
	}
	if o.Pair {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %s has the bond with the device, not %s, which would have to pair: %w",
		ErrNoAdapter, bonded[0].name, o.Adapter, syscall.ENODEV)
}

// noAdapter returns the reason why the adapter of a name, or any, cannot be used.
func (m *Manager) noAdapter(only string) error {
	for _, a := range m.Adapters() {
		if only != "" && a.name != only {
			continue
		}
		if _, err := a.State(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNoAdapter, a.name, err)
		}
		return fmt.Errorf("%w: %s is being opened: %w", ErrNoAdapter, a.name, syscall.ENODEV)
	}
	return fmt.Errorf("%w: %w", ErrNoAdapter, syscall.ENODEV)
}

// hasAdapter returns an error that lists the adapters, unless one has the name or the
// name is empty.
func (m *Manager) hasAdapter(name string) error {
	if name == "" || m.Adapter(name) != nil {
		return nil
	}
	var names []string
	for _, a := range m.Adapters() {
		names = append(names, a.name)
	}
	return fmt.Errorf("connmgr: adapter %q is not one of this manager's, which are %s", name, strings.Join(names, ", "))
}

func (a *Adapter) beginDial() {
	a.mu.Lock()
	a.dialing++
	a.mu.Unlock()
}

func (a *Adapter) endDial() {
	a.mu.Lock()
	a.dialing--
	a.mu.Unlock()
}
