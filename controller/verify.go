package controller

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// VerifyLinks checks with a command that the controller still has each link, and takes
// down the links that it does not have, with the cause ErrEventLost. It omits links
// whose peer was heard within the last second. It returns the number of links that it
// has taken down. Its error is the cause of ctx, or the error that ended the
// Controller.
func (ctl *Controller) VerifyLinks(ctx context.Context) (lost int, err error) {
	for _, l := range ctl.Links() {
		if time.Since(l.LastHeard()) < time.Second {
			continue
		}
		gone, err := askLoop(ctx, &ctl.core, commandFailed(hci.OpReadRSSI), func(wanted func() bool, done func(bool, error)) {
			l.askPresence(wanted, func(err error) {
				gone := statusOf(err) == hci.StatusUnknownConnection && l.c.links[l.handle] == l
				if gone {
					l.loseLink()
				}
				if l.c.err == nil { // any other answer means that the link exists
					err = nil
				}
				done(gone, err)
			})
		})
		if err != nil {
			return lost, err
		}
		if gone {
			lost++
		}
	}
	return lost, nil
}
