package goble

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
)

// client is a ble.Client. Its methods take no context: they return when the link
// ends, or when the peer has not answered for 30 s, the ATT timeout.
type client struct {
	c    *link
	conn *conn
	name string

	mu         sync.Mutex
	profile    *ble.Profile // guarded by mu, as all below
	attributes attributes
	subs       map[subKey]*gatt.Subscription
}

type subKey struct {
	value attribute // without its pointer
	ind   bool
}

// keyOf returns the key of a subscription to c. A characteristic that either notifies or
// indicates, but not both, has one kind of subscription, whatever the program asks for.
func keyOf(c *ble.Characteristic, ind bool) subKey {
	if notifies, indicates := c.Property&ble.CharNotify != 0, c.Property&ble.CharIndicate != 0; notifies != indicates {
		ind = indicates
	}
	return subKey{valueOf(c).anyPointer(), ind}
}

func newClient(c *link, name string) *client {
	return &client{
		c: c, name: name, attributes: attributes{first: map[attribute]*gatt.Char{}},
		subs: map[subKey]*gatt.Subscription{},
		conn: newConn(c),
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
// of the last call, with the same pointers. With force it discovers the table, except
// in the first call on a link of a Manager, which has just discovered it, or has shown
// that the cached one is valid. After an indicated change of the table, methods fail with
// gatt.ErrStale for the characteristics and descriptors that are not there any more as they
// were; with force, DiscoverProfile returns the new ones.
func (x *client) DiscoverProfile(force bool) (*ble.Profile, error) {
	p := x.Profile()
	if p != nil && !force {
		return p, nil
	}
	discover := x.c.GATT().Discover
	if force && (p != nil || !x.c.ready) {
		discover = x.c.GATT().Rediscover
	}
	found, chars, err := x.discoverTable(context.Background(), discover)
	if err != nil {
		return nil, foreign(err)
	}
	p = &ble.Profile{}
	for i := range found.Services {
		p.Services = append(p.Services, fromService(&found.Services[i]))
	}
	x.mu.Lock()
	x.profile = p
	x.attributes.enterProfile(p, chars)
	x.mu.Unlock()
	return p, nil
}

// discoverTable returns the table that discover finds, and its Chars by their value handles. A
// table that has changed meanwhile is discovered again.
func (x *client) discoverTable(ctx context.Context, discover func(context.Context) (*gatt.Profile, error)) (p *gatt.Profile, chars map[att.Handle]*gatt.Char, err error) {
	for complete, tries := false, 3; !complete && tries > 0; tries-- {
		if p, err = discover(ctx); err != nil {
			return nil, nil, err
		}
		if chars, complete, err = x.findChars(ctx, p); err != nil {
			return nil, nil, err
		}
		discover = x.c.GATT().Discover
	}
	return p, chars, nil
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

func (x *client) ReadCharacteristic(c *ble.Characteristic) ([]byte, error) {
	return x.readAttribute(valueOf(c), false, &c.Value)
}

func (x *client) ReadLongCharacteristic(c *ble.Characteristic) ([]byte, error) {
	return x.readAttribute(valueOf(c), true, &c.Value)
}

func (x *client) ReadDescriptor(d *ble.Descriptor) ([]byte, error) {
	return x.readAttribute(descriptorOf(d), false, &d.Value)
}

// WriteCharacteristic writes a value. A value longer than a packet becomes a long
// write, which go-ble refuses.
func (x *client) WriteCharacteristic(c *ble.Characteristic, value []byte, noRsp bool) error {
	ctx, g, h := context.Background(), x.c.GATT(), att.Handle(c.ValueHandle)
	ch, err := x.charOf(valueOf(c))
	switch {
	case err != nil:
		return foreign(err)
	case ch != nil && noRsp:
		return foreign(ch.WriteNoResponse(ctx, value))
	case ch != nil:
		return foreign(ch.Write(ctx, value))
	case noRsp:
		return foreign(g.WriteNoResponse(ctx, h, value))
	}
	return foreign(g.WriteLong(ctx, h, value))
}

func (x *client) WriteDescriptor(d *ble.Descriptor, v []byte) error {
	if _, err := x.charOf(descriptorOf(d)); err != nil {
		return foreign(err)
	}
	return foreign(x.c.GATT().WriteHandle(context.Background(), att.Handle(d.Handle), v))
}

// ReadRSSI returns the signal strength of the link in dBm; 0 if the controller
// does not report it.
func (x *client) ReadRSSI() int { return readRSSI(x.c.Conn) }

func readRSSI(c *host.Conn) int {
	r, err := c.Link().RSSI(context.Background())
	if err != nil || r == controller.RSSIUnknown {
		return 0
	}
	return int(r)
}

// ExchangeMTU offers rxMTU, 23 to 515, to the peer, and returns the smaller one of it and
// the MTU of the peer. The MTU of a link is exchanged once: on that of a Manager, and in a
// second call, the result is the smaller one of rxMTU and the MTU of the link.
func (x *client) ExchangeMTU(rxMTU int) (int, error) {
	if rxMTU < ble.DefaultMTU || rxMTU > ble.MaxMTU {
		return 0, fmt.Errorf("goble: MTU %d is outside %d to %d", rxMTU, ble.DefaultMTU, ble.MaxMTU)
	}
	if _, err := x.c.Bearer().OfferMTU(context.Background(), rxMTU); err != nil {
		return 0, foreign(err)
	}
	x.conn.SetRxMTU(rxMTU)
	return x.conn.TxMTU(), nil
}

// Subscribe calls h with each value, one after the other, on a goroutine of the
// subscription. The descriptor is written before Subscribe returns. h may call
// the client.
func (x *client) Subscribe(c *ble.Characteristic, ind bool, h ble.NotificationHandler) error {
	if err := x.Unsubscribe(c, ind); err != nil {
		return err
	}
	ch, err := x.charOf(valueOf(c))
	if err == nil && ch == nil {
		ch, err = x.c.GATT().CharByHandle(context.Background(), att.Handle(c.ValueHandle))
	}
	if err != nil {
		return foreign(err)
	}
	sub, err := ch.Subscribe(context.Background(), &gatt.SubscribeOptions{Indicate: ind})
	if err != nil {
		return foreign(err)
	}
	x.mu.Lock()
	x.subs[keyOf(c, ind)] = sub
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
	k := keyOf(c, ind)
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

// CancelConnection ends the link, unless others share it.
func (x *client) CancelConnection() error { return x.c.close() }

// Disconnected returns a channel that is closed at the end of the link, and by
// CancelConnection.
func (x *client) Disconnected() <-chan struct{} { return x.c.ended }

// foreign returns an attribute error as a ble.ATTError, which programs compare
// with ==.
func foreign(err error) error {
	if code, ok := errors.AsType[att.Code](err); ok {
		return ble.ATTError(code)
	}
	return err
}
