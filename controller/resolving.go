package controller

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// resolving manages the resolving list of the controller (Vol 6, Part B, 4.7).
type resolving struct {
	c      *core
	asked  []hci.LEAddDeviceToResolvingList // the peers of the latest call
	loaded int                              // how many of them are in the list
	// unsure reports that a command failed, so that the content of the list is
	// unknown.
	unsure bool
}

// SetResolvingList replaces the resolving list of the controller (Vol 4, Part E,
// 7.8.38 to 7.8.44). With the keys in it the controller resolves the private
// addresses of the peers, reports them under their identity addresses, and
// connects to them by these. It still accepts peers that use their identity address
// on air.
//
// peers returns the entries. It is called on the loop, may be called more than
// once, and must not block. If the entries have changed, scans, dials and
// advertising pause for the commands.
//
// SetResolvingList returns how many entries the controller has accepted: 0 if it
// has no resolving list, or no LE Set Privacy Mode (7.8.77). The list may be too short
// for the last entries, and the controller refuses a key that it already has for
// another peer (7.8.38).
func (ctl *Controller) SetResolvingList(ctx context.Context, peers func() []hci.LEAddDeviceToResolvingList) (int, error) {
	return askLoop(ctx, &ctl.core, wrapDuring(ctx, "set the resolving list"), func(_ func() bool, done func(int, error)) {
		ctl.core.resolving.setPeers(peers, done)
	})
}

// setPeers loads the list, unless it has the entries already. Must run on the loop.
func (r *resolving) setPeers(peers func() []hci.LEAddDeviceToResolvingList, done func(int, error)) {
	same := func() bool { return !r.unsure && slices.Equal(peers(), r.asked) }
	if same() && !r.c.quiet.holdsBack() {
		done(r.loaded, nil)
		return
	}
	if r.c.err != nil {
		done(0, r.c.err)
		return
	}
	if !r.c.remainder.isDone() {
		r.c.remainder.afterEnd(func() { r.setPeers(peers, done) })
		return
	}
	if !r.c.info.resolves() {
		done(0, nil)
		return
	}
	r.c.quiet.addJob(func(done func(error)) {
		if same() {
			done(nil)
			return
		}
		r.loadList(peers(), done)
	}, func(err error) {
		r.unsure = err != nil
		done(r.loaded, err)
	})
}

// loadList replaces the list. Address resolution is disabled during the change. It
// stays disabled if the list is empty, so that a controller which works worse with
// it does so only for a program that needs it.
func (r *resolving) loadList(peers []hci.LEAddDeviceToResolvingList, done func(error)) {
	r.asked, r.loaded = peers, 0
	r.runListCommand(hci.LESetAddressResolutionEnable{}, done, func() {
		r.runListCommand(hci.LEClearResolvingList{}, done, func() { r.addPeers(peers, done) })
	})
}

// reloadList loads the list again after a reset of the controller, which has emptied it.
func (r *resolving) reloadList(done func(error)) {
	if len(r.asked) == 0 {
		done(nil)
		return
	}
	r.loadList(r.asked, func(err error) {
		r.unsure = err != nil
		done(err)
	})
}

// addPeers adds peers to the list, one after the other, and then enables address
// resolution.
func (r *resolving) addPeers(peers []hci.LEAddDeviceToResolvingList, done func(error)) {
	if len(peers) == 0 {
		r.enableResolution(done)
		return
	}
	skip := func(err error) {
		switch statusOf(err) {
		case hci.StatusSuccess: // the controller did not answer
			done(err)
		case hci.StatusMemoryFull:
			r.enableResolution(done)
		default:
			r.c.log.Log(r.c.ctx, LevelController, "controller does not resolve the peer", "peer", peers[0].Peer, "error", err)
			r.addPeers(peers[1:], done)
		}
	}
	r.runListCommand(peers[0], skip, func() {
		r.loaded++
		r.runListCommand(hci.LESetPrivacyMode{Peer: peers[0].Peer, Device: true}, func(error) {
			// In network privacy mode the controller would ignore the peer's identity
			// address on air (Vol 6, Part B, 4.7).
			r.loaded--
			r.runListCommand(hci.LERemoveDeviceFromResolvingList{Peer: peers[0].Peer}, done, func() { r.addPeers(peers[1:], done) })
		}, func() { r.addPeers(peers[1:], done) })
	})
}

// enableResolution enables address resolution if the list has entries.
func (r *resolving) enableResolution(done func(error)) {
	if r.loaded == 0 {
		done(nil)
		return
	}
	r.runListCommand(hci.LESetAddressResolutionEnable{Enable: true}, done, func() { done(nil) })
}

// runListCommand runs a command and then calls then, or failed if it fails.
func (r *resolving) runListCommand(p hci.Params, failed func(error), then func()) {
	r.c.runCommand(p, func(_ time.Time, _ []byte, err error) {
		if err != nil {
			failed(err)
			return
		}
		then()
	})
}
