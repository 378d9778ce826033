package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/uuid"
)

type scanCmd struct {
	Duration      durationArg
	Passive       bool
	Duplicates    bool
	Name          string
	Services      uuidList
	Manufacturers companyList
	RSSI          rssiArg
}

func newScan() *command {
	c := &scanCmd{Duration: durationArg(10 * time.Second)}
	cmd := newCommand(groupAir, "scan", "Show the devices that advertise.", c.run)
	cmd.flag("duration", "how long to listen; default 10s, and the `TIME` 0 goes on until Ctrl-C", &c.Duration)
	cmd.flags.BoolVar(&c.Passive, "passive", false, "only listen: do not ask devices for their scan response")
	cmd.flags.BoolVar(&c.Duplicates, "duplicates", false, "show every advertisement, not only new devices and news")
	cmd.flags.StringVar(&c.Name, "name", "", "only devices whose name contains `TEXT`")
	cmd.flag("service", "only devices that advertise this `UUID`; more than one: any of them", &c.Services)
	cmd.flag("manufacturer", "only devices with data of this company (`ID`, such as 0x004c); more than one: any of them", &c.Manufacturers)
	cmd.flag("rssi", "only what is received with at least `DBM`, such as -70", &c.RSSI)
	return cmd
}

// uuidList is the UUIDs of a flag that may be repeated.
type uuidList []uuid.UUID

// UnmarshalText adds one.
func (l *uuidList) UnmarshalText(b []byte) error {
	u, err := uuid.Parse(string(b))
	*l = append(*l, u)
	return err
}

// companyList is the company identifiers of a flag that may be repeated.
type companyList []uint16

// UnmarshalText adds one, written in decimal or with 0x.
func (l *companyList) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 0, 16)
	if err != nil {
		return fmt.Errorf("%q is no company identifier: write a number from 0 to 65535, such as 0x004c", b)
	}
	*l = append(*l, uint16(v))
	return nil
}

// rssiArg is a signal strength in dBm; 0 is none.
type rssiArg int8

// UnmarshalText reads a number from -127 to 20.
func (r *rssiArg) UnmarshalText(b []byte) error {
	v, err := strconv.ParseInt(strings.TrimSuffix(string(b), "dBm"), 10, 8)
	if err != nil || v > 20 || v < -127 {
		return fmt.Errorf("%q is not a signal strength: write a number from -127 to 20 (dBm), such as -70", b)
	}
	*r = rssiArg(v)
	return nil
}

func (c *scanCmd) options(live bool) *controller.ScanOptions {
	// The live table counts advertisements and follows the signal.
	return &controller.ScanOptions{Passive: c.Passive, Duplicates: c.Duplicates || live, Filter: &controller.ScanFilter{
		Name: c.Name, Services: c.Services, Manufacturers: c.Manufacturers, MinRSSI: int8(c.RSSI),
	}}
}

// view shows reports.
type view interface {
	report(r *controller.Report)
	tick(now time.Time) // called a few times a second
	end(dropped uint64)
}

// tickTime is how often the live table is drawn.
const tickTime = 250 * time.Millisecond

func (c *scanCmd) run(ctx context.Context, a *app) error {
	var v view
	switch {
	case a.JSON:
		v = &jsonView{a.out}
	case a.env.Terminal != nil && !c.Duplicates:
		v = newLiveView(a, c)
	default:
		v = newLineView(a)
	}
	_, live := v.(*liveView)
	opts := c.options(live)
	// The manager hears what the scan hears, and keeps it.
	return a.withHost(ctx, air{listen: true, passive: c.Passive}, func(_ *connmgr.Manager, ctl *controller.Controller) error {
		within := ctx
		if c.Duration > 0 {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeoutCause(ctx, time.Duration(c.Duration), errEnough)
			defer cancel()
		}
		s, err := ctl.Scan(ctx, opts)
		if err != nil {
			return err
		}
		defer s.Close()
		err = watchScan(within, s, v)
		v.end(s.Dropped())
		return err
	})
}

// watchScan shows reports until ctx ends. An end by time or by Ctrl-C is no
// error.
func watchScan(ctx context.Context, s *controller.Scanner, v view) error {
	next := time.Now()
	for {
		tick, cancel := context.WithDeadlineCause(ctx, next, errTick)
		r, err := s.Next(tick)
		cancel()
		switch {
		case err == nil:
			v.report(&r)
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, errTick):
			return err
		}
		if now := time.Now(); !now.Before(next) {
			v.tick(now)
			next = now.Add(tickTime)
		}
	}
}

var errTick = errors.New("time to draw")

// jsonView writes a line for each report.
type jsonView struct{ out *output }

func (v *jsonView) report(r *controller.Report) { v.out.json(newJSONReport(r)) }
func (v *jsonView) tick(time.Time)              {}
func (v *jsonView) end(uint64)                  {}

// lineView writes a line for each report, for pipes and for --duplicates.
type lineView struct {
	out   *output
	start time.Time
}

func newLineView(a *app) *lineView { return &lineView{a.out, time.Now()} }

func (v *lineView) report(r *controller.Report) {
	var t table
	t.row(pad(sinceText(r.Time.Sub(v.start)), 9), pad(r.Addr.String(), 24), pad(rssiText(r.RSSI), 8), pad(text.Clean(r.Name()), 20), about(r))
	v.out.table(&t)
}

func (v *lineView) tick(time.Time) {}
func (v *lineView) end(uint64)     {}
