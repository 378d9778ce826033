package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
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
	PHYs          phyList
}

func newScan() *command {
	c := &scanCmd{Duration: durationArg(10 * time.Second)}
	cmd := newCommand(groupAir, "scan", "Show the devices that advertise.", c.runScan)
	cmd.flag("duration", "listen for this `TIME`, default 10s; 0 listens until Ctrl-C", &c.Duration)
	cmd.flags.BoolVar(&c.Passive, "passive", false, "only listen, without scan requests to the devices")
	cmd.flags.BoolVar(&c.Duplicates, "duplicates", false, "show every advertisement, not only new devices and changed data")
	cmd.flags.StringVar(&c.Name, "name", "", "only devices whose name contains `TEXT`")
	cmd.flag("service", "only devices that advertise this `UUID`; more than one: any of them", &c.Services)
	cmd.flag("manufacturer", "only devices with data of this company (`ID`, such as 0x004c); more than one: any of them", &c.Manufacturers)
	cmd.flag("phy", "listen on this physical layer (`PHY` is 1m or coded), default 1m; more than one: by turns", &c.PHYs)
	cmd.flag("rssi", "only advertisements of at least `DBM`, such as -70", &c.RSSI)
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

// phyList is the physical layers of a flag that may be repeated.
type phyList hci.PHYs

// UnmarshalText adds those of a list, such as 1m,coded.
func (l *phyList) UnmarshalText(b []byte) error {
	for name := range strings.SplitSeq(string(b), ",") {
		switch strings.ToLower(name) {
		case "1m":
			*l |= phyList(hci.PHYs1M)
		case "coded":
			*l |= phyList(hci.PHYsCoded)
		default:
			return fmt.Errorf("%q is no physical layer that devices advertise on: write 1m, coded or 1m,coded", name)
		}
	}
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

func (c *scanCmd) options(live bool) *connmgr.ScanOptions {
	// The live table counts advertisements and follows the signal.
	return &connmgr.ScanOptions{
		Passive: c.Passive, Duplicates: c.Duplicates || live, PHYs: hci.PHYs(c.PHYs),
		Services: c.Services, Manufacturers: c.Manufacturers, MinRSSI: int8(c.RSSI),
	}
}

// view shows reports.
type view interface {
	report(r *connmgr.Report)
	tick(now time.Time) // called a few times a second
	endView(dropped uint64)
}

// tickTime is how often the live table is drawn.
const tickTime = 250 * time.Millisecond

func (c *scanCmd) runScan(ctx context.Context, a *app) error {
	var v view
	switch {
	case a.JSON:
		v = &jsonView{a}
	case a.env.Terminal != nil && !c.Duplicates:
		v = newLiveView(a, c)
	default:
		v = newLineView(a)
	}
	_, live := v.(*liveView)
	// The manager hears what the scan hears, and keeps it.
	return a.withManager(ctx, air{listen: true, passive: c.Passive}, func(m *connmgr.Manager) error {
		within := ctx
		if c.Duration > 0 {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeoutCause(ctx, time.Duration(c.Duration), errEnough)
			defer cancel()
		}
		if lines, ok := v.(*lineView); ok {
			lines.several = len(m.Adapters()) > 1
		}
		w := scanWatch{a: a, m: m, view: v, name: c.Name, heard: map[string]bool{}, lost: map[string]bool{}}
		return w.watchScan(within, c.options(live))
	})
}

// scanWatch shows a scan.
type scanWatch struct {
	a       *app
	m       *connmgr.Manager
	view    view
	name    string          // devices have to have this in their name
	heard   map[string]bool // adapters that have heard something
	lost    map[string]bool // adapters that do not scan, and never have
	dropped uint64
}

// watchScan shows reports until ctx ends. An end by time or by Ctrl-C is no error.
func (w *scanWatch) watchScan(ctx context.Context, o *connmgr.ScanOptions) error {
	items, stop := scanItems(ctx, w.m, o)
	defer func() {
		stop()
		w.view.endView(w.dropped)
	}()
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	w.view.tick(time.Now())
	for {
		select {
		case now := <-tick.C:
			w.view.tick(now)
		case it := <-items:
			w.dropped += it.report.Dropped
			adapter, ok := errors.AsType[*connmgr.AdapterError](it.err)
			switch {
			case it.err == nil:
				w.showReport(&it.report)
			case ctx.Err() != nil:
				return nil
			case !ok || w.allLost(adapter):
				return it.err
			}
		}
	}
}

func (w *scanWatch) showReport(r *connmgr.Report) {
	w.heard[r.Adapter] = true
	if strings.Contains(strings.ToLower(r.Name()), strings.ToLower(w.name)) {
		w.view.report(r)
	}
}

// allLost shows on standard error what has become of an adapter, and reports
// instead whether none of the adapters has ever scanned.
func (w *scanWatch) allLost(e *connmgr.AdapterError) bool {
	w.lost[e.Adapter] = e.Err != nil && !w.heard[e.Adapter]
	if !slices.ContainsFunc(w.m.Adapters(), func(d *connmgr.Adapter) bool { return !w.lost[d.Name()] }) {
		return true
	}
	tip := ""
	if e.Err != nil {
		tip = advice(e.Err)
	}
	w.a.printError(message(e), tip)
	return false
}

// scanItem is a pair that a scan yields.
type scanItem struct {
	report connmgr.Report
	err    error
}

// scanItems scans on a goroutine of its own, so that the view can be drawn
// while nothing is heard; stop ends it.
func scanItems(ctx context.Context, m *connmgr.Manager, o *connmgr.ScanOptions) (items <-chan scanItem, stop func()) {
	ch, done, ended := make(chan scanItem), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for r, err := range m.Scan(ctx, o) {
			select {
			case ch <- scanItem{r, err}:
			case <-done:
				return
			}
		}
	}()
	return ch, func() { close(done); <-ended }
}

// jsonView writes a line for each report.
type jsonView struct{ a *app }

// jsonHeard is the output of scan --json for each report.
type jsonHeard struct {
	Adapter string `json:"adapter"`
	*jsonReport
}

func (v *jsonView) report(r *connmgr.Report) {
	j := jsonHeard{r.Adapter, newJSONReport(&r.Report)}
	j.Address = r.Addr
	v.a.out.json(j)
}

func (v *jsonView) tick(time.Time)         {}
func (v *jsonView) endView(dropped uint64) { v.a.printLost(dropped) }

// lineView writes a line for each report, for pipes and for --duplicates. With
// several adapters the line names the one that heard the device.
type lineView struct {
	a       *app
	start   time.Time
	several bool
}

func newLineView(a *app) *lineView { return &lineView{a: a, start: time.Now()} }

func (v *lineView) report(r *connmgr.Report) {
	var t table
	row := []string{pad(sinceText(r.Time.Sub(v.start)), 9), pad(r.Addr.String(), 24), pad(rssiText(r.RSSI), 8), pad(text.Clean(r.Name()), 20), about(&r.Report)}
	if v.several {
		row = slices.Insert(row, 1, pad(r.Adapter, 12))
	}
	t.row(row...)
	v.a.out.table(&t)
}

func (v *lineView) tick(time.Time)         {}
func (v *lineView) endView(dropped uint64) { v.a.printLost(dropped) }

// printLost shows on standard error how many reports were lost, if any.
func (a *app) printLost(dropped uint64) {
	if dropped > 0 {
		a.printError(lostText(dropped), "")
	}
}

func lostText(dropped uint64) string {
	if dropped == 1 {
		return "1 report lost: it came faster than moor could show it"
	}
	return plural(int(dropped), "report") + " lost: they came faster than moor could show them"
}
