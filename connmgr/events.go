package connmgr

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/queue"
	"github.com/moor-ble/moor/slots"
)

// Event is one of the types below. It reports an action of the Manager or a change that
// the Manager has noticed.
type Event interface{ managerEvent() }

// AttemptStarted reports that an attempt to connect begins. Address, in this and
// the other events, is the identity address of the device as far as the Manager
// knows it. Its kind is public if it has neither been given nor heard.
type AttemptStarted struct {
	Time    time.Time
	Name    string
	Address hci.Addr
	Adapter string
	Attempt int // from 1
	// Dial counts the dials of the attempt, from 1: an attempt dials again after a failure
	// that costs no attempt.
	Dial int
}

// SlotAwaited reports that an attempt waits for a connection slot, since none is free
// on the adapters that can reach the device. The wait ends with AttemptStarted or, after
// Policy.AttemptTimeout, with AttemptFailed. The place in the queue stays until
// Policy.SlotTimeout, which ends the Establish. A device that no adapter hears leaves the
// slots to others until it is heard.
type SlotAwaited struct {
	Time     time.Time
	Name     string
	Address  hci.Addr
	Adapters []string // the best first
	Attempt  int
}

// AttemptFailed reports the reason of a failed attempt, and the wait before the next one.
type AttemptFailed struct {
	Time    time.Time
	Name    string
	Address hci.Addr
	Adapter string
	Attempt int
	Phase   Phase
	Err     error
	Class   errclass.Class
	Backoff time.Duration // until the next attempt, unless the wait ends early
	Last    bool          // no attempt follows
}

// Connected reports that a Client is ready.
type Connected struct {
	Time     time.Time
	Name     string
	Address  hci.Addr
	Adapter  string
	Attempts int
	Duration time.Duration // since Establish was called
	Shared   bool          // the Client shares an existing link
	Cached   bool          // the attribute table is from the cache
}

// Disconnected reports that a link of the Manager ended.
type Disconnected struct {
	Time    time.Time
	Address hci.Addr
	Adapter string
	Err     error
}

// ParamsChanged reports the connection parameters in use.
type ParamsChanged struct {
	Time    time.Time
	Address hci.Addr
	Adapter string
	Params  hci.ConnParamsInUse
}

// SlotsChanged reports how many connection slots of an adapter are in use.
type SlotsChanged struct {
	Time      time.Time
	Adapter   string
	Address   hci.Addr // the device that got a slot, or gave it back
	Allocated bool     // false: released
	Used      int
	Free      slots.Count // slots.Unknown while the adapter's limit is not known
}

// AdapterChanged reports the state of an adapter.
type AdapterChanged struct {
	Time    time.Time
	Adapter string
	State   AdapterState
	Err     error // why the adapter is not up
}

// ScanChanged reports that an adapter which is up does not scan, or that it scans
// again. See Adapter.ScanErr.
type ScanChanged struct {
	Time    time.Time
	Adapter string
	Err     error // why the adapter does not scan; nil if it scans again
}

// RungTaken reports that a rung above RungReopen was taken to bring back an adapter that
// does not work, or that this has failed. See Adapter.Recovery.
type RungTaken struct {
	Time    time.Time
	Adapter string
	Rung    Rung
	Err     error
}

func (AttemptStarted) managerEvent() {}
func (SlotAwaited) managerEvent()    {}
func (AttemptFailed) managerEvent()  {}
func (Connected) managerEvent()      {}
func (Disconnected) managerEvent()   {}
func (ParamsChanged) managerEvent()  {}
func (SlotsChanged) managerEvent()   {}
func (AdapterChanged) managerEvent() {}
func (ScanChanged) managerEvent()    {}
func (RungTaken) managerEvent()      {}

// errEventsOver ends a listener whose loop has ended.
var errEventsOver = errors.New("connmgr: the loop over the events has ended")

// eventQueue is the number of events that wait for a listener at most; then the oldest
// is dropped.
const eventQueue = 256

// bus delivers events to any number of listeners and never waits for them.
type bus struct {
	mu        sync.Mutex
	listeners map[*queue.Ring[Event]]struct{} // guarded by mu, as all below
	closed    error                           // of listeners that come later
}

func newBus() *bus { return &bus{listeners: map[*queue.Ring[Event]]struct{}{}} }

func (b *bus) emitEvent(ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		l.Push(ev)
	}
}

// emitMade is emitEvent for an event that costs something to make: it is made only if there
// is a listener.
func (b *bus) emitMade(event func() Event) {
	b.mu.Lock()
	heard := len(b.listeners) > 0
	b.mu.Unlock()
	if heard {
		b.emitEvent(event())
	}
}

func (b *bus) addListener(l *queue.Ring[Event]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed != nil {
		l.Close(b.closed)
		return
	}
	b.listeners[l] = struct{}{}
}

// removeListener ends a listener.
func (b *bus) removeListener(l *queue.Ring[Event], err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, l)
	l.Close(err)
}

func (b *bus) closeListeners(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = err
	for l := range b.listeners {
		l.Close(err)
	}
}

// Events iterates over the events from now on, until ctx ends or the Manager is
// closed. At most 256 events wait for the loop; when there are more, the oldest is
// dropped. The result serves one loop: a second one ends at once.
func (m *Manager) Events(ctx context.Context) iter.Seq[Event] {
	l := queue.New[Event](eventQueue)
	m.bus.addListener(l)
	// Without a loop, the listener is removed when ctx ends.
	stop := context.AfterFunc(ctx, func() { m.bus.removeListener(l, context.Cause(ctx)) })
	return func(yield func(Event) bool) {
		defer func() {
			stop()
			m.bus.removeListener(l, errEventsOver)
		}()
		for {
			ev, err := l.Next(ctx)
			if err != nil || !yield(ev) {
				return
			}
		}
	}
}
