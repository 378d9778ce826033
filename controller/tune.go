package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// tuneLink speeds up a new link as central. If both link layers support them, it
// requests longer packets (Vol 6, Part B, 4.5.10) and the 2M PHY, each unless the
// program has requested a data length or a PHY by then. No caller waits for it,
// and a refusal has no effect.
func (l *Link) tuneLink() {
	c := l.c
	if c.cfg.DisableTuning || l.role != hci.RoleCentral {
		return
	}
	l.startRemoteFeatures(nil, func(remote hci.Features, err error) {
		if err != nil {
			return
		}
		both := remote & c.info.Features
		if both.Has(hci.FeatureDataLength) && c.info.Commands.Has(hci.OpLESetDataLength) {
			c.runCommandIf(func() bool { return !l.lengthAsked },
				hci.LESetDataLength{Handle: l.handle, TXOctets: c.info.maxTXOctets(), TXTime: c.info.maxTXTime()},
				func(time.Time, []byte, error) {})
		}
		if both.Has(hci.Feature2MPHY) && c.info.Commands.Has(hci.OpLESetPHY) {
			l.startPHY(func() bool { return !l.phyAsked }, hci.PHYs2M, hci.PHYs2M, func(hci.PHY, hci.PHY, error) {})
		}
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
