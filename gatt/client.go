package gatt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/loop"
)

// ErrStale says that the peer's attribute table has changed, so that the handles
// known of it may stand for something else: the Char, or the whole cached
// profile, has to be asked for again. If it was the peer that refused a request
// because of that, the error also wraps [att.CodeDatabaseOutOfSync].
var ErrStale = errors.New("the peer's attribute table has changed")

// ErrNotFound says that the peer does not have what was asked for.
var ErrNotFound = errors.New("not found")

// ClientConfig says how a Client is to behave. The zero ClientConfig is valid.
type ClientConfig struct {
	// MaxAttributes is how many services, includes, characteristics and
	// descriptors discovery takes from a peer before it gives up. 0 is 4096.
	MaxAttributes int
	// DiscoveryTimeout is how long a discovery may take before it gives up, which
	// bounds what a peer that answers with one attribute at a time can do. 0 is
	// two minutes, a negative value none.
	DiscoveryTimeout time.Duration
	// Logger gets what is dropped or withheld (debug). Nil is silent.
	Logger *slog.Logger
}

func (c *ClientConfig) maxAttributes() int {
	if c.MaxAttributes == 0 {
		return 4096
	}
	return c.MaxAttributes
}

func (c *ClientConfig) discoveryTimeout() time.Duration {
	if c.DiscoveryTimeout == 0 {
		return 2 * time.Minute
	}
	return c.DiscoveryTimeout
}

// Client uses the attributes of the peer of one link. It ends with the link:
// then every call returns why the link ended. Its methods may be called from any
// goroutine but the loop.
type Client struct {
	b   *att.Bearer
	cfg ClientConfig

	discovering gate // held during discovery
	preparing   gate // held while the peer's queue of prepared writes is ours

	mu    sync.Mutex
	known knowledge                 // guarded by mu
	cccds map[att.Handle]*cccdState // by value handle; guarded by mu

	changes atomic.Pointer[changeLog] // what the peer said of its table
	changed changeSignal

	values values // of notifications and indications; belongs to the loop
}

// NewClient returns the client of a bearer, whose notifications and indications
// it takes from now on. Called on the loop, or before the bearer can receive,
// so that nothing is missed. cfg may be nil and is not kept.
func NewClient(b *att.Bearer, cfg *ClientConfig) *Client {
	if cfg == nil {
		cfg = &ClientConfig{}
	}
	c := &Client{
		b:           b,
		cfg:         *cfg,
		discovering: newGate(),
		preparing:   newGate(),
		cccds:       map[att.Handle]*cccdState{},
	}
	c.changes.Store(&changeLog{})
	c.changed.ready = make(chan struct{}, 1)
	c.values = values{c: c, subs: map[att.Handle][]*Subscription{}}
	b.SetNotifyHandler(&c.values)
	return c
}

// Bearer returns the bearer below, for what this package does not offer.
func (c *Client) Bearer() *att.Bearer { return c.b }

// MTU returns the longest PDU that may be sent, in octets. A write without
// response or a notification carries three octets less.
func (c *Client) MTU() int { return c.b.MTU() }

// ExchangeMTU agrees with the peer on the largest MTU that both can receive, and
// returns it. See [att.Bearer.ExchangeMTU].
func (c *Client) ExchangeMTU(ctx context.Context) (int, error) { return c.b.ExchangeMTU(ctx) }

// Done is closed when the link has ended.
func (c *Client) Done() <-chan struct{} { return c.b.Done() }

// Err returns why the link has ended; nil while it has not.
func (c *Client) Err() error { return c.b.Err() }

// do sends a request unless cond, which may be nil, forbids it in the end.
func do[R any](ctx context.Context, c *Client, cond att.Condition, req att.Request[R]) (R, error) {
	rsp, err := att.DoIf(ctx, c.b, cond, req)
	if err != nil && errors.Is(err, att.CodeDatabaseOutOfSync) {
		err = c.outOfSync(err)
	}
	return rsp, err
}

// outOfSync drops all that is known of the table (Vol 3, Part G, 2.5.2.1).
func (c *Client) outOfSync(err error) error {
	c.noteChange(everything)
	// If this fails the link is gone, and the subscriptions with it.
	c.b.Post(loop.Func(func(time.Time) { c.values.endStale() }))
	return fmt.Errorf("gatt: %w: %w", ErrStale, err)
}

// onLoop runs f on the loop and waits until it has run.
func (c *Client) onLoop(f func(now time.Time)) error {
	ran := make(chan struct{})
	if c.b.Post(loop.Func(func(now time.Time) { f(now); close(ran) })) {
		select {
		case <-ran:
			return nil
		case <-c.b.Done():
		}
	}
	return c.endError()
}

// endError is Err for those who know that the link has ended, though it may not be
// over yet.
func (c *Client) endError() error {
	if err := c.b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("gatt: link: %w", net.ErrClosed)
}

// gate lets one caller in at a time, and others wait with a context.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits for its turn. It gives up when ctx ends, or, as nothing can be
// done anymore, when the link does.
func (g gate) enter(ctx context.Context, c *Client) error {
	select {
	case g <- struct{}{}:
		if c.b.Err() == nil && ctx.Err() == nil {
			return nil
		}
		g.leave()
	case <-ctx.Done():
	case <-c.b.Done():
	}
	return c.waitError(ctx)
}

// waitError returns why a wait has ended, if not with what was waited for.
func (c *Client) waitError(ctx context.Context) error {
	if err := c.b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("gatt: %w", context.Cause(ctx))
}

func (g gate) leave() { <-g }
