//go:build !minimal

package dashboard

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moor-ble/moor/connmgr"
)

// The text format of Prometheus is written here: all numbers but two are read from the
// Manager and the Server at the moment of the request, so that a registry of counters would
// only repeat them. github.com/VictoriaMetrics/metrics would add 350 kB to the program.

// bounds are the upper bounds of the times until a device is ready, in seconds.
var bounds = [...]float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45, 90}

// histogram counts times in seconds.
type histogram struct {
	counts [len(bounds) + 1]uint64 // the last is of those above all bounds
	sum    float64
}

func (h *histogram) observe(seconds float64) {
	i, _ := slices.BinarySearch(bounds[:], seconds)
	h.counts[i]++
	h.sum += seconds
}

// label escapes the value of a label.
var label = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// writer writes families of numbers.
type writer struct{ w io.Writer }

func (w writer) family(name, kind, help string) {
	fmt.Fprintf(w.w, "# HELP moor_%s %s\n# TYPE moor_%s %s\n", name, help, name, kind)
}

// number writes one number; labels are pairs of a name and a value.
func (w writer) number(name string, value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		fmt.Fprintf(&b, `,%s="%s"`, labels[i], label.Replace(labels[i+1]))
	}
	if set := b.String(); set != "" {
		name += "{" + set[1:] + "}"
	}
	fmt.Fprintf(w.w, "moor_%s %s\n", name, strconv.FormatFloat(value, 'f', -1, 64))
}

func (w writer) single(name, kind, help string, value float64) {
	w.family(name, kind, help)
	w.number(name, value)
}

// truth is 1 for true.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// writeMetrics writes all numbers.
func (d *Dashboard) writeMetrics(out io.Writer) {
	w := writer{out}
	w.family("info", "gauge", "The proxy; always 1.")
	w.number("info", 1, "name", d.cfg.Name, "mac", d.cfg.MAC.String(), "version", d.cfg.Version)
	d.writeAdapters(w)
	st := d.cfg.Server.Stats()
	w.single("slots", "gauge", "Connection slots of the proxy.", float64(st.SlotLimit))
	w.single("slots_used", "gauge", "Slots that links and attempts take.", float64(st.SlotsUsed))
	w.single("slots_free", "gauge", "Slots that are left.", float64(st.SlotLimit-st.SlotsUsed))
	up := 0
	for _, l := range st.Links {
		if l.Up {
			up++
		}
	}
	w.single("links", "gauge", "Links of clients that are up.", float64(up))
	subscribers := 0
	for _, c := range st.Clients {
		if c.Reports {
			subscribers++
		}
	}
	w.single("clients", "gauge", "Clients that are connected.", float64(len(st.Clients)))
	w.single("subscribers", "gauge", "Clients that want advertisements.", float64(subscribers))
	w.single("reports_heard_total", "counter", "Advertisements that all adapters have heard for clients.", float64(st.Heard))
	w.single("reports_total", "counter", "Advertisements that were sent, each once.", float64(st.Sent))
	w.single("dropped_total", "counter", "Messages with advertisements that slow clients have lost.", float64(st.Lost))
	w.single("notifications_dropped_total", "counter", "Notifications that slow clients have lost.", float64(st.LostValues))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeAttemptsLocked(w)
}

func (d *Dashboard) writeAdapters(w writer) {
	all := d.cfg.Manager.Adapters()
	each := func(name, help string, value func(*connmgr.Adapter) (float64, bool)) {
		w.family(name, "gauge", help)
		for _, a := range all {
			if v, ok := value(a); ok {
				w.number(name, v, "adapter", a.Name())
			}
		}
	}
	each("adapter_up", "Whether the adapter is ready.", func(a *connmgr.Adapter) (float64, bool) {
		state, _ := a.State()
		return truth(state == connmgr.AdapterUp), true
	})
	each("adapter_scanning", "Whether the adapter hears devices.", func(a *connmgr.Adapter) (float64, bool) { return truth(scans(a)), true })
	each("adapter_slots", "Links that the adapter carries, where it is known.", func(a *connmgr.Adapter) (float64, bool) {
		n := d.cfg.Manager.Slots().Usage(a.Name()).Slots
		return float64(n), n >= 0
	})
	each("adapter_slots_used", "Slots of the adapter that are taken.", func(a *connmgr.Adapter) (float64, bool) {
		return float64(d.cfg.Manager.Slots().Usage(a.Name()).Used), true
	})
}

func (d *Dashboard) writeAttemptsLocked(w writer) {
	w.family("attempts_total", "counter", "Attempts to connect, by result, and by the class of the failure.")
	w.number("attempts_total", float64(d.attempts[outcome{}]), "result", "connected", "class", "")
	byClass := func(a, b outcome) int { return cmp.Compare(a.class, b.class) }
	for _, o := range slices.SortedFunc(maps.Keys(d.attempts), byClass) {
		if o.class != "" {
			w.number("attempts_total", float64(d.attempts[o]), "result", "failed", "class", o.class)
		}
	}
	w.family("ready_seconds", "histogram", "Time from the request until a device was ready.")
	n := uint64(0)
	for i, bound := range bounds {
		n += d.ready.counts[i]
		w.number("ready_seconds_bucket", float64(n), "le", strconv.FormatFloat(bound, 'f', -1, 64))
	}
	n += d.ready.counts[len(bounds)]
	w.number("ready_seconds_bucket", float64(n), "le", "+Inf")
	w.number("ready_seconds_sum", d.ready.sum)
	w.number("ready_seconds_count", float64(n))
}
