package connmgr

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// pairing returns the options of the adapter's Security Manager. Without
// any from the program it uses bonds and pairs when asked to, but lets no peer
// begin.
func (a *Adapter) pairing() *smp.Config {
	m := a.m
	c := smp.Config{DisableIncoming: true, Logger: m.cfg.Logger}
	if m.cfg.Pairing != nil {
		c = *m.cfg.Pairing
	}
	open := c.Store
	if open == nil {
		open = m.bonds.open
	}
	c.Store = func(l smp.Local) (smp.Store, error) {
		s, err := open(l)
		if err == nil {
			a.mu.Lock()
			a.bonds = s // stays while the adapter is down
			a.mu.Unlock()
		}
		return s, err
	}
	return &c
}

// bondedWith reports whether the adapter has a bond with t, up or not.
func (a *Adapter) bondedWith(t target) bool {
	a.mu.Lock()
	s := a.bonds
	a.mu.Unlock()
	if s == nil {
		return false
	}
	for _, k := range []hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
		if t.known && t.addr.Identity().Kind != k {
			continue
		}
		if _, ok := s.Find(hci.Addr{MAC: t.addr.MAC, Kind: k}); ok {
			return true
		}
	}
	return false
}

// bondStores are the bonds of each adapter: on disk, or in memory for as long
// as the Manager lives, whatever becomes of the adapter.
type bondStores struct {
	disk smp.OpenStore // nil: memory

	mu     sync.Mutex
	memory map[smp.Local]smp.Store // guarded by mu
}

func newBondStores(stateDir string) *bondStores {
	b := &bondStores{memory: map[smp.Local]smp.Store{}}
	if stateDir != "" {
		b.disk = func(l smp.Local) (smp.Store, error) {
			s, err := smp.OpenFileStore(BondDir(stateDir), l)
			if err != nil {
				return nil, bondError(stateDir, err)
			}
			return s, nil
		}
	}
	return b
}

// BondDir returns where a Manager with a state directory keeps bonds, for
// smp.OpenFileStore.
func BondDir(stateDir string) string { return filepath.Join(stateDir, "bonds") }

// OpenBonds opens the bonds in a state directory, of every adapter that was used
// with it, for programs that look at them without a Manager.
func OpenBonds(stateDir string) ([]*smp.FileStore, error) {
	all, err := smp.FileStores(BondDir(stateDir))
	if err != nil {
		return nil, bondError(stateDir, err)
	}
	return all, nil
}

// bondError says what is wrong with the bonds in a state directory.
func bondError(stateDir string, err error) error {
	e := &StateError{Dir: stateDir, Err: err}
	switch {
	case errors.Is(err, smp.ErrIdentityDamaged):
		e.Remedy = "put the file back from a backup, or remove it: devices that know this host by private addresses then have to pair again"
	case errors.Is(err, smp.ErrOtherAdapter):
		e.Remedy = "use another state directory, or remove the file if it is the same adapter: devices that know this host by private addresses then have to pair again"
	}
	return e
}

func (b *bondStores) open(l smp.Local) (smp.Store, error) {
	if b.disk != nil {
		return b.disk(l)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.memory[l]; s != nil {
		return s, nil
	}
	s, err := smp.Memory()(l)
	if err == nil {
		b.memory[l] = s
	}
	return s, err
}

// identify returns the identity address behind an address that h has met, or
// the address itself.
func identify(h *host.Host, a hci.Addr) hci.Addr {
	if s := h.SMP(); s != nil && a.IsResolvable() {
		if id, ok := s.Resolve(a); ok {
			return id.Identity()
		}
	}
	return a.Identity()
}

// secure encrypts a new link where there is a bond, before anything else is
// said on it, and pairs where that is wanted.
func (x *attempts) secure(ctx context.Context, c *Client) error {
	sm := c.link.conn.SMP()
	if sm == nil {
		return nil
	}
	pair, err := x.encrypt(ctx, sm)
	if pair == nil {
		return err
	}
	before := sm.Security()
	done, e := c.link.pairing(ctx)
	if e != nil {
		return errors.Join(e, err)
	}
	defer done()
	if sm.Security() != before { // another has paired meanwhile
		if pair, err = x.encrypt(ctx, sm); pair == nil {
			return err
		}
	}
	_, err = c.Pair(ctx, pair)
	return err
}

// encrypt encrypts the link with the bond, if there is one. If there is to be a
// pairing instead, or in place of the bond, it returns the options of that; err
// is then why.
func (x *attempts) encrypt(ctx context.Context, sm *smp.Machine) (pair *smp.PairOptions, err error) {
	s := sm.Security()
	if !s.Bonded {
		if x.opts.Pair && (!s.Encrypted || !s.Authenticated && sm.NeedsMITM(x.opts.Pairing)) {
			return x.opts.pairOptions(false), nil
		}
		return nil, nil
	}
	if err = sm.Encrypt(ctx); err == nil && x.opts.Pair && !sm.Security().Authenticated && sm.NeedsMITM(x.opts.Pairing) {
		err = fmt.Errorf("%v: %w", sm.Peer(), smp.ErrWeakBond)
	}
	if x.opts.replaces(err) {
		return x.opts.pairOptions(true), err
	}
	return nil, err
}

// pairing waits until nobody else pairs on the link for its users, so that many
// who want the same ask for it once; done ends it.
func (l *link) pairing(ctx context.Context) (done func(), err error) {
	select {
	case l.pairs <- struct{}{}:
		return func() { <-l.pairs }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// replaces reports whether a bond that failed with err may be replaced.
func (o *Options) replaces(err error) bool {
	switch {
	case errors.Is(err, smp.ErrBondLost), errors.Is(err, smp.ErrBondDamaged), errors.Is(err, smp.ErrOpenBond), errors.Is(err, smp.ErrWeakBond):
		return o.Repair
	case errors.Is(err, smp.ErrNoKey): // there never was one to lose
		return o.Pair || o.Repair
	}
	return false
}

func (o *Options) pairOptions(replace bool) *smp.PairOptions {
	p := smp.PairOptions{}
	if o.Pairing != nil {
		p = *o.Pairing
	}
	p.Replace = replace
	return &p
}

// raise returns what raises the security of the link, if err says that the
// device wants that and there is a way: the bond, or pairing where Options.Pair
// allows it. Otherwise it returns nil.
func (c *Client) raise(err error) func(ctx context.Context) error {
	sm := c.link.conn.SMP()
	if sm == nil || !errclass.Of(err).Action.Has(errclass.Secure) {
		return nil
	}
	switch s := sm.Security(); {
	case s.Bonded && !s.Encrypted:
		return sm.Encrypt
	case c.opts.Pair && (!s.Encrypted || !s.Authenticated):
		return func(ctx context.Context) error {
			done, err := c.link.pairing(ctx)
			if err != nil {
				return err
			}
			defer done()
			if sm.Security() != s {
				return nil // another has raised it
			}
			p := c.opts.pairOptions(s.Bonded)
			p.MITM = p.MITM || s.Encrypted // what is there is not enough
			_, err = c.Pair(ctx, p)
			return err
		}
	}
	return nil
}

// bonded reports whether the link is encrypted with the keys of a bond.
func (l *link) bonded() bool {
	sm := l.conn.SMP()
	if sm == nil {
		return false
	}
	s := sm.Security()
	return s.Bonded && s.Encrypted
}

// Security returns what protects the link.
func (c *Client) Security() smp.Security {
	if sm := c.link.conn.SMP(); sm != nil {
		return sm.Security()
	}
	return smp.Security{}
}

// Pair pairs with the device, or with o.Replace pairs again.
func (c *Client) Pair(ctx context.Context, o *smp.PairOptions) (*smp.Result, error) {
	sm := c.link.conn.SMP()
	if sm == nil {
		return nil, controller.ErrNotSupported
	}
	r, err := sm.Pair(ctx, o)
	if err == nil {
		c.link.mu.Lock()
		c.link.paired = r
		c.link.mu.Unlock()
		c.link.unsubscribed()
	}
	return r, err
}

// unsubscribed notes with the cached table that the device was told of Service
// Changed under another bond, if at all: a table of before has to be proved by
// its hash, since a device that lost its bond may have new firmware.
func (l *link) unsubscribed() {
	if e, ok := l.m.cache.Get(l.peer); ok && (e.Bonded || e.Subscribed) {
		e.Bonded, e.Subscribed = false, false
		l.store(e)
	}
}

// Paired returns what the last pairing on the link has brought, that of
// Establish or of Pair; nil if there was none, as with a bond from before.
func (c *Client) Paired() *smp.Result {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.paired
}

// Bonds returns the Security Manager of an adapter, which has its bonds; nil
// while the adapter is not up.
func (a *Adapter) Bonds() *smp.Manager {
	if h := a.up(); h != nil {
		return h.SMP()
	}
	return nil
}

// WriteSigned writes the value of a characteristic with a signed command, which
// proves this host to a bonded device on a link that is not encrypted. On an
// encrypted link, which proves that already, it is WriteNoResponse. The bond
// must have been made with smp.Config.Signing.
func (c *Client) WriteSigned(ctx context.Context, svc, chr gatt.UUID, value []byte) error {
	sm := c.link.conn.SMP()
	if sm == nil || sm.Security().Encrypted {
		return c.WriteNoResponse(ctx, svc, chr, value)
	}
	_, err := heal(ctx, c, svc, chr, func(ch *gatt.Char, ctx context.Context) (struct{}, error) {
		return struct{}{}, ch.WriteSigned(ctx, value, func(ctx context.Context, pdu []byte) ([12]byte, error) {
			s, err := sm.Sign(ctx, pdu)
			return s, err
		})
	})
	return err
}
