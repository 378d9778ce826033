package connmgr

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/smp"
)

// secureLink encrypts a new link if there is a bond, before any other use of the link,
// and pairs if Options.Pair asks for it.
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
	if sm.Security() != before { // another user of the link has paired meanwhile
		if pair, err = x.encryptLink(ctx, sm); pair == nil {
			return err
		}
	}
	_, err = c.Pair(ctx, pair)
	return err
}

// encryptLink encrypts the link with the bond, if there is one. If the link has to be
// paired instead, or the bond replaced, it returns the options for that; err is the
// reason.
func (x *attempts) encryptLink(ctx context.Context, sm *smp.Machine) (pair *smp.PairOptions, err error) {
	s := sm.Security()
	if !s.Bonded {
		if x.opts.Pair && (!s.Encrypted || !s.Authenticated && sm.NeedsMITM(x.opts.Pairing)) {
			return x.opts.pairOptions(false), nil
		}
		return nil, nil
	}
	if x.try.plan.rebond && !s.Encrypted {
		return x.opts.pairOptions(true), nil
	}
	if err = sm.Encrypt(ctx); err == nil && x.opts.Pair && !sm.Security().Authenticated && sm.NeedsMITM(x.opts.Pairing) {
		err = fmt.Errorf("%v: %w", sm.Peer(), smp.ErrWeakBond)
	}
	if x.opts.replacesBond(err) {
		return x.opts.pairOptions(true), err
	}
	return nil, err
}

// isBonded reports whether the link is encrypted with the keys of a bond.
func (l *link) isBonded() bool {
	sm := l.conn.SMP()
	if sm == nil {
		return false
	}
	s := sm.Security()
	return s.Bonded && s.Encrypted
}
