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
// table known, except for a device that has failed one of these steps; see Step. Attempts
// learn from those that have failed before them, also in an earlier call within the last ten
// minutes. If the Manager has a link to the device that is alive, the Client shares it. A
// link that the program has made below the Manager, through Adapter.Controller, is not
// shared: Establish then fails at once.
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
	t, err := m.checkEstablish(address, &opts)
	if err != nil {
		return nil, err
	}
	if !m.enterCall() {
		return nil, errManagerClosed
	}
	defer m.tasks.Done()
	defer m.duty.beginWait()()
	ctx, cancel := m.bindContext(ctx, opts.Timeout)
	defer cancel()
	x := &attempts{m: m, target: t, opts: &opts, policy: m.policyFor(&opts), begin: time.Now(), call: m.records.beginCall(t)}
	defer x.call.end() // also if a function of the program does not return
	defer x.leaveQueue()
	e := &establisher{
		name: x.deviceName(), address: x.deviceAddress(), policy: x.policy,
		try: x.tryOnce, awaitAdapter: x.awaitAdapter, remedy: x.applyRemedies, onAir: x.isOnAir, wake: x.watchNews,
		emit: m.bus.emitEvent, log: m.log.Debug, failed: x.call.enterFailure,
	}
	c, err := e.makeAttempts(ctx)
	x.leaveQueue()
	x.call.end()
	if err == nil {
		m.records.enterSuccess(x.target, c.Adapter(), time.Since(x.begin))
	}
	return c, m.explainFailure(x.target, err)
}

// checkEstablish returns the device with an address, or the error of an invalid argument.
func (m *Manager) checkEstablish(address string, o *Options) (target, error) {
	t, err := parseTarget(address)
	if err != nil {
		return target{}, err
	}
	if err := o.checkParams(); err != nil {
		return target{}, fmt.Errorf("connmgr: %w", err)
	}
	names := []string{o.Adapter}
	if m.cfg.Adapters != nil {
		names = append(names, o.Prefer)
	}
	for _, name := range names {
		if err := m.hasAdapter(name); err != nil {
			return target{}, err
		}
	}
	policy := m.policyFor(o)
	return t, policy.check()
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
