package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

type whyCmd struct {
	peer
	Listen    durationArg
	NoConnect bool
}

// whyTime bounds the attempt of why to connect, unless --timeout does.
const whyTime = 30 * time.Second

func newWhy() *command {
	c := &whyCmd{Listen: durationArg(findTime)}
	cmd := newCommand(groupPeer, "why", "Find out why a device can or cannot be connected to.", c.runWhy)
	cmd.detail = "Listens for the device, connects if nothing speaks against that, for 30s at most without --timeout, and disconnects at once. --timeout bounds both together. Shows which adapters hear the device, how strongly and how long ago, their connection slots, the bond, the steps that the device could not take, and which step follows. The exit code is 0 if there is an answer, whatever that is."
	c.addArgs(cmd)
	cmd.flag("listen", "listen for this `TIME` at most, default 10s", &c.Listen)
	cmd.flags.BoolVar(&c.NoConnect, "no-connect", false, "only listen")
	return cmd
}

func (c *whyCmd) runWhy(ctx context.Context, a *app) error {
	return a.withManager(ctx, air{listen: true}, func(m *connmgr.Manager) error {
		start := time.Now()
		if err := a.findNamed(ctx, m, &c.peer); err != nil {
			return err
		}
		c.listen(ctx, a, m)
		e, err := m.Explain(c.Addr.String())
		if err != nil {
			return err
		}
		left := whyTime
		if c.Within > 0 {
			left = time.Duration(c.Within) - time.Since(start)
		}
		if ctx.Err() == nil && !c.NoConnect && left > 0 && mayConnect(e.Verdict) {
			if e, err = c.connectOnce(ctx, a, m, left); err != nil {
				return err
			}
		}
		c.explainSearch(m, e)
		if a.JSON {
			a.out.json(e)
			return nil
		}
		a.out.printf("%s\n", e)
		return nil
	})
}

// listen listens for the device until an adapter has heard it as connectable, and several
// adapters for two seconds longer, so that all of those in reach have heard it.
func (c *whyCmd) listen(ctx context.Context, a *app, m *connmgr.Manager) {
	a.note("listening for %s", c.Addr.Addr.MAC)
	limit := time.Duration(c.Listen)
	if c.Within > 0 {
		limit = min(limit, time.Duration(c.Within))
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := m.WaitFor(within, c.Addr.String()); err != nil || len(m.Adapters()) == 1 {
		return
	}
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-within.Done():
	}
}

// mayConnect reports whether an attempt to connect can tell more than the verdict.
func mayConnect(v connmgr.Verdict) bool {
	switch v {
	case connmgr.VerdictConnected, connmgr.VerdictAdapterDown, connmgr.VerdictBondElsewhere, connmgr.VerdictOtherKind,
		connmgr.VerdictNeverHeard, connmgr.VerdictAway, connmgr.VerdictNotConnectable:
		return false
	case connmgr.VerdictSlotQueue, connmgr.VerdictNoSlot, connmgr.VerdictSecurity, connmgr.VerdictResting, connmgr.VerdictFailed,
		connmgr.VerdictTableChanged, connmgr.VerdictConnectable:
	}
	return true
}

// explainSearch says in e that moor connect would search for the device before it dials,
// as findAddress does.
func (c *whyCmd) explainSearch(m *connmgr.Manager, e *connmgr.Explanation) {
	if c.Addr.Known || e.Verdict != connmgr.VerdictNeverHeard && e.Verdict != connmgr.VerdictAway {
		return
	}
	search := fmt.Sprintf("moor connect waits for an advertisement, for %v at most", findTime)
	_, known := m.Device(c.Addr.String())
	switch {
	case !known:
		e.Next = search
	case len(m.Adapters()) > 1:
		e.Next = strings.Replace(e.Next, "a new attempt dials at once", search+", and then dials", 1)
	}
}

// connectOnce makes one Establish, disconnects, and explains the outcome.
func (c *whyCmd) connectOnce(ctx context.Context, a *app, m *connmgr.Manager, limit time.Duration) (*connmgr.Explanation, error) {
	o := briefOptions()
	a.setOptions(&o, &c.peer)
	o.Timeout = limit
	client, err := m.Establish(ctx, c.Addr.String(), &o)
	if failed, ok := errors.AsType[*connmgr.EstablishError](err); ok {
		return failed.Explanation, nil
	}
	if err != nil {
		return nil, err
	}
	if err := client.Close(); err != nil {
		return nil, err
	}
	return m.Explain(c.Addr.String())
}
