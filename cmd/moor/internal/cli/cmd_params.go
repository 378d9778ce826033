package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

type paramsCmd struct {
	peer
	Interval spanArg
	Latency  uint16
	Timeout  durationArg
}

func newParams() *command {
	c := &paramsCmd{Timeout: durationArg(4200 * time.Millisecond)}
	cmd := newCommand(groupPeer, "params", "Change the connection parameters and show the agreed ones.", c.runParams)
	cmd.detail = "Here --timeout is the supervision timeout, a connection parameter: after a silence of this length, the link counts as lost. --connect-timeout limits the time to connect, as --timeout does for other commands."
	c.addArgsWithin(cmd, "connect-timeout")
	cmd.flag("interval", "connection interval, `MIN[-MAX]`, 7.5ms to 4s in steps of 1.25ms; required", &c.Interval)
	cmd.flags.Uint16Var(&c.Latency, "latency", 0, "let the device sleep through up to `N` intervals, 0 (default) to 499")
	cmd.flag("timeout", "supervision timeout, which does not limit connecting: a `TIME` from 100ms to 32s in steps of 10ms; default 4.2s", &c.Timeout)
	return cmd
}

// jsonParams are connection parameters.
type jsonParams struct {
	Address  hci.Addr `json:"address"`
	Interval float64  `json:"interval_ms"`
	Latency  uint16   `json:"latency"`
	Timeout  float64  `json:"timeout_ms"` // of supervision
}

func newJSONParams(address hci.Addr, p hci.ConnParamsInUse) jsonParams {
	return jsonParams{address, millis(p.Interval), p.Latency, millis(p.Timeout)}
}

func (c *paramsCmd) runParams(ctx context.Context, a *app) error {
	if c.Interval.Min == 0 {
		return usagef("--interval is missing: write a connection interval, such as --interval 30ms or --interval 30ms-50ms")
	}
	want := hci.ConnParams{
		IntervalMin: c.Interval.Min, IntervalMax: c.Interval.Max,
		Latency: c.Latency, Timeout: time.Duration(c.Timeout),
	}
	if err := want.Validate(); err != nil {
		return &usageError{err}
	}
	return a.withClient(ctx, &c.peer, linkOptions(), func(conn *connmgr.Client) error {
		before := conn.Params()
		got, err := conn.UpdateParams(ctx, want)
		if err != nil {
			return err
		}
		if a.JSON {
			a.out.json(newJSONParams(conn.Address(), got))
			return nil
		}
		var t table
		t.row("before", paramsText(before))
		t.row("now", paramsText(got))
		a.out.table(&t)
		return nil
	})
}

func paramsText(p hci.ConnParamsInUse) string {
	return fmt.Sprintf("interval %v, latency %d, supervision timeout %v", p.Interval, p.Latency, p.Timeout)
}
