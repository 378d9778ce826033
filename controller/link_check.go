package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// linkCheck asks the controller, once in Config.IdleCheck, whether it still has each link of
// which nothing was heard for that long. The event of a link's end may be lost, and nothing
// else tells of it while the link is idle: a program that waits for notifications would wait
// for ever.
type linkCheck struct {
	c      *core
	timer  timer // runs while there are links
	noRSSI bool  // the controller does not know Read RSSI
}

func (k *linkCheck) init(c *core) {
	k.c = c
	k.timer.f = k.verifyIdle
}

// startTimer starts the checks with the first link.
func (k *linkCheck) startTimer() {
	known := k.c.info.Commands.Has(hci.OpReadRSSI) || k.c.info.Commands.Has(hci.OpLEReadChannelMap)
	if every := k.c.cfg.idleCheck(); every > 0 && k.timer.index == 0 && len(k.c.links) > 0 && known {
		k.c.timers.setTimer(&k.timer, k.c.now.Add(every))
	}
}

// verifyIdle verifies the links that are idle.
func (k *linkCheck) verifyIdle(now time.Time) {
	for _, l := range k.c.up.listLinks() {
		if now.Sub(l.heardAt) >= k.c.cfg.idleCheck() {
			l.verifyLink()
		}
	}
	k.startTimer()
}

// verifyLink asks whether the controller has the link, and ends the link if it has not, unless
// that is under way. The event of its end may come first, and tells the reason.
func (l *Link) verifyLink() {
	if l.verifying || l.local || l.down {
		return
	}
	l.verifying = true
	l.askPresence(nil, func(err error) {
		if l.verifying = false; statusOf(err) == hci.StatusUnknownConnection && l.c.links[l.handle] == l {
			l.loseLink()
		}
	})
}

// askPresence asks the controller about the link with a cheap command. err is its answer:
// StatusUnknownConnection if it does not have the link. The command is Read RSSI, or LE Read
// Channel Map where the controller does not know that: firmware may be built without it.
func (l *Link) askPresence(wanted func() bool, answer func(err error)) {
	k := &l.c.linkCheck
	if !k.noRSSI {
		l.runLinkCommand(wanted, hci.ReadRSSI{Handle: l.handle}, func(_ time.Time, _ []byte, err error) {
			if statusOf(err) == hci.StatusUnknownCommand {
				k.noRSSI = true
				l.askPresence(wanted, answer)
				return
			}
			answer(err)
		})
		return
	}
	l.runLinkCommand(wanted, hci.LEReadChannelMap{Handle: l.handle}, func(_ time.Time, _ []byte, err error) { answer(err) })
}
