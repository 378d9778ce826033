package controller

import (
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// scanSettings are the scan parameters in the controller.
type scanSettings struct {
	active           bool
	phys             hci.PHYs
	interval, window time.Duration
}

// share returns the part of the time for which the controller listens.
func (s scanSettings) share() float64 {
	if s.interval == 0 {
		return 1
	}
	return s.window.Seconds() / s.interval.Seconds()
}

// scanning brings the scan of the controller into the state that the Scanners and
// the dials need, one command at a time: syncScan compares the two states and sends
// the next command, until they agree.
type scanning struct {
	c        *core
	scanners []*Scanner

	running bool         // the controller scans
	set     scanSettings // with these settings
	busy    bool         // a command is pending
	cleared bool         // see retryStart
	paused  bool         // a dial needs the radio
	onPause func()       // called once the scan has stopped for the pause
	held    bool         // a refused scan waits for the remainder of the start-up

	report  Report // the one in hand
	merge   merger
	chains  chains
	silence silence
}

func (s *scanning) init(c *core) {
	s.c = c
	s.chains.init()
	s.silence.init(c)
}

// isActive reports whether the controller scans, or a command about it is pending.
func (s *scanning) isActive() bool { return s.running || s.busy }

// addScanner adds a Scanner and calls done once the scan has started or failed.
func (s *scanning) addScanner(sc *Scanner, done func(error)) {
	if s.c.err != nil {
		done(s.c.err)
		return
	}
	if err := s.c.info.checkPHYs(kindScan, sc.opts.PHYs); err != nil {
		done(fmt.Errorf("controller: scan: %w", err))
		return
	}
	sc.onStart = done
	s.scanners = append(s.scanners, sc)
	s.syncScan()
	s.c.dial.reconsider() // an initiation that cannot run beside the scan takes turns with it
}

// removeScanner removes a Scanner, if it is still there.
func (s *scanning) removeScanner(sc *Scanner) {
	for i, o := range s.scanners {
		if o == sc {
			s.scanners = append(s.scanners[:i], s.scanners[i+1:]...)
			sc.answerStart(errScannerClosed)
			s.syncScan()
			return
		}
	}
}

// pauseScan stops the scan until resumeScan, and calls then once it has stopped.
func (s *scanning) pauseScan(then func()) {
	s.paused, s.onPause = true, then
	s.syncScan()
}

// resumeScan ends a pause.
func (s *scanning) resumeScan() {
	if s.paused {
		s.paused, s.onPause = false, nil
		s.syncScan()
	}
}

// noteScanStopped handles the end of a scan that the controller ended itself.
func (s *scanning) noteScanStopped() {
	s.setRunning(false)
	s.syncScan()
}

func (s *scanning) setRunning(on bool) {
	if s.running != on {
		s.running = on
		s.silence.noteScanState(on)
	}
}

// wantedScan returns the settings that serve all Scanners, and whether to scan now.
func (s *scanning) wantedScan() (set scanSettings, on bool) {
	for _, sc := range s.scanners {
		interval, window := sc.opts.timing()
		if set.interval == 0 || window.Seconds()/interval.Seconds() > set.window.Seconds()/set.interval.Seconds() {
			set.interval, set.window = interval, window
		}
		set.active = set.active || !sc.opts.Passive
		set.phys |= listenPHYs(sc.opts.PHYs)
	}
	return set, len(s.scanners) > 0 && !s.paused && !s.held && !s.c.quiet.holdsBack()
}

// syncScan sends the next command towards the wanted state.
func (s *scanning) syncScan() {
	if s.busy || s.c.err != nil {
		return
	}
	set, on := s.wantedScan()
	switch {
	case s.running && (!on || set != s.set || s.hasNewcomer() || s.silence.restart):
		s.runScanCommand(s.enableScan(false), func(err error) {
			// The scan counts as stopped even if the controller refuses. Otherwise a
			// controller that always refuses would get the command forever.
			s.setRunning(false)
			if err != nil && statusOf(err) != hci.StatusCommandDisallowed {
				s.failScanners(err)
			}
		})
	case on && !s.running:
		s.runScanCommand(s.scanParameters(set), func(err error) {
			if err != nil {
				s.failScanStart(set.phys, err)
				return
			}
			for _, sc := range s.scanners {
				sc.asked = true
			}
			s.runScanCommand(s.enableScan(true), func(err error) {
				if err != nil {
					s.failScanStart(set.phys, err)
					return
				}
				s.c.legacy.noteListening(kindScan, set.phys)
				s.set, s.cleared = set, false
				s.setRunning(true)
			})
		})
	default:
		s.finishSync()
	}
}

// hasNewcomer reports whether a Scanner was added after the scan started. Only a
// restart makes sure that it receives the devices in range: BlueZ's btvirt reports
// a device once per scan even without its duplicate filter.
func (s *scanning) hasNewcomer() bool {
	return slices.ContainsFunc(s.scanners, func(sc *Scanner) bool { return !sc.asked })
}

// finishSync is called once the scan is in the wanted state.
func (s *scanning) finishSync() {
	if s.running {
		s.c.remainder.begin()
		for _, sc := range s.scanners {
			sc.ran = true
		}
	}
	if s.running || s.paused { // a paused scan resumes by itself
		for _, sc := range s.scanners {
			sc.answerStart(nil)
		}
	}
	if s.paused && s.onPause != nil {
		then := s.onPause
		s.onPause = nil
		then()
	}
	s.c.quiet.runNextJob()
}

// answerStart returns err to the call of Scan, if that waits for the start.
func (s *Scanner) answerStart(err error) {
	if done := s.onStart; done != nil {
		s.onStart = nil
		done(err)
	}
}

// runScanCommand sends one command, calls then with its error, and then syncScan.
func (s *scanning) runScanCommand(p hci.Params, then func(error)) {
	s.busy = true
	s.c.runCommand(p, func(_ time.Time, _ []byte, err error) {
		s.busy = false
		then(err)
		s.syncScan()
	})
}

// enableScan returns the command that starts or stops the scan. The duplicate filter
// of the controller stays off: many controllers compare the address alone, and so
// withhold new data and scan responses. A seenSet filters instead.
func (s *scanning) enableScan(on bool) hci.Params {
	if s.c.info.Extended {
		return hci.LESetExtendedScanEnable{Enable: on}
	}
	return hci.LESetScanEnable{Enable: on}
}

// scanParameters returns the command that sets the scan parameters.
func (s *scanning) scanParameters(set scanSettings) hci.Params {
	own := s.c.own.Kind
	if s.c.info.Extended {
		n, interval := shareRadio(set.phys, set.interval)
		p := hci.ScanningPHY{Active: set.active, Interval: interval, Window: set.window}
		return hci.LESetExtendedScanParameters{OwnAddrKind: own, PHYs: set.phys, Scanning: slices.Repeat([]hci.ScanningPHY{p}, n)}
	}
	return hci.LESetScanParameters{Active: set.active, Interval: set.interval, Window: set.window, OwnAddrKind: own}
}

// failScanStart handles the controller's refusal to scan on phys. It ends the Scanners that
// were added since the controller last scanned, or all if there are none. While a
// dial is under way, the dial may be the reason for the refusal: the controller is
// then treated as one that cannot scan while it initiates, and the scan waits. If the
// remainder of the start-up may be the remedy, the scan is tried again after it.
func (s *scanning) failScanStart(phys hci.PHYs, err error) {
	if s.c.remainder.mayAllowScan(err) {
		s.held = true
		s.c.remainder.afterEnd(func() { s.held = false })
		return
	}
	if statusOf(err) == hci.StatusCommandDisallowed && s.c.dial.state != dialIdle {
		s.paused = true
		s.c.info.scanBlocksInitiating = true
		s.c.dial.reconsider()
		return // the dialer resumes the scan at the end of its turn
	}
	if s.retryStart(phys, err) {
		return
	}
	if !slices.ContainsFunc(s.scanners, func(sc *Scanner) bool { return !sc.ran }) {
		s.failScanners(err)
		return
	}
	s.endScanners(err, func(sc *Scanner) bool { return !sc.ran })
}

// failScanners ends all Scanners with err.
func (s *scanning) failScanners(err error) { s.endScanners(err, func(*Scanner) bool { return true }) }

// endScanners ends the Scanners that which selects, with err.
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
	for _, sc := range ended {
		sc.answerStart(err)
		sc.queue.waiting.Close(err)
	}
}
