package proxy

import (
	"sync"
	"time"

	"github.com/moor-ble/moor/esphome"
)

const (
	// batchTime is how long a report waits for others.
	batchTime = 100 * time.Millisecond
	// batchSize is how many octets of data a batch has at most, unless one report has more.
	batchSize = 8 << 10
)

// batch gathers reports that are sent together.
type batch struct {
	send func([]esphome.Advertisement)

	mu      sync.Mutex
	pending []esphome.Advertisement
	octets  int
	timer   *time.Timer
}

func newBatch(send func([]esphome.Advertisement)) *batch { return &batch{send: send} }

// add adds a report, which is sent within batchTime.
func (b *batch) add(r esphome.Advertisement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.octets += len(r.Data) + 16; b.octets > batchSize {
		b.flushLocked()
		b.octets = len(r.Data) + 16
	}
	b.pending = append(b.pending, r)
	if len(b.pending) == 1 {
		b.timer = time.AfterFunc(batchTime, b.flush)
	}
}

// flush sends what waits.
func (b *batch) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushLocked()
}

func (b *batch) flushLocked() {
	if len(b.pending) == 0 {
		return
	}
	b.timer.Stop()
	b.send(b.pending)
	b.pending, b.octets = nil, 0
}
