package controller

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TuneOptions selects the requests of Tune.
type TuneOptions struct {
	DataLength bool // link layer packets of up to 251 octets (Vol 6, Part B, 4.5.10)
	PHY2M      bool // the 2M PHY in both directions
}

// Tune speeds up the link. It requests longer packets and the 2M PHY if both
// controllers support them, and returns when the procedures have ended. It omits a
// request that the program has made on this link in another way, and does nothing as
// peripheral or with Config.DisableTuning. Its error is the cause of ctx, or the
// reason for the end of the link; a refused request is not an error.
func (l *Link) Tune(ctx context.Context, o TuneOptions) error {
	_, err := askLink(ctx, l, hci.OpLESetPHY, func(_ func() bool, done func(hci.None, error)) {
		l.startTuning(o, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// tuneLink is Tune for a new link. No caller waits for it.
func (l *Link) tuneLink() {
	l.startTuning(TuneOptions{DataLength: true, PHY2M: true}, func(error) {})
}

// startTuning reads the features of the peer and then requests the data length and the
// PHY. done is called once, with the reason for the end of the link if it is down.
// Must run on the loop.
func (l *Link) startTuning(o TuneOptions, done func(error)) {
	c := l.c
	if c.cfg.DisableTuning || l.role != hci.RoleCentral || !o.DataLength && !o.PHY2M {
		done(nil)
		return
	}
	l.startRemoteFeatures(nil, func(remote hci.Features, err error) {
		if err != nil {
			done(l.Err())
			return
		}
		both := remote & c.info.Features
		if o.DataLength && both.Has(hci.FeatureDataLength) && c.info.Commands.Has(hci.OpLESetDataLength) {
			c.runCommandIf(func() bool { return !l.lengthAsked },
				hci.LESetDataLength{Handle: l.handle, TXOctets: c.info.maxTXOctets(), TXTime: c.info.maxTXTime()},
				func(time.Time, []byte, error) {})
		}
		if !o.PHY2M || !both.Has(hci.Feature2MPHY) || !c.info.Commands.Has(hci.OpLESetPHY) {
			done(nil)
			return
		}
		l.startPHY(func() bool { return !l.phyAsked }, hci.PHYs2M, hci.PHYs2M, func(hci.PHY, hci.PHY, error) { done(l.Err()) })
	})
}

// noteTuned marks the link of a command that sets a PHY or a data length, so that
// tuneLink does not override it. It is called right before the command is sent.
func (c *core) noteTuned(cmd *command) {
	if cmd.op != hci.OpLESetPHY && cmd.op != hci.OpLESetDataLength {
		return
	}
	params, err := hci.ParseCommand(cmd.packet[1:])
	if err != nil {
		return
	}
	switch p := params.(type) {
	case hci.LESetPHY:
		if l := c.links[p.Handle]; l != nil {
			l.phyAsked = true
		}
	case hci.LESetDataLength:
		if l := c.links[p.Handle]; l != nil {
			l.lengthAsked = true
		}
	}
}
