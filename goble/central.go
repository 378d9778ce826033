package goble

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// central makes the scans and links of a Device.
type central interface {
	// scanReports yields reports until the scan ends, and then its error.
	scanReports(ctx context.Context, o *options, duplicates bool) iter.Seq2[controller.Report, error]
	dialPeer(ctx context.Context, p peer, o *options) (*link, error)
	// ownAddress returns the public address, or the zero address if none is known.
	ownAddress() hci.MAC
	closeCentral() error
}

// peer is the device to dial.
type peer struct {
	addr  hci.Addr
	known bool   // the kind of the address, which is public if not
	name  string // from its advertisements; may be empty
}

// link is a connection of either kind of central.
type link struct {
	*host.Conn
	local hci.MAC
	ended <-chan struct{} // closed at the end of the link, or of its use
	close func() error
	// ready reports that the table is known and the MTU exchanged.
	ready bool
}

// hostCentral is one controller.
type hostCentral struct{ h *host.Host }

func (c hostCentral) scanReports(ctx context.Context, o *options, duplicates bool) iter.Seq2[controller.Report, error] {
	return func(yield func(controller.Report, error) bool) {
		sc, err := c.h.Scan(ctx, &controller.ScanOptions{
			Duplicates: duplicates, Passive: o.passive, Interval: o.scanInterval, Window: o.scanWindow,
		})
		if err != nil {
			yield(controller.Report{}, err)
			return
		}
		defer sc.Close()
		for r, err := range sc.All(ctx) {
			if !yield(r, err) {
				return
			}
		}
	}
}

func (c hostCentral) dialPeer(ctx context.Context, p peer, o *options) (*link, error) {
	conn, err := c.h.Connect(ctx, p.addr, &controller.ConnectOptions{Timeout: -1, Params: o.params})
	if err != nil {
		return nil, err
	}
	return &link{Conn: conn, local: c.ownAddress(), ended: conn.Done(), close: conn.Close}, nil
}

func (c hostCentral) ownAddress() hci.MAC { return c.h.Controller().KnownInfo().Address.MAC }

func (c hostCentral) closeCentral() error { return c.h.Close() }

// managerCentral is a Manager with its adapters.
type managerCentral struct{ m *connmgr.Manager }

func (c managerCentral) scanReports(ctx context.Context, o *options, duplicates bool) iter.Seq2[controller.Report, error] {
	return func(yield func(controller.Report, error) bool) {
		for r, err := range c.m.Scan(ctx, &connmgr.ScanOptions{
			Passive: o.passive, Duplicates: duplicates, Interval: o.scanInterval, Window: o.scanWindow,
		}) {
			if _, ok := errors.AsType[*connmgr.AdapterError](err); ok {
				continue // the others go on, and this one joins again
			}
			r.Report.Addr = r.Addr // the identity of a bonded device
			if !yield(r.Report, err) {
				return
			}
		}
	}
}

func (c managerCentral) dialPeer(ctx context.Context, p peer, o *options) (*link, error) {
	address := p.addr.MAC.String()
	if p.known {
		address = p.addr.String()
	}
	client, err := c.m.Establish(ctx, address, &connmgr.Options{
		Name: p.name, InitialParams: o.params, KeepParams: o.params != hci.ConnParams{},
	})
	if err != nil {
		return nil, err
	}
	l := &link{Conn: client.Conn(), ended: client.Done(), ready: client.Profile() != nil}
	if ctl := c.m.Adapter(client.Adapter()).Controller(); ctl != nil {
		l.local = ctl.KnownInfo().Address.MAC
	}
	// The link may go on for others who share it; this use of it ends.
	use, end := context.WithCancel(context.Background())
	l.ended = use.Done()
	go func() {
		select {
		case <-client.Done():
			end()
		case <-use.Done():
		}
	}()
	l.close = func() error {
		if err := client.Close(); err != nil {
			return err
		}
		end()
		return nil
	}
	return l, nil
}

func (c managerCentral) ownAddress() hci.MAC {
	for _, a := range c.m.Adapters() {
		if ctl := a.Controller(); ctl != nil {
			return ctl.KnownInfo().Address.MAC
		}
	}
	return hci.MAC{}
}

func (c managerCentral) closeCentral() error { return c.m.Close() }

// NewManager returns a Device on a Manager, for programs that need retries, several
// adapters, cached tables, bonds and connection slots. Dial is [connmgr.Manager.Establish]
// with its policy: it makes attempts until the device is connected, its MTU exchanged and
// its table known. Scan hears every adapter. Stop closes the Manager.
func NewManager(m *connmgr.Manager, opts ...ble.Option) (*Device, error) {
	return newDevice(managerCentral{m}, opts)
}

// OpenManager opens a Manager and returns a Device on it. It takes the place of
// linux.NewDevice in a program for go-ble. With a nil cfg, or without adapters in it, the
// Manager has the adapter of ble.OptDeviceID or, without that option, every adapter.
func OpenManager(ctx context.Context, cfg *connmgr.Config, opts ...ble.Option) (*Device, error) {
	o, err := parseOptions(opts)
	if err != nil {
		return nil, err
	}
	if err := o.checkManager(); err != nil {
		return nil, err
	}
	c := connmgr.Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.Adapters == nil && o.id >= 0 {
		c.Adapters = []string{fmt.Sprintf("hci%d", o.id)}
	}
	m, err := connmgr.Open(ctx, &c)
	if err != nil {
		return nil, err
	}
	return NewManager(m, opts...)
}
