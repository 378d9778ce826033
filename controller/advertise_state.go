package controller

import (
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
)

// advertising brings the advertising sets of the controller into the wanted state, as
// scanning does with the scan: one command at a time for all of them.
type advertising struct {
	c    *core
	main advertSet    // that of Controller.Advertise
	sets []*advertSet // main, and then the others in the order of their calls
	busy bool         // a command is pending

	// own is the own address at the latest start of a set. The event of a connection may
	// come after the address has changed (7.8.9).
	own hci.Addr
	// unclear counts the connections of which no event has told the set that they ended.
	unclear int
	accept  []hci.Addr // the filter accept list in the controller, if a set has it
	loading int        // jobs that load it
	maxData int        // the longest data that the controller takes; 0 if it was not asked
}

func (a *advertising) init(c *core) {
	a.c = c
	a.main = advertSet{a: a}
	a.sets = []*advertSet{&a.main}
}

// setWanted sets the wanted state of the main set and calls done once it is reached.
func (a *advertising) setWanted(o *AdvertiseOptions, done func(error)) { a.main.setWanted(o, done) }

// maxHandles is the number of handles of advertising sets (Vol 4, Part E, 7.8.52).
const maxHandles = 0xF0

// addSet adds a set and calls done once it advertises. onEnd is called at its end. It
// returns nil if there is none.
func (a *advertising) addSet(o *AdvertiseOptions, onEnd, done func(error)) *advertSet {
	h := 1
	for slices.ContainsFunc(a.sets, func(s *advertSet) bool { return int(s.handle) == h }) {
		h++
	}
	if a.c.err != nil || h == maxHandles {
		err := a.c.err
		if err == nil {
			err = fmt.Errorf("controller: advertise: %d sets are the most that HCI can tell apart: stop one first", maxHandles)
		}
		done(err)
		return nil
	}
	s := &advertSet{a: a, handle: uint8(h), onEnd: onEnd}
	a.sets = append(a.sets, s)
	s.setWanted(o, func(err error) {
		if err != nil {
			s.removeSet(err, func(error) {})
		}
		done(err)
	})
	return s
}

// setOf returns the set of a handle, or nil.
func (a *advertising) setOf(handle uint8) *advertSet {
	for _, s := range a.sets {
		if s.handle == handle {
			return s
		}
	}
	return nil
}

// isRunning reports whether a set is advertised.
func (a *advertising) isRunning() bool {
	return slices.ContainsFunc(a.sets, func(s *advertSet) bool { return s.running })
}

// isActive reports whether a set is advertised, or a command about one is pending.
func (a *advertising) isActive() bool { return a.busy || a.isRunning() }

// listConnectable returns the sets that a connection may have ended.
func (a *advertising) listConnectable() (sets []*advertSet) {
	for _, s := range a.sets {
		if s.running && (s.opts == nil || !s.opts.NonConnectable) {
			sets = append(sets, s)
		}
	}
	return sets
}

// linkAddress returns the own address of a new link; zero if no set was advertised.
func (a *advertising) linkAddress() hci.Addr {
	if sets := a.listConnectable(); len(sets) == 1 && sets[0].own != (hci.Addr{}) {
		return sets[0].own
	}
	return a.own
}

// endByConnection handles a connection, which ends the set that it was made to (7.8.9).
// If there are several, LE Advertising Set Terminated tells which.
func (a *advertising) endByConnection() {
	if sets := a.listConnectable(); len(sets) > 1 {
		a.unclear++
	} else if len(sets) == 1 {
		sets[0].running = false
	}
	a.syncAdvertising()
}

// noteTimeout handles the end of directed advertising that the controller reports as a
// failed connection (7.8.9).
func (a *advertising) noteTimeout() {
	for _, s := range a.sets {
		if s.running && (s.opts == nil || s.opts.Peer != hci.Addr{} || !a.c.info.Extended) {
			s.noteEnded(hci.StatusAdvertisingTimeout)
			return
		}
	}
	a.syncAdvertising()
}

// handleSetTerminated handles LE Advertising Set Terminated. A connection has ended the
// set, or the controller itself. If the link of the connection is unknown, its event is
// late or lost; the controller does not advertise any more either way.
func (a *advertising) handleSetTerminated(ev *hci.LEAdvertisingSetTerminated) {
	s := a.setOf(ev.Set)
	switch {
	case s == nil:
		a.c.stats.UnknownHandles++
	case ev.Status != hci.StatusSuccess:
		s.noteEnded(ev.Status)
	case a.c.links[ev.Handle] == nil:
		s.noteStopped()
	case a.unclear > 0:
		a.unclear--
		s.noteStopped()
	}
}

// noteUnknownLink handles the end of an unknown link. If this host was the peripheral,
// the connection has ended a set. Restarting all does no harm if the controller still
// advertises.
func (a *advertising) noteUnknownLink() {
	a.restartConnectable()
	a.syncAdvertising()
}

// restartConnectable counts all connectable sets as stopped, so that they start again.
func (a *advertising) restartConnectable() {
	a.unclear = 0
	for _, s := range a.listConnectable() {
		s.running = false
	}
}

// noteLinkDown tries to advertise again after the end of a link.
func (a *advertising) noteLinkDown() {
	for _, s := range a.sets {
		s.refused = false
	}
	if a.unclear > 0 { // the event that tells the set is lost
		a.restartConnectable()
	}
	a.syncAdvertising()
}

// noteAddressChange sets up the sets with the address of the host again: an advertising
// set has an address of its own.
func (a *advertising) noteAddressChange() {
	for _, s := range a.sets {
		s.fresh = s.fresh || s.opts != nil && s.opts.Address == hci.Addr{}
	}
}

// noteReset handles a reset of the controller, which from now on has the legacy commands:
// it has forgotten the sets. Those that need the extended commands end.
func (a *advertising) noteReset() {
	a.unclear = 0
	kept := false
	for _, s := range a.sets {
		s.exists, s.running, s.response = false, false, false
		s.train = train{fresh: true}
		s.fresh = s.opts != nil
	}
	for _, s := range slices.Clone(a.sets) {
		if s.opts == nil {
			continue
		}
		if err := a.c.checkAdvertising(s.opts, !kept); err != nil {
			s.failSet(err)
			continue
		}
		kept = true
	}
}

// syncAdvertising sends the next command towards the wanted state.
func (a *advertising) syncAdvertising() {
	if a.busy || a.c.err != nil {
		return
	}
	sets := slices.Clone(a.sets)
	if !a.c.info.Extended { // one stops before the next one starts
		slices.SortStableFunc(sets, func(s, t *advertSet) int { return compareRunning(s.running, t.running) })
	}
	for _, s := range sets {
		if s.syncSet() || a.busy {
			return
		}
	}
	a.c.quiet.runNextJob()
}

// compareRunning orders what runs before what does not.
func compareRunning(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// failAdvertising ends all sets with err.
func (a *advertising) failAdvertising(err error) {
	for _, s := range slices.Clone(a.sets) {
		s.running = false
		s.failSet(err)
	}
}

// usesAcceptList reports whether a set has the filter accept list, which must not change
// then (Vol 4, Part E, 7.8.15).
func (a *advertising) usesAcceptList() bool {
	return a.loading > 0 || slices.ContainsFunc(a.sets, func(s *advertSet) bool { return s.opts != nil && len(s.opts.Accept) > 0 })
}

// loadAcceptList loads the filter accept list while the controller is idle, unless it has
// the entries. After an error no set with a list is advertised.
func (a *advertising) loadAcceptList(list []hci.Addr, done func(error)) {
	if slices.Equal(a.accept, list) {
		done(nil)
		return
	}
	a.loading++
	a.c.quiet.addJob(func(done func(error)) {
		a.accept = nil
		a.c.runUntilError(acceptListCommands(list), done)
	}, func(err error) {
		a.loading--
		if err == nil {
			a.accept = list
		} else {
			for _, s := range slices.Clone(a.sets) {
				if s.opts != nil && len(s.opts.Accept) > 0 {
					s.failSet(err)
				}
			}
		}
		done(err)
	})
}

// acceptListCommands returns the commands that load the filter accept list.
func acceptListCommands(list []hci.Addr) []hci.Params {
	ps := []hci.Params{hci.LEClearFilterAcceptList{}}
	for _, addr := range list {
		ps = append(ps, hci.LEAddDeviceToFilterAcceptList{Addr: addr})
	}
	return ps
}
