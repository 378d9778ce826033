package connmgr

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

const (
	// settleAfter is the time for which no request may have been outstanding before a
	// step of settling begins.
	settleAfter = time.Second
	// settleMargin is added to the supervision timeout, in which a device that has
	// gone silent in a step of settling ends its link.
	settleMargin = 250 * time.Millisecond
	// shortPacket is the initial payload of link layer packets, in octets.
	shortPacket = 27
)

// settleStep is one step of settling a link, which no caller of Establish waits for.
type settleStep struct {
	step Step
	run  func(l *link, ctx context.Context, p *plan) error
}

// settleSteps are the steps of settling, in their order.
func settleSteps() []settleStep {
	return []settleStep{
		{StepDataLength, (*link).tuneDataLength}, {StepPHY2M, (*link).tunePHY}, {StepSettledParams, (*link).settleParams},
	}
}

// settleLink makes the link fast, and then economical, once it is idle: longer packets,
// the 2M PHY, the settled parameters, without the steps that the plan skips. Each step
// is over for as long as a silent device needs to lose its link before the next one
// begins, so that the end of the link shows which step the device could not take. It
// ends with the link.
func (l *link) settleLink(ctx context.Context, keepParams bool, p *plan) {
	settled := sync.OnceFunc(func() { close(l.settled) })
	defer settled()
	select {
	case <-l.guarded: // the guard's requests go first, while the link is fast
	case <-l.conn.Done():
	}
	for _, s := range settleSteps() {
		if p.skips(s.step) {
			continue
		}
		if l.endTrial() != nil || l.awaitIdle() != nil {
			return
		}
		if s.step == StepSettledParams && (keepParams || l.hasOwnParams()) {
			continue
		}
		l.beginTrial(s.step)
		if err := s.run(l, ctx, p); err != nil {
			l.m.log.Debug("link not settled", "address", l.peer, "step", s.step, "error", err)
		}
	}
	settled()
	_ = l.endTrial()
}

// beginTrial puts a step on trial: if the link ends, the device could not take it.
func (l *link) beginTrial(s Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trial, l.lengthAsked = s, l.lengthAsked || s == StepDataLength
}

// endTrial waits, if a step is on trial, for as long as a device that the step has
// silenced needs to lose its link. Its error is the end of the link.
func (l *link) endTrial() error {
	l.mu.Lock()
	s := l.trial
	l.mu.Unlock()
	if s == "" {
		return l.conn.Err()
	}
	if err := l.pauseFor(l.conn.Link().State().Params.Timeout + settleMargin); err != nil {
		return err
	}
	l.passTrial()
	return nil
}

// passTrial ends the trial of a step that the device has taken.
func (l *link) passTrial() {
	l.mu.Lock()
	s := l.trial
	l.trial = ""
	l.mu.Unlock()
	if s != "" {
		l.m.traits.dropTraits(l.peer, s)
	}
}

// dropTrial ends the trial of a step that the device has refused.
func (l *link) dropTrial() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trial = ""
}

// failTrial remembers the step on trial at the end of the link, if that may be the
// reason.
func (l *link) failTrial(err error) {
	l.mu.Lock()
	s, length := l.trial, l.lengthAsked
	l.mu.Unlock()
	if s == "" || !mayBlame(err) {
		return
	}
	if length && errors.Is(err, hci.StatusLLResponseTimeout) && l.conn.Link().State().MaxRX == shortPacket {
		s = StepDataLength // which was never answered; the others have waited behind it
	}
	l.m.traits.storeTrait(l.peer, l.tableName(), s, err.Error())
}

// readFeatures reads the link layer features of the device, which settling needs, while
// the first request waits for its answer: that costs no time, since the packets share
// connection events.
func (l *link) readFeatures() {
	if _, err := l.conn.Link().RemoteFeatures(l.m.ctx); err != nil {
		l.m.log.Debug("features of the device not read", "address", l.peer, "error", err)
	}
}

func (l *link) tuneDataLength(ctx context.Context, _ *plan) error {
	return l.conn.Link().Tune(ctx, controller.TuneOptions{DataLength: true})
}

func (l *link) tunePHY(ctx context.Context, _ *plan) error {
	return l.conn.Link().Tune(ctx, controller.TuneOptions{PHY2M: true})
}

// hasOwnParams reports whether the program or the device has asked for the parameters of
// the link.
func (l *link) hasOwnParams() bool {
	_, asked := l.conn.L2CAP().PeerParams()
	l.mu.Lock()
	defer l.mu.Unlock()
	return asked || l.paramsSet
}

func (l *link) settleParams(ctx context.Context, p *plan) error {
	got, err := l.conn.Link().Update(ctx, p.settled)
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
// A refusal of the device is not an error. The error is the end of the link or of ctx.
func (c *Client) Settled(ctx context.Context) error {
	select {
	case <-c.link.settled:
		return c.link.conn.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
