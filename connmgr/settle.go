package connmgr

import (
	"context"
	"time"

	"github.com/moor-ble/moor/controller"
)

const (
	// settleAfter is the time for which no request may have been outstanding before a
	// step of settling begins.
	settleAfter = time.Second
	// settleMargin is added to the supervision timeout, in which a device that has
	// gone silent in a step of settling ends its link.
	settleMargin = 250 * time.Millisecond
)

// settleStep is one step of settling a link, which no caller of Establish waits for.
type settleStep struct {
	// unwanted reports whether the step is left out.
	unwanted func(l *link, o *Options) bool
	run      func(l *link, ctx context.Context, o *Options) error
}

// settleSteps are the steps of settling, in their order. Each is over for as long as a
// silent device needs to lose its link before the next one begins, so that the end of
// the link shows which step the device could not take.
func settleSteps() []settleStep {
	return []settleStep{
		{run: (*link).tuneDataLength}, {run: (*link).tunePHY},
		{unwanted: (*link).keepsParams, run: (*link).settleParams},
	}
}

// settleLink makes the link fast, and then economical, once it is idle: longer packets,
// the 2M PHY, the settled parameters. It ends with the link.
func (l *link) settleLink(ctx context.Context, o *Options) {
	defer close(l.settled)
	select {
	case <-l.guarded: // the guard's requests go first, while the link is fast
	case <-l.conn.Done():
	}
	for i, s := range settleSteps() {
		if i > 0 && l.pauseFor(l.conn.Link().State().Params.Timeout+settleMargin) != nil {
			return
		}
		if l.awaitIdle() != nil {
			return
		}
		if s.unwanted != nil && s.unwanted(l, o) {
			continue
		}
		if err := s.run(l, ctx, o); err != nil {
			l.m.log.Debug("link not settled", "address", l.peer, "error", err)
		}
	}
}

// readFeatures reads the link layer features of the device, which settling needs, while
// the first request waits for its answer: that costs no time, since the packets share
// connection events.
func (l *link) readFeatures() {
	if _, err := l.conn.Link().RemoteFeatures(l.m.ctx); err != nil {
		l.m.log.Debug("features of the device not read", "address", l.peer, "error", err)
	}
}

func (l *link) tuneDataLength(ctx context.Context, _ *Options) error {
	return l.conn.Link().Tune(ctx, controller.TuneOptions{DataLength: true})
}

func (l *link) tunePHY(ctx context.Context, _ *Options) error {
	return l.conn.Link().Tune(ctx, controller.TuneOptions{PHY2M: true})
}

// keepsParams reports whether the parameters of the link are those that the program or
// the device wants.
func (l *link) keepsParams(o *Options) bool {
	_, asked := l.conn.L2CAP().PeerParams()
	l.mu.Lock()
	defer l.mu.Unlock()
	return asked || o.KeepParams || l.paramsSet
}

func (l *link) settleParams(ctx context.Context, o *Options) error {
	got, err := l.conn.Link().Update(ctx, o.settledParams())
	if err == nil {
		l.m.bus.emitEvent(ParamsChanged{time.Now(), l.peer, l.adapter.name, got})
	}
	return err
}

// awaitIdle waits until no request has been outstanding for settleAfter. Its error is
// the end of the link.
func (l *link) awaitIdle() error {
	for {
		rest := settleAfter
		if since, idle := l.conn.Bearer().IdleSince(); idle {
			rest -= time.Since(since)
		}
		if rest <= 0 {
			return l.conn.Err()
		}
		if err := l.pauseFor(rest); err != nil {
			return err
		}
	}
}

// Settled waits until the link has settled: Establish returns before that, and the link
// settles once no request has been outstanding for a second. It then has longer packets
// and the 2M PHY, where both sides support them, and Options.SettledParams, unless
// Options.KeepParams, UpdateParams or the device's own request determine the parameters.
// What the device refuses is not an error. The error is the end of the link or of ctx.
func (c *Client) Settled(ctx context.Context) error {
	select {
	case <-c.link.settled:
		return c.link.conn.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
