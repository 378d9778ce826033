package connmgr_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// The preferred adapter makes the link although another one hears the device better; the
// others are its fallback.
func TestPrefer(t *testing.T) { inBubble(t, testPrefer) }

func testPrefer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *lab, far *sim.Peripheral)
		want   string
	}{
		{"as it is", func(*lab, *sim.Peripheral) {}, "hci1"},
		{"does not hear the device", func(l *lab, p *sim.Peripheral) {
			l.air.SetPath(l.adapters[1], p, sim.Path{Loss: 1})
			time.Sleep(4 * time.Minute)
		}, "hci0"},
		{"down", func(l *lab, _ *sim.Peripheral) { l.unplug(1); time.Sleep(second) }, "hci0"},
		{"full", func(l *lab, _ *sim.Peripheral) { l.establish(2, &connmgr.Options{Adapter: "hci1"}) }, "hci0"},
		{"fails", func(l *lab, _ *sim.Peripheral) {
			l.adapters[1].Fault(sim.ConnectFault{Times: sim.Always, Status: hci.StatusLLResponseTimeout})
		}, "hci0"},
	} {
		l := newLab(t, connmgr.Config{Slots: map[string]int{"hci1": 1}}, nil, nil)
		p := l.device(1)
		l.device(2)
		l.air.SetPath(l.adapters[0], p, sim.Path{RSSI: -40})
		l.air.SetPath(l.adapters[1], p, sim.Path{RSSI: -80})
		time.Sleep(5 * second)
		c.change(l, p)
		if got := l.establish(1, &connmgr.Options{Prefer: "hci1"}).Adapter(); got != c.want {
			t.Errorf("%s: connected on %s, want %s", c.name, got, c.want)
		}
		l.m.Close()
	}
}

// The name of an adapter that is absent is an error if Config.Adapters says which there
// are. A Manager of all adapters takes it for one that is not plugged in.
func TestPreferOfAbsentAdapter(t *testing.T) { inBubble(t, testPreferOfAbsentAdapter) }

func testPreferOfAbsentAdapter(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	const want = `connmgr: adapter "hci7" is not one of this manager's, which are hci0`
	for _, o := range []connmgr.Options{{Prefer: "hci7"}, {Adapter: "hci7"}} {
		if _, err := l.m.Establish(t.Context(), address(1).String(), &o); err == nil || err.Error() != want {
			t.Errorf("Adapter %q, Prefer %q: %v, want %s", o.Adapter, o.Prefer, err, want)
		}
	}

	all := openAll(t, l.air)
	for _, o := range []connmgr.Options{{Prefer: "hci7"}, {Prefer: "hci7", Adapter: "hci8"}} {
		c, err := all.Establish(t.Context(), address(1).String(), &o)
		if err != nil {
			t.Fatalf("Adapter %q, Prefer %q: %v", o.Adapter, o.Prefer, err)
		}
		if c.Adapter() != "hci8" {
			t.Errorf("connected on %s, want the adapter that is there", c.Adapter())
		}
		c.Close()
	}
	if _, err := all.Establish(t.Context(), address(1).String(), &connmgr.Options{Adapter: "hci7"}); err == nil || !strings.Contains(err.Error(), `"hci7"`) {
		t.Errorf("%v, want the adapter that is absent", err)
	}
}

// openAll opens a Manager of all adapters, which are a new one named hci8.
func openAll(t *testing.T, air *sim.Air) *connmgr.Manager {
	t.Helper()
	ctl := air.NewController(nil)
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Kinds: []connmgr.Kind{{
		List: func(context.Context) ([]string, error) { return []string{"hci8"}, nil },
		Open: func(context.Context, string) (hci.Transport, error) { return ctl.Plug(), nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
