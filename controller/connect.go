package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// ConnectOptions holds the options of Connect and ConnectAny. The zero value of a
// field means its default; nil means all defaults.
type ConnectOptions struct {
	// Timeout bounds how long the controller listens for the peer; default 20 s,
	// negative means no bound. It begins when the controller first initiates for
	// this call: the wait for its first turn does not count (ctx bounds it), later
	// turns of other calls do.
	Timeout time.Duration
	// Params are the initial connection parameters; default interval 30 to 50 ms,
	// latency 0, supervision timeout 4.2 s.
	Params hci.ConnParams
	// ScanInterval and ScanWindow set how the controller listens while it
	// initiates, 2.5 ms to 10.24 s; default 60 ms each, that is, all the time.
	ScanInterval, ScanWindow time.Duration
	// PHYs are the PHYs on which to listen for the peer: hci.PHYs1M, hci.PHYsCoded or
	// both, by turns; default 1M. A link that may be on the coded PHY stays on its PHY:
	// it is not moved to 2M. A controller without the coded PHY, or that refuses it,
	// fails with ErrNoCodedPHY.
	PHYs hci.PHYs
	// DeferTuning defers the requests for longer packets and the 2M PHY until
	// [Link.Tune]. By default they follow as soon as the link is up; see
	// Config.DisableTuning.
	DeferTuning bool
}

func (o *ConnectOptions) timeout() time.Duration {
	if o == nil || o.Timeout == 0 {
		return 20 * time.Second
	}
	return o.Timeout
}

func (o *ConnectOptions) params() hci.ConnParams {
	if o == nil || o.Params == (hci.ConnParams{}) {
		return hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 4200 * time.Millisecond}
	}
	return o.Params
}

func (o *ConnectOptions) scanTiming() (interval, window time.Duration) {
	interval, window = 60*time.Millisecond, 60*time.Millisecond
	if o != nil && o.ScanInterval != 0 {
		interval, window = o.ScanInterval, o.ScanInterval
	}
	if o != nil && o.ScanWindow != 0 {
		window = o.ScanWindow
	}
	return min(max(interval, window), 10240*time.Millisecond), window
}

func (o *ConnectOptions) phys() hci.PHYs {
	if o == nil {
		return hci.PHYs1M
	}
	return listenPHYs(o.PHYs)
}

// sharesInitiation reports whether dials with o and with p can share an
// initiation.
func (o *ConnectOptions) sharesInitiation(p *ConnectOptions) bool {
	oi, ow := o.scanTiming()
	pi, pw := p.scanTiming()
	return oi == pi && ow == pw && o.params() == p.params() && o.phys() == p.phys()
}

// Connect connects to peer as central. Its error is a *[ConnectError].
//
// Concurrent calls share the controller's initiator through the filter accept
// list if their options are equal and the list has room; otherwise they take
// turns. An absent peer therefore does not block the other calls. When ctx ends,
// Connect returns at once. If the controller completes the connection after that,
// the link is closed, or given to another call that waits for the same peer.
func (ctl *Controller) Connect(ctx context.Context, peer hci.Addr, o *ConnectOptions) (*Link, error) {
	return ctl.connectAny(ctx, []hci.Addr{peer}, o)
}

// ConnectAny is Connect to whichever of peers is heard first; [Link.Peer] returns
// which one it was. It uses the controller's filter accept list (Vol 4, Part E,
// 7.8.16), so peers must have 1 to Info.AcceptListSize addresses.
func (ctl *Controller) ConnectAny(ctx context.Context, peers []hci.Addr, o *ConnectOptions) (*Link, error) {
	info, err := ctl.AwaitInfo(ctx)
	if err != nil {
		return nil, connectError(peers, err)
	}
	if n := info.AcceptListSize; len(peers) == 0 || len(peers) > n {
		return nil, &ConnectError{Err: fmt.Errorf("%d peers, but the filter accept list of the controller takes 1 to %d", len(peers), n)}
	}
	return ctl.connectAny(ctx, peers, o)
}

func (ctl *Controller) connectAny(ctx context.Context, peers []hci.Addr, o *ConnectOptions) (*Link, error) {
	x := &dial{peers: slices.Clone(peers)}
	if o != nil {
		opts := *o
		x.opts = &opts
	}
	// The caller must not read x once the loop has it: the loop may still write to it
	// when the caller leaves.
	fail := func(err error) error { return connectError(peers, err) }
	if err := x.opts.params().Validate(); err != nil {
		return nil, fail(err)
	}
	if info := ctl.KnownInfo(); x.opts != nil {
		if err := info.checkPHYs(kindInitiate, x.opts.PHYs); err != nil {
			return nil, fail(err)
		}
	}
	var got *Link // owned by the loop
	l, err := askLoop(ctx, &ctl.core, fail, func(_ func() bool, done func(*Link, error)) {
		x.done = func(l *Link, err error) {
			got = l
			done(l, err)
		}
		ctl.core.dial.addDial(x)
	})
	if err != nil && ctx.Err() != nil {
		ctl.Post(loop.Func(func(time.Time) {
			x.gone = true
			ctl.core.dial.stopDial(x, context.Cause(ctx))
			if got != nil { // the link came up while the caller was leaving
				ctl.core.closeUnwanted(got)
			}
		}))
	}
	return l, err
}
