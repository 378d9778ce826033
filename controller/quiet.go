package controller

// quiet runs jobs while the controller neither scans, initiates nor advertises. A
// controller refuses the commands of the own address and of the resolving list
// otherwise (Vol 4, Part E, 7.8.4, 7.8.38 and 7.8.44). While jobs are queued, quiet
// stops the three activities, runs the jobs once all have ended, and then lets the
// activities continue.
type quiet struct {
	c     *core
	queue []quietJob // while busy, the first job runs
	busy  bool
}

// quietJob is a job of quiet. Once the controller is idle, run is called; done
// then gets run's error, or the error that ended the Controller.
type quietJob struct {
	run  func(done func(error))
	done func(error)
}

// holdsBack reports whether a scan, an initiation or advertising must not start.
// It is false while a dial runs that the controller does not let the host cancel:
// the dial takes precedence over the jobs.
func (q *quiet) holdsBack() bool {
	d := &q.c.dial
	return len(q.queue) > 0 && (d.state == dialIdle || !d.mute)
}

// addJob queues a job. Must run on the loop.
func (q *quiet) addJob(run func(done func(error)), done func(error)) {
	if q.c.err != nil {
		done(q.c.err)
		return
	}
	q.queue = append(q.queue, quietJob{run, done})
	q.stopOthers()
}

// stopOthers stops the scan, the advertising and the initiation.
func (q *quiet) stopOthers() {
	q.c.scan.syncScan()
	q.c.adv.syncAdvertising()
	q.c.dial.reconsider()
	q.runNextJob()
}

// runNextJob runs the next job if scan, advertising and initiation have ended. Each
// of them calls it at its end.
func (q *quiet) runNextJob() {
	c := q.c
	if !q.holdsBack() || q.busy || c.err != nil || c.scan.isActive() || c.adv.isActive() || c.dial.state != dialIdle {
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

// failJobs ends the queued jobs with err. The commands of a running job have failed
// before, and with them the job.
func (q *quiet) failJobs(err error) {
	jobs := q.queue
	q.queue = nil
	for _, job := range jobs {
		job.done(err)
	}
}
