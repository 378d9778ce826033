package connmgr

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/smp"
)

// secureLink encrypts a new link where there is a bond, before anything else is
// said on it, and pairs where that is wanted.
func (x *attempts) secureLink(ctx context.Context, c *Client) error {
	sm := c.link.conn.SMP()
	if sm == nil {
		return nil
	}
	pair, err := x.encryptLink(ctx, sm)
	if pair == nil {
		return err
	}
	before := sm.Security()
	done, e := c.link.lockPairing(ctx)
	if e != nil {
		return errors.Join(e, err)
	}
	defer done()
	if sm.Security() != before { // another has paired meanwhile
		if pair, err = x.encryptLink(ctx, sm); pair == nil {
			return err
		}
	}
	_, err = c.Pair(ctx, pair)
	return err
}

// encryptLink encrypts the link with the bond, if there is one. If there is to be a
// pairing instead, or in place of the bond, it returns the options of that; err
// is then why.
func (x *attempts) encryptLink(ctx context.Context, sm *smp.Machine) (pair *smp.PairOptions, err error) {
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
	if x.opts.replacesBond(err) {
		return x.opts.pairOptions(true), err
	}
	return nil, err
}

// lockPairing waits until nobody else pairs on the link for its users, so that many
// who want the same ask for it once; done ends it.
func (l *link) lockPairing(ctx context.Context) (done func(), err error) {
	select {
	case l.pairs <- struct{}{}:
		return func() { <-l.pairs }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// replacesBond reports whether a bond that failed with err may be replaced.
func (o *Options) replacesBond(err error) bool {
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
