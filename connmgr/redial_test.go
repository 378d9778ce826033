package connmgr_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// An attempt that dials again tells its dials apart.
func TestDialsOfOneAttempt(t *testing.T) { inBubble(t, testDialsOfOneAttempt) }

func testDialsOfOneAttempt(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	var got []string
	events := l.m.Events(t.Context())
	go func() {
		for ev := range events {
			if s, ok := ev.(connmgr.AttemptStarted); ok {
				got = append(got, fmt.Sprintf("attempt %d, dial %d", s.Attempt, s.Dial))
			}
		}
	}()
	l.adapters[0].Fault(sim.ConnectFault{Times: 2}) // 0x3E, which costs no attempt
	l.establish(1, nil).Close()
	l.establish(1, nil).Close()
	synctest.Wait()
	wantStrings(t, "dials", got, "attempt 1, dial 1", "attempt 1, dial 2", "attempt 1, dial 3", "attempt 1, dial 1")
}
