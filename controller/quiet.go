package controller

// quiet runs what a controller refuses while it scans, initiates or advertises:
// the commands of the own address and of the resolving list (Vol 4, Part E,
// 7.8.4, 7.8.38 and 7.8.44). It holds back all three, waits until the last of
// them has ended, and lets them go on when there is no more to run.
type quiet struct {
	c     *core
	queue []quietJob // the first one runs if busy
	busy  bool
}

// quietJob calls run when the controller is quiet, and done with what run has
// told, or with why the device ended.
type quietJob struct {
	run  func(done func(error))
	done func(error)
}

// wanted reports whether nothing may begin to scan, initiate or advertise. A dial
// that cannot be canceled is worth more than what waits for quiet.
func (q *quiet) holdsBack() bool {
	d := &q.c.dial
	return len(q.queue) > 0 && (d.state == dialIdle || !d.mute)
}

func (q *quiet) addJob(run func(done func(error)), done func(error)) {
	if q.c.err != nil {
		done(q.c.err)
		return
	}
	q.queue = append(q.queue, quietJob{run, done})
	q.stopOthers()
}

// begin ends what must end.
func (q *quiet) stopOthers() {
	q.c.scan.syncScan()
	q.c.adv.syncAdvertising()
	q.c.dial.reconsider()
	q.runNextJob()
}

// proceed runs the next job if all has ended that must. Scan, dials and
// advertising call it when they have.
func (q *quiet) runNextJob() {
	c := q.c
	if !q.holdsBack() || q.busy || c.err != nil || c.scan.isActive() || c.adv.running || c.adv.busy || c.dial.state != dialIdle {
		return
	}
	q.busy = true
	job := q.queue[0]
	job.run(func(err error) {
		q.busy = false
		q.queue = q.queue[1:]
		job.done(err)
		if q.holdsBack() {
			q.runNextJob()
			return
		}
		c.adv.syncAdvertising()
		c.scan.syncScan()
		c.dial.startInitiation()
	})
}

// fail ends the jobs that have not begun; the commands of one that has are ended
// before.
func (q *quiet) failJobs(err error) {
	jobs := q.queue
	q.queue = nil
	for _, job := range jobs {
		job.done(err)
	}
}
