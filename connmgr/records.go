package connmgr

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
)

// maxRecords bounds the devices with a record. Those that were changed longest ago go
// first.
const maxRecords = 1024

// records is the memory of the calls of Establish that are under way, and of the outcome
// of earlier ones, for Manager.Explain.
type records struct {
	mu    sync.Mutex
	calls map[*call]struct{}  // guarded by mu, as all below
	past  map[hci.MAC]*record // of devices
}

func newRecords() *records {
	return &records{calls: map[*call]struct{}{}, past: map[hci.MAC]*record{}}
}

// record is the memory of one device.
type record struct {
	changed time.Time
	failed  *Attempt            // the last one; nil if none has failed since the last success
	at      time.Time           // when it failed
	count   int                 // the attempts that have failed since the last success
	since   time.Time           // when the first of them failed
	reached *ReachedExplanation // the last success; never changed
	table   time.Time           // when a discovery found another table than the known one
}

// call is one Establish that is under way.
type call struct {
	records *records
	begin   time.Time

	// The following are guarded by records.mu.

	target  target
	number  int // of the attempt, from 1
	phase   Phase
	adapter string
	until   time.Time // the end of the wait after a failed attempt; zero: it is under way
}

// beginCall enters an Establish; the caller must call end.
func (rs *records) beginCall(t target) *call {
	c := &call{records: rs, begin: time.Now(), target: t, number: 1, phase: PhasePath}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.calls[c] = struct{}{}
	return c
}

func (c *call) end() {
	c.records.mu.Lock()
	defer c.records.mu.Unlock()
	delete(c.records.calls, c)
}

// enterAttempt records the begin of an attempt.
func (c *call) enterAttempt(n int, t target) {
	c.records.mu.Lock()
	defer c.records.mu.Unlock()
	c.number, c.target, c.phase, c.adapter, c.until = n, t, PhasePath, "", time.Time{}
}

// enterPhase records the phase of the present attempt, and its adapter, if known.
func (c *call) enterPhase(p Phase, adapter string) {
	c.records.mu.Lock()
	defer c.records.mu.Unlock()
	c.phase, c.adapter, c.until = p, adapter, time.Time{}
}

// enterFailure records a failed attempt.
func (c *call) enterFailure(at *Attempt, last bool) {
	now := time.Now()
	c.records.mu.Lock()
	defer c.records.mu.Unlock()
	if !last {
		c.until = now.Add(at.Backoff)
	}
	r := c.records.recordLocked(c.target.addr.MAC, now)
	if r.failed == nil {
		r.count, r.since = 0, now
	}
	failed := *at
	r.failed, r.at, r.count = &failed, now, r.count+1
}

// enterSuccess records that a Client is ready.
func (rs *records) enterSuccess(t target, adapter string, took time.Duration) {
	now := time.Now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.recordLocked(t.addr.MAC, now)
	r.failed, r.count, r.reached = nil, 0, &ReachedExplanation{now, adapter, took}
}

// enterTable records that a device has another table than the known one.
func (rs *records) enterTable(device hci.Addr) {
	now := time.Now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.recordLocked(device.MAC, now).table = now
}

// recordLocked returns the record of a device, which is about to change. rs.mu must be
// held.
func (rs *records) recordLocked(mac hci.MAC, now time.Time) *record {
	r := rs.past[mac]
	if r == nil {
		if len(rs.past) >= maxRecords {
			rs.forgetLocked()
		}
		r = &record{}
		rs.past[mac] = r
	}
	r.changed = now
	return r
}

// forgetLocked drops the record that was changed longest ago. rs.mu must be held.
func (rs *records) forgetLocked() {
	var oldest hci.MAC
	var changed time.Time
	for mac, r := range rs.past {
		if changed.IsZero() || r.changed.Before(changed) {
			oldest, changed = mac, r.changed
		}
	}
	delete(rs.past, oldest)
}

// recordOf returns the record of t and the calls for t, the first one first.
func (rs *records) recordOf(t target) (record, []call) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var r record
	if p := rs.past[t.addr.MAC]; p != nil {
		r = *p
	}
	var calls []call
	for c := range rs.calls {
		if t.matches(c.target.addr) || c.target.matches(t.addr) {
			calls = append(calls, *c)
		}
	}
	slices.SortFunc(calls, func(a, b call) int { return a.begin.Compare(b.begin) })
	return r, calls
}

// explainFailure adds the Explanation to the error of an Establish that has ended.
func (m *Manager) explainFailure(t target, err error) error {
	if e, ok := errors.AsType[*EstablishError](err); ok {
		e.Explanation = m.explain(t)
	}
	return err
}
