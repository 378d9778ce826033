package controller

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// procedureTimeout bounds the wait for the end of a link layer procedure. The link
// layer ends the link after 40 s (Vol 6, Part B, 5.2), so the event is lost if it
// does not come by then.
const procedureTimeout = 41 * time.Second

// runProcedure sends p, unless wanted returns false at that moment, and waits for
// the event that take accepts. done is called once, with that event or with the
// error of the procedure, but not if the command was not wanted. wanted may be nil.
// Must run on the loop.
func (l *Link) runProcedure(wanted func() bool, p hci.Params, take func(ev hci.Event) (mine bool, status hci.Status), done func(now time.Time, ev hci.Event, err error)) {
	finished := false
	finish := func(ev hci.Event, err error) {
		if !finished {
			finished = true
			done(l.c.now, ev, err)
		}
	}
	if l.c.links[l.handle] != l {
		finish(nil, l.Err())
		return
	}
	// The wait starts with the command, because a controller may report the end of the
	// procedure before it answers the command.
	var w *linkWait
	send := func() bool {
		if wanted != nil && !wanted() {
			return false
		}
		w = l.awaitEvent(l.c.cfg.commandTimeout()+procedureTimeout, func(ev hci.Event) bool {
			mine, status := take(ev)
			if !mine {
				return false
			}
			if status != hci.StatusSuccess {
				finish(nil, &CommandError{p.Opcode(), status})
			} else {
				finish(ev, nil)
			}
			return true
		}, func(err error) { finish(nil, &CommandError{p.Opcode(), err}) })
		return true
	}
	l.runLinkCommand(send, p, func(_ time.Time, _ []byte, err error) {
		if err == nil {
			return
		}
		if w != nil {
			l.removeWait(w)
		}
		finish(nil, err)
	})
}

// askLink is askLoop for a command op on the link. If the link goes down, its
// error takes precedence.
func askLink[T any](ctx context.Context, l *Link, op hci.Opcode, f func(wanted func() bool, done func(T, error))) (T, error) {
	return askLoop(ctx, l.c, func(err error) error {
		if end := l.Err(); end != nil {
			return end
		}
		return &CommandError{op, err}
	}, f)
}

// StartUpdate requests new connection parameters (LE Connection Update,
// Vol 4, Part E, 7.8.18). done is called on the loop with the parameters that are
// then in use. Must run on the loop.
func (l *Link) StartUpdate(p hci.ConnParams, done func(now time.Time, got hci.ConnParamsInUse, err error)) {
	l.startUpdate(nil, p, done)
}

func (l *Link) startUpdate(wanted func() bool, p hci.ConnParams, done func(now time.Time, got hci.ConnParamsInUse, err error)) {
	if err := p.Validate(); err != nil {
		done(l.c.now, hci.ConnParamsInUse{}, err)
		return
	}
	l.runProcedure(wanted, hci.LEConnectionUpdate{Handle: l.handle, Params: p}, func(ev hci.Event) (bool, hci.Status) {
		if u, ok := ev.(*hci.LEConnectionUpdateComplete); ok {
			return true, u.Status
		}
		return false, 0
	}, func(now time.Time, ev hci.Event, err error) {
		if err != nil {
			done(now, hci.ConnParamsInUse{}, err)
			return
		}
		done(now, ev.(*hci.LEConnectionUpdateComplete).Params, nil)
	})
}

// Update requests new connection parameters and returns those that are then in
// use. As peripheral it requires that both link layers support the Connection
// Parameters Request procedure; package l2cap has the older way.
func (l *Link) Update(ctx context.Context, p hci.ConnParams) (hci.ConnParamsInUse, error) {
	return askLink(ctx, l, hci.OpLEConnectionUpdate, func(wanted func() bool, done func(hci.ConnParamsInUse, error)) {
		l.startUpdate(wanted, p, func(_ time.Time, got hci.ConnParamsInUse, err error) { done(got, err) })
	})
}

// ReplyParamRequest accepts or refuses the peer's request for connection parameters
// (Vol 4, Part E, 7.8.31 and 7.8.32). Must run on the loop.
func (l *Link) ReplyParamRequest(req *hci.LERemoteConnectionParameterRequest, accept bool) {
	ignore := func(time.Time, []byte, error) {}
	if accept {
		l.runLinkCommand(nil, hci.LERemoteConnectionParameterRequestReply{Handle: l.handle, Params: req.Params}, ignore)
		return
	}
	l.runLinkCommand(nil, hci.LERemoteConnectionParameterRequestNegativeReply{Handle: l.handle, Reason: hci.StatusUnacceptableParameters}, ignore)
}

// RemoteFeatures reads the features of the peer's link layer
// (Vol 4, Part E, 7.8.21).
func (l *Link) RemoteFeatures(ctx context.Context) (hci.Features, error) {
	return askLink(ctx, l, hci.OpLEReadRemoteFeatures, l.startRemoteFeatures)
}

func (l *Link) startRemoteFeatures(wanted func() bool, done func(hci.Features, error)) {
	l.runProcedure(wanted, hci.LEReadRemoteFeatures{Handle: l.handle}, func(ev hci.Event) (bool, hci.Status) {
		if f, ok := ev.(*hci.LEReadRemoteFeaturesComplete); ok {
			return true, f.Status
		}
		return false, 0
	}, func(_ time.Time, ev hci.Event, err error) {
		if err != nil {
			done(0, err)
			return
		}
		done(ev.(*hci.LEReadRemoteFeaturesComplete).Features, nil)
	})
}

// RemoteVersion is the version of a peer's link layer (Vol 6, Part B, 2.4.2.13).
type RemoteVersion struct {
	Version      uint8  // version of the Core specification, an assigned number; 13 is 5.4
	Manufacturer uint16 // company identifier
	Subversion   uint16
}

// RemoteVersion reads the version of the peer's link layer
// (Vol 4, Part E, 7.1.23).
func (l *Link) RemoteVersion(ctx context.Context) (RemoteVersion, error) {
	return askLink(ctx, l, hci.OpReadRemoteVersionInformation, l.startRemoteVersion)
}

func (l *Link) startRemoteVersion(wanted func() bool, done func(RemoteVersion, error)) {
	l.runProcedure(wanted, hci.ReadRemoteVersionInformation{Handle: l.handle}, func(ev hci.Event) (bool, hci.Status) {
		if v, ok := ev.(*hci.ReadRemoteVersionInformationComplete); ok {
			return true, v.Status
		}
		return false, 0
	}, func(_ time.Time, ev hci.Event, err error) {
		if err != nil {
			done(RemoteVersion{}, err)
			return
		}
		v := ev.(*hci.ReadRemoteVersionInformationComplete)
		done(RemoteVersion{v.Version, v.Manufacturer, v.Subversion}, nil)
	})
}

// SetPHY requests PHYs for transmission and reception and returns those that are
// then in use (Vol 4, Part E, 7.8.49).
func (l *Link) SetPHY(ctx context.Context, tx, rx hci.PHYs) (hci.PHY, hci.PHY, error) {
	type pair struct{ tx, rx hci.PHY }
	p, err := askLink(ctx, l, hci.OpLESetPHY, func(wanted func() bool, done func(pair, error)) {
		l.startPHY(wanted, tx, rx, func(t, r hci.PHY, err error) { done(pair{t, r}, err) })
	})
	return p.tx, p.rx, err
}

func (l *Link) startPHY(wanted func() bool, tx, rx hci.PHYs, done func(tx, rx hci.PHY, err error)) {
	l.runProcedure(wanted, hci.LESetPHY{Handle: l.handle, TX: tx, RX: rx}, func(ev hci.Event) (bool, hci.Status) {
		if p, ok := ev.(*hci.LEPHYUpdateComplete); ok {
			return true, p.Status
		}
		return false, 0
	}, func(_ time.Time, ev hci.Event, err error) {
		if err != nil {
			done(0, 0, err)
			return
		}
		p := ev.(*hci.LEPHYUpdateComplete)
		done(p.TX, p.RX, nil)
	})
}

// RSSI reads the signal strength of the link in dBm (Vol 4, Part E, 7.5.4). It is
// RSSIUnknown if the controller has no value.
func (l *Link) RSSI(ctx context.Context) (int8, error) {
	return askLink(ctx, l, hci.OpReadRSSI, func(wanted func() bool, done func(int8, error)) {
		cmd := hci.ReadRSSI{Handle: l.handle}
		l.runLinkCommand(wanted, cmd, func(_ time.Time, ret []byte, err error) {
			decodeReturn(cmd, ret, err, func(r hci.LinkRSSI, err error) { done(r.RSSI, err) })
		})
	})
}
