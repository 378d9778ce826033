package controller

import "time"

// quietTime is how long a scan that has had reports may listen without one. habluetooth,
// the scanner of Home Assistant, waits as long before it restarts a scan. A device in
// range advertises at least every 10.24 s.
const quietTime = 90 * time.Second

// silence notices a controller that scans but no longer reports anything, which several
// controllers do after some hours. The scan is restarted. If it stays silent, it is
// restarted again, and Stats.SilentScans tells the owner of the Controller, who may
// open it anew. Where no device advertises any more, this does no harm. A scan that
// never had a report is not watched.
type silence struct {
	c        *core
	timer    timer
	heard    bool          // there was a report
	restart  bool          // the scan is to be restarted
	restarts int           // for this silence, since the last report
	since    time.Time     // the last report, or the start of the scan after it
	before   time.Duration // how long the scan listened in vain before since
}

func (s *silence) init(c *core) {
	s.c = c
	s.timer.f = s.checkQuiet
}

// noteReport notes that there was a report.
func (s *silence) noteReport() {
	s.since, s.before, s.restarts = s.c.now, 0, 0
	if !s.heard {
		s.heard = true
		s.setAlarm()
	}
}

// noteScanState notes the start and the end of the scan.
func (s *silence) noteScanState(running bool) {
	if running {
		s.since, s.restart = s.c.now, false
		s.setAlarm()
		return
	}
	s.before = s.listened()
	s.c.timers.stopTimer(&s.timer)
}

// listened returns how long the scan has listened since the last report, in whole
// milliseconds.
func (s *silence) listened() time.Duration {
	d := s.c.now.Sub(s.since).Seconds() * s.c.scan.set.share()
	return s.before + time.Duration(d*float64(time.Second)).Round(time.Millisecond)
}

func (s *silence) setAlarm() {
	if s.heard && s.c.scan.running {
		left := (quietTime - s.before).Seconds() / s.c.scan.set.share()
		s.c.timers.setTimer(&s.timer, s.since.Add(time.Duration(left*float64(time.Second))))
	}
}

// checkQuiet is called when the scan would have been silent for quietTime without the
// reports since the alarm was set.
func (s *silence) checkQuiet(now time.Time) {
	if s.listened() < quietTime {
		s.setAlarm()
		return
	}
	s.c.stats.QuietScans++
	switch s.restarts {
	case 0:
		s.c.log.Log(s.c.ctx, LevelController, "scan is quiet, restarted", "for", quietTime)
	case 1:
		s.c.log.Log(s.c.ctx, LevelController, "scan stays silent after its restart", "for", quietTime)
	}
	if s.restarts > 0 {
		s.c.stats.SilentScans++
	}
	s.restarts++
	s.since, s.before, s.restart = now, 0, true
	s.c.scan.syncScan()
}
