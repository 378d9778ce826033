package cli

import (
	"context"
	"iter"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

type connectCmd struct {
	peer
	Every durationArg
}

func newConnect() *command {
	c := &connectCmd{Every: durationArg(10 * time.Second)}
	cmd := newCommand(groupPeer, "connect", "Stay connected: reconnect after each loss, and show the state.", c.runConnect)
	cmd.detail = "If the first connection cannot be established, the exit code gives the reason. After that, the command runs until Ctrl-C, or until an error that another attempt cannot solve, such as a lost bond. A signal before the first connection ends it as a failure."
	c.addArgs(cmd)
	cmd.flag("every", "show signal strength and parameters every `TIME`, default 10s; 0 never shows them; a terminal always shows them", &c.Every)
	return cmd
}

func (c *connectCmd) runConnect(ctx context.Context, a *app) error {
	return a.withManager(ctx, air{listen: true, silent: true}, func(m *connmgr.Manager) error {
		w := &watch{a: a, c: c, m: m, start: time.Now(), since: time.Now()}
		err := w.watchConnection(ctx)
		w.showEnd(ctx, err)
		return err
	})
}

// watch shows a connection that the manager keeps. Only the goroutine of showUntilEnd
// uses the fields below m.
type watch struct {
	a                *app
	c                *connectCmd
	m                *connmgr.Manager
	start            time.Time
	since            time.Time // when the client was there, or had gone
	client           *connmgr.Client
	links            int // the connections so far
	announced, shown int // those whose event, and whose state, is shown
	params           hci.ConnParamsInUse
}

// watchConnection keeps the connection and shows it until ctx or the Keep ends. The end
// of ctx is an error if there was no connection yet.
func (w *watch) watchConnection(ctx context.Context) error {
	address, err := w.findAddress(ctx)
	if err != nil {
		return err
	}
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := channelOf(ctx, w.m.Events(ctx))
	o := &connmgr.KeepOptions{GiveUp: givesUp}
	w.a.setOptions(&o.Options, &w.c.peer)
	o.Options.Timeout = time.Duration(w.c.Within)
	k, err := w.m.Keep(ctx, address, o)
	if err != nil {
		return err
	}
	statuses := channelOf(context.WithoutCancel(ctx), k.Watch(context.WithoutCancel(ctx))) // until the Keep has ended
	w.showUntilEnd(ctx, events, k, statuses)
	_ = k.Close()
	ended := ctx.Err() != nil
	cancel()
	for range events { // until its goroutine has ended
	}
	switch {
	case !ended:
		return w.a.nameOtherBond(w.m, &w.c.peer, k.Err())
	case w.links == 0:
		return context.Cause(parent)
	}
	return nil
}

// findAddress returns the address of the device with its kind. Unlike locate, it does not
// search for a device whose kind the command line has.
func (w *watch) findAddress(ctx context.Context) (string, error) {
	if err := w.a.findNamed(ctx, w.m, &w.c.peer); err != nil {
		return "", err
	}
	if w.c.Addr.Known {
		return w.c.Addr.String(), nil
	}
	return w.a.locate(ctx, w.m, &w.c.peer)
}

// givesUp ends the command if the first connection fails, and later with an error that
// does not pass.
func givesUp(s connmgr.KeepStatus) bool { return s.Establishes == 0 || !connmgr.MayPass(s.Err) }

// channelOf returns a channel of the values of a sequence, which is closed at the end of
// the sequence, or after ctx has ended.
func channelOf[T any](ctx context.Context, all iter.Seq[T]) <-chan T {
	values := make(chan T)
	go func() {
		defer close(values)
		for v := range all {
			select {
			case values <- v:
			case <-ctx.Done():
				return
			}
		}
	}()
	return values
}
