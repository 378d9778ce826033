package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// idleCheck asks a controller that has been silent for Config.IdleCheck whether it
// works, while there is something that it could report: a link, a scan, an initiation
// or advertising. Without the question, the program would not notice that a controller
// has died before its next command.
type idleCheck struct {
	c     *core
	timer timer
	heard time.Time // when the latest packet came
}

func (i *idleCheck) init(c *core) {
	i.c = c
	i.timer.f = i.checkSilence
}

// startChecks begins the checks, after the start-up.
func (i *idleCheck) startChecks() {
	if every := i.c.cfg.idleCheck(); every > 0 {
		i.c.timers.setTimer(&i.timer, i.c.now.Add(every))
	}
}

// checkSilence asks the controller if it has been silent for too long.
func (i *idleCheck) checkSilence(now time.Time) {
	c, every := i.c, i.c.cfg.idleCheck()
	if due := i.heard.Add(every); due.After(now) {
		c.timers.setTimer(&i.timer, due)
		return
	}
	c.timers.setTimer(&i.timer, now.Add(every))
	if len(c.links) == 0 && !c.scan.running && !c.adv.isRunning() && c.dial.state == dialIdle || c.cmds.unanswered[hci.OpReadBDADDR] {
		return
	}
	packet, err := hci.AppendCommand(nil, hci.ReadBDADDR{})
	if err != nil {
		return
	}
	c.submitCommand(&command{op: hci.OpReadBDADDR, packet: packet, vital: true, done: func(time.Time, []byte, error) {}})
}
