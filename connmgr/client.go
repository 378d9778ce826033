package connmgr

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/l2cap"
)

// Client is a connection that Establish has made. Its methods may be called from any
// goroutine. Clients of one device share its link, which ends with the last of them.
type Client struct {
	link *link
	opts *Options

	closeOnce sync.Once
}

func newClient(l *link, o *Options) *Client { return &Client{link: l, opts: o} }

// Address returns the device's address.
func (c *Client) Address() hci.Addr { return c.link.peer }

// Name returns the name of the device that Establish used in logs and errors.
func (c *Client) Name() string { return c.link.name }

// Adapter returns the name of the adapter that has the link.
func (c *Client) Adapter() string { return c.link.adapter.name }

// Conn returns the link with its protocols, for operations that Client does not
// offer.
func (c *Client) Conn() *host.Conn { return c.link.conn }

// GATT returns the client of the device's attribute table, for operations by
// handle. Its operations do not heal: they neither raise the security of the link
// nor discover a table that has changed, as Read, Write and Subscribe of this
// Client do. Heal does that for any function.
func (c *Client) GATT() *gatt.Client { return c.link.conn.GATT() }

// L2CAP returns the multiplexer of the link.
func (c *Client) L2CAP() *l2cap.Mux { return c.link.conn.L2CAP() }

// Done is closed when the link has ended and its connection slot is free.
func (c *Client) Done() <-chan struct{} { return c.link.gone }

// Err returns the reason for the end of the link; nil while it is up.
func (c *Client) Err() error { return c.link.conn.Err() }

// Close ends the link, unless other Clients share it. It waits until the link is down and
// its slot is free; if the device does not answer, for as long as the supervision timeout.
// It has no context: a program that must not wait calls it on a goroutine of its own,
// and Done is closed in the end. If the
// controller refuses to end the link, Close returns its error, and the next Establish
// to the device shares the link. Closing again does nothing.
func (c *Client) Close() error {
	var err error
	c.closeOnce.Do(func() {
		if c.link.leaveLink(c) {
			err = c.link.shutLink()
		}
	})
	return err
}

// Profile returns a copy of the device's attribute table; nil while it is not known. The
// contents of the services of a table that no hash proves are those of an earlier link: see
// gatt.Client.ProveProfile. GATT().Discover returns those of this link.
func (c *Client) Profile() *gatt.Profile {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.link.profile == nil {
		return nil
	}
	return c.link.profile.Clone()
}

// Cached reports whether the attribute table in use is from the cache. It is then proved by
// its hash or by a bond; else only its services are, and each attribute is before its use.
func (c *Client) Cached() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.cached
}

// ClearCache removes the attribute table of the device from this Client and from the
// cache, so that the next use discovers it. It reports whether there was one.
func (c *Client) ClearCache() bool {
	c.link.mu.Lock()
	had := c.link.profile != nil
	c.link.profile, c.link.entry, c.link.cached = nil, nil, false
	c.link.mu.Unlock()
	c.GATT().SetProfile(nil)
	return c.link.m.ClearCache(c.Address().String()) || had
}

// Params returns the connection parameters in use.
func (c *Client) Params() hci.ConnParamsInUse { return c.link.conn.Link().State().Params }

// SetConnectionParams is UpdateParams in the units of the Core specification, which
// the documentation of devices uses: intervals in steps of 1.25 ms (6 to 3200),
// latency in connection events (0 to 499), supervision timeout in steps of 10 ms (10
// to 3200).
func (c *Client) SetConnectionParams(ctx context.Context, minInterval, maxInterval, latency, timeout int) (hci.ConnParamsInUse, error) {
	if latency < 0 || latency > 0xFFFF {
		return hci.ConnParamsInUse{}, fmt.Errorf("connmgr: latency %d is outside 0 to 499", latency)
	}
	return c.UpdateParams(ctx, hci.ConnParams{
		IntervalMin: time.Duration(minInterval) * 1250 * time.Microsecond,
		IntervalMax: time.Duration(maxInterval) * 1250 * time.Microsecond,
		Latency:     uint16(latency),
		Timeout:     time.Duration(timeout) * 10 * time.Millisecond,
	})
}

// UpdateParams requests other connection parameters, as durations, and returns the
// negotiated ones. The link then does not settle to Options.SettledParams. Values out
// of range, or a supervision timeout too short for interval and latency, are refused
// before anything is sent. SetConnectionParams takes integers in the units of the Core
// specification instead.
func (c *Client) UpdateParams(ctx context.Context, p hci.ConnParams) (hci.ConnParamsInUse, error) {
	c.link.mu.Lock()
	c.link.paramsSet = true
	c.link.mu.Unlock()
	got, err := c.link.conn.Link().Update(ctx, p)
	if err != nil {
		return got, err
	}
	c.link.m.bus.emitEvent(ParamsChanged{time.Now(), c.Address(), c.Adapter(), got})
	if c.opts.RememberParams {
		c.link.m.params.storeParams(c.Address(), p)
	}
	return got, nil
}

// RSSI returns the signal strength of the link in dBm; NoRSSI if the controller does
// not know it.
func (c *Client) RSSI(ctx context.Context) (int, error) {
	r, err := c.link.conn.Link().RSSI(ctx)
	if err != nil || r == controller.RSSIUnknown {
		return NoRSSI, err
	}
	return int(r), nil
}

// Read reads the value of the characteristic chr in the service svc; of several, the
// first. Like Write, WriteNoResponse and Subscribe, it heals: see Heal.
func (c *Client) Read(ctx context.Context, svc, chr gatt.UUID) ([]byte, error) {
	return heal(ctx, c, svc, chr, (*gatt.Char).Read)
}

// Write writes the value of a characteristic and waits for the response.
func (c *Client) Write(ctx context.Context, svc, chr gatt.UUID, value []byte) error {
	_, err := heal(ctx, c, svc, chr, func(ch *gatt.Char, ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.Write(ctx, value)
	})
	return err
}

// WriteNoResponse writes the value of a characteristic without a response.
func (c *Client) WriteNoResponse(ctx context.Context, svc, chr gatt.UUID, value []byte) error {
	_, err := heal(ctx, c, svc, chr, func(ch *gatt.Char, ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.WriteNoResponse(ctx, value)
	})
	return err
}

// Subscribe enables notifications or indications of a characteristic; see
// gatt.Char.Subscribe.
func (c *Client) Subscribe(ctx context.Context, svc, chr gatt.UUID, o *gatt.SubscribeOptions) (*gatt.Subscription, error) {
	return heal(ctx, c, svc, chr, func(ch *gatt.Char, ctx context.Context) (*gatt.Subscription, error) {
		return ch.Subscribe(ctx, o)
	})
}
