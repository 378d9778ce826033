//go:build !minimal

package dashboard

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

const (
	// sampleTime is the time between two samples of the signal strengths, and between two
	// states that readers get.
	sampleTime = 2 * time.Second
	// sampleCount is how many samples of a device are kept: five minutes.
	sampleCount = 150
	// onAirTime is how long a device is on air after its last advertisement.
	onAirTime = 30 * time.Second
	// maxSampled is how many devices are sampled.
	maxSampled = 1024
	// maxFailures is how many failures are kept.
	maxFailures = 12
)

// outcome is how an attempt to connect ended: class is the name of the failure's row in the
// table of errors, and empty for a success.
type outcome struct{ class string }

// failure is a failed attempt, the latest of several that failed alike.
type failure struct {
	Time    time.Time `json:"time"`
	Address hci.Addr  `json:"address"`
	Name    string    `json:"name,omitempty"`
	Adapter string    `json:"adapter,omitempty"`
	Phase   string    `json:"phase"`
	Error   string    `json:"error"`
	Advice  string    `json:"advice,omitempty"`
	Count   int       `json:"count"` // of the same failure
}

// samples are the signal strengths of a device, one for each tick; 0 for none.
type samples struct {
	rssi [sampleCount]int8
	last int // the tick of the last one
}

// Run gathers until ctx ends.
func (d *Dashboard) Run(ctx context.Context) {
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		ticker := time.NewTicker(sampleTime)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				d.sample(now)
			}
		}
	}()
	for ev := range d.cfg.Manager.Events(ctx) {
		d.record(ev)
	}
	<-sampled
}

// record counts an event.
func (d *Dashboard) record(ev connmgr.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch ev := ev.(type) {
	case connmgr.Connected:
		if !ev.Shared {
			d.attempts[outcome{}]++
			d.ready.observe(ev.Duration.Seconds())
		}
	case connmgr.AttemptFailed:
		d.attempts[outcome{ev.Class.Row}]++
		d.addFailureLocked(failure{
			Time: ev.Time, Address: ev.Address, Adapter: ev.Adapter, Phase: string(ev.Phase),
			Error: text.Clean(text.DropPackages(ev.Err.Error())), Advice: ev.Class.Advice, Count: 1,
		})
	}
}

// addFailureLocked adds a failure. The same one of the same device again only counts.
func (d *Dashboard) addFailureLocked(f failure) {
	for i, old := range d.failures {
		if old.Address == f.Address && old.Error == f.Error && old.Adapter == f.Adapter {
			f.Count += old.Count
			d.failures = slices.Delete(d.failures, i, i+1)
			break
		}
	}
	if len(d.failures) == maxFailures {
		d.failures = slices.Delete(d.failures, 0, 1)
	}
	d.failures = append(d.failures, f)
}

// sample notes the signal strength of every device on air.
func (d *Dashboard) sample(now time.Time) {
	best := bestHeard(d.cfg.Manager.Devices(), now)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ticks++
	at := d.ticks % sampleCount
	for addr, s := range d.samples {
		s.rssi[at] = 0
		if d.ticks-s.last >= sampleCount {
			delete(d.samples, addr)
		}
	}
	for addr, dev := range best {
		if now.Sub(dev.Seen) > 2*sampleTime || dev.RSSI == connmgr.NoRSSI {
			continue
		}
		s := d.samples[addr]
		if s == nil {
			if len(d.samples) >= maxSampled {
				continue
			}
			s = &samples{}
			d.samples[addr] = s
		}
		s.rssi[at], s.last = int8(max(dev.RSSI, -127)), d.ticks //nolint:gosec // at most 20 dBm
	}
}

// bestHeard returns the devices on air, each as the adapter knows it that hears it best.
func bestHeard(all []connmgr.Device, now time.Time) map[hci.Addr]*connmgr.Device {
	best := map[hci.Addr]*connmgr.Device{}
	for i := range all {
		dev := &all[i]
		if now.Sub(dev.Seen) > onAirTime {
			continue
		}
		if old := best[dev.Addr]; old == nil || dev.Smoothed > old.Smoothed {
			best[dev.Addr] = dev
		}
	}
	return best
}

// lineLocked returns the signal strengths of a device, the oldest first; 0 where it was not
// heard.
func (d *Dashboard) lineLocked(a hci.Addr) []int8 {
	s := d.samples[a]
	if s == nil {
		return []int8{}
	}
	n := min(d.ticks, sampleCount)
	line := make([]int8, n)
	for i := range n {
		line[i] = s.rssi[(d.ticks-n+1+i)%sampleCount]
	}
	return line
}
