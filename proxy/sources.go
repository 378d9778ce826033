package proxy

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

const (
	// maxSources is how many devices have a source. Of more, the reports of all adapters
	// are sent.
	maxSources = 4096
	// sourceTime is how long a device is remembered that no adapter hears.
	sourceTime = 5 * time.Minute
	// patience is how long the source of a device may be silent, if the interval of the
	// device is not known or long.
	patience = 5 * time.Second
	// shortestInterval is the shortest advertising interval (Vol 6, Part B, 4.4.2.2.1).
	shortestInterval = 20 * time.Millisecond
	// recentData is how many different data of a device are remembered: those of several
	// advertising sets and of their scan responses.
	recentData = 8
)

// sources selects for each device the adapter whose reports are sent. It belongs to one
// goroutine.
type sources struct {
	seed    maphash.Seed
	devices map[hci.Addr]*source
}

// source is the adapter that hears a device best.
type source struct {
	adapter  string
	rssi     float64       // a moving average, in dBm
	seen     time.Time     // the last report of the adapter
	interval time.Duration // between its advertisements; 0 if not known
	advert   time.Time     // the last one that is no scan response
	recent   []uint64      // the hashes of the data heard last
}

func newSources() *sources {
	return &sources{seed: maphash.MakeSeed(), devices: map[hci.Addr]*source{}}
}

// selects reports whether a report with some data is to be sent.
func (ss *sources) selects(r *connmgr.Report, data []byte) bool {
	hash := maphash.Bytes(ss.seed, data)
	src := ss.devices[r.Addr]
	if src == nil {
		if ss.makeRoom(r.Time) {
			src = &source{adapter: r.Adapter, rssi: strength(r)}
			src.note(r, hash)
			ss.devices[r.Addr] = src
		}
		return true
	}
	known := slices.Contains(src.recent, hash)
	switch {
	case r.Adapter == src.adapter:
		src.note(r, hash)
		return true
	case r.Time.Sub(src.seen) >= src.silence():
		src.follow(r, hash)
		return true
	case strength(r) > src.rssi+connmgr.RSSISwitchThreshold:
		src.follow(r, hash)
	default:
		src.remember(hash)
	}
	return !known
}

// follow makes the adapter of a report the source.
func (s *source) follow(r *connmgr.Report, hash uint64) {
	s.adapter, s.rssi, s.advert = r.Adapter, strength(r), time.Time{}
	s.note(r, hash)
}

// note notes a report of the source.
func (s *source) note(r *connmgr.Report, hash uint64) {
	s.seen = r.Time
	s.rssi += (strength(r) - s.rssi) / 4
	s.remember(hash)
	if r.ScanResponse {
		return
	}
	d := r.Time.Sub(s.advert)
	if d < shortestInterval {
		return // one event, on another channel or of another set
	}
	if !s.advert.IsZero() {
		// The shortest time counts, and grows slowly: reports may be lost, and none is made up.
		if s.interval == 0 || d < s.interval {
			s.interval = d
		} else {
			s.interval += min(d-s.interval, s.interval) / 8
		}
	}
	s.advert = r.Time
}

// remember makes a hash the newest of the recent ones.
func (s *source) remember(hash uint64) {
	if slices.Contains(s.recent, hash) {
		return
	}
	if len(s.recent) == recentData {
		s.recent = s.recent[:copy(s.recent, s.recent[1:])]
	}
	s.recent = append(s.recent, hash)
}

// silence is how long the source must be silent until another adapter takes its place:
// three intervals of the device.
func (s *source) silence() time.Duration {
	if s.interval == 0 {
		return patience
	}
	return min(3*s.interval, patience)
}

// makeRoom forgets devices that are not heard, if there are too many, and reports whether
// there is room for another one.
func (ss *sources) makeRoom(now time.Time) bool {
	if len(ss.devices) < maxSources {
		return true
	}
	for a, src := range ss.devices {
		if now.Sub(src.seen) > sourceTime {
			delete(ss.devices, a)
		}
	}
	return len(ss.devices) < maxSources
}

// strength returns the signal strength of a report in dBm.
func strength(r *connmgr.Report) float64 {
	if r.RSSI == controller.RSSIUnknown {
		return connmgr.NoRSSI
	}
	return float64(r.RSSI)
}
