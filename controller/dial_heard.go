package controller

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// noteHeard gives the initiator to a waiting dial that cannot share the present
// initiation, if its peer is heard. The peers of the present group are not in range,
// or they would be connected by now. A dial gets such a turn at most once in the time
// of two turns, so that a peer that is heard but never connects does not block the
// other dials. While the scan has its turn, the turn ends: the next initiation is for the
// peer that is heard.
func (d *dialer) noteHeard(peer hci.Addr) {
	resting := d.state == dialIdle && d.resting
	if !resting && (d.state != dialInitiating || d.heard) || d.mute || len(d.waiting) == 0 {
		return
	}
	i := slices.IndexFunc(d.waiting, func(x *dial) bool {
		return x.namesPeer(peer) && !d.awaitsOldLink(x) && (x.promoted.IsZero() || d.c.now.Sub(x.promoted) >= 2*dialTurn)
	})
	if i < 0 {
		return
	}
	x := d.waiting[i]
	x.promoted, x.preferred = d.c.now, true
	d.waiting = slices.Insert(slices.Delete(d.waiting, i, i+1), 0, x)
	if resting {
		d.resting = false
		d.c.timers.stopTimer(&d.timer)
		d.startInitiation()
		return
	}
	d.cancelInitiation()
}
