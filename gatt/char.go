package gatt

import (
	"context"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// Char is one characteristic of the peer. After the end of the link, its methods
// return the reason for it; after a change of its service, ErrStale. It may be
// used from any goroutine but the loop.
type Char struct {
	c       *Client
	service UUID
	within  att.HandleRange // of the service
	gen     uint64          // of the table that it belongs to
	info    Characteristic  // has the Descriptors if full
	full    bool            // the descriptors are known
}

// newChar returns a Char of discovered data.
func (c *Client) newChar(s *Service, chr *Characteristic, gen uint64, full bool) *Char {
	return &Char{c: c, service: s.UUID, within: s.Range(), gen: gen, info: *chr, full: full}
}

// Info returns the discovered data. It includes the descriptors if the whole
// table was discovered; see [Char.Descriptors].
func (ch *Char) Info() Characteristic {
	info := ch.info
	info.Descriptors = slices.Clone(info.Descriptors)
	return info
}

// UUID returns the UUID of the characteristic.
func (ch *Char) UUID() UUID { return ch.info.UUID }

// Service returns the UUID of the service that contains the characteristic.
func (ch *Char) Service() UUID { return ch.service }

// Properties returns the properties that the peer declares. No method enforces
// them: some peers declare them wrongly, and every peer refuses what it does not
// support.
func (ch *Char) Properties() Properties { return ch.info.Properties }

// Check returns ErrStale if the service of the characteristic has changed. It
// implements att.Condition, so that queued requests are not sent after that.
func (ch *Char) Check() error {
	if ch.c.changes.Load().touched(ch.gen, ch.within) {
		return fmt.Errorf("gatt: characteristic %s: %w", ch.info.UUID, ErrStale)
	}
	return nil
}

// Read returns the whole value. That takes one request if the value is shorter
// than the MTU less one octet, else several. The value belongs to the caller.
func (ch *Char) Read(ctx context.Context) ([]byte, error) {
	v, err := ch.c.readLong(ctx, ch, ch.info.Value)
	if err != nil {
		return nil, err
	}
	// If the table changed while a request was outstanding, the value may be
	// that of another attribute.
	if err := ch.Check(); err != nil {
		return nil, err
	}
	return v, nil
}

// Write writes the whole value and waits for the peer's confirmation. That takes
// one request if the value fits the MTU less three octets, else several.
func (ch *Char) Write(ctx context.Context, value []byte) error {
	return ch.c.writeLong(ctx, ch, ch.info.Value, value)
}

// WriteNoResponse writes a value of at most the MTU less three octets with a
// command, which the peer does not answer. It returns when the link has accepted
// the command. See [Client.WriteNoResponse].
func (ch *Char) WriteNoResponse(ctx context.Context, value []byte) error {
	if err := ch.c.prove(ctx, ch, ch.info.Value); err != nil {
		return err
	}
	return ch.c.b.WriteCommand(ctx, ch, ch.info.Value, value)
}

// Descriptors returns the descriptors of the characteristic. It discovers them
// if they are not known.
func (ch *Char) Descriptors(ctx context.Context) ([]Descriptor, error) {
	if err := ch.Check(); err != nil {
		return nil, err
	}
	if ch.full {
		return slices.Clone(ch.info.Descriptors), nil
	}
	ds, err := ch.c.descriptorsOf(ctx, ch)
	return slices.Clone(ds), err
}

// Char returns the first characteristic chr of a primary service svc. It
// discovers only the services with that UUID and their characteristics, once. If
// there is no such characteristic, the error wraps ErrNotFound.
func (c *Client) Char(ctx context.Context, svc, chr UUID) (*Char, error) {
	if err := c.discovering.enter(ctx, c); err != nil {
		return nil, err
	}
	defer c.discovering.leave()
	services, gen, full := c.cachedServices(svc)
	if services == nil {
		var err error
		if services, err = c.discoverService(ctx, svc); err != nil {
			return nil, err
		}
		c.mu.Lock()
		if k := c.knownLocked(); k.gen == gen {
			if k.services == nil {
				k.services = map[UUID][]Service{}
			}
			k.services[svc] = services
		}
		c.mu.Unlock()
	}
	for i := range services {
		if found := services[i].Characteristic(chr); found != nil {
			if svc == UUID16(typeGenericAttribute) && chr == UUID16(typeServiceChanged) {
				c.learnServiceChanged(found.Value)
			}
			return c.newChar(&services[i], found, gen, full), nil
		}
	}
	if len(services) == 0 {
		return nil, fmt.Errorf("gatt: service %s: %w", svc, ErrNotFound)
	}
	return nil, fmt.Errorf("gatt: characteristic %s in service %s: %w", chr, svc, ErrNotFound)
}

// cachedServices returns the services with a UUID, nil if they are not known,
// and whether their descriptors are known.
func (c *Client) cachedServices(svc UUID) (services []Service, gen uint64, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knownLocked()
	if k.profile == nil {
		return k.services[svc], k.gen, false
	}
	services = []Service{}
	for s := range k.profile.ServicesOf(svc) {
		services = append(services, *s)
	}
	return services, k.gen, true
}

// CharByHandle returns the characteristic that an attribute belongs to, be it
// the declaration, the value or a descriptor. It discovers the whole table if
// that is not known.
func (c *Client) CharByHandle(ctx context.Context, h att.Handle) (*Char, error) {
	if err := c.discovering.enter(ctx, c); err != nil {
		return nil, err
	}
	defer c.discovering.leave()
	p, gen, err := c.profile(ctx)
	if err != nil {
		return nil, err
	}
	s, chr := p.CharacteristicAt(h)
	if chr == nil {
		return nil, fmt.Errorf("gatt: characteristic with handle %s: %w", h, ErrNotFound)
	}
	return c.newChar(s, chr, gen, true), nil
}

// descriptorsOf returns the descriptors of a characteristic that Char
// discovered.
func (c *Client) descriptorsOf(ctx context.Context, ch *Char) ([]Descriptor, error) {
	if err := c.discovering.enter(ctx, c); err != nil {
		return nil, err
	}
	defer c.discovering.leave()
	c.mu.Lock()
	ds, ok := c.knownLocked().descs[ch.info.Value]
	c.mu.Unlock()
	if ok {
		return ds, ch.Check()
	}
	chr := ch.info
	if err := c.discoverDescriptors(ctx, &chr); err != nil {
		return nil, err
	}
	if err := ch.Check(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if k := c.knownLocked(); !c.changes.Load().touched(ch.gen, ch.within) {
		if k.descs == nil {
			k.descs = map[att.Handle][]Descriptor{}
		}
		k.descs[ch.info.Value] = chr.Descriptors
	}
	c.mu.Unlock()
	return chr.Descriptors, nil
}
