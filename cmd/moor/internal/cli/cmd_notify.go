package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
)

type notifyCmd struct {
	peer
	attribute
	Count    valueCount
	Duration durationArg
}

func newNotify() *command {
	c := &notifyCmd{}
	cmd := newCommand(groupPeer, "notify", "Show notifications or indications as they arrive.", c.runNotify)
	c.addArgs(cmd)
	c.addArg(cmd)
	cmd.flag("count", "end after `N` values; the default is no limit", &c.Count)
	cmd.flag("duration", "end after this `TIME`, such as 30s; the default is no limit", &c.Duration)
	return cmd
}

// valueCount is a number of values; 0 is no limit.
type valueCount int

// UnmarshalText reads a number from 0 on.
func (n *valueCount) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a number of values: write 1 or more, or 0 for no limit", b)
	}
	*n = valueCount(v)
	return nil
}

// jsonSubscribed is the output of notify --json before the values.
type jsonSubscribed struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // subscribed
	jsonAttribute
}

// jsonNotification is the output of notify --json for each value.
type jsonNotification struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // value
	jsonValue
	Indication bool   `json:"indication"`
	Dropped    uint64 `json:"dropped,omitempty"` // values lost before this one
}

var errEnough = errors.New("the time is over")

func (c *notifyCmd) runNotify(ctx context.Context, a *app) error {
	return a.withClient(ctx, &c.peer, connmgr.Options{}, func(conn *connmgr.Client) error {
		f, sub, err := subscribe(ctx, conn, c.Attr)
		if err != nil {
			return err
		}
		if a.JSON {
			a.out.json(jsonSubscribed{time.Now(), "subscribed", newJSONAttribute(conn, &f)})
		} else { // in a pipe too: values may be hours away
			fmt.Fprintf(a.env.Stderr, "%s: subscribed, Ctrl-C ends\n", f.subject())
		}
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
		p, err := tableOf(ctx, conn)
		if err != nil {
			return err
		}
		if f, err = findCharacteristic(p, arg); err != nil {
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
			a.out.json(jsonNotification{v.Time, "value", newJSONValue(conn, f, v.Data), v.Indication, v.Dropped})
		} else {
			if v.Dropped > 0 {
				a.out.printf("%10s  %d values lost: they came faster than moor could show them\n", "", v.Dropped)
			}
			a.out.printf("%10s  %s\n", sinceText(v.Time.Sub(start)), newValue(f.UUID, v.Data))
		}
		if n == int(c.Count) {
			return nil
		}
	}
}

// sinceText returns a time since the start, to the millisecond.
func sinceText(d time.Duration) string { return fmt.Sprintf("+%.3fs", max(d, 0).Seconds()) }
