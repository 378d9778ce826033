package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// scanSettings is what the controller is told.
type scanSettings struct {
	active, duplicates bool
	interval, window   time.Duration
}

// scanning brings the controller's scan from the state it is in to the state
// that scanners and dials want, one command at a time: sync compares the two
// and takes the next step until they agree.
type scanning struct {
	c        *core
	scanners []*Scanner
	starts   []func(error) // callers who wait until the scan runs

	running bool // as the controller has it
	set     scanSettings
	busy    bool // a command is under way
	paused  bool // out of the way of a dial
	onPause func()

	merge  merger
	chains chains
}

func (s *scanning) init(c *core) {
	s.c = c
	s.merge.init()
	s.chains.init()
}

func (s *scanning) isActive() bool { return s.running || s.busy }

func (s *scanning) addScanner(sc *Scanner, done func(error)) {
	if s.c.err != nil {
		done(s.c.err)
		return
	}
	s.scanners = append(s.scanners, sc)
	s.starts = append(s.starts, done)
	s.syncScan()
	s.c.dial.reconsider() // a dial that cannot go on beside the scan takes turns from now on
}

func (s *scanning) removeScanner(sc *Scanner) {
	for i, o := range s.scanners {
		if o == sc {
			s.scanners = append(s.scanners[:i], s.scanners[i+1:]...)
			s.syncScan()
			return
		}
	}
}

// pause stops the scan, calls then once it has stopped, and keeps it stopped
// until resume.
func (s *scanning) pauseScan(then func()) {
	s.paused, s.onPause = true, then
	s.syncScan()
}

func (s *scanning) resumeScan() {
	if s.paused {
		s.paused, s.onPause = false, nil
		s.syncScan()
	}
}

// stopped notes that the controller ended the scan by itself.
func (s *scanning) noteScanStopped() {
	s.running = false
	s.syncScan()
}

// wanted returns the settings that serve all scanners.
func (s *scanning) wantedScan() (set scanSettings, on bool) {
	for _, sc := range s.scanners {
		interval, window := sc.opts.timing()
		if set.interval == 0 || window.Seconds()/interval.Seconds() > set.window.Seconds()/set.interval.Seconds() {
			set.interval, set.window = interval, window
		}
		set.active = set.active || !sc.opts.Passive
		set.duplicates = set.duplicates || sc.opts.Duplicates
	}
	return set, len(s.scanners) > 0 && !s.paused && !s.c.quiet.holdsBack()
}

func (s *scanning) syncScan() {
	if s.busy || s.c.err != nil {
		return
	}
	set, on := s.wantedScan()
	switch {
	case s.running && (!on || set != s.set || s.hasNewcomer()):
		s.runScanCommand(s.enableScan(false), func(err error) {
			// Whatever the controller says, it is not asked to stop again before it
			// has been asked to start: one that always refuses would be asked for ever.
			s.running = false
			if err != nil && statusOf(err) != hci.StatusCommandDisallowed {
				s.failScanners(err)
			}
		})
	case on && !s.running:
		s.runScanCommand(s.scanParameters(set), func(err error) {
			if err != nil {
				s.failScanStart(err)
				return
			}
			for _, sc := range s.scanners {
				sc.asked = true
			}
			s.runScanCommand(s.enableScan(true, set.duplicates), func(err error) {
				if err != nil {
					s.failScanStart(err)
					return
				}
				s.running, s.set = true, set
				s.chains.init() // what the last scan left unfinished stays so
			})
		})
	default:
		s.finishSync()
	}
}

// joined reports whether a scanner came after the controller was told to scan.
// What it has missed may not come again: a controller that filters duplicates
// has reported those devices (Vol 6, Part B, 4.4.3.5), and BlueZ's btvirt
// reports a device once in a scan even if it is not to filter.
func (s *scanning) hasNewcomer() bool {
	return slices.ContainsFunc(s.scanners, func(sc *Scanner) bool { return !sc.asked })
}

// settled is reached when controller and wishes agree.
func (s *scanning) finishSync() {
	if s.running {
		for _, sc := range s.scanners {
			sc.ran = true
		}
	}
	switch {
	case s.running || s.paused: // a paused scan starts by itself when it may
		s.answerStarts(nil)
	case len(s.scanners) == 0: // whoever waited has left
		s.answerStarts(errScannerClosed)
	}
	if s.paused && s.onPause != nil {
		then := s.onPause
		s.onPause = nil
		then()
	}
	s.c.quiet.runNextJob()
}

func (s *scanning) answerStarts(err error) {
	starts := s.starts
	s.starts = nil
	for _, done := range starts {
		done(err)
	}
}

// step runs one command; sync goes on after it.
func (s *scanning) runScanCommand(p hci.Params, then func(error)) {
	s.busy = true
	s.c.runCommand(p, func(_ time.Time, _ []byte, err error) {
		s.busy = false
		then(err)
		s.syncScan()
	})
}

func (s *scanning) enableScan(on bool, duplicates ...bool) hci.Params {
	filter := len(duplicates) > 0 && !duplicates[0]
	if s.c.info.Extended {
		return hci.LESetExtendedScanEnable{Enable: on, FilterDuplicates: filter}
	}
	return hci.LESetScanEnable{Enable: on, FilterDuplicates: filter}
}

func (s *scanning) scanParameters(set scanSettings) hci.Params {
	own := s.c.own.Kind
	if s.c.info.Extended {
		p := hci.ScanningPHY{Active: set.active, Interval: set.interval, Window: set.window}
		return hci.LESetExtendedScanParameters{OwnAddrKind: own, PHYs: hci.PHYs1M, Scanning: []hci.ScanningPHY{p}}
	}
	return hci.LESetScanParameters{Active: set.active, Interval: set.interval, Window: set.window, OwnAddrKind: own}
}

// failStart gives up the scanners for which the controller refuses to scan:
// those that came since it last did, or all if there are none. While a dial is under way the refusal may be about that: then the
// scan waits for the end of it, as on a controller that cannot do both.
func (s *scanning) failScanStart(err error) {
	if statusOf(err) == hci.StatusCommandDisallowed && s.c.dial.state != dialIdle {
		s.paused = true
		s.c.info.scanBlocksInitiating = true
		s.c.dial.reconsider()
		return // sync settles, and resume comes with the end of the dial's turn
	}
	if !slices.ContainsFunc(s.scanners, func(sc *Scanner) bool { return !sc.ran }) {
		s.failScanners(err)
		return
	}
	s.endScanners(err, func(sc *Scanner) bool { return !sc.ran })
}

// fail ends all scanners with err.
func (s *scanning) failScanners(err error) { s.endScanners(err, func(*Scanner) bool { return true }) }

// end ends the scanners that which picks, and tells those who wait for a start.
func (s *scanning) endScanners(err error, which func(*Scanner) bool) {
	var kept, ended []*Scanner
	for _, sc := range s.scanners {
		if which(sc) {
			ended = append(ended, sc)
		} else {
			kept = append(kept, sc)
		}
	}
	s.scanners = kept
	s.answerStarts(err)
	for _, sc := range ended {
		sc.queue.Close(err)
	}
}

// legacyReports handles LE Advertising Report.
func (s *scanning) handleLegacyReports(ev *hci.LEAdvertisingReport) {
	for i := range ev.Reports {
		r := &ev.Reports[i]
		s.deliverReport(Report{
			Addr: r.Addr, RSSI: r.RSSI, TxPower: TxPowerUnknown, PrimaryPHY: hci.PHY1M,
			Connectable:  r.Type == hci.AdvInd || r.Type == hci.AdvDirectInd,
			Scannable:    r.Type == hci.AdvInd || r.Type == hci.AdvScanInd,
			Directed:     r.Type == hci.AdvDirectInd,
			ScanResponse: r.Type == hci.AdvScanRsp,
		}, r.Data)
	}
}

// extendedReports handles LE Extended Advertising Report.
func (s *scanning) handleExtendedReports(ev *hci.LEExtendedAdvertisingReport) {
	for i := range ev.Reports {
		r := &ev.Reports[i]
		data, whole := s.chains.addPiece(r)
		if !whole {
			continue
		}
		s.deliverReport(Report{
			Addr: r.Addr, RSSI: r.RSSI, TxPower: r.TxPower, SID: r.SID,
			PrimaryPHY: r.PrimaryPHY, SecondaryPHY: r.SecondaryPHY,
			Connectable: r.Connectable(), Scannable: r.Scannable(), Directed: r.Directed(),
			ScanResponse: r.ScanResponse(), Extended: !r.Legacy(), Truncated: r.Truncated(),
		}, data)
	}
}

// deliver merges data into r and gives it to every scanner that wants it.
func (s *scanning) deliverReport(r Report, data []byte) {
	r.Time = s.c.now
	s.merge.mergeReport(&r, data)
	if r.Connectable {
		s.c.dial.noteHeard(r.Addr)
	}
	for _, sc := range s.scanners {
		if sc.opts.Filter.matchReport(&r) && (sc.opts.Duplicates || sc.seen.noteChange(&r)) {
			own := r
			own.Data, own.Response = slices.Clone(r.Data), slices.Clone(r.Response)
			sc.queue.Push(own)
		}
	}
}
