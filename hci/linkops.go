package hci

import (
	"context"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// procedureTimeout bounds the wait for the end of a link layer procedure that
// the controller has begun. The link layer's own limit is 40 s (Vol 6, Part B,
// 5.2), after which it ends the link.
const procedureTimeout = 41 * time.Second

// procedure runs p on the link, unless it is not wanted any more when its turn
// comes, and waits for the event that take accepts, or for the procedure's
// failure. On the loop; done is called once, on the loop. wanted may be nil.
func (l *Link) procedure(wanted func() bool, p Params, take func(ev Event) (mine bool, status Status), done func(now time.Time, ev Event, err error)) {
	finished := false
	finish := func(ev Event, err error) {
		if !finished {
			finished = true
			done(l.c.now, ev, err)
		}
	}
	if l.c.links[l.handle] != l {
		finish(nil, l.Err())
		return
	}
	l.c.runIf(wanted, p, func(_ time.Time, _ []byte, err error) {
		if err != nil {
			finish(nil, err)
			return
		}
		if l.c.links[l.handle] != l {
			finish(nil, l.Err())
			return
		}
		l.await(procedureTimeout, func(ev Event) bool {
			mine, status := take(ev)
			if !mine {
				return false
			}
			if status != StatusSuccess {
				finish(nil, &CommandError{p.Opcode(), status})
			} else {
				finish(ev, nil)
			}
			return true
		}, func(err error) { finish(nil, &CommandError{p.Opcode(), err}) })
	})
}

// onLink is ask for what is done with a link by the command op.
func onLink[T any](ctx context.Context, l *Link, op Opcode, f func(wanted func() bool, done func(T, error))) (T, error) {
	return ask(ctx, l.c, func(err error) error {
		if end := l.Err(); end != nil {
			return end
		}
		return op.failed(err)
	}, f)
}

// StartUpdate asks for new connection parameters (LE Connection Update,
// Vol 4, Part E, 7.8.18). done gets those negotiated. On the loop.
func (l *Link) StartUpdate(p ConnParams, done func(now time.Time, got ConnParamsInUse, err error)) {
	l.startUpdate(nil, p, done)
}

func (l *Link) startUpdate(wanted func() bool, p ConnParams, done func(now time.Time, got ConnParamsInUse, err error)) {
	if err := p.Validate(); err != nil {
		done(l.c.now, ConnParamsInUse{}, err)
		return
	}
	l.procedure(wanted, LEConnectionUpdate{Handle: l.handle, Params: p}, func(ev Event) (bool, Status) {
		if u, ok := ev.(*LEConnectionUpdateComplete); ok {
			return true, u.Status
		}
		return false, 0
	}, func(now time.Time, ev Event, err error) {
		if err != nil {
			done(now, ConnParamsInUse{}, err)
			return
		}
		done(now, ev.(*LEConnectionUpdateComplete).Params, nil)
	})
}

// Update asks for new connection parameters and returns those negotiated. As
// peripheral it needs the Connection Parameters Request procedure on both
// sides; l2cap has the older way.
func (l *Link) Update(ctx context.Context, p ConnParams) (ConnParamsInUse, error) {
	return onLink(ctx, l, OpLEConnectionUpdate, func(wanted func() bool, done func(ConnParamsInUse, error)) {
		l.startUpdate(wanted, p, func(_ time.Time, got ConnParamsInUse, err error) { done(got, err) })
	})
}

// ReplyParamRequest answers the peer's request for connection parameters
// (Vol 4, Part E, 7.8.31 and 7.8.32). On the loop.
func (l *Link) ReplyParamRequest(req *LERemoteConnectionParameterRequest, accept bool) {
	ignore := func(time.Time, []byte, error) {}
	if accept {
		l.c.run(LERemoteConnectionParameterRequestReply{Handle: l.handle, Params: req.Params}, ignore)
		return
	}
	l.c.run(LERemoteConnectionParameterRequestNegativeReply{Handle: l.handle, Reason: StatusUnacceptableParameters}, ignore)
}

// RefuseKey answers a request for a long term key with "none"
// (Vol 4, Part E, 7.8.26); the peer sees reason 0x06. On the loop.
func (l *Link) RefuseKey() {
	l.c.run(LELongTermKeyRequestNegativeReply{Handle: l.handle}, func(time.Time, []byte, error) {})
}

// ProvideKey answers a request for a long term key (Vol 4, Part E, 7.8.25).
// On the loop.
func (l *Link) ProvideKey(key [16]byte) {
	l.c.run(LELongTermKeyRequestReply{Handle: l.handle, Key: key}, func(time.Time, []byte, error) {})
}

// StartEncryption encrypts the link, or changes its key, as central
// (Vol 4, Part E, 7.8.24). done gets the status of the Encryption Change or
// Encryption Key Refresh Complete event; success with a link that is not
// encrypted is a *PacketError. On the loop.
func (l *Link) StartEncryption(rand [8]byte, ediv uint16, key [16]byte, done func(now time.Time, err error)) {
	l.procedure(nil, LEEnableEncryption{Handle: l.handle, Rand: rand, EDIV: ediv, Key: key}, func(ev Event) (bool, Status) {
		switch ev := ev.(type) {
		case *EncryptionChange:
			return true, ev.Status
		case *EncryptionKeyRefreshComplete:
			return true, ev.Status
		}
		return false, 0
	}, func(now time.Time, ev Event, err error) {
		if change, ok := ev.(*EncryptionChange); ok && err == nil && change.Enabled == 0 {
			err = &CommandError{OpLEEnableEncryption, packetError("Encryption Change: success, but the link is not encrypted", change.appendParams(nil), nil)}
		}
		done(now, err)
	})
}

// RemoteFeatures asks the peer's link layer for its features
// (Vol 4, Part E, 7.8.21).
func (l *Link) RemoteFeatures(ctx context.Context) (Features, error) {
	return onLink(ctx, l, OpLEReadRemoteFeatures, l.startRemoteFeatures)
}

func (l *Link) startRemoteFeatures(wanted func() bool, done func(Features, error)) {
	l.procedure(wanted, LEReadRemoteFeatures{Handle: l.handle}, func(ev Event) (bool, Status) {
		if f, ok := ev.(*LEReadRemoteFeaturesComplete); ok {
			return true, f.Status
		}
		return false, 0
	}, func(_ time.Time, ev Event, err error) {
		if err != nil {
			done(0, err)
			return
		}
		done(ev.(*LEReadRemoteFeaturesComplete).Features, nil)
	})
}

// RemoteVersion is what the peer's link layer says of itself
// (Vol 6, Part B, 2.4.2.13).
type RemoteVersion struct {
	Version      uint8 // link layer version, an assigned number; 13 is 5.4
	Manufacturer uint16
	Subversion   uint16
}

// RemoteVersion asks the peer's link layer for its version
// (Vol 4, Part E, 7.1.23).
func (l *Link) RemoteVersion(ctx context.Context) (RemoteVersion, error) {
	return onLink(ctx, l, OpReadRemoteVersionInformation, func(wanted func() bool, done func(RemoteVersion, error)) {
		l.procedure(wanted, ReadRemoteVersionInformation{Handle: l.handle}, func(ev Event) (bool, Status) {
			if v, ok := ev.(*ReadRemoteVersionInformationComplete); ok {
				return true, v.Status
			}
			return false, 0
		}, func(_ time.Time, ev Event, err error) {
			if err != nil {
				done(RemoteVersion{}, err)
				return
			}
			v := ev.(*ReadRemoteVersionInformationComplete)
			done(RemoteVersion{v.Version, v.Manufacturer, v.Subversion}, nil)
		})
	})
}

// SetPHY asks for other PHYs and returns those in use afterwards
// (Vol 4, Part E, 7.8.49).
func (l *Link) SetPHY(ctx context.Context, tx, rx PHYs) (PHY, PHY, error) {
	type pair struct{ tx, rx PHY }
	p, err := onLink(ctx, l, OpLESetPHY, func(wanted func() bool, done func(pair, error)) {
		l.startPHY(wanted, tx, rx, func(t, r PHY, err error) { done(pair{t, r}, err) })
	})
	return p.tx, p.rx, err
}

func (l *Link) startPHY(wanted func() bool, tx, rx PHYs, done func(tx, rx PHY, err error)) {
	l.procedure(wanted, LESetPHY{Handle: l.handle, TX: tx, RX: rx}, func(ev Event) (bool, Status) {
		if p, ok := ev.(*LEPHYUpdateComplete); ok {
			return true, p.Status
		}
		return false, 0
	}, func(_ time.Time, ev Event, err error) {
		if err != nil {
			done(0, 0, err)
			return
		}
		p := ev.(*LEPHYUpdateComplete)
		done(p.TX, p.RX, nil)
	})
}

// RSSI reads the signal strength of the link in dBm (Vol 4, Part E, 7.5.4);
// RSSIUnknown where the controller has no value.
func (l *Link) RSSI(ctx context.Context) (int8, error) {
	return onLink(ctx, l, OpReadRSSI, func(wanted func() bool, done func(int8, error)) {
		exec(l.c, wanted, ReadRSSI{Handle: l.handle}, func(r LinkRSSI, err error) { done(r.RSSI, err) })
	})
}

// tune asks for what makes a new link fast, where both sides have it: longer
// packets (Vol 6, Part B, 4.5.10) and the 2M PHY. What the program has asked for
// by then, in whichever way, it leaves alone. Nobody waits for it, and a refusal
// changes nothing.
func (l *Link) tune() {
	c := l.c
	if c.cfg.DisableTuning || l.role != RoleCentral {
		return
	}
	l.startRemoteFeatures(nil, func(remote Features, err error) {
		if err != nil {
			return
		}
		both := remote & c.info.Features
		if both.Has(FeatureDataLength) && c.info.Commands.Has(OpLESetDataLength) {
			c.runIf(func() bool { return !l.lengthAsked },
				LESetDataLength{Handle: l.handle, TXOctets: c.info.maxTXOctets(), TXTime: c.info.maxTXTime()},
				func(time.Time, []byte, error) {})
		}
		if both.Has(Feature2MPHY) && c.info.Commands.Has(OpLESetPHY) {
			l.startPHY(func() bool { return !l.phyAsked }, PHYs2M, PHYs2M, func(PHY, PHY, error) {})
		}
	})
}

// noteAsked notes, for tune, what a command asks for that is being sent.
func (c *core) noteAsked(cmd *command) {
	if cmd.op != OpLESetPHY && cmd.op != OpLESetDataLength {
		return
	}
	r := wire.NewReader(cmd.packet)
	r.Skip(1 + commandHeaderLen) // behind the packet type
	if l := c.links[readHandle(&r)]; l != nil {
		l.phyAsked = l.phyAsked || cmd.op == OpLESetPHY
		l.lengthAsked = l.lengthAsked || cmd.op == OpLESetDataLength
	}
}
