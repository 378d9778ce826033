package controller

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// advertSet brings one advertising set of the controller into the wanted state. With the
// legacy commands there is one in use.
type advertSet struct {
	a      *advertising
	handle uint8
	onEnd  func(error) // nil for the main set

	opts    *AdvertiseOptions // nil means off
	fresh   bool              // opts are not yet in the controller
	running bool              // the controller advertises
	refused bool              // the controller cannot advertise until a link goes down
	waiting []func(error)     // calls that wait for the wanted state
	leaving bool              // the set is removed once it is stopped

	exists bool              // the controller has the set
	props  hci.AdvProperties // with these properties
	// response reports that the set has a scan response, which the controller keeps
	// until it gets another one.
	response bool
	train    train
	own      hci.Addr  // the address on air since the latest start
	endsAt   time.Time // of AdvertiseOptions.Duration; zero before the first start
}

// train is the periodic advertising of a set.
type train struct {
	on    bool
	fresh bool // its options are not yet in the controller
	stale bool // its data are not yet in the controller
}

// setWanted sets the wanted state and calls done once it is reached.
func (s *advertSet) setWanted(o *AdvertiseOptions, done func(error)) {
	a, c := s.a, s.a.c
	switch {
	case c.err != nil:
		done(c.err)
		return
	case s.leaving:
		done(ErrSetStopped)
		return
	case o == nil:
		s.want(nil, done)
		return
	case len(o.Accept) > 0 && !c.remainder.isDone(): // the size of the list is unknown
		c.remainder.afterEnd(func() { s.setWanted(o, done) })
		return
	}
	others := slices.DeleteFunc(slices.Clone(a.sets), func(t *advertSet) bool { return t == s || t.opts == nil })
	if err := c.checkAdvertising(o, len(others) == 0); err != nil {
		done(err)
		return
	}
	if len(o.Accept) == 0 {
		s.want(o, done)
		return
	}
	for _, t := range others {
		if len(t.opts.Accept) > 0 && !slices.Equal(t.opts.Accept, o.Accept) {
			done(fmt.Errorf("controller: advertise: another set has a different list Accept, and the controller has one filter accept list: give both the same"))
			return
		}
	}
	a.loadAcceptList(o.Accept, func(err error) {
		switch {
		case err == nil && s.leaving:
			done(ErrSetStopped)
		case err == nil:
			s.want(o, done)
		default:
			done(fmt.Errorf("controller: advertise: filter accept list: %w", err))
		}
	})
}

func (s *advertSet) want(o *AdvertiseOptions, done func(error)) {
	s.opts, s.fresh, s.refused, s.endsAt = o, true, false, time.Time{}
	s.train.fresh = true
	s.waiting = append(s.waiting, done)
	s.a.syncAdvertising()
}

// setPeriodicData replaces the data of the periodic advertising.
func (s *advertSet) setPeriodicData(data hci.AdvData, done func(error)) {
	switch {
	case s.a.c.err != nil:
		done(s.a.c.err)
		return
	case s.opts == nil || s.opts.Periodic == nil:
		done(fmt.Errorf("controller: advertise: the set has no periodic advertising: set AdvertiseOptions.Periodic"))
		return
	}
	o, p := *s.opts, *s.opts.Periodic
	p.Data = slices.Clone(data)
	o.Periodic = &p
	s.opts, s.train.stale = &o, s.train.on // otherwise it begins with these data
	s.waiting = append(s.waiting, done)
	s.a.syncAdvertising()
}

// removeSet ends the set with cause and calls done once the controller has removed it.
func (s *advertSet) removeSet(cause error, done func(error)) {
	if s.a.c.err != nil {
		done(s.a.c.err)
		return
	}
	first := !s.leaving
	s.leaving, s.opts = true, nil
	if first && s.onEnd != nil {
		s.onEnd(cause)
	}
	s.answerWaiting(cause)
	if !slices.Contains(s.a.sets, s) { // the caller that waited has removed it
		done(nil)
		return
	}
	s.waiting = append(s.waiting, done)
	s.a.syncAdvertising()
}

// failSet ends what the set advertises, or its start, with err.
func (s *advertSet) failSet(err error) {
	s.opts = nil
	s.answerWaiting(err)
	if s.onEnd != nil && !s.leaving {
		s.leaving = true
		s.onEnd(err)
	}
}

// noteEnded handles the end of the set by the controller itself. Without a bound in the
// options it starts again.
func (s *advertSet) noteEnded(status hci.Status) {
	if o := s.opts; o == nil || o.Duration == 0 && o.MaxEvents == 0 && !o.HighDuty {
		s.noteStopped()
		return
	}
	s.running = false
	s.failSet(fmt.Errorf("controller: %w: %w", ErrAdvertisingEnded, status))
	s.a.syncAdvertising()
}

// noteStopped handles the end of the advertising of the set.
func (s *advertSet) noteStopped() {
	s.running = false
	s.a.syncAdvertising()
}

// shouldRun reports whether the controller should advertise the set now.
func (s *advertSet) shouldRun() bool {
	c := s.a.c
	if s.opts == nil || s.refused || c.quiet.holdsBack() {
		return false
	}
	return s.opts.NonConnectable || c.peripheralLinks < s.opts.maxLinks()
}

// syncSet sends the next commands towards the wanted state of the set, and reports
// whether it did.
func (s *advertSet) syncSet() bool {
	a := s.a
	switch on := s.shouldRun(); {
	case a.c.quiet.busy && (s.opts == nil && s.train.on || s.leaving && s.exists || s.train.stale):
		return false // goes on after the job, which may be a reset
	case s.running && (!on || s.fresh):
		s.runSetCommands([]hci.Params{s.enableSet(false)}, func(error) { s.running = false })
	case s.train.on && (s.opts == nil || s.train.fresh):
		s.runSetCommands([]hci.Params{hci.LESetPeriodicAdvertisingEnable{Handle: s.handle}}, func(error) { s.train.on, s.train.stale = false, false })
	case s.train.on && s.train.stale:
		p := hci.LESetPeriodicAdvertisingData{Handle: s.handle, Operation: hci.AdvDataComplete, Data: s.opts.Periodic.Data}
		s.train.stale = false
		s.runSetCommands([]hci.Params{p}, func(err error) {
			if err != nil {
				s.answerWaiting(err)
			}
		})
	case s.leaving && s.exists:
		s.runSetCommands([]hci.Params{hci.LERemoveAdvertisingSet{Handle: s.handle}}, func(error) { s.exists = false })
	case on && !a.c.remainder.isDone(): // a link may begin at once
		a.c.remainder.begin()
	case on && !s.running:
		s.startSet()
	default:
		if s.leaving {
			a.sets = slices.DeleteFunc(a.sets, func(t *advertSet) bool { return t == s })
		}
		if s.opts == nil || !a.c.quiet.holdsBack() { // otherwise it starts after the jobs
			s.answerWaiting(nil)
		}
		return false
	}
	return true
}

// startSet sets the set up, if that is to be done, and starts it.
func (s *advertSet) startSet() {
	c, setup, withTrain := s.a.c, s.fresh, s.train.fresh
	if !s.endsAt.IsZero() && !c.now.Before(s.endsAt) { // over while it was paused
		s.noteEnded(hci.StatusAdvertisingTimeout)
		return
	}
	if err := s.checkRoom(); err != nil {
		s.failSet(err)
		s.a.syncAdvertising()
		return
	}
	var ps []hci.Params
	if setup {
		ps = s.setupCommands()
		s.fresh, s.train.fresh = false, false
	}
	s.runSetCommands(append(ps, s.enableSet(true)), func(err error) {
		if s.running = err == nil; s.running {
			s.own = s.ownAddress()
			s.a.own = s.own
			if s.opts != nil && s.opts.Duration > 0 && s.endsAt.IsZero() {
				s.endsAt = c.now.Add(s.opts.Duration)
			}
		}
		if err == nil || s.fresh { // fresh: the options have changed meanwhile
			return
		}
		if s.opts != nil && !s.opts.needsExtended() && c.fallBackToLegacy(err) {
			return
		}
		s.refused, s.fresh, s.train.fresh = true, setup, withTrain
		if len(s.waiting) > 0 { // the callers get the error, so advertising is off
			s.failSet(err)
		}
	})
}

// answerWaiting returns err to all waiting calls.
func (s *advertSet) answerWaiting(err error) {
	waiting := s.waiting
	s.waiting = nil
	for _, done := range waiting {
		done(err)
	}
}

// runSetCommands sends commands one after the other, up to the first error, and calls
// then.
func (s *advertSet) runSetCommands(ps []hci.Params, then func(error)) {
	s.a.busy = true
	s.a.c.runCommand(ps[0], func(_ time.Time, ret []byte, err error) {
		if err == nil {
			err = s.noteTaken(ps[0], ret)
		}
		if err == nil && len(ps) > 1 {
			s.runSetCommands(ps[1:], then)
			return
		}
		s.a.busy = false
		then(err)
		s.a.syncAdvertising()
	})
}

// noteTaken notes what the controller has after a command. Its error ends the set-up.
func (s *advertSet) noteTaken(p hci.Params, ret []byte) (err error) {
	switch p := p.(type) {
	case hci.LESetExtendedAdvertisingParameters:
		s.exists, s.props = true, p.Properties
	case hci.LERemoveAdvertisingSet:
		s.exists, s.response = false, false
	case hci.LESetExtendedScanResponseData:
		s.response = len(p.Data) > 0
	case hci.LESetPeriodicAdvertisingEnable:
		s.train.on, s.train.stale = p.Enable, false
	case hci.LEReadMaximumAdvertisingDataLength:
		decodeReturn(p, ret, nil, func(n hci.AdvDataLength, bad error) {
			s.a.maxData = max(int(n), maxLegacyAdv)
			if bad != nil {
				s.a.maxData = maxExtendedAdv
			}
		})
		err = s.checkRoom()
	}
	return err
}

// checkRoom returns an error if the controller does not take the data of the set.
func (s *advertSet) checkRoom() error {
	if s.opts == nil {
		return nil // the set is off meanwhile
	}
	n := s.opts.longestData()
	if limit := s.a.maxData; limit != 0 && n > limit {
		return fmt.Errorf("controller: advertise: %d octets of data, but the controller takes %d: shorten them, or use another adapter", n, limit)
	}
	return nil
}

// longestData returns the length of the longest of the data of the options, in octets.
func (o *AdvertiseOptions) longestData() int {
	n := max(len(o.Data), len(o.Response))
	if o.Periodic != nil {
		n = max(n, len(o.Periodic.Data))
	}
	return n
}
