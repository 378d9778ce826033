package gatt

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/moor-ble/moor/gatt/att"
)

// hint is a table that the peer had once, and may have now. Its services are the
// peer's. The types of its other attributes are compared before their first use.
type hint struct {
	gen   uint64 // of the table
	types map[att.Handle]hintType
	turn  gate // held while the peer is asked

	mu     sync.Mutex
	proved map[att.Handle]bool // guarded by mu
}

// hintType is the type of a value or a descriptor.
type hintType struct {
	uuid UUID
	end  att.Handle // the last handle of its characteristic
}

func newHint(p *Profile, gen uint64) *hint {
	t := &hint{gen: gen, types: map[att.Handle]hintType{}, turn: newGate(), proved: map[att.Handle]bool{}}
	for i := range p.Services {
		for j := range p.Services[i].Characteristics {
			chr := &p.Services[i].Characteristics[j]
			t.types[chr.Value] = hintType{chr.UUID, chr.End}
			for _, d := range chr.Descriptors {
				t.types[d.Handle] = hintType{d.UUID, chr.End}
			}
		}
	}
	return t
}

// ProveProfile is SetProfile for a table that nothing proves to be the peer's: it may
// be from an earlier link, or from another device that had the peer's address then. It
// asks the peer for its services, and uses the table if they are the same; else the error
// wraps ErrStale.
//
// Services say nothing about their contents. So before the first use of a characteristic
// or a descriptor on the link, also by its handle, the client asks for the types of the
// attributes from there to the end of the characteristic. If they are others, it forgets
// the table and returns ErrStale. From then on, it refuses the handles of that table until
// a whole table has been set or discovered. The peer is asked once for each characteristic,
// and a second time for the descriptors of one with a 128-bit UUID.
//
// The includes and the properties of the table are not compared.
func (c *Client) ProveProfile(ctx context.Context, p *Profile) error {
	if err := c.discovering.enter(ctx, c); err != nil {
		return err
	}
	defer c.discovering.leave()
	p = p.Clone()
	gen := c.changes.Load().gen
	if err := c.compareServices(ctx, p); err != nil {
		return err
	}
	now := c.setProfile(p, nil, gen)
	if known, _ := c.cachedProfile(); known != p {
		return fmt.Errorf("gatt: services: %w", ErrStale) // meanwhile
	}
	c.hint.Store(newHint(p, now))
	return nil
}

// compareServices compares the declarations of the services of a table.
func (c *Client) compareServices(ctx context.Context, p *Profile) error {
	d, cancel := c.newDiscovery(ctx)
	defer cancel()
	for _, kind := range []uint16{typePrimaryService, typeSecondaryService} {
		primary := kind == typePrimaryService
		want := slices.DeleteFunc(slices.Clone(p.Services), func(s Service) bool { return s.Primary != primary })
		if len(want) == 0 && !primary {
			continue
		}
		got, err := d.services(kind)
		if err == nil {
			err = d.refused
		}
		if err != nil {
			return err
		}
		if !slices.EqualFunc(got, want, sameDeclaration) {
			return fmt.Errorf("gatt: services: %w", ErrStale)
		}
	}
	return nil
}

// sameDeclaration reports whether two services have the same declaration.
func sameDeclaration(a, b Service) bool {
	return a.UUID == b.UUID && a.Handle == b.Handle && a.End == b.End
}

// prove makes sure that the attribute at h is the one that the known table has there.
// cond is that of the request.
func (c *Client) prove(ctx context.Context, cond att.Condition, h att.Handle) error {
	if t := c.hint.Load(); t != nil {
		return c.proveHint(ctx, t, cond, h)
	}
	return nil
}

func (c *Client) proveHint(ctx context.Context, t *hint, cond att.Condition, h att.Handle) error {
	want, ok := t.types[h]
	if ch, _ := cond.(*Char); !ok || ch != nil && ch.gen != t.gen {
		return nil // of another table
	}
	if t.isProved(h) {
		return nil
	}
	if err := t.turn.enter(ctx, c); err != nil {
		return err
	}
	defer t.turn.leave()
	if t.isProved(h) { // by another caller
		return nil
	}
	r := att.HandleRange{Start: h, End: want.end}
	rsp, err := do(ctx, c, cond, att.FindInformationReq(r))
	if err != nil && !isRefused(err) {
		return err
	}
	if err == nil {
		err = t.compare(h, &rsp)
	}
	if err == nil {
		return nil
	}
	err = c.outOfSync(err)
	c.hint.CompareAndSwap(t, nil) // its handles are refused from now on
	return err
}

func (t *hint) isProved(h att.Handle) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.proved[h]
}

// compare notes the attributes of an answer, which begins at h, as proved; an error
// means that one is not that of the table.
func (t *hint) compare(h att.Handle, rsp *att.FindInformationRsp) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := range rsp.All() {
		if want := t.types[e.Handle]; want.uuid != e.Type {
			return fmt.Errorf("handle %s has the type %s", e.Handle, e.Type)
		}
		t.proved[e.Handle] = true
	}
	if !t.proved[h] {
		return fmt.Errorf("handle %s has no attribute", h)
	}
	return nil
}
