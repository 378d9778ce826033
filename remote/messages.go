package remote

import (
	"errors"
	"sync"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/internal/ring"
)

// maxQueued is how many octets may wait for a proxy. One that leaves more unread ends.
const maxQueued = 1 << 20

var errSlow = errors.New("remote: the proxy does not read its requests: see its log and its network")

// requests is the queue of the messages to a proxy.
type requests struct {
	ready chan struct{} // one slot

	mu     sync.Mutex // leaf; guards the rest
	queue  ring.Ring[esphome.Packed]
	octets int
	closed bool
}

func newRequests() *requests { return &requests{ready: make(chan struct{}, 1)} }

// pushMessages queues messages. It never waits.
func (q *requests) pushMessages(ms ...esphome.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range ms {
		p, err := esphome.Pack(m)
		if err != nil {
			return err
		}
		if q.octets += len(p.Payload) + 64; q.octets > maxQueued {
			return errSlow
		}
		q.queue.Push(p)
	}
	q.wakeWriter()
	return nil
}

func (q *requests) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wakeWriter()
}

func (q *requests) wakeWriter() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// run writes the messages to conn until the queue is closed or conn fails.
func (q *requests) run(conn *esphome.Conn) error {
	for range q.ready {
		batch, closed := q.take()
		if len(batch) > 0 {
			if err := conn.WritePacked(batch...); err != nil {
				return err
			}
		}
		if closed {
			return nil
		}
	}
	return nil
}

// take takes all messages that wait.
func (q *requests) take() (batch []esphome.Packed, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.queue.Len() > 0 {
		batch = append(batch, q.queue.Pop())
	}
	q.octets = 0
	return batch, q.closed
}
