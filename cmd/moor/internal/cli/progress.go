package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// patience is the time after which a person at a terminal gets a note about the
// progress.
const patience = time.Second

// showProgress shows the manager's events with -v. Without it, a person at a
// terminal gets a note about a connection that takes longer than patience. It
// ends with the manager; then the result is closed.
func (a *app) showProgress(m *connmgr.Manager, silent bool) <-chan struct{} {
	done := make(chan struct{})
	if silent {
		close(done)
		return done
	}
	events := m.Events(context.Background())
	go func() {
		defer close(done)
		over := func() {}
		for ev := range events {
			text := eventText(ev)
			started, begins := ev.(connmgr.AttemptStarted)
			failed, ends := ev.(connmgr.AttemptFailed)
			if _, connected := ev.(connmgr.Connected); connected || ends {
				over()
				over = func() {}
			}
			switch {
			case text == "":
			case a.Verbose > 0:
				fmt.Fprintln(a.env.Stderr, text)
			case begins && started.Attempt == 1:
				over() // it dials again
				over = callLater(func() {
					if !a.stderr.isOpen() {
						a.note("connecting to %s", deviceText(started.Name, started.Address.MAC))
					}
				})
			case ends && !failed.Last:
				a.note("%s", text)
			}
		}
		over()
	}()
	return done
}

// callLater calls f after patience on a goroutine of its own. stop prevents the call, or
// waits for its end if it has begun; it may be called once.
func callLater(f func()) (stop func()) {
	ran := make(chan struct{})
	t := time.AfterFunc(patience, func() {
		defer close(ran)
		f()
	})
	return func() {
		if !t.Stop() {
			<-ran
		}
	}
}
