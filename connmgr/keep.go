package connmgr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
)

// KeepOptions holds the options of one Keep. Zero fields have their defaults; nil is the
// same as an empty one.
type KeepOptions struct {
	// Options are those of each Establish. Its Ready is the set-up of each new Client: the
	// connection is ready once it has returned nil. It must not call Kept.Do, which waits
	// for that. Timeout and MaxAttempts bound each Establish, and not the Keep.
	Options Options
	// Idle is the time without work after which the link ends; the next Kept.Do
	// establishes it again. Zero stays connected, with or without work.
	Idle time.Duration
	// LongestWait bounds the wait between two calls of Establish, which doubles from one
	// second with each failure. Default one minute.
	LongestWait time.Duration
	// GiveUp is called after each Establish that has failed, with KeepStatus.Err as its
	// error, and decides whether the Keep ends with that error. Nil ends it with an error
	// that no later attempt can solve, such as a lost bond. It must not block.
	GiveUp func(s KeepStatus) bool
}

func (o *KeepOptions) longestWait() time.Duration {
	if o.LongestWait <= 0 {
		return time.Minute
	}
	return max(o.LongestWait, shortestWait)
}

// Kept is a connection that is established again whenever it is lost. Its methods may be
// called from any goroutine.
type Kept struct {
	m      *Manager
	target target
	name   string // the address, as given
	opts   KeepOptions
	ctx    context.Context // ends with the Kept
	cancel context.CancelCauseFunc
	done   chan struct{} // closed at the end, when everything is freed
	poke   chan struct{} // one token: work, subscriptions or their ends have changed

	// prepared is the last Client that was set up: the live subscriptions are on its link.
	// It belongs to the goroutine of the Kept.
	prepared *Client

	mu       sync.Mutex
	status   KeepStatus // guarded by mu, as all below
	client   *Client    // nil unless the status is KeepReady
	works    int        // calls of Do, those that wait included
	idleFrom time.Time  // when works became 0
	changed  chan struct{}
	watchers map[*statusWatcher]struct{}
	subs     []*KeptSubscription
}

// errKeptClosed ends a Kept that its program has closed.
var errKeptClosed = fmt.Errorf("connmgr: kept connection closed: %w", net.ErrClosed)

// ErrIdle is the reason for the end of a link that KeepOptions.Idle has ended.
var ErrIdle = errors.New("no work for the time of KeepOptions.Idle")

// Keep keeps a connection to the device with an address until ctx ends or Kept.Close is
// called. It returns at once; the first Establish begins in the background, or, with
// KeepOptions.Idle, with the first Kept.Do. The error is that of an invalid argument, or
// that the Manager is closed. Options.Ready and KeepOptions.GiveUp run on the goroutine of
// the Keep: a panic of theirs ends the process.
//
// After the end of a link, Keep establishes another one at once. After a link that has
// lasted less than 30 s, and after a failed Establish, it waits first: one second, and
// twice as long each time, until a link lasts 30 s. The wait after a failed Establish
// ends early, but not within its first second, with the news that Policy.NoWake
// describes. A link that has ended with its adapter is not counted against the device.
//
// The connection shares its link with all other Clients of the device, such as those of
// another Keep; KeepOptions.Idle then ends the use, and not the link.
func (m *Manager) Keep(ctx context.Context, address string, o *KeepOptions) (*Kept, error) {
	opts := KeepOptions{}
	if o != nil {
		opts = *o
	}
	t, err := m.checkEstablish(address, &opts.Options)
	if err != nil {
		return nil, err
	}
	if !m.enterCall() {
		return nil, errManagerClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(errManagerClosed) })
	k := &Kept{
		m: m, target: t, name: address, opts: opts, ctx: ctx, cancel: cancel,
		done: make(chan struct{}), poke: make(chan struct{}, 1), changed: make(chan struct{}),
		watchers: map[*statusWatcher]struct{}{}, idleFrom: time.Now(),
	}
	k.status = KeepStatus{Address: address, State: KeepConnecting, Since: time.Now()}
	if opts.Idle > 0 {
		k.status.State = KeepIdle
	}
	m.keeps.add(k)
	go func() {
		defer m.tasks.Done()
		defer stop()
		defer k.endKeep()
		k.keepConnected()
	}()
	return k, nil
}

// Do calls f with a Client that is ready, and returns its error. It waits until the
// connection is ready: with KeepOptions.Idle it establishes the connection, and returns
// the error if that fails; without, it waits until ctx ends. The error is an
// *UnkeptError if f has not been called. The Client must not be closed, and must not be
// used after f has returned: the link may end between two calls of Do. It may also end
// while f runs, and the operations of f then return the reason.
func (k *Kept) Do(ctx context.Context, f func(c *Client) error) error {
	c, err := k.beginWork(ctx)
	defer k.endWork()
	if err != nil {
		return err
	}
	return f(c)
}

// UnkeptError is the error of a Kept.Do whose function was not called, since there was
// no connection. It unwraps to both reasons.
type UnkeptError struct {
	Address string
	// Err is the end of the context or of the Kept, or the error of the Establish.
	Err error
	// Last is KeepStatus.Err, the reason for the lack of a connection; it may be nil.
	Last error
}

// Error returns the reasons.
func (e *UnkeptError) Error() string {
	s := fmt.Sprintf("connmgr: no connection to %s: %v", e.Address, e.Err)
	if e.Last != nil && !errors.Is(e.Err, e.Last) {
		s += fmt.Sprintf(": %v", e.Last)
	}
	return s
}

// Unwrap returns Err and Last.
func (e *UnkeptError) Unwrap() []error {
	if e.Last == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Last}
}

// beginWork waits for a Client. The caller must call endWork in the end, even after an
// error.
func (k *Kept) beginWork(ctx context.Context) (*Client, error) {
	k.mu.Lock()
	k.works++
	failures := k.status.Failures
	k.mu.Unlock()
	k.pokeLoop()
	for {
		k.mu.Lock()
		c, s, changed := k.client, k.status, k.changed
		k.mu.Unlock()
		switch {
		case k.ctx.Err() != nil:
			return nil, &UnkeptError{k.name, context.Cause(k.ctx), s.Err}
		case c != nil:
			return c, nil
		case k.opts.Idle > 0 && s.Failures != failures:
			return nil, &UnkeptError{k.name, s.Err, nil}
		}
		select {
		case <-changed:
		case <-k.ctx.Done():
		case <-ctx.Done():
			return nil, &UnkeptError{k.name, context.Cause(ctx), s.Err}
		}
	}
}

func (k *Kept) endWork() {
	k.mu.Lock()
	if k.works--; k.works == 0 {
		k.idleFrom = time.Now()
	}
	k.mu.Unlock()
	k.pokeLoop()
}

// pokeLoop tells the loop to look at the work and the subscriptions.
func (k *Kept) pokeLoop() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// Client returns the Client of the connection; nil unless the state is KeepReady. It must
// not be closed. Unlike Do, Client does not keep the link from ending for idleness.
func (k *Kept) Client() *Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// Done is closed at the end, when the link, its slot and all subscriptions are freed. The
// end is Close, that of the context of Keep, that of the Manager, or a failure for which
// Keep gives up.
func (k *Kept) Done() <-chan struct{} { return k.done }

// Err returns the reason for the end; nil before it.
func (k *Kept) Err() error {
	select {
	case <-k.done:
		return context.Cause(k.ctx)
	default:
		return nil
	}
}

// Close ends the connection in every state and waits until Done is closed. That may take
// as long as Client.Close. While an Establish is under way, it returns at once, and the
// Manager ends the dial in the background; see Manager.Establish. It must not be called
// from Options.Ready or GiveUp, which end the context of Keep instead. Closing again only
// waits.
func (k *Kept) Close() error {
	k.cancel(errKeptClosed)
	<-k.done
	return nil
}

// Subscribe declares a subscription to a characteristic. It returns at once, connected or
// not: the subscription is made on each link of the Kept, before its state is KeepReady
// but after Options.Ready, and made again when the table of the device changes. A failure
// does not end the link; the subscription tells it, and is tried again after a wait.
//
// A device may change its table, or start its server again, without the end of the link. It
// may then have forgotten the subscription, even if the table is soon the old one. Each
// sign of that leads to one interruption: a change that the device indicates, a request
// refused with Database Out Of Sync, and a table that is discovered anew without the
// subscription on the device. After many changes in quick succession, the subscription is
// made again once the device has been quiet for a second; for longer if the subscription
// itself leads to changes.
//
// A device that forgets the subscription without a sign cannot be told from one that has
// no values: it indicates no change, or has changed its table in the first second of the
// link and taken that back, and answers all requests as before. Nor can one whose table was
// away for a moment and that remembers the subscription. A program that knows how often
// values come calls gatt.Client.ProveSubscriptions, on the GATT client of a Client from
// Do, when they stay away: that makes a lost subscription again. For a device that has to
// be told to send, or to keep its table, Options.Ready is the place.
func (k *Kept) Subscribe(svc, chr gatt.UUID, o *gatt.SubscribeOptions) *KeptSubscription {
	s := &KeptSubscription{k: k, service: svc, characteristic: chr, changed: make(chan struct{})}
	if o != nil {
		s.opts = *o
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.status.State == KeepEnded {
		s.endLocked(context.Cause(k.ctx))
		return s
	}
	k.subs = append(k.subs, s)
	k.updateLocked(func(st *KeepStatus) { st.Subscriptions++ })
	k.pokeLoop()
	return s
}
