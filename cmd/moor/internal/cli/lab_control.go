//go:build !minimal

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/sim"
)

// controlArg is the place of a control interface.
type controlArg struct{ lab.Place }

// UnmarshalText reads unix:PATH or tcp:HOST:PORT, the latter on loopback.
func (c *controlArg) UnmarshalText(b []byte) error {
	p, err := lab.ParsePlace(string(b))
	if err != nil || p.Kind != lab.PlaceUnix && p.Kind != lab.PlaceTCP || !p.IsLocal() {
		return fmt.Errorf("%q is no control address: write unix:PATH or tcp:127.0.0.1:PORT", b)
	}
	c.Place = p
	return nil
}

// setDetail describes the orders in the help of the command.
const setDetail = `With --control, a lab can be changed while it runs: moor lab set --control ADDRESS NAME ACTION. Of a device, ACTION is power-off, power-on, drop-link [REASON], set-value CHARACTERISTIC VALUE, move DISTANCE [CONTROLLER], set-table SERVICES or set-temper TEMPER; of a controller it is unplug, replug [TIME], hang, crash, fault FAULT or clear-faults. SERVICES, TEMPER and FAULT are as in the file: "{connect: {times: 1}}". The interface is HTTP: GET /state, GET /events for a line of JSON for each event, POST /set with an entry of the events of a file. It has no password, so it is for a Unix socket or loopback.`

// orders has the fields of an action for each word behind the action, in its syntax; those
// from least on may be left out. A field that ends in a colon takes YAML as it is.
var orders = []struct {
	action     sim.ActionKind
	controller bool // the name is that of a controller
	fields     []string
	least      int
}{
	{sim.ActPowerOff, false, nil, 0},
	{sim.ActPowerOn, false, nil, 0},
	{sim.ActDropLink, false, []string{"reason"}, 0},
	{sim.ActSetValue, false, []string{"characteristic", "value"}, 2},
	{sim.ActMove, false, []string{"place", "controller"}, 1},
	{sim.ActSetTable, false, []string{"services:"}, 1},
	{sim.ActSetTemper, false, []string{"temper:"}, 1},
	{sim.ActUnplug, true, nil, 0},
	{sim.ActReplug, true, []string{"for"}, 0},
	{sim.ActHang, true, nil, 0},
	{sim.ActCrash, true, nil, 0},
	{sim.ActFault, true, []string{"fault:"}, 1},
	{sim.ActClearFaults, true, nil, 0},
}

// orderOf returns the order NAME ACTION… in the syntax of a scenario file.
func orderOf(words []string) ([]byte, error) {
	if len(words) < 2 {
		return nil, errors.New("NAME ACTION is missing: the name of a device or of a controller, and what happens to it")
	}
	name, action, words := words[0], words[1], words[2:]
	var names []string
	for _, o := range orders {
		names = append(names, string(o.action))
		if string(o.action) != action {
			continue
		}
		if len(words) < o.least || len(words) > len(o.fields) {
			want := strings.ToUpper(strings.ReplaceAll(strings.Join(o.fields, " "), ":", ""))
			if want == "" {
				want = "nothing"
			}
			return nil, fmt.Errorf("%s takes %s after it, not %q", action, want, strings.Join(words, " "))
		}
		about := "device"
		if o.controller {
			about = "controller"
		}
		var b strings.Builder
		b.WriteString("{do: " + action + ", " + about + ": " + quoteYAML(name))
		for i, w := range words {
			field, raw := strings.CutSuffix(o.fields[i], ":")
			switch {
			case raw:
			case field == "place" && !strings.HasPrefix(w, "{"):
				w = "{distance: " + quoteYAML(w) + "}"
			case field != "place":
				w = quoteYAML(w)
			}
			b.WriteString(", " + field + ": " + w)
		}
		b.WriteString("}")
		return []byte(b.String()), nil
	}
	return nil, fmt.Errorf("no action %q: there are %s", action, strings.Join(names, ", "))
}

// quoteYAML quotes a word: JSON is YAML.
func quoteYAML(w string) string {
	b, err := json.Marshal(w)
	if err != nil {
		return `""` // is never the case: a string
	}
	return string(b)
}

// openControl opens the control interface, and returns the function that serves it; nil
// without --control.
func (c *labCmd) openControl(ctx context.Context, v *labView, w *sim.World, ports []attachedPort) (func() error, error) {
	if c.Control.Place == (lab.Place{}) {
		return nil, nil
	}
	l, err := lab.ListenControl(ctx, c.Control.Place)
	if err != nil {
		return nil, fmt.Errorf("--control: %w", err)
	}
	cfg := &lab.ControlConfig{World: w, Ports: map[string]*lab.Port{}, Ordered: func(a sim.Action, err error) {
		v.showAction(a.Summary(), sim.WorldEvent{Time: time.Now(), Action: &a, Err: err})
	}}
	for _, p := range ports {
		cfg.Ports[p.name] = p.port
	}
	control := lab.NewControl(cfg)
	v.tell(func(j *jsonLab) { _ = control.Publish(j) }) // a jsonLab always has a JSON form
	at := l.Addr().Network() + ":" + l.Addr().String()
	v.showControl(at)
	return func() error { return control.Serve(ctx, l) }, nil
}

// showControl shows where the lab takes orders.
func (v *labView) showControl(at string) {
	j := &jsonLab{Place: at}
	j.Time, j.Event = time.Now(), "control"
	v.show(j, func(a *app) { a.out.printf("the control interface listens at %s\n", at) })
}

// tell has f get each event from now on.
func (v *labView) tell(f func(*jsonLab)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.told = f
}
