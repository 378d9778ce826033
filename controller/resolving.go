package controller

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// resolving is the controller's resolving list (Vol 6, Part B, 4.7).
type resolving struct {
	c      *core
	asked  []hci.LEAddDeviceToResolvingList
	loaded int // how many of them fit
	// unsure says that a command failed: what the controller has is not known.
	unsure bool
}

// SetResolvingList gives the controller the keys of peers, by which it reports
// and connects to them under their identity addresses, whatever private address
// they use (Vol 4, Part E, 7.8.38 to 7.8.44). Peers that use their identity
// address all the same are accepted. Scans, dials and advertising pause for it,
// if the list is another than before; then peers is called, on the loop, where
// it must not wait.
//
// SetResolvingList returns how many peers the controller has taken: those that
// fit, the first ones first, and that it does not refuse, as it does a key that
// it has been given for another peer (7.8.38); 0 if it has no such list.
func (ctl *Controller) SetResolvingList(ctx context.Context, peers func() []hci.LEAddDeviceToResolvingList) (int, error) {
	return askLoop(ctx, &ctl.core, wrapDuring(ctx, "set the resolving list"), func(_ func() bool, done func(int, error)) {
		ctl.core.resolving.setPeers(peers, done)
	})
}

func (r *resolving) setPeers(peers func() []hci.LEAddDeviceToResolvingList, done func(int, error)) {
	if !r.c.info.resolves() {
		done(0, nil)
		return
	}
	same := func() bool { return !r.unsure && slices.Equal(peers(), r.asked) }
	if same() && !r.c.quiet.holdsBack() {
		done(r.loaded, nil)
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

// load replaces the list. Resolution is off meanwhile, and stays off without
// peers, which keeps a controller as it was that is better at one than at both.
func (r *resolving) loadList(peers []hci.LEAddDeviceToResolvingList, done func(error)) {
	r.asked, r.loaded = peers, 0
	r.runListCommand(hci.LESetAddressResolutionEnable{}, done, func() {
		r.runListCommand(hci.LEClearResolvingList{}, done, func() { r.addPeers(peers, done) })
	})
}

// add gives the controller the first of peers, and then the rest.
func (r *resolving) addPeers(peers []hci.LEAddDeviceToResolvingList, done func(error)) {
	if len(peers) == 0 {
		r.enableResolution(done)
		return
	}
	skip := func(err error) {
		switch statusOf(err) {
		case hci.StatusSuccess: // not the controller's answer
			done(err)
		case hci.StatusMemoryFull:
			r.enableResolution(done)
		default:
			r.c.log.Log(r.c.ctx, LevelController, "peer not resolved by the controller", "peer", peers[0].Peer, "error", err)
			r.addPeers(peers[1:], done)
		}
	}
	r.runListCommand(peers[0], skip, func() {
		r.loaded++
		if !r.c.info.Commands.Has(hci.OpLESetPrivacyMode) {
			r.addPeers(peers[1:], done)
			return
		}
		r.runListCommand(hci.LESetPrivacyMode{Peer: peers[0].Peer, Device: true}, func(error) {
			// In the mode that it has now, the peer would not be heard under its
			// identity address any more (Vol 6, Part B, 4.7).
			r.loaded--
			r.runListCommand(hci.LERemoveDeviceFromResolvingList{Peer: peers[0].Peer}, done, func() { r.addPeers(peers[1:], done) })
		}, func() { r.addPeers(peers[1:], done) })
	})
}

func (r *resolving) enableResolution(done func(error)) {
	if r.loaded == 0 {
		done(nil)
		return
	}
	r.runListCommand(hci.LESetAddressResolutionEnable{Enable: true}, done, func() { done(nil) })
}

// run runs a command, and what comes after it or after its failure.
func (r *resolving) runListCommand(p hci.Params, failed func(error), then func()) {
	r.c.runCommand(p, func(_ time.Time, _ []byte, err error) {
		if err != nil {
			failed(err)
			return
		}
		then()
	})
}
