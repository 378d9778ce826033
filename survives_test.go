package moor_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/sim"
)

func TestSurvivesLostLinks(t *testing.T) {
	s, err := sim.Load("testdata/hangs-up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // hours of radio pass in milliseconds
		var links atomic.Int32
		w, err := s.OpenWorld(t.Context(), &sim.ScenarioOptions{Event: func(ev sim.WorldEvent) {
			if ev.Event.Kind == peripheral.EventConnected {
				links.Add(1)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		cfg := &connmgr.Config{Adapters: []string{"sim"}, Kinds: []connmgr.Kind{{Open: w.Air().OpenTransport}}}
		if err := run(t.Context(), cfg); err != nil { // the program above
			t.Error(err)
		}
		if n := links.Load(); n != 3 {
			t.Errorf("the program needed %d links, want 3", n)
		}
	})
}
