package connmgr

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Establish connects to the device with an address such as AA:BB:CC:DD:EE:FF,
// with /random or /public where the kind matters (otherwise the kind heard on
// air is used, or either). It tries as the policy allows and returns a Client
// that is ready: link up, MTU exchanged, attribute table known. A link of this
// Manager to the device that exists and is alive is shared.
//
// An error is an *EstablishError, or says what is wrong with the arguments.
// When Establish returns an error, it leaves no link, slot or dial behind.
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
	x := &attempts{m: m, target: t, opts: &opts, begin: time.Now()}
	e := &establisher{
		name: x.deviceName(), address: x.deviceAddress(), policy: m.policyFor(&opts),
		try: x.tryOnce, wake: x.watchDevice, emit: m.bus.emitEvent, log: m.log.Debug,
	}
	return e.makeAttempts(ctx)
}

func (m *Manager) policyFor(o *Options) Policy {
	p := m.cfg.policy()
	if o.Policy != nil {
		p = *o.Policy
	}
	if o.MaxAttempts != 0 {
		p.MaxAttempts = max(0, o.MaxAttempts)
	}
	d := DefaultPolicy()
	p.AttemptTimeout = cmp.Or(p.AttemptTimeout, d.AttemptTimeout)
	p.SafetyTimeout = cmp.Or(p.SafetyTimeout, d.SafetyTimeout)
	return p
}
