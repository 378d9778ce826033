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

// ErrTooManyAttributes means that a peer has more attributes than
// ClientConfig.MaxAttributes.
var ErrTooManyAttributes = errors.New("too many attributes")

// ErrDiscoveryTimeout means that a discovery took longer than
// ClientConfig.DiscoveryTimeout.
var ErrDiscoveryTimeout = errors.New("discovery timeout")

// errRestless means that the table changed during each attempt to read it.
var errRestless = errors.New("again during each attempt to discover it")

// DiscoveryError means that a step of a discovery failed.
type DiscoveryError struct {
	What  string          // the step: "primary services", "characteristics", ...
	Range att.HandleRange // the requested handles
	Err   error
}

// Error names the step, its handles and the cause.
func (e *DiscoveryError) Error() string {
	return fmt.Sprintf("gatt: discovery of %s in %s: %v", e.What, e.Range, e.Err)
}

// Unwrap returns the cause.
func (e *DiscoveryError) Unwrap() error { return e.Err }

// Discover returns the whole table of the peer: services, includes,
// characteristics and descriptors. The client keeps the table, so that later
// calls send nothing until the peer indicates a change. It discovers a table from
// ProveProfile once. The result belongs to the caller.
//
// The time that discovery takes depends on the number of requests, so it sends
// none whose answer can be inferred:
//
//   - One walk discovers the characteristics of all services. It skips handles
//     where fewer than two are left, since a characteristic takes two.
//   - Includes stand between the declaration of a service and its first
//     characteristic (Vol 3, Part G, 3.1); they are requested only if there are
//     handles in between.
//   - Secondary services exist to be included; they are requested only if an
//     include names one, or if some handles between the primary services are
//     unknown.
//   - The answer for the descriptors of the last characteristic shows whether
//     more characteristics follow it.
//   - One request asks for the descriptors of neighboring characteristics if one
//     answer can hold them.
//
// Exchange the MTU before: longer answers save requests.
//
// A peer that refuses a part of the table leaves the parts that were read before:
// the table has these, ClientConfig.Logger logs the refused step, and
// [Client.Incomplete] returns it.
// Discover fails if the peer refuses the first request or demands security, and
// when the link or ctx ends.
func (c *Client) Discover(ctx context.Context) (*Profile, error) {
	unproved := c.hint.Load() != nil
	if p, _ := c.cachedProfile(); p != nil && !unproved {
		if err := c.b.Err(); err != nil {
			return nil, err
		}
		return p.Clone(), nil
	}
	return c.discover(ctx, unproved)
}

// Rediscover is Discover without use of the known table.
func (c *Client) Rediscover(ctx context.Context) (*Profile, error) { return c.discover(ctx, true) }

func (c *Client) discover(ctx context.Context, anew bool) (*Profile, error) {
	if err := c.discovering.enter(ctx, c); err != nil {
		return nil, err
	}
	defer c.discovering.leave()
	if anew {
		c.setProfile(nil, nil, c.changes.Load().gen)
	}
	p, _, err := c.profile(ctx)
	if err != nil {
		return nil, err
	}
	return p.Clone(), nil
}

// profile returns the whole table, which must not be changed, and its
// generation. The caller must hold c.discovering.
func (c *Client) profile(ctx context.Context) (*Profile, uint64, error) {
	var err error
	for range 3 {
		p, gen := c.cachedProfile()
		if p != nil {
			return p, gen, c.b.Err()
		}
		var refused error
		if p, refused, err = c.discoverAll(ctx, gen); err == nil {
			gen = c.setProfile(p, refused, gen)
		}
		// If the table has changed meanwhile, the result may mix both tables,
		// and an error may be due to the change.
		if c.changes.Load().gen == gen || c.b.Err() != nil || ctx.Err() != nil {
			return p, gen, err
		}
	}
	return nil, 0, fmt.Errorf("gatt: discovery: %w: %w", ErrStale, errRestless)
}

// discovery is one discovery of the peer's table or a part of it.
type discovery struct {
	ctx  context.Context
	c    *Client
	cond att.Condition // of its requests; nil: none
	left int           // attributes until ErrTooManyAttributes

	// The latest requests. Their pointers save an allocation for each request.
	byType att.ReadByTypeReq
	find   att.FindInformationReq

	refused error // the first refused step after which attributes may be missing
}

// newDiscovery returns a discovery with the limits of the client.
func (c *Client) newDiscovery(ctx context.Context) (*discovery, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if d := c.cfg.discoveryTimeout(); d > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("%w: not done within %v", ErrDiscoveryTimeout, d))
	}
	return &discovery{ctx: ctx, c: c, left: c.cfg.maxAttributes()}, cancel
}

// discoverAll discovers the whole table of a generation. refused is the step that the
// peer has refused, so that attributes may be missing. It ends with ErrStale once the
// table has changed: the rest would be of no use.
func (c *Client) discoverAll(ctx context.Context, gen uint64) (p *Profile, refused error, err error) {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	d.cond = generation{c, gen}
	p, err = d.wholeTable()
	return p, d.refused, err
}

// generation is the condition that the table has not changed since.
type generation struct {
	c   *Client
	gen uint64
}

// Check implements att.Condition.
func (g generation) Check() error {
	if g.c.changes.Load().gen != g.gen {
		return fmt.Errorf("gatt: %w", ErrStale)
	}
	return nil
}

func (d *discovery) wholeTable() (*Profile, error) {
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

// fill discovers the contents of services.
func (d *discovery) fill(services []Service) error {
	from := att.HandleMin
	for from != att.HandleNone {
		if err := d.characteristics(services, from, true); err != nil {
			return err
		}
		n := 0
		for i := range services {
			n += len(services[i].Characteristics)
		}
		chars := make([]*Characteristic, 0, n)
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

// found counts an attribute, and returns an error if there are too many.
func (d *discovery) found() error {
	if d.left--; d.left < 0 {
		return fmt.Errorf("%w: more than %d", ErrTooManyAttributes, d.c.cfg.maxAttributes())
	}
	return nil
}

// failed wraps the error of a step.
func failed(what string, r att.HandleRange, err error) error {
	return &DiscoveryError{What: what, Range: r, Err: err}
}

// walk sends requests until the range ends or the peer has no more attributes in
// it. ask sends one request and returns the handle to continue at, HandleNone to
// end. att ensures that the handles of an answer lie in the requested range and
// ascend. walk checks once more that they do not go back, since otherwise it
// might not end.
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
			return failed(what, r, fmt.Errorf("answer does not advance beyond handle %s", r.Start))
		}
		r.Start = next
	}
}

// after returns the handle behind h, or HandleNone behind the last one.
func after(h att.Handle) att.Handle { return h + 1 }

// services discovers all services of one kind.
func (d *discovery) services(kind uint16) (found []Service, err error) {
	what := "primary services"
	if kind == typeSecondaryService {
		what = "secondary services"
	}
	r := att.HandleRange{Start: att.HandleMin, End: att.HandleMax}
	err = walk(what, r, func(r att.HandleRange) (att.Handle, error) {
		rsp, err := do(d.ctx, d.c, d.cond, att.ReadByGroupTypeReq{Start: r.Start, End: r.End, Type: UUID16(kind)})
		if kind == typeSecondaryService && errors.Is(err, att.CodeUnsupportedGroupType) {
			return att.HandleNone, nil // a server without secondary services may not know the type
		}
		if err != nil {
			return 0, err
		}
		var last att.Handle
		found = slices.Grow(found, len(rsp.Data)/int(rsp.Length))
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
	return found, d.keepRead(err)
}

// discoverService discovers the primary services with one UUID and their
// characteristics. The caller must hold c.discovering.
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
	if err := d.keepRead(err); err != nil {
		return nil, err
	}
	for i := range found {
		if err := d.characteristics(found[i:i+1], att.HandleMin, false); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// discoverDescriptors discovers the descriptors of one characteristic. The
// caller must hold c.discovering.
func (c *Client) discoverDescriptors(ctx context.Context, chr *Characteristic) error {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	_, err := d.descriptors([]*Characteristic{chr})
	return err
}

// readUUID reads the rest of a value as a UUID of 2 or 16 octets.
func readUUID(r *wire.Reader) (UUID, error) {
	b := r.Rest()
	if u, ok := uuid.FromWire(b); ok && len(b) != 4 {
		return u, nil
	}
	return UUID{}, fmt.Errorf("UUID of %d octets, want 2 or 16", len(b))
}

// hasGaps reports whether handles before or between services, which are in
// ascending order, belong to no service.
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

// includesUnknown reports whether an include names a service that is not in
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

// serviceAt returns the service with its declaration at h, or nil.
func serviceAt(services []Service, h att.Handle) *Service {
	i, ok := slices.BinarySearchFunc(services, h, func(s Service, h att.Handle) int { return cmp.Compare(s.Handle, h) })
	if !ok {
		return nil
	}
	return &services[i]
}

// merge returns both lists as one in ascending order. It leaves out services of
// b that overlap one of a, as those of a broken peer may.
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
