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
	// repeatedPenalty is subtracted in addition from the second failure on, so that any
	// other adapter that hears the device is tried.
	repeatedPenalty = 40.0
	// dialingPenalty is subtracted for each dial that is under way on the adapter.
	dialingPenalty = 3.0
	// lastSlotPenalty keeps the last free slot of an adapter for devices that only this
	// adapter hears.
	lastSlotPenalty = 6.0
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

// rankAdapters returns the adapters that can be used for t, the best first. The adapter
// of the previous attempt stays first unless another one is better by 5 dB.
func (m *Manager) rankAdapters(t target, last *Adapter, o *Options) ([]*Adapter, error) {
	only := o.Adapter
	bonded, err := m.bondedAdapters(t, o)
	if err != nil {
		return nil, err
	}
	heard := m.devices.heardOf(t)
	var newest time.Time
	for _, d := range heard {
		if d.Seen.After(newest) {
			newest = d.Seen
		}
	}
	now := time.Now()
	scores := map[*Adapter]float64{}
	var as []*Adapter
	for _, a := range m.Adapters() {
		if only != "" && a.name != only || a.up() == nil || bonded != nil && !slices.Contains(bonded, a) {
			continue
		}
		score := float64(unheardRSSI)
		for _, d := range heard {
			if d.Adapter == a.name && d.Smoothed != NoRSSI {
				score = float64(d.Smoothed)
				silent := newest.Sub(d.Seen) - staleAfter
				score -= min(max(0, silent.Seconds())*stalePenalty, staleLimit)
			}
		}
		a.mu.Lock()
		failed := a.failed[t.addr.MAC].weightAt(now)
		score -= failurePenalty * failed
		if failed > 1.5 {
			score -= repeatedPenalty
		}
		score -= dialingPenalty * float64(a.dialing)
		a.mu.Unlock()
		switch s := m.slots.Allocations(a.name); {
		case !m.slots.Room(a.name):
			score -= fullPenalty
		case s.Slots > 0 && s.Free == 1:
			score -= lastSlotPenalty
		}
		if a == last {
			score += RSSISwitchThreshold
		}
		scores[a] = score
		as = append(as, a)
	}
	if len(as) == 0 && bonded != nil {
		return nil, fmt.Errorf("%w: %s has the bond with the device: %w", ErrNoAdapter, bonded[0].name, syscall.ENODEV)
	}
	if len(as) == 0 {
		return nil, m.noAdapter(only)
	}
	slices.SortStableFunc(as, func(a, b *Adapter) int { return cmp.Compare(scores[b], scores[a]) })
	return as, nil
}

// bondedAdapters returns the adapters that have a bond with t; nil if none has. Only
// these may then be used: over another adapter, the link would not be encrypted, and any
// device with the same address would be trusted.
func (m *Manager) bondedAdapters(t target, o *Options) ([]*Adapter, error) {
	var bonded []*Adapter
	for _, a := range m.Adapters() {
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
