package connmgr

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// pairingConfig returns the options of the adapter's Security Manager. By default it
// uses bonds, pairs on request, and refuses peers that begin to pair.
func (a *Adapter) pairingConfig() *smp.Config {
	m := a.m
	c := smp.Config{DisableIncoming: true, Logger: m.cfg.Logger}
	if m.cfg.Pairing != nil {
		c = *m.cfg.Pairing
	}
	open := c.Store
	if open == nil {
		open = m.bonds.openStore
	}
	c.Store = func(l smp.Local) (smp.Store, error) {
		if a.losesAddress(l.Addr) {
			return nil, errAddressLost
		}
		s, err := open(l)
		if err == nil {
			a.mu.Lock()
			a.bonds = s // kept while the adapter is down
			a.mu.Unlock()
		}
		return s, err
	}
	return &c
}

// errAddressLost ends the start-up of an adapter that would have another address than
// before.
var errAddressLost = errors.New("the controller has not told its public address")

// losesAddress reports whether a controller that had a public address is about to be used
// under a static one, without its bonds, because it has left a question unanswered. After
// three tries it is used nevertheless.
func (a *Adapter) losesAddress(now hci.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own != hci.MAC{} && now.Kind != hci.AddrPublic && a.climb.tries < reopenings
}

// lockPairing waits until no other Client of the link pairs, so that several Clients
// that need the same pairing make it once. The function done releases the lock.
func (l *link) lockPairing(ctx context.Context) (done func(), err error) {
	select {
	case l.pairs <- struct{}{}:
		return func() { <-l.pairs }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// replacesBond reports whether the options allow replacing a bond that failed with err.
func (o *Options) replacesBond(err error) bool {
	switch {
	case errors.Is(err, smp.ErrBondLost), errors.Is(err, smp.ErrBondDamaged), errors.Is(err, smp.ErrOpenBond), errors.Is(err, smp.ErrWeakBond):
		return o.Repair
	case errors.Is(err, smp.ErrNoKey): // there was no bond to lose
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
