package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
)

type notifyCmd struct {
	peer
	attribute
	Count    int
	Duration durationArg
}

func newNotify() *command {
	c := &notifyCmd{}
	cmd := newCommand(groupPeer, "notify", "Show notifications or indications as they arrive.", c.runNotify)
	c.addArgs(cmd)
	c.addArg(cmd)
	cmd.flags.IntVar(&c.Count, "count", 0, "end after `N` values; the default is no limit")
	cmd.flag("duration", "end after this `TIME`, such as 30s; the default is no limit", &c.Duration)
	return cmd
}

// jsonNotification is the output of notify --json for each value.
type jsonNotification struct {
	Time time.Time `json:"time"`
	jsonValue
	Indication bool   `json:"indication"`
	Dropped    uint64 `json:"dropped,omitempty"` // values lost before this one
}

var errEnough = errors.New("the time is over")

func (c *notifyCmd) runNotify(ctx context.Context, a *app) error {
	if c.Count < 0 {
		return usagef("--count %d: write a number of values, 1 or more", c.Count)
	}
	return a.withClient(ctx, &c.peer, connmgr.Options{}, func(conn *connmgr.Client) error {
		f, sub, err := subscribe(ctx, conn, c.Attr)
		if err != nil {
			return err
		}
		a.note("%s: subscribed, Ctrl-C ends", f.subject())
		err = c.showValues(ctx, a, conn, &f, sub)
		if e := sub.Close(); err == nil && ctx.Err() == nil {
			err = e
		}
		return err
	})
}

// subscribe subscribes to the characteristic that arg names.
func subscribe(ctx context.Context, conn *connmgr.Client, arg attrArg) (f found, sub *gatt.Subscription, err error) {
	err = conn.Heal(ctx, func(ctx context.Context) (err error) {
		if f, err = findCharacteristic(conn.Profile(), arg); err != nil {
			return err
		}
		char, err := conn.GATT().CharByHandle(ctx, f.Handle)
		if err != nil {
			return err
		}
		if sub, err = char.Subscribe(ctx, nil); err != nil {
			return &accessError{"subscribe to", f, err}
		}
		return nil
	})
	return f, sub, err
}

// showValues shows values until there are enough. Ctrl-C is a regular end.
func (c *notifyCmd) showValues(ctx context.Context, a *app, conn *connmgr.Client, f *found, sub *gatt.Subscription) error {
	within := ctx
	if c.Duration > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeoutCause(ctx, time.Duration(c.Duration), errEnough)
		defer cancel()
	}
	start := time.Now()
	for n := 1; ; n++ {
		v, err := sub.Next(within)
		switch {
		case errors.Is(err, errEnough), err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if a.JSON {
			a.out.json(jsonNotification{v.Time, newJSONValue(conn, f, v.Data), v.Indication, v.Dropped})
		} else {
			if v.Dropped > 0 {
				a.out.printf("%10s  %d values lost: they came faster than moor could show them\n", "", v.Dropped)
			}
			a.out.printf("%10s  %s\n", sinceText(v.Time.Sub(start)), newValue(f.UUID, v.Data))
		}
		if n == c.Count {
			return nil
		}
	}
}

// sinceText returns a time since the start, to the millisecond.
func sinceText(d time.Duration) string { return fmt.Sprintf("+%.3fs", max(d, 0).Seconds()) }
