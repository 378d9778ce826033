package remote

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

const (
	// patience is how long a connect goes on after the host has canceled its initiation. The
	// host cancels one to begin another with one device more, or one device less.
	patience = 100 * time.Millisecond
	// kindTime is how long the dial of a device whose kind of address is not known waits for
	// a report of it.
	kindTime = 2 * time.Second
)

// dial plays the initiator of a controller. The host has one initiation at a time, for any
// number of devices; a proxy has one request for each device. So the requests outlive the
// initiations: an initiation that names a device again goes on with the request.
//
//	initiation starts   a request for each device that has none
//	a link comes up     the initiation ends with it; a link that nobody wants waits for the
//	                    next initiation
//	initiation ends     requests that no initiation takes up in time are canceled
type dial struct {
	r       *radio
	accept  []hci.Addr
	running bool
	wanted  []hci.Addr // of the initiation
	params  hci.ConnParams
}

func (d *dial) addDevice(a hci.Addr) reply {
	if !slices.Contains(d.accept, a) {
		if len(d.accept) == acceptListSize {
			return reply{status: hci.StatusMemoryFull}
		}
		d.accept = append(d.accept, a)
	}
	return reply{}
}

func (d *dial) removeDevice(a hci.Addr) {
	d.accept = slices.DeleteFunc(d.accept, func(b hci.Addr) bool { return a == b })
}

// start starts an initiation.
func (d *dial) start(policy uint8, peer hci.Addr, p hci.ConnParams) reply {
	wanted := []hci.Addr{peer}
	if policy == 1 {
		wanted = slices.Clone(d.accept)
	}
	switch {
	case d.running:
		return reply{status: hci.StatusCommandDisallowed}
	case len(wanted) == 0:
		return reply{status: hci.StatusInvalidParameters}
	}
	return reply{then: func() {
		d.running, d.wanted, d.params = true, wanted, p
		for _, a := range wanted {
			if d.running {
				d.want(a.Identity())
			}
		}
	}}
}

// want makes a request for a device, or goes on with the one that there is.
func (d *dial) want(a hci.Addr) {
	r := d.r
	l := r.links[a.MAC]
	switch {
	case l == nil:
		if !r.can(esphome.FlagConnections) {
			d.failDevice(a, hci.StatusUnsupportedFeature)
			return
		}
		r.startLink(a)
	case l.state == linkHeld:
		l.announce()
	case l.state == linkEnding:
		l.again = true
	case l.state == linkAsking:
		l.setTimer(kindTime, l.request)
	case l.state == linkAsked:
		l.stopTimer()
	case l.state == linkUp: // nobody dials it
	}
}

// kindsOf returns the kinds of the address of a device in the initiation.
func (d *dial) kindsOf(mac hci.MAC) (kinds []hci.AddrKind) {
	for _, a := range d.wanted {
		if a.MAC == mac {
			kinds = append(kinds, a.Identity().Kind)
		}
	}
	return kinds
}

// isWanted reports whether the initiation names a device.
func (d *dial) isWanted(mac hci.MAC) bool { return d.running && len(d.kindsOf(mac)) > 0 }

// endInitiation ends the initiation. The other requests have to be taken up in time.
func (d *dial) endInitiation() {
	d.running, d.wanted = false, nil
	for _, l := range d.r.links {
		if l.state == linkAsking || l.state == linkAsked || l.state == linkHeld {
			l.setTimer(patience, l.abandon)
		}
	}
}

// cancel ends the initiation for the host, which is told so at once.
func (d *dial) cancel() reply {
	if !d.running {
		return reply{status: hci.StatusCommandDisallowed}
	}
	return reply{then: func() {
		d.endInitiation()
		d.sendComplete(hci.LEEnhancedConnectionComplete{Status: hci.StatusUnknownConnection})
	}}
}

// failDevice ends the initiation by the failure of one of its devices, which the event
// names.
func (d *dial) failDevice(a hci.Addr, status hci.Status) {
	d.endInitiation()
	d.sendComplete(hci.LEEnhancedConnectionComplete{Status: status, Role: hci.RoleCentral, Peer: a})
}

func (d *dial) sendComplete(ev hci.LEEnhancedConnectionComplete) { d.r.sendEvent(&ev) }

// noteKind goes on with the dial of a device whose kind of address has become known.
func (d *dial) noteKind(mac hci.MAC) {
	if l := d.r.links[mac]; l != nil && l.state == linkAsking {
		l.request()
	}
}
