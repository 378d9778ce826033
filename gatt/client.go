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

// ErrStale means that the peer's table has changed, so that known handles may
// belong to other attributes: the caller must ask for the Char, or discover the
// table, again. If the peer refused a request for that reason, the error also
// wraps [att.CodeDatabaseOutOfSync].
var ErrStale = errors.New("the peer's attribute table has changed")

// ErrNotFound means that the peer has no such attribute.
var ErrNotFound = errors.New("not found")

// ClientConfig configures a Client. The zero ClientConfig is valid.
type ClientConfig struct {
	// MaxAttributes is the number of services, includes, characteristics and
	// descriptors that a discovery accepts before it fails. 0 means 4096.
	MaxAttributes int
	// DiscoveryTimeout is the longest time that a discovery may take, against
	// peers that answer with one attribute at a time. 0 means two minutes; a
	// negative value means no limit.
	DiscoveryTimeout time.Duration
	// OpenBearers has enhanced bearers opened, so that the link has n of them, and
	// adds them to the bearer of the client. Client.Enhance calls it. Nil means that
	// there are none.
	OpenBearers func(ctx context.Context, n int) error
	// Logger logs dropped values and withheld confirmations at level Debug, and
	// refused parts of a discovery at level Warn. Nil disables logging.
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

// Client uses the attributes of the peer of one link. After the end of the link,
// every call returns the reason for it. The methods may be called from any
// goroutine but the loop.
type Client struct {
	b   *att.Bearer
	cfg ClientConfig

	discovering gate // held during discovery
	preparing   gate // held while this client uses the peer's queue of prepared writes

	mu    sync.Mutex
	known knowledge                 // guarded by mu
	cccds map[att.Handle]*cccdState // by value handle; guarded by mu

	changes  atomic.Pointer[changeLog] // changes of the peer's table
	changed  changeSignal
	onChange atomic.Pointer[func(indicated bool)] // see HandleChanges
	onValue  atomic.Pointer[[]*valueListener]     // see Listen; replaced under mu
	// tableFrom is one more than the generation of the latest whole table; 0 before the first.
	tableFrom atomic.Uint64
	hint      atomic.Pointer[hint] // set while the known table has to be proved

	values values // notifications and indications; belongs to the loop
}

// NewClient returns the client of a bearer and becomes its NotifyHandler. cfg
// may be nil and is not kept. Must run on the loop, or before the bearer can
// receive, so that no value is missed.
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

// Bearer returns the underlying bearer.
func (c *Client) Bearer() *att.Bearer { return c.b }

// MTU returns the longest PDU that may be sent, in octets. A notification or a
// write without response carries up to three octets less.
func (c *Client) MTU() int { return c.b.MTU() }

// ExchangeMTU exchanges the MTU with the peer and returns it. See
// [att.Bearer.ExchangeMTU].
func (c *Client) ExchangeMTU(ctx context.Context) (int, error) { return c.b.ExchangeMTU(ctx) }

// Done returns a channel that is closed when the link has ended.
func (c *Client) Done() <-chan struct{} { return c.b.Done() }

// Err returns why the link has ended; nil before that.
func (c *Client) Err() error { return c.b.Err() }

// do sends a request if cond, which may be nil, still holds when its turn comes.
func do[R any](ctx context.Context, c *Client, cond att.Condition, req att.Request[R]) (R, error) {
	rsp, err := att.DoIf(ctx, c.b, cond, req)
	if err != nil && errors.Is(err, att.CodeDatabaseOutOfSync) {
		err = c.outOfSync(err)
	}
	return rsp, err
}

// outOfSync drops the knowledge of the table (Vol 3, Part G, 2.5.2.1).
func (c *Client) outOfSync(err error) error {
	c.noteChange(everything, false)
	// If Post fails, the link has ended, and the subscriptions with it.
	c.b.Post(loop.Func(func(time.Time) { c.values.endStale() }))
	return fmt.Errorf("gatt: %w: %w", ErrStale, err)
}

// onLoop runs f on the loop and waits for it.
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

// endError returns Err for a link that has ended, even if Err is not set yet.
func (c *Client) endError() error {
	if err := c.b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("gatt: link: %w", net.ErrClosed)
}

// gate is a mutex whose waiters have a context.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits for its turn, the end of ctx or the end of the link.
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

// waitError returns why a wait has failed.
func (c *Client) waitError(ctx context.Context) error {
	if err := c.b.Err(); err != nil {
		return err
	}
	return fmt.Errorf("gatt: %w", context.Cause(ctx))
}

func (g gate) leave() { <-g }
