package connmgr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci/hcisock"
)

// An adapter may be away for seconds: it is plugged in anew, loads its firmware, or is
// being reset. That costs an Establish time, and no attempt.

// awaitAdapter waits until the device can be reached through an adapter that is up. The
// error gives the reason for the lack of one: after Policy.AdapterTimeout, or at once if
// no wait brings one back.
func (x *attempts) awaitAdapter(ctx context.Context, p *Policy) error {
	if p.AdapterTimeout <= 0 {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, p.AdapterTimeout)
	defer cancel()
	for {
		changed := x.m.wake.await(news{change: adapterChanged})
		reason, passes := x.m.findOutage(x.target, x.opts)
		if reason == nil || !passes {
			return reason
		}
		select {
		case <-changed:
		case <-wait.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), reason)
			}
			return reason
		}
	}
}

// findOutage returns the reason why no adapter can be used for t; nil if there is one, or
// a link to share. passes reports whether one of them may come up by itself.
func (m *Manager) findOutage(t target, o *Options) (reason error, passes bool) {
	bonded, err := m.bondedAdapters(t, o)
	if err != nil {
		return err, false
	}
	for _, a := range m.adapters {
		if o.Adapter != "" && a.name != o.Adapter || bonded != nil && !slices.Contains(bonded, a) {
			continue
		}
		if h := a.up(); h != nil && h.Controller().Err() == nil { // else its state is about to change
			return nil, false
		}
		reason = errors.Join(reason, m.noAdapter(a.name))
		passes = passes || a.comesUp()
	}
	if m.links.findLink(t) != nil {
		return nil, false
	}
	return reason, passes
}

// comesUp reports whether an adapter that is not up may come up by itself.
func (a *Adapter) comesUp() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if errclass.Of(a.err).Category == errclass.Fatal {
		return false
	}
	e, ok := errors.AsType[*hcisock.OpenError](a.err)
	lasts := ok && (e.Cause == hcisock.CauseBusy || e.Cause == hcisock.CauseRFKill)
	// Both may be a matter of moments, and a power cycle may help.
	return !lasts || a.climb.tries <= reopenings
}

// isOutage reports whether an attempt failed since there was no adapter for it, or since
// its adapter ended.
func isOutage(err error) bool {
	if isOwnFailure(err) {
		return false
	}
	if _, ok := errors.AsType[*controller.Error](err); ok || errors.Is(err, ErrNoAdapter) {
		return true
	}
	if d, ok := errors.AsType[*controller.DisconnectError](err); ok {
		// A link that ends with its controller has no other reason.
		return d.Reason == 0 && d.Cause != nil && errors.Is(d.Cause, net.ErrClosed)
	}
	_, dial := errors.AsType[*controller.ConnectError](err)
	return dial && errors.Is(err, net.ErrClosed)
}
