package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/payload"
)

// device is a row of the live table.
type device struct {
	addr  hci.Addr
	name  string
	whole bool // name is the complete name
	about string
	rssi  float64 // smoothed, dBm; 0 is unknown
	count int
	first int // order of appearance
	last  time.Time
}

const (
	// wideEnough is the least number of columns with room for counts and ages.
	wideEnough = 72
	// fairlyWide is the least number of columns with room for the kind of each
	// address, for units, and for the column ABOUT.
	fairlyWide = 56
)

// smoothing is the weight of the newest signal strength in the average.
const smoothing = 0.25

// liveView is a table on a terminal that replaces itself. It shows as many devices
// as the terminal has room for, the strongest first.
type liveView struct {
	a       *app
	start   time.Time
	limit   time.Duration
	keys    *payload.Keys
	devices map[hci.Addr]*device
	reports int
	drawn   int // lines on the screen
}

func newLiveView(a *app, c *scanCmd, keys *payload.Keys) *liveView {
	return &liveView{a: a, start: time.Now(), limit: time.Duration(c.Duration), keys: keys, devices: map[hci.Addr]*device{}}
}

func (v *liveView) report(r *connmgr.Report) {
	d := v.devices[r.Addr]
	if d == nil {
		d = &device{addr: r.Addr, first: len(v.devices)}
		v.devices[r.Addr] = d
	}
	if r.RSSI != controller.RSSIUnknown {
		if d.rssi == 0 {
			d.rssi = float64(r.RSSI)
		}
		d.rssi += (float64(r.RSSI) - d.rssi) * smoothing
	}
	if name, whole := r.LocalName(); name != "" && (whole || !d.whole) {
		d.name, d.whole = text.Clean(name), whole
	}
	d.about = about(&r.Report, r.Payloads(v.keys))
	d.count++
	d.last = r.Time
	v.reports++
}

func (v *liveView) tick(now time.Time) {
	columns, rows := v.a.env.Terminal()
	// The last row stays free, so that the terminal does not scroll.
	v.draw(v.lines(now, columns, rows-1))
}

func (v *liveView) endView(dropped uint64) {
	columns, _ := v.a.env.Terminal()
	lines := v.lines(time.Now(), columns, 0)
	if dropped > 0 {
		lines = append(lines, lostText(dropped))
	}
	v.draw(lines)
}

// lines returns the table and a line of totals, cut to columns and to rows; 0 rows
// means no limit.
func (v *liveView) lines(now time.Time, columns, rows int) []string {
	list := make([]*device, 0, len(v.devices))
	for _, d := range v.devices {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *device) int {
		return cmp.Or(cmp.Compare(b.level(), a.level()), cmp.Compare(a.first, b.first))
	})
	hidden := 0
	if room := max(rows-2, 1); rows > 0 && len(list) > room {
		hidden = len(list) - room
		list = list[:room]
	}
	var t table
	wide, fair := columns >= wideEnough, columns >= fairlyWide
	row := func(address, signal, name, count, seen, about string) {
		if name == "" && !fair {
			name = about
		}
		cells := []string{address, signal, fit(name, 24)}
		if wide {
			cells = append(cells, fmt.Sprintf("%5s", count), fmt.Sprintf("%4s", seen))
		}
		if fair {
			cells = append(cells, about)
		}
		t.row(cells...)
	}
	unit := " dBm"
	if fair {
		unit = "  SIGNAL"
	}
	row("ADDRESS", unit, "NAME", "COUNT", "AGE", "ABOUT")
	for _, d := range list {
		address, signal := d.addr.MAC.String(), "?"
		if d.rssi != 0 {
			signal = fmt.Sprintf("%.0f", d.rssi)
		}
		signal = fmt.Sprintf("%4s", signal)
		if fair {
			address, signal = d.addr.String(), signal+" dBm"
		}
		row(address, signal, d.name, fmt.Sprint(d.count), now.Sub(d.last).Truncate(time.Second).String(), d.about)
	}
	total := fmt.Sprintf("%s, %s in %s", plural(len(v.devices), "device"), plural(v.reports, "report"), now.Sub(v.start).Truncate(time.Second))
	if hidden > 0 {
		total += fmt.Sprintf(", %d more than fit here", hidden)
	}
	if v.limit == 0 {
		total += ", Ctrl-C ends"
	}
	return append(t.lines(columns), fit(total, columns))
}

// level is the signal strength in steps of 6 dB, so that rows seldom change places.
func (d *device) level() int {
	if d.rssi == 0 {
		return -1000
	}
	return int(d.rssi) / 6
}

// draw replaces the lines that it drew before.
func (v *liveView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn) // up
	}
	b.WriteString("\r\x1b[J") // clear from here to the end of the screen
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	v.drawn = len(lines)
	v.a.out.writeBytes([]byte(b.String()))
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
