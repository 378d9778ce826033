package connmgr

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Establish connects to the device with an address such as AA:BB:CC:DD:EE:FF, with
// /random or /public after it if the kind is known. Without the kind, Establish uses
// the kind heard on air, or tries both. It makes attempts as the policy allows and
// returns a Client that is ready: the link is up, the MTU exchanged, the attribute
// table known, except for a device that has failed one of these steps; see Step. If the
// Manager has a link to the device that is alive, the Client shares it. A link that the
// program has made below the Manager, through Adapter.Controller, is not shared: Establish
// then fails at once.
//
// The error is an *EstablishError, unless an argument is invalid or the Manager is
// closed. Establish returns at once when ctx or Options.Timeout ends, in every phase. The
// Manager then ends the dial or link in the background, which takes no longer than the
// supervision timeout of the link: until then its slot is taken, and another Establish to
// the device waits. After any other error, no link, slot or dial of this call remains.
func (m *Manager) Establish(ctx context.Context, address string, o *Options) (*Client, error) {
	opts := Options{}
	if o != nil {
		opts = *o
	}
	t, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	if err := opts.checkParams(); err != nil {
		return nil, fmt.Errorf("connmgr: %w", err)
	}
	if err := m.hasAdapter(opts.Adapter); err != nil {
		return nil, err
	}
	if !m.enterCall() {
		return nil, errManagerClosed
	}
	defer m.tasks.Done()
	ctx, cancel := m.bindContext(ctx, opts.Timeout)
	defer cancel()
	x := &attempts{m: m, target: t, opts: &opts, policy: m.policyFor(&opts), begin: time.Now()}
	defer x.leaveQueue()
	e := &establisher{
		name: x.deviceName(), address: x.deviceAddress(), policy: x.policy,
		try: x.tryOnce, awaitAdapter: x.awaitAdapter, remedy: x.applyRemedies, onAir: x.isOnAir, wake: x.watchNews,
		emit: m.bus.emitEvent, log: m.log.Debug,
	}
	return e.makeAttempts(ctx)
}

func (m *Manager) policyFor(o *Options) Policy {
	p := m.cfg.policy()
	if o.Policy != nil {
		p = *o.Policy
	}
	if o.MaxAttempts != 0 {
		p.MaxAttempts, p.MinPersistence = max(0, o.MaxAttempts), 0
	}
	d := DefaultPolicy()
	p.AttemptTimeout = cmp.Or(p.AttemptTimeout, d.AttemptTimeout)
	p.SafetyTimeout = cmp.Or(p.SafetyTimeout, d.SafetyTimeout)
	return p
}
