package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// slots are the connection slots as the proxy has told them last.
type slots struct {
	told      esphome.Slots
	room      int           // links that this client may have
	changed   chan struct{} // closed and replaced when room changes
	allocated []hci.MAC
	ended     map[hci.MAC]time.Time // links that the proxy has ended, until the next report
}

func newSlots() slots { return slots{changed: make(chan struct{}), ended: map[hci.MAC]time.Time{}} }

func (s *slots) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// takeSlots takes the slots of the proxy. Those that other clients hold are not for this
// one. A proxy may count wrong, so that its list and its numbers differ: then the links
// here are counted instead of those in the list.
func (r *radio) takeSlots(m *esphome.Slots) {
	s := &r.slots
	s.told, s.allocated = *m, nil
	for _, a := range m.Allocated {
		if mac, ok := a.Octets(); ok {
			s.allocated = append(s.allocated, mac)
		}
	}
	s.reportTaken(r)
	own := 0
	exact := uint32(len(m.Allocated)) == m.Limit-m.Free //nolint:gosec // bounded by the frame
	for mac := range r.links {
		if !exact || s.isAllocated(mac) {
			own++
		}
	}
	const most = 1 << 16
	if room := int(min(m.Free, most)) + own; room != s.room {
		s.room = room
		s.change()
	}
	closeOnce(r.greetings.slots)
}

// reportTaken logs the links that have ended for this client and that another one has now: the
// reason for the end of a link cannot say so.
func (s *slots) reportTaken(r *radio) {
	for mac, at := range s.ended {
		if s.isAllocated(mac) && time.Since(at) < endTime {
			r.log.Warn("another client of the proxy has taken the link to the device", "proxy", r.name, "address", mac)
		}
	}
	clear(s.ended)
}

// Slots implements connmgr.Proxy.
func (r *radio) Slots() (n int, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.slots.room, r.slots.changed
}

// isAllocated reports whether a client of the proxy has a link to a device.
func (s *slots) isAllocated(mac hci.MAC) bool { return slices.Contains(s.allocated, mac) }

// release notes the end of a link, which the proxy tells before the free slot.
func (s *slots) release(mac hci.MAC) {
	s.allocated = slices.DeleteFunc(s.allocated, func(m hci.MAC) bool { return m == mac })
}

// explainRefusal returns the meaning of a connect that the proxy has refused.
func (l *link) explainRefusal(number int32) *Error {
	r := l.r
	e := &Error{Proxy: r.name, Number: number}
	switch {
	case l.taken:
		e.Cause = ErrInUse
	case number == codeOutOfSlots && r.slots.told.Free == 0, number == 0 && r.slots.told.Limit > 0 && r.slots.told.Free == 0:
		e.full = true
	}
	return e
}

// Refusal implements connmgr.Proxy.
func (r *radio) Refusal() error {
	if !r.can(esphome.FlagConnections) {
		return &Error{Proxy: r.name, Cause: ErrNoConnections}
	}
	return nil
}

// Explain implements connmgr.Proxy.
func (r *radio) Explain(peer hci.Addr, err error) error {
	var dialed *controller.ConnectError
	if !errors.As(err, &dialed) || dialed.Initiation == 0 {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.refusals[peer.MAC]; e != nil {
		told := *dialed
		told.Err = e
		return &told
	}
	return err
}

// Lacks implements connmgr.Proxy.
func (r *radio) Lacks() error { return ErrLacking }

// Pair implements connmgr.Proxy.
func (r *radio) Pair(ctx context.Context, peer hci.MAC) error {
	m, err := r.ask(ctx, request{peer, esphome.Pair}, esphome.FlagPairing, "pairs with no device")
	if err != nil {
		return err
	}
	if a := m.(*esphome.PairResponse); !a.Paired {
		return &pairError{r.name, a.Error}
	}
	return nil
}

// pairError says that a device has not paired with its proxy, which does not tell why. It
// counts as a pairing that the device has refused, and is not tried again.
type pairError struct {
	proxy string
	code  int32
}

func (e *pairError) Error() string {
	return fmt.Sprintf("remote: proxy %s: the device does not pair (%d): put it into its pairing mode; "+
		"a device that demands a passkey needs a local adapter", e.proxy, e.code)
}

// Unwrap marks the error as a refusal.
func (e *pairError) Unwrap() error { return &smp.Error{Reason: smp.ReasonPairingNotSupported} }

// Unpair implements connmgr.Proxy.
func (r *radio) Unpair(ctx context.Context, peer hci.MAC) error {
	m, err := r.ask(ctx, request{peer, esphome.Unpair}, esphome.FlagPairing, "keeps no bonds")
	if err != nil {
		return err
	}
	// Older firmware answers with the number of the answer to a pairing.
	if a := m.(*esphome.UnpairResponse); !a.Success {
		return fmt.Errorf("remote: proxy %s: the bond with %v is not removed (%d)", r.name, peer, a.Error)
	}
	return nil
}

// answer is the outcome of a request that a caller waits for.
type answer struct {
	m   esphome.Message
	err error
}

// answerTime is how long a proxy may take to pair, or to remove a bond. A step of a pairing
// may take 30 s (Vol 3, Part H, 3.4).
const answerTime = time.Minute

// ask sends a request and waits for its answer.
func (r *radio) ask(ctx context.Context, q request, need esphome.ProxyFlags, otherwise string) (esphome.Message, error) {
	waiting, err := r.beginRequest(q, need, otherwise)
	if err != nil {
		return nil, err
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.requests, q)
	}()
	timer := time.NewTimer(answerTime)
	defer timer.Stop()
	select {
	case a := <-waiting:
		return a.m, a.err
	case <-timer.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		return nil, fmt.Errorf("remote: proxy %s: no answer about %v within %v: see its log", r.name, q.mac, answerTime)
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return nil, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// beginRequest sends a request, and returns the channel of its answer. r.mu must not be held.
func (r *radio) beginRequest(q request, need esphome.ProxyFlags, otherwise string) (<-chan answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.can(need):
		return nil, fmt.Errorf("remote: proxy %s %s: use a local adapter", r.name, otherwise)
	case r.requests[q] != nil:
		return nil, fmt.Errorf("remote: proxy %s: such a request for %v is under way: wait for its end", r.name, q.mac)
	}
	if l := r.links[q.mac]; q.kind == esphome.Pair && (l == nil || l.state != linkUp) {
		return nil, r.unlinkedError(q.mac)
	}
	waiting := make(chan answer, 1)
	r.requests[q] = waiting
	r.send(&esphome.DeviceRequest{Address: esphome.AddressOf(q.mac), Type: q.kind})
	return waiting, nil
}

// unlinkedError is why a device without a link does not pair: the proxy would not answer.
func (r *radio) unlinkedError(mac hci.MAC) error {
	return fmt.Errorf("remote: proxy %s: the link to %v has ended before the device was paired: connect and pair again", r.name, mac)
}

// endPairing fails the pairing with a device whose link has ended.
func (r *radio) endPairing(mac hci.MAC) {
	if c := r.requests[request{mac, esphome.Pair}]; c != nil {
		deliver(c, answer{err: r.unlinkedError(mac)})
	}
}

// deliver gives an answer to the caller that waits for it. A second one is dropped.
func deliver(c chan<- answer, a answer) {
	select {
	case c <- a:
	default:
	}
}

// answerRequest gives an answer to the caller that waits for it.
func (r *radio) answerRequest(a esphome.Address, kind esphome.RequestType, m esphome.Message) {
	mac, _ := a.Octets()
	q := request{mac, kind}
	if r.requests[q] == nil && kind == esphome.Pair { // older firmware answers an unpairing so
		if m, ok := m.(*esphome.PairResponse); ok {
			r.answerRequest(a, esphome.Unpair, &esphome.UnpairResponse{Address: a, Success: m.Error == 0, Error: m.Error})
		}
		return
	}
	if c := r.requests[q]; c != nil {
		deliver(c, answer{m: m})
	}
}

// ForgetTable implements connmgr.Proxy.
func (r *radio) ForgetTable(peer hci.MAC) {
	r.tables.remove(peer)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.can(esphome.FlagCacheClearing) {
		r.send(&esphome.DeviceRequest{Address: esphome.AddressOf(peer), Type: esphome.ClearCache})
	}
}

func takenError(proxy string) error { return fmt.Errorf("remote: proxy %s: %w", proxy, ErrTaken) }
