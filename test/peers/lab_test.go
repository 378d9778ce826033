//go:build peers

package peers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestLabForBumble has Bumble as the central on a controller of moor lab: it scans, takes a
// connect back that pends, connects, changes the parameters, discovers and subscribes.
func TestLabForBumble(t *testing.T) {
	lab := moortest.New(t, "--json").Start(t, "lab", "testdata/meter.yaml")
	var at struct{ Event, Place string }
	for at.Event != "listening" {
		if err := json.Unmarshal([]byte(lab.Line(t)), &at); err != nil {
			t.Fatal(err)
		}
	}
	type step struct {
		Step     string
		Error    int
		Interval float64
		Services int
		Values   []string
	}
	var first step
	steps := make(chan step, 16)
	startScript(t, "central.py", &first, func(line []byte) {
		var s step
		if err := json.Unmarshal(line, &s); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		steps <- s
	}, func() { close(steps) }, strings.TrimPrefix(at.Place, "tcp:127.0.0.1:"), "C0:FF:EE:00:00:0B", "fff1", "C0:FF:EE:00:00:77")
	if first.Step != "scanned" {
		t.Errorf("%+v, want scanned", first)
	}
	const unknownConnection = 2
	for _, want := range []step{
		{Step: "pends"}, {Step: "canceled", Error: unknownConnection}, {Step: "connected"}, {Step: "updated", Interval: 50},
		{Step: "discovered", Services: 3}, {Step: "notified"}, {Step: "disconnected"},
	} {
		select {
		case got, ok := <-steps:
			if !ok {
				t.Fatalf("the central ended before %+v", want)
			}
			if want.Step == "notified" {
				if len(got.Values) != 2 || got.Values[0] >= got.Values[1] {
					t.Errorf("values %q, want two that rise", got.Values)
				}
				got.Values = nil
			}
			if got.Step != want.Step || got.Error != want.Error || got.Interval != want.Interval || got.Services != want.Services || got.Values != nil {
				t.Errorf("%+v, want %+v", got, want)
			}
		case <-conntest.Within(t).Done():
			t.Fatalf("the central is stuck before %+v", want)
		}
	}
	lab.Interrupt(t)
	lab.Wait(t).OK(t)
}
