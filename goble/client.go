package goble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// client is a ble.Client. Its methods take no context: they return when the link
// ends, or when the peer has not answered for 30 s, the ATT timeout.
type client struct {
	c    *host.Conn
	conn *conn
	name string

	mu      sync.Mutex
	profile *ble.Profile // guarded by mu, as all below
	subs    map[subKey]*gatt.Subscription
}

type subKey struct {
	value uint16
	ind   bool
}

func newClient(c *host.Conn, local hci.Addr, name string) *client {
	return &client{
		c: c, name: name, subs: map[subKey]*gatt.Subscription{},
		conn: &conn{c: c, local: ble.NewAddr(local.MAC.String()), ctx: context.Background(), rxMTU: ble.MaxMTU},
	}
}

func (x *client) Addr() ble.Addr { return x.conn.RemoteAddr() }

// Name returns the advertised name; "" if no advertisement had one.
func (x *client) Name() string { return x.name }

func (x *client) Profile() *ble.Profile {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.profile
}

func (x *client) Conn() ble.Conn { return x.conn }

// DiscoverProfile returns the whole table. Without force it returns the profile
// of the last call, with the same pointers.
func (x *client) DiscoverProfile(force bool) (*ble.Profile, error) {
	if p := x.Profile(); p != nil && !force {
		return p, nil
	}
	discover := x.c.GATT().Discover
	if force {
		discover = x.c.GATT().Rediscover
	}
	found, err := discover(context.Background())
	if err != nil {
		return nil, foreign(err)
	}
	p := &ble.Profile{}
	for i := range found.Services {
		p.Services = append(p.Services, fromService(&found.Services[i]))
	}
	x.mu.Lock()
	x.profile = p
	x.mu.Unlock()
	return p, nil
}

func fromService(s *gatt.Service) *ble.Service {
	to := &ble.Service{UUID: fromUUID(s.UUID), Handle: uint16(s.Handle), EndHandle: uint16(s.End)}
	for _, c := range s.Characteristics {
		bc := &ble.Characteristic{
			UUID: fromUUID(c.UUID), Property: ble.Property(c.Properties),
			Handle: uint16(c.Handle), ValueHandle: uint16(c.Value), EndHandle: uint16(c.End),
		}
		for _, d := range c.Descriptors {
			bd := &ble.Descriptor{UUID: fromUUID(d.UUID), Handle: uint16(d.Handle)}
			bc.Descriptors = append(bc.Descriptors, bd)
			if bd.UUID.Equal(ble.ClientCharacteristicConfigUUID) {
				bc.CCCD = bd
			}
		}
		to.Characteristics = append(to.Characteristics, bc)
	}
	return to
}

// DiscoverServices returns the services in filter; nil means all.
func (x *client) DiscoverServices(filter []ble.UUID) ([]*ble.Service, error) {
	p, err := x.DiscoverProfile(false)
	if err != nil {
		return nil, err
	}
	return pick(p.Services, filter, func(s *ble.Service) ble.UUID { return s.UUID }), nil
}

// DiscoverIncludedServices returns the services that s includes.
func (x *client) DiscoverIncludedServices(filter []ble.UUID, s *ble.Service) ([]*ble.Service, error) {
	found, err := x.c.GATT().Discover(context.Background())
	if err != nil {
		return nil, foreign(err)
	}
	var all []*ble.Service
	for i := range found.Services {
		if uint16(found.Services[i].Handle) != s.Handle {
			continue
		}
		for _, inc := range found.Services[i].Includes {
			all = append(all, &ble.Service{UUID: fromUUID(inc.UUID), Handle: uint16(inc.Start), EndHandle: uint16(inc.End)})
		}
	}
	return pick(all, filter, func(s *ble.Service) ble.UUID { return s.UUID }), nil
}

// DiscoverCharacteristics returns the characteristics of s.
func (x *client) DiscoverCharacteristics(filter []ble.UUID, s *ble.Service) ([]*ble.Characteristic, error) {
	p, err := x.DiscoverProfile(false)
	if err != nil {
		return nil, err
	}
	for _, own := range p.Services {
		if own.Handle == s.Handle {
			s.Characteristics = own.Characteristics
		}
	}
	return pick(s.Characteristics, filter, func(c *ble.Characteristic) ble.UUID { return c.UUID }), nil
}

// DiscoverDescriptors returns the descriptors of c.
func (x *client) DiscoverDescriptors(filter []ble.UUID, c *ble.Characteristic) ([]*ble.Descriptor, error) {
	p, err := x.DiscoverProfile(false)
	if err != nil {
		return nil, err
	}
	for _, s := range p.Services {
		for _, own := range s.Characteristics {
			if own.ValueHandle == c.ValueHandle {
				c.Descriptors, c.CCCD = own.Descriptors, own.CCCD
			}
		}
	}
	return pick(c.Descriptors, filter, func(d *ble.Descriptor) ble.UUID { return d.UUID }), nil
}

// pick returns the elements whose UUID is in filter; nil means all.
func pick[T any](all []T, filter []ble.UUID, of func(T) ble.UUID) []T {
	var found []T
	for _, v := range all {
		if ble.Contains(filter, of(v)) {
			found = append(found, v)
		}
	}
	return found
}

func (x *client) readValue(h uint16, long bool, to *[]byte) ([]byte, error) {
	read := x.c.GATT().ReadHandle
	if long {
		read = x.c.GATT().ReadLong
	}
	v, err := read(context.Background(), att.Handle(h))
	if err != nil {
		return nil, foreign(err)
	}
	*to = bytes.Clone(v)
	return v, nil
}

func (x *client) ReadCharacteristic(c *ble.Characteristic) ([]byte, error) {
	return x.readValue(c.ValueHandle, false, &c.Value)
}

func (x *client) ReadLongCharacteristic(c *ble.Characteristic) ([]byte, error) {
	return x.readValue(c.ValueHandle, true, &c.Value)
}

func (x *client) ReadDescriptor(d *ble.Descriptor) ([]byte, error) {
	return x.readValue(d.Handle, false, &d.Value)
}

// WriteCharacteristic writes a value. A value longer than a packet becomes a long
// write, which go-ble refuses.
func (x *client) WriteCharacteristic(c *ble.Characteristic, value []byte, noRsp bool) error {
	g := x.c.GATT()
	h := att.Handle(c.ValueHandle)
	switch {
	case noRsp:
		return foreign(g.WriteNoResponse(context.Background(), h, value))
	case len(value) > g.MTU()-3:
		return foreign(g.WriteLong(context.Background(), h, value))
	}
	return foreign(g.WriteHandle(context.Background(), h, value))
}

func (x *client) WriteDescriptor(d *ble.Descriptor, v []byte) error {
	return foreign(x.c.GATT().WriteHandle(context.Background(), att.Handle(d.Handle), v))
}

// ReadRSSI returns the signal strength of the link in dBm; 0 if the controller
// does not report it.
func (x *client) ReadRSSI() int { return readRSSI(x.c) }

func readRSSI(c *host.Conn) int {
	r, err := c.Link().RSSI(context.Background())
	if err != nil || r == controller.RSSIUnknown {
		return 0
	}
	return int(r)
}

// ExchangeMTU returns the ATT_MTU of the link. The MTU that this host offers is
// fixed; rxMTU is only checked for its range, 23 to 515.
func (x *client) ExchangeMTU(rxMTU int) (int, error) {
	if rxMTU < ble.DefaultMTU || rxMTU > ble.MaxMTU {
		return 0, fmt.Errorf("goble: MTU %d is outside %d to %d", rxMTU, ble.DefaultMTU, ble.MaxMTU)
	}
	mtu, err := x.c.GATT().ExchangeMTU(context.Background())
	if errors.Is(err, att.ErrMTUExchanged) {
		return x.c.GATT().MTU(), nil
	}
	return mtu, foreign(err)
}

// Subscribe calls h with each value, one after the other, on a goroutine of the
// subscription. The descriptor is written before Subscribe returns. h may call
// the client.
func (x *client) Subscribe(c *ble.Characteristic, ind bool, h ble.NotificationHandler) error {
	if err := x.Unsubscribe(c, ind); err != nil {
		return err
	}
	ch, err := x.c.GATT().CharByHandle(context.Background(), att.Handle(c.ValueHandle))
	if err != nil {
		return foreign(err)
	}
	sub, err := ch.Subscribe(context.Background(), &gatt.SubscribeOptions{Indicate: ind})
	if err != nil {
		return foreign(err)
	}
	x.mu.Lock()
	x.subs[subKey{c.ValueHandle, ind}] = sub
	x.mu.Unlock()
	go func() { // returns with the subscription or the link
		for v, err := range sub.All(context.Background()) {
			if err != nil {
				return
			}
			h(v.Data)
		}
	}()
	return nil
}

// Unsubscribe ends the subscription; without one it does nothing.
func (x *client) Unsubscribe(c *ble.Characteristic, ind bool) error {
	k := subKey{c.ValueHandle, ind}
	x.mu.Lock()
	sub := x.subs[k]
	delete(x.subs, k)
	x.mu.Unlock()
	if sub == nil {
		return nil
	}
	return foreign(sub.Close())
}

// ClearSubscriptions ends all subscriptions.
func (x *client) ClearSubscriptions() error {
	x.mu.Lock()
	subs := x.subs
	x.subs = map[subKey]*gatt.Subscription{}
	x.mu.Unlock()
	var errs []error
	for _, s := range subs {
		errs = append(errs, s.Close())
	}
	return foreign(errors.Join(errs...))
}

func (x *client) CancelConnection() error { return x.c.Close() }

func (x *client) Disconnected() <-chan struct{} { return x.c.Done() }

// foreign returns an attribute error as a ble.ATTError, which programs compare
// with ==.
func foreign(err error) error {
	if code, ok := errors.AsType[att.Code](err); ok {
		return ble.ATTError(code)
	}
	return err
}
