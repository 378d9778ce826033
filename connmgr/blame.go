package connmgr

import (
	"context"
	"errors"
	"slices"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// A failure makes its adapter the worse one for the device only if it tells against the
// path between the two. The following would be the same over any other adapter, or pass by
// themselves:
//
//	the device ends the link, or refuses a request
//	the device is away: no adapter has heard it during the dial
//	the controller has no room for another link now; package slots counts that

// recordFailure counts a failed attempt against the adapter, if the path is at fault,
// and teaches the limit of its slots.
func (x *attempts) recordFailure(a *Adapter, err error) {
	if errors.Is(err, context.Canceled) || isOwnFailure(err) {
		return
	}
	peer := x.target.addr.MAC
	if isPathFault(err) && (!isSilence(err) || !x.wasAway()) {
		a.recordFailedDial(peer)
	}
	a.recordFault(peer, err)
	c := errclass.Default.Of(err)
	var st hci.Status
	if c.Action.Has(errclass.LowerLimit) && errors.As(err, &st) {
		x.m.slots.Refused(a.name, peer.String(), uint8(st))
	}
}

// isPathFault reports whether a failure may tell against the path to the device: the link
// was not made, though there was room for it, or was lost.
func isPathFault(err error) bool {
	if down, ok := errors.AsType[*controller.DisconnectError](err); ok {
		lost := []hci.Status{hci.StatusConnectionTimeout, hci.StatusFailedToEstablish, hci.StatusLLResponseTimeout}
		return slices.Contains(lost, down.Reason)
	}
	_, ok := errors.AsType[*controller.ConnectError](err)
	return ok && errclass.Default.Of(err).Category != errclass.OutOfSlots
}

// isSilence reports whether a dial has ended because the controller did not hear the
// device.
func isSilence(err error) bool { return errclass.Default.Of(err).Category == errclass.NotFound }

// wasAway reports whether no adapter that may be used has heard the device during the
// last dial, though all of them scan.
func (x *attempts) wasAway() bool {
	as := slices.DeleteFunc(x.m.Adapters(), func(a *Adapter) bool { return a.up() == nil || !x.mayUse(a.name) })
	return x.isSilentSince(x.try.dialing, as)
}
