package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestQueuedCommandsDieWithTheirLink queues commands about a link behind another
// command. The link ends, and its handle goes to another link. None of the commands
// may reach that link, and all their callers get the end of their own.
func TestQueuedCommandsDieWithTheirLink(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	h.run(hci.LERand{})
	h.want(hci.LERand{}, "takes the only credit")
	h.do(func(time.Time) {
		l.ProvideKey([16]byte{1, 2, 3})
		l.RefuseKey()
		l.ReplyParamRequest(&hci.LERemoteConnectionParameterRequest{Handle: 1}, false)
	})
	results := map[string]*error{}
	ask := func(name string, f func(done func(error))) {
		res := new(error)
		*res, results[name] = errPending, res
		h.do(func(time.Time) { f(func(err error) { *res = err }) })
	}
	ask("encryption", func(done func(error)) {
		l.StartEncryption([8]byte{}, 0, [16]byte{9}, func(_ time.Time, err error) { done(err) })
	})
	ask("update", func(done func(error)) {
		l.StartUpdate(hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 30 * time.Millisecond, Timeout: time.Second},
			func(_ time.Time, _ hci.ConnParamsInUse, err error) { done(err) })
	})
	ask("disconnect", func(done func(error)) { l.requestDisconnect(hci.StatusRemoteUserTerminated, nil, done) })
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	other := h.link(1, peerB)
	for _, name := range []string{"encryption", "update"} {
		if err := *results[name]; !errors.Is(err, hci.StatusConnectionTimeout) {
			t.Errorf("%s got %v, want the end of the link", name, err)
		}
	}
	h.complete(hci.OpLERand, hci.StatusSuccess, 1, 2, 3, 4, 5, 6, 7, 8)
	h.idle("no command about the old link may reach the new one")
	if other.Err() != nil {
		t.Errorf("the new link ended: %v", other.Err())
	}
}

// TestCommandsOnADeadLinkAreNotSent asks for the signal strength of a link that has
// ended.
func TestCommandsOnADeadLinkAreNotSent(t *testing.T) {
	h := newHarness(t, 1)
	l := h.link(1, peerA)
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	h.link(1, peerB)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := l.RSSI(ctx); !errors.Is(err, hci.StatusConnectionTimeout) {
		t.Errorf("RSSI of a dead link: %v, want the end of the link", err)
	}
	h.do(func(time.Time) { l.ProvideKey([16]byte{1}); l.RefuseKey() })
	h.idle("a command about a link that is down")
}

// TestUnansweredCommandIsNotSentAgain has the caller of an unanswered command run
// another command at once, while a command with the same opcode waits.
func TestUnansweredCommandIsNotSentAgain(t *testing.T) {
	h := newHarness(t, 1)
	h.do(func(time.Time) {
		h.c.runCommand(hci.LERand{}, func(time.Time, []byte, error) {
			h.c.runCommand(hci.ReadRSSI{Handle: 1}, func(time.Time, []byte, error) {})
		})
	})
	second := h.run(hci.LERand{})
	h.want(hci.LERand{}, "the first")
	h.pass(2 * time.Second)
	if !errors.Is(*second, ErrUnanswered) {
		t.Errorf("the second got %v, want ErrUnanswered at once", *second)
	}
	h.want(hci.ReadRSSI{Handle: 1}, "the command of the caller")
	h.idle("the unanswered command is not sent again")
}
