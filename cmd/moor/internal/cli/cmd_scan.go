package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/payload"
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
	Keys          keyFlags
	Sync          bool
	Only          onlyArg
}

// onlyArg is the word of the device of scan --sync.
type onlyArg string

// UnmarshalText takes any word: only --sync has a use for it.
func (o *onlyArg) UnmarshalText(b []byte) error {
	*o = onlyArg(b)
	return nil
}

// device returns the device of scan --sync, nil for all.
func (c *scanCmd) device() (*hci.MAC, error) {
	var p peerArg
	switch {
	case c.Only == "":
		return nil, nil
	case !c.Sync:
		return nil, usagef("unexpected argument %q: only --sync takes an address", string(c.Only))
	}
	if err := p.UnmarshalText([]byte(c.Only)); err != nil {
		return nil, &usageError{err}
	}
	return &p.Addr.MAC, nil
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
	cmd.flags.BoolVar(&c.Sync, "sync", false, "follow periodic advertising: of ADDR, or of all devices that have it; shows data when it changes")
	c.Keys.addFlags(cmd)
	cmd.word("addr", "with --sync: the address of the device to follow", &c.Only)
	cmd.args[0].may = true
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
	only, err := c.device()
	if err != nil {
		return err
	}
	keys, err := a.readKeys(ctx, &c.Keys)
	if err != nil {
		return err
	}
	var v view
	switch {
	case c.Sync && a.namesProxies():
		return usagef("--sync: a Bluetooth proxy forwards no periodic advertising: name a local adapter with --adapter")
	case c.Sync:
		v = newSyncView(a, c.Duplicates, only, keys)
	case a.JSON:
		v = &jsonView{a, keys}
	case a.env.Terminal != nil && !c.Duplicates:
		v = newLiveView(a, c, keys)
	default:
		v = newLineView(a, keys)
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
		if syncs, ok := v.(*syncView); ok {
			syncs.begin(within, m)
		}
		w := scanWatch{a: a, m: m, view: v, name: c.Name, lost: map[string]bool{}}
		return w.watchScan(within, c.options(live || c.Sync))
	})
}

// jsonView writes a line for each report.
type jsonView struct {
	a    *app
	keys *payload.Keys
}

// jsonHeard is the output of scan --json for each report.
type jsonHeard struct {
	Adapter string `json:"adapter"`
	*jsonReport
}

func (v *jsonView) report(r *connmgr.Report) {
	j := jsonHeard{r.Adapter, newJSONReport(&r.Report, r.Payloads(v.keys))}
	j.Address = r.Addr
	v.a.out.json(j)
}

func (v *jsonView) tick(time.Time)         {}
func (v *jsonView) endView(dropped uint64) { v.a.printLost(dropped) }

// lineView writes a line for each report, for pipes and for --duplicates. With
// several adapters the line names the one that heard the device.
type lineView struct {
	a       *app
	keys    *payload.Keys
	start   time.Time
	several bool
}

func newLineView(a *app, keys *payload.Keys) *lineView {
	return &lineView{a: a, keys: keys, start: time.Now()}
}

func (v *lineView) report(r *connmgr.Report) {
	var t table
	row := []string{pad(sinceText(r.Time.Sub(v.start)), 9), pad(r.Addr.String(), 24), pad(rssiText(r.RSSI), 8), pad(text.Clean(r.Name()), 20), about(&r.Report, r.Payloads(v.keys))}
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
