package goble

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
)

// Device is a ble.Device on a host or on a Manager. Its methods may be called from any
// goroutine, also from a handler.
type Device struct {
	central    central
	peripheral *peripheral // nil on a Manager

	mu   sync.Mutex
	opts options           // guarded by mu, as all below
	seen map[hci.MAC]known // see maxSeen
}

// known is an address with its kind, and a name, from the advertisements of a
// device.
type known struct {
	addr hci.Addr
	name string
}

// maxSeen bounds the number of known devices. At that number all are dropped.
const maxSeen = 1024

var _ ble.Device = (*Device)(nil)

// Open opens the adapter with an address as hcisock.ParseAddress takes it, such
// as hci0, or the one chosen by ble.OptDeviceID if the address is empty.
func Open(ctx context.Context, address string, opts ...ble.Option) (*Device, error) {
	o, err := parseOptions(opts)
	if err != nil {
		return nil, err
	}
	if address == "" {
		address = fmt.Sprintf("hci%d", max(0, o.id))
	}
	tr, err := hcisock.Open(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	h, err := host.Open(ctx, tr, nil)
	if err != nil {
		return nil, err
	}
	return New(h, opts...)
}

// New returns a Device on a host. Stop closes the host.
func New(h *host.Host, opts ...ble.Option) (*Device, error) { return newDevice(hostCentral{h}, opts) }

func newDevice(c central, opts []ble.Option) (*Device, error) {
	o, err := parseOptions(opts)
	if err != nil {
		return nil, err
	}
	d := &Device{central: c, opts: o, seen: map[hci.MAC]known{}}
	if hc, ok := c.(hostCentral); ok {
		d.peripheral = &peripheral{h: hc.h, events: d.options, clients: map[*gatt.Session]*served{}}
		d.peripheral.acceptFor(&o)
		return d, nil
	}
	if err := o.checkManager(); err != nil {
		return nil, err
	}
	return d, nil
}

// Host returns the host, for functions that ble.Device does not have; nil for a Device
// on a Manager.
func (d *Device) Host() *host.Host {
	c, _ := d.central.(hostCentral)
	return c.h
}

// Manager returns the Manager; nil for a Device on a host.
func (d *Device) Manager() *connmgr.Manager {
	c, _ := d.central.(managerCentral)
	return c.m
}

// Address returns the public address of the adapter: of several, that of the first one
// that is up. Without one, all octets are zero.
func (d *Device) Address() ble.Addr { return ble.NewAddr(d.central.ownAddress().String()) }

// Option sets options after the Device was opened, as the method of go-ble's HCI does:
// those of scans and of dials, for the calls that begin from now on. If any is an error,
// none is set. The adapter stays.
func (d *Device) Option(opts ...ble.Option) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.opts
	if err := o.apply(opts); err != nil {
		return err
	}
	if o.id != d.opts.id {
		return fmt.Errorf("goble: device id %d: the adapter is open already: open another Device", o.id)
	}
	if d.peripheral == nil {
		if err := o.checkManager(); err != nil {
			return err
		}
	} else {
		d.peripheral.acceptFor(&o)
	}
	d.opts = o
	return nil
}

// options returns the options in force.
func (d *Device) options() *options {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.opts
	return &o
}

// Stop ends scans, dials and links, and releases the adapters. Stopping again
// does nothing.
func (d *Device) Stop() error { return d.central.closeCentral() }

// Dial connects. The kind of the address is that of a if a is an hci.Addr, else
// the kind heard in scans. Else it is public on a host, while a Manager finds it.
func (d *Device) Dial(ctx context.Context, a ble.Addr) (ble.Client, error) {
	p, err := d.resolve(a)
	if err != nil {
		return nil, err
	}
	o := d.options()
	if o.dialTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.dialTimeout)
		defer cancel()
	}
	l, err := d.central.dialPeer(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("can't dial %v: %w", a, err)
	}
	c := newClient(l, p.name)
	if d.peripheral != nil {
		d.peripheral.serveLink(l, c.conn)
	}
	return c, nil
}

func (d *Device) resolve(a ble.Addr) (peer, error) {
	if own, ok := a.(hci.Addr); ok {
		return peer{addr: own, known: true}, nil
	}
	// go-ble's own type for random addresses prints like any other. Only its
	// name tells it apart: go-ble's HCI package is too large to import for it.
	random := strings.HasSuffix(fmt.Sprintf("%T", a), "RandomAddress")
	mac, err := hci.ParseMAC(a.String())
	if err != nil {
		return peer{}, err
	}
	d.mu.Lock()
	k, heard := d.seen[mac]
	d.mu.Unlock()
	switch {
	case heard:
		return peer{k.addr, true, k.name}, nil
	case random:
		return peer{addr: hci.Addr{MAC: mac, Kind: hci.AddrRandom}, known: true}, nil
	}
	return peer{addr: hci.Addr{MAC: mac}}, nil
}

// Scan calls h for each advertisement, one after the other, until ctx ends, and
// returns ctx's error itself. It does not wait for a call of h that is running
// when ctx ends, and calls h no more after that.
func (d *Device) Scan(ctx context.Context, allowDup bool, h ble.AdvHandler) error {
	o := d.options()
	ended := make(chan error, 1)
	go func() {
		for r, err := range d.central.scanReports(ctx, o, allowDup) {
			if err != nil {
				ended <- err
				return
			}
			if ctx.Err() != nil {
				return
			}
			d.remember(&r)
			h(advertisement{r.Clone()}) // the program may keep it
		}
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-ended:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
}

func (d *Device) remember(r *controller.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) >= maxSeen {
		clear(d.seen)
	}
	k := known{addr: r.Addr.Identity(), name: r.Name()}
	if k.name == "" {
		k.name = d.seen[r.Addr.MAC].name
	}
	d.seen[r.Addr.MAC] = k
}
