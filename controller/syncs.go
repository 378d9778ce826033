package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// syncRequest is one call of Controller.Sync. The loop owns it from addRequest until done
// is called.
type syncRequest struct {
	cmd  hci.LEPeriodicAdvertisingCreateSync
	sync *Sync
	done func(error)
	told bool // done has been called
	gone bool // the caller has left
}

// answer calls done, once.
func (x *syncRequest) answer(err error) {
	if !x.told {
		x.told = true
		x.done(err)
	}
}

// syncState is the state of the one search that a controller can run.
//
//	    startSearch     status 0            established event
//	idle ───────▶ starting ───────▶ searching ─────────────▶ idle
//	                 │                  │ the caller leaves    ▲
//	                 │ error            ▼                      │
//	                 └──▶ idle      canceling ─────────────────┘
//	                                established event, or end of cancelWait
type syncState uint8

const (
	syncIdle syncState = iota
	syncStarting
	syncSearching
	syncCanceling
)

// syncs has the synchronizations of a controller, and the search for the next one.
type syncs struct {
	c       *core
	state   syncState
	search  *syncRequest   // nil while idle
	waiting []*syncRequest // for their turns
	active  map[hci.Handle]*Sync
	timer   timer // cancelWait
	ending  bool  // a command ends a synchronization that nobody has asked for
}

func (s *syncs) init(c *core) {
	s.c = c
	s.active = map[hci.Handle]*Sync{}
	s.timer.f = func(time.Time) { s.endSearch() }
}

// addRequest queues x. Must run on the loop.
func (s *syncs) addRequest(x *syncRequest) {
	if s.c.err != nil {
		x.answer(s.c.err)
		return
	}
	if !s.c.info.followsPeriodic() { // the extended commands were refused meanwhile
		x.answer(errNoPeriodic())
		return
	}
	s.waiting = append(s.waiting, x)
	s.startSearch()
}

// startSearch starts the search that is next.
func (s *syncs) startSearch() {
	if s.state != syncIdle || len(s.waiting) == 0 || s.c.err != nil || !s.c.info.Extended {
		return
	}
	x := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.state, s.search = syncStarting, x
	s.c.runCommand(x.cmd, func(_ time.Time, _ []byte, err error) {
		switch {
		case s.search != x: // an event, or a reset, has ended it before
		case err != nil:
			x.answer(err)
			s.endSearch()
		case x.gone:
			s.cancelSearch()
		default:
			s.state = syncSearching
		}
	})
}

// giveUp ends a request whose caller has left, whatever has become of it.
func (s *syncs) giveUp(x *syncRequest) {
	x.gone = true
	if s.search == x {
		if s.state == syncSearching {
			s.cancelSearch()
		}
		return
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(y *syncRequest) bool { return y == x })
	if s.active[x.sync.handle] == x.sync { // established while the caller was leaving
		s.endSync(x.sync, errSyncClosed, true)
	}
}

// cancelSearch cancels the search. An event reports the end, or that it has succeeded.
func (s *syncs) cancelSearch() {
	s.state = syncCanceling
	s.c.timers.setTimer(&s.timer, s.c.now.Add(cancelWait))
	s.runEnding(hci.LEPeriodicAdvertisingCreateSyncCancel{}, func() {})
}

// endSearch lets the next search begin.
func (s *syncs) endSearch() {
	s.c.timers.stopTimer(&s.timer)
	s.state, s.search = syncIdle, nil
	s.startSearch()
}

// handleEstablished handles LE Periodic Advertising Sync Established.
func (s *syncs) handleEstablished(ev *hci.LEPeriodicAdvertisingSyncEstablished) {
	x := s.search
	switch {
	case ev.Status == hci.StatusSuccess && s.active[ev.Sync] != nil:
		s.c.countFault(&s.c.stats.RepeatedEvents, "repeated synchronization event ignored", "handle", ev.Sync)
		return
	case x == nil:
		s.c.stats.ForeignAnswers++
		if ev.Status == hci.StatusSuccess {
			s.endForeign(ev.Sync)
		}
		return
	case ev.Status == hci.StatusSuccess && (ev.Sync > hci.MaxHandle || ev.SID != x.cmd.SID):
		s.c.stats.ForeignAnswers++ // of another search
		s.endForeign(ev.Sync)
		return
	case ev.Status != hci.StatusSuccess:
		x.answer(&CommandError{hci.OpLEPeriodicAdvertisingCreateSync, ev.Status})
	case x.gone:
		s.endForeign(ev.Sync)
	default:
		x.sync.handle, x.sync.phy, x.sync.interval = ev.Sync, ev.PHY.Defined(), ev.Interval
		s.active[ev.Sync] = x.sync
		s.c.log.Log(s.c.ctx, LevelLink, "synchronized", "handle", ev.Sync, "advertiser", ev.Advertiser, "interval", ev.Interval)
		x.answer(nil)
	}
	s.endSearch()
}

// endForeign ends a synchronization that nobody has asked for. One command at a time does:
// a controller that reports them without end gets no queue of commands.
func (s *syncs) endForeign(h hci.Handle) {
	if s.ending || h > hci.MaxHandle {
		return
	}
	s.ending = true
	s.runEnding(hci.LEPeriodicAdvertisingTerminateSync{Sync: h}, func() { s.ending = false })
}

// runEnding runs a command that ends something, and calls then. During and after the
// switch to the legacy commands it sends none: the reset ends everything.
func (s *syncs) runEnding(p hci.Params, then func()) {
	if !s.c.info.Extended {
		then()
		return
	}
	s.c.runCommand(p, func(time.Time, []byte, error) { then() })
}

// endSync ends a synchronization with cause, and in the controller too if terminate is set.
func (s *syncs) endSync(x *Sync, cause error, terminate bool) {
	if s.active[x.handle] != x {
		return
	}
	delete(s.active, x.handle)
	x.queue.Close(cause)
	x.part = nil
	if terminate && s.c.err == nil {
		s.runEnding(hci.LEPeriodicAdvertisingTerminateSync{Sync: x.handle}, func() {})
	}
}

// handleLost handles LE Periodic Advertising Sync Lost.
func (s *syncs) handleLost(ev *hci.LEPeriodicAdvertisingSyncLost) {
	x := s.active[ev.Sync]
	if x == nil {
		s.c.stats.UnknownHandles++
		return
	}
	s.endSync(x, ErrSyncLost, false)
}

// handleReport handles LE Periodic Advertising Report. Data of more than maxChainLen octets
// is dropped, up to its last piece.
func (s *syncs) handleReport(ev *hci.LEPeriodicAdvertisingReport) {
	x := s.active[ev.Sync]
	if x == nil {
		s.c.stats.UnknownHandles++
		return
	}
	more := ev.Status == hci.PeriodicIncomplete
	switch {
	case x.broken:
		x.broken = more
		return
	case len(x.part)+len(ev.Data) > maxChainLen:
		s.c.countFault(&s.c.stats.MalformedReports, "periodic advertising of more than 1650 octets dropped", "handle", ev.Sync)
		x.part, x.broken = nil, more
		return
	}
	x.part = append(x.part, ev.Data...)
	if more {
		return
	}
	r := SyncReport{
		Time: s.c.now, RSSI: knownDBm(ev.RSSI), TxPower: knownDBm(ev.TxPower), Truncated: ev.Status != hci.PeriodicComplete, Data: x.part,
	}
	x.part = nil
	x.queue.Push(r)
}

// failSyncs ends all synchronizations and searches with err.
func (s *syncs) failSyncs(err error) {
	s.c.timers.stopTimer(&s.timer)
	requests := s.waiting
	if s.search != nil {
		requests = append(requests, s.search)
	}
	s.waiting, s.search, s.state = nil, nil, syncIdle
	for _, x := range requests {
		x.answer(err)
	}
	for _, x := range s.active {
		x.queue.Close(err)
	}
	clear(s.active)
}
