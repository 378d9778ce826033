package cli

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

type connectCmd struct {
	peer
	Every durationArg
}

// firstPause and longestPause bound the wait after all attempts to reconnect have
// failed. An advertisement of the device ends it.
const firstPause, longestPause = time.Second, time.Minute

func newConnect() *command {
	c := &connectCmd{Every: durationArg(10 * time.Second)}
	cmd := newCommand(groupPeer, "connect", "Stay connected: reconnect after each loss, and show the state.", c.runConnect)
	cmd.detail = "If the first connection cannot be established, the exit code gives the reason. After that, the command runs until Ctrl-C, or until an error that another attempt cannot solve, such as a lost bond."
	c.addArgs(cmd)
	cmd.flag("every", "show signal strength and parameters every `TIME`, default 10s; 0 never shows them; a terminal always shows them", &c.Every)
	return cmd
}

func (c *connectCmd) runConnect(ctx context.Context, a *app) error {
	return a.withManager(ctx, air{listen: true, silent: true}, func(m *connmgr.Manager) error {
		w := &watch{a: a, c: c, m: m, start: time.Now(), since: time.Now()}
		return w.watchConnection(ctx)
	})
}

// watch keeps a connection up and shows it. Only the goroutine of showUntilEnd uses
// the fields below m.
type watch struct {
	a                       *app
	c                       *connectCmd
	m                       *connmgr.Manager
	start                   time.Time
	since                   time.Time // when the present state began
	client                  *connmgr.Client
	links, announced, shown int // the Clients, Connected events and states so far
	params                  hci.ConnParamsInUse
}

// watchConnection runs keepConnected and showUntilEnd beside each other, and returns
// the error of the former.
func (w *watch) watchConnection(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	events := eventChannel(ctx, w.m)
	clients, ended := make(chan *connmgr.Client), make(chan error, 1)
	go func() { ended <- w.keepConnected(ctx, clients) }()
	err := w.showUntilEnd(ctx, events, clients, ended)
	cancel()
	for range events { // until its goroutine has ended
	}
	return err
}

// eventChannel returns a channel of the manager's events, which is closed after ctx
// has ended.
func eventChannel(ctx context.Context, m *connmgr.Manager) <-chan connmgr.Event {
	all, events := m.Events(ctx), make(chan connmgr.Event)
	go func() {
		defer close(events)
		for ev := range all {
			select {
			case events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

// keepConnected connects, and reconnects after each loss of the link. It sends each
// Client, and nil when that has ended. It returns nil when ctx ends, or the error that
// ends the command.
func (w *watch) keepConnected(ctx context.Context, clients chan<- *connmgr.Client) error {
	pause := firstPause
	for links := 0; ; {
		c, err := w.a.establish(ctx, w.m, &w.c.peer, connmgr.Options{})
		switch {
		case ctx.Err() != nil && c == nil:
			return nil
		case err != nil && (links == 0 || !isPassing(err)):
			return err
		case err != nil:
			w.pauseUntilSeen(ctx, pause)
			pause = min(2*pause, longestPause)
			continue
		}
		links, pause = links+1, firstPause
		for _, state := range []*connmgr.Client{c, nil} {
			select {
			case clients <- state:
			case <-ctx.Done():
				return c.Close()
			}
			if state == nil {
				break
			}
			select {
			case <-c.Done():
				_ = c.Close() // the event has the same error
			case <-ctx.Done():
				return c.Close()
			}
		}
	}
}

// isPassing reports whether a later attempt to reconnect may succeed after err.
func isPassing(err error) bool {
	var unseen *notSeenError
	return errors.As(err, &unseen) || errors.Is(err, connmgr.ErrNoAdapter) ||
		connmgr.Retryable(err) && !errors.Is(err, connmgr.ErrBondLost)
}

// pauseUntilSeen waits until the device is heard again, at least firstPause and at
// most d.
func (w *watch) pauseUntilSeen(ctx context.Context, d time.Duration) {
	t := time.NewTimer(firstPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(ctx, d-firstPause)
	defer cancel()
	_, _ = w.m.WaitFor(within, w.c.Addr.String())
}
