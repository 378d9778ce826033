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
// request that has been made on this link before, waits for a tuning that is under
// way, and does nothing as peripheral or with Config.DisableTuning. Its error is the
// cause of ctx, or the reason for the end of the link; a refused request is not an
// error.
func (l *Link) Tune(ctx context.Context, o TuneOptions) error {
	_, err := askLink(ctx, l, hci.OpLESetPHY, func(_ func() bool, done func(hci.None, error)) {
		l.startTuning(o, func() { done(hci.None{}, l.Err()) })
	})
	return err
}

// tuneLink is Tune for a new link. No caller waits for it.
func (l *Link) tuneLink() {
	l.startTuning(TuneOptions{DataLength: true, PHY2M: true}, func() {})
}

// startTuning tunes the link after the tunings that began before. done is called once.
// Must run on the loop.
func (l *Link) startTuning(o TuneOptions, done func()) {
	if l.tuning {
		l.tunings = append(l.tunings, func() { l.startTuning(o, done) })
		return
	}
	l.tuning = true
	l.requestTuning(o, func() {
		l.tuning = false
		waiting := l.tunings
		l.tunings = nil
		done()
		for _, start := range waiting {
			start()
		}
	})
}

// requestTuning reads the features of the peer and then requests the data length and
// the PHY, if nothing has set them. done is called once.
func (l *Link) requestTuning(o TuneOptions, done func()) {
	c := l.c
	length := func() bool { return o.DataLength && !l.lengthAsked && c.info.Commands.Has(hci.OpLESetDataLength) }
	phy := func() bool { return o.PHY2M && !l.phyAsked && c.info.Commands.Has(hci.OpLESetPHY) }
	if c.cfg.DisableTuning || l.role != hci.RoleCentral || !length() && !phy() {
		done()
		return
	}
	l.startRemoteFeatures(nil, func(remote hci.Features, _ error) {
		both := remote & c.info.Features
		if both.Has(hci.FeatureDataLength) && length() {
			l.runLinkCommand(length,
				hci.LESetDataLength{Handle: l.handle, TXOctets: c.info.maxTXOctets(), TXTime: c.info.maxTXTime()},
				func(time.Time, []byte, error) {})
		}
		if !both.Has(hci.Feature2MPHY) || !phy() {
			done()
			return
		}
		// A command of the program may come first while this one waits for a credit.
		wanted := func() bool {
			if !phy() {
				done()
				return false
			}
			return true
		}
		l.startPHY(wanted, hci.PHYs2M, hci.PHYs2M, func(hci.PHY, hci.PHY, error) { done() })
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
