package gatt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// ErrTooManyAttributes says that a peer has more attributes than
// ClientConfig.MaxAttributes.
var ErrTooManyAttributes = errors.New("too many attributes")

// ErrDiscoveryTimeout says that a discovery took longer than
// ClientConfig.DiscoveryTimeout.
var ErrDiscoveryTimeout = errors.New("discovery takes too long")

// errRestless says that the table changed each time it was read.
var errRestless = errors.New("again during each attempt to discover it")

// DiscoveryError says what a discovery asked for when it failed.
type DiscoveryError struct {
	What  string          // "primary services", "characteristics", ...
	Range att.HandleRange // that was asked for
	Err   error
}

// Error names what was asked for, where, and what came of it.
func (e *DiscoveryError) Error() string {
	return fmt.Sprintf("gatt: discovery of %s in %s: %v", e.What, e.Range, e.Err)
}

// Unwrap returns the cause.
func (e *DiscoveryError) Unwrap() error { return e.Err }

// Discover returns the whole table of the peer: services, includes,
// characteristics and descriptors. The table is kept, so later calls ask
// nothing, until the peer says that it has changed. The result is the caller's.
//
// Round trips decide how long this takes, so nothing is asked that can be known:
//
//   - characteristics of all services are asked for together, not where fewer
//     than two handles are left, which no characteristic fits in;
//   - includes stand between the declaration of a service and its first
//     characteristic (Vol 3, Part G, 3.1), so they are asked for only where
//     there is something in between;
//   - secondary services exist to be included, so they are asked for only if an
//     include names one, or if handles between the primary services are not
//     accounted for;
//   - a single handle behind the value of a characteristic that notifies or
//     indicates is its mandatory client characteristic configuration; nothing
//     is asked about it;
//   - whether there are more characteristics behind what looks like the last one
//     shows when its descriptors are asked for;
//   - descriptors of neighboring characteristics are asked for together where
//     one answer can hold them.
//
// It is worth while to exchange the MTU before.
func (c *Client) Discover(ctx context.Context) (*Profile, error) {
	if p, _ := c.cachedProfile(); p != nil {
		if err := c.b.Err(); err != nil {
			return nil, err
		}
		return p.Clone(), nil
	}
	return c.discover(ctx, false)
}

// Rediscover is Discover without regard to what is known.
func (c *Client) Rediscover(ctx context.Context) (*Profile, error) { return c.discover(ctx, true) }

func (c *Client) discover(ctx context.Context, anew bool) (*Profile, error) {
	if err := c.discovering.enter(ctx, c); err != nil {
		return nil, err
	}
	defer c.discovering.leave()
	if anew {
		c.setProfile(nil, c.changes.Load().gen)
	}
	p, _, err := c.profile(ctx)
	if err != nil {
		return nil, err
	}
	return p.Clone(), nil
}

// profile returns the whole table, which must not be changed, and its
// generation. The caller holds c.discovering.
func (c *Client) profile(ctx context.Context) (*Profile, uint64, error) {
	var err error
	for range 3 {
		p, gen := c.cachedProfile()
		if p != nil {
			return p, gen, c.b.Err()
		}
		if p, err = c.discoverAll(ctx); err == nil {
			c.setProfile(p, gen)
		}
		// If the table has changed on the way, what was read may be a mix, and an
		// error may be due to that.
		if c.changes.Load().gen == gen || c.b.Err() != nil || ctx.Err() != nil {
			return p, gen, err
		}
	}
	return nil, 0, fmt.Errorf("gatt: discovery: %w: %w", ErrStale, errRestless)
}

// discovery is one walk through the peer's table.
type discovery struct {
	ctx  context.Context
	c    *Client
	left int // attributes that may still be found
}

// newDiscovery returns a discovery under the limits of the client.
func (c *Client) newDiscovery(ctx context.Context) (*discovery, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if d := c.cfg.discoveryTimeout(); d > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("%w: not done within %v", ErrDiscoveryTimeout, d))
	}
	return &discovery{ctx: ctx, c: c, left: c.cfg.maxAttributes()}, cancel
}

func (c *Client) discoverAll(ctx context.Context) (*Profile, error) {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	services, err := d.services(typePrimaryService)
	if err != nil {
		return nil, err
	}
	seeking := hasGaps(services)
	if seeking {
		more, err := d.services(typeSecondaryService)
		if err != nil {
			return nil, err
		}
		services = merge(services, more)
	}
	if err := d.fill(services); err != nil {
		return nil, err
	}
	if !seeking && includesUnknown(services) {
		more, err := d.services(typeSecondaryService)
		if err != nil {
			return nil, err
		}
		more = slices.DeleteFunc(more, func(s Service) bool { return serviceAt(services, s.Handle) != nil })
		if err := d.fill(more); err != nil {
			return nil, err
		}
		services = merge(services, more)
	}
	if err := d.nameIncludes(services); err != nil {
		return nil, err
	}
	return &Profile{Services: services}, nil
}

// fill discovers what stands in services.
func (d *discovery) fill(services []Service) error {
	from := att.HandleMin
	for from != att.HandleNone {
		if err := d.characteristics(services, from, true); err != nil {
			return err
		}
		var chars []*Characteristic
		for i := range services {
			for j := range services[i].Characteristics {
				if chr := &services[i].Characteristics[j]; chr.Handle >= from {
					chars = append(chars, chr)
				}
			}
		}
		var err error
		if from, err = d.descriptors(chars); err != nil {
			return err
		}
	}
	return d.includes(services)
}

// found counts an attribute and reports an error if it is one too many.
func (d *discovery) found() error {
	if d.left--; d.left < 0 {
		return fmt.Errorf("%w: more than %d", ErrTooManyAttributes, d.c.cfg.maxAttributes())
	}
	return nil
}

// failed gives an error its place.
func failed(what string, r att.HandleRange, err error) error {
	return &DiscoveryError{What: what, Range: r, Err: err}
}

// walk asks for a range again and again, until it ends or the peer says that
// there is nothing more. ask sends one request and returns where to go on, which
// is HandleNone for nowhere. att has seen to it that an answer begins where it
// was asked to and that its handles rise; that a peer cannot lead the walk back
// is checked here once more, for everything else depends on it.
func walk(what string, r att.HandleRange, ask func(r att.HandleRange) (att.Handle, error)) error {
	for {
		next, err := ask(r)
		switch {
		case errors.Is(err, att.CodeAttributeNotFound):
			return nil
		case err != nil:
			return failed(what, r, err)
		case next == att.HandleNone || next > r.End:
			return nil
		case next <= r.Start:
			return failed(what, r, fmt.Errorf("answer does not get beyond handle %s", r.Start))
		}
		r.Start = next
	}
}

// after returns the handle behind h; HandleNone behind the last.
func after(h att.Handle) att.Handle { return h + 1 }

// services discovers all services of one kind.
func (d *discovery) services(kind uint16) (found []Service, err error) {
	what := "primary services"
	if kind == typeSecondaryService {
		what = "secondary services"
	}
	r := att.HandleRange{Start: att.HandleMin, End: att.HandleMax}
	err = walk(what, r, func(r att.HandleRange) (att.Handle, error) {
		rsp, err := do(d.ctx, d.c, nil, att.ReadByGroupTypeReq{Start: r.Start, End: r.End, Type: UUID16(kind)})
		if kind == typeSecondaryService && errors.Is(err, att.CodeUnsupportedGroupType) {
			return att.HandleNone, nil // a server without any may not know the type
		}
		if err != nil {
			return 0, err
		}
		var last att.Handle
		for e := range rsp.All() {
			v := wire.NewReader(e.Value)
			u, err := readUUID(&v)
			if err != nil {
				return 0, err
			}
			if err := d.found(); err != nil {
				return 0, err
			}
			found = append(found, Service{UUID: u, Handle: e.Handle, End: e.End, Primary: kind == typePrimaryService})
			last = e.End
		}
		return after(last), nil
	})
	return found, err
}

// discoverService finds the primary services with one UUID and their
// characteristics. The caller holds c.discovering.
func (c *Client) discoverService(ctx context.Context, svc UUID) ([]Service, error) {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	var found []Service
	r := att.HandleRange{Start: att.HandleMin, End: att.HandleMax}
	err := walk("service "+svc.String(), r, func(r att.HandleRange) (att.Handle, error) {
		rsp, err := do(d.ctx, c, nil, att.FindByTypeValueReq{
			Start: r.Start, End: r.End, Type: typePrimaryService, Value: svc.AppendWire(nil),
		})
		if err != nil {
			return 0, err
		}
		var last att.Handle
		for g := range rsp.All() {
			if err := d.found(); err != nil {
				return 0, err
			}
			found = append(found, Service{UUID: svc, Handle: g.Start, End: g.End, Primary: true})
			last = g.End
		}
		return after(last), nil
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		if err := d.characteristics(found[i:i+1], att.HandleMin, false); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// discoverDescriptors finds the descriptors of one characteristic. The caller
// holds c.discovering.
func (c *Client) discoverDescriptors(ctx context.Context, chr *Characteristic) error {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	_, err := d.descriptors([]*Characteristic{chr})
	return err
}

// readUUID reads the rest of a value as a UUID, which ATT has in two lengths.
func readUUID(r *wire.Reader) (UUID, error) {
	b := r.Rest()
	if u, ok := uuid.FromWire(b); ok && len(b) != 4 {
		return u, nil
	}
	return UUID{}, fmt.Errorf("UUID of %d octets, want 2 or 16", len(b))
}

// hasGaps reports whether there are handles before or between services, in
// ascending order, that belong to none of them.
func hasGaps(services []Service) bool {
	next := att.HandleMin
	for _, s := range services {
		if s.Handle != next {
			return true
		}
		next = after(s.End)
	}
	return false
}

// includesUnknown reports whether a service that is included is not among
// services.
func includesUnknown(services []Service) bool {
	for _, s := range services {
		for _, inc := range s.Includes {
			if serviceAt(services, inc.Start) == nil {
				return true
			}
		}
	}
	return false
}

// serviceAt returns the service declared at a handle, or nil.
func serviceAt(services []Service, h att.Handle) *Service {
	i, ok := slices.BinarySearchFunc(services, h, func(s Service, h att.Handle) int { return cmp.Compare(s.Handle, h) })
	if !ok {
		return nil
	}
	return &services[i]
}

// merge returns both in ascending order. Of services that overlap, as those of a
// broken peer may, the ones in a count.
func merge(a, b []Service) []Service {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(a, func(t Service) bool { return s.Handle <= t.End && t.Handle <= s.End }) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(s, t Service) int { return cmp.Compare(s.Handle, t.Handle) })
	return all
}
