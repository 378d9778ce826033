package slots_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/slots"
)

const (
	deviceA = "C0:FF:EE:00:00:01"
	deviceB = "C0:FF:EE:00:00:02"
	deviceC = "C0:FF:EE:00:00:03"
)

// wantAllocations checks the allocations of an adapter.
func wantAllocations(t *testing.T, m *slots.Manager, adapter string, n, free int, addresses ...string) {
	t.Helper()
	want := slots.Allocations{Adapter: adapter, Slots: slots.Count(n), Free: slots.Count(free), Allocated: append([]string{}, addresses...)}
	if diff := cmp.Diff(want, m.Allocations(adapter)); diff != "" {
		t.Errorf("allocations (-want +got):\n%s", diff)
	}
}

// recorder keeps events as text.
type recorder struct{ got []string }

func (r *recorder) event(e slots.Event) {
	r.got = append(r.got, fmt.Sprintf("%v %s %s %d/%d", e.Change, e.Adapter, e.Address, e.Free, e.Slots))
}

// want checks, in a bubble, the events since the last call.
func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, r.got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.got = nil
}

func TestSlotManager(t *testing.T) { synctest.Test(t, testSlotManager) }

// testSlotManager follows the steps of bleak-retry-connector's test of the same name.
func testSlotManager(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	if !m.TryAllocate("hci0", deviceA) {
		t.Error("an adapter that is not managed refused a slot")
	}
	var r recorder
	defer m.Subscribe(r.event)()
	cancel := m.Subscribe(func(slots.Event) { panic("a subscriber's mistake") })
	defer cancel()

	m.Register("hci0", 1, slots.Link{Address: deviceA, Handle: 1})
	wantAllocations(t, m, "hci0", 1, 0, deviceA)
	r.want(t, "allocated hci0 "+deviceA+" 0/1")

	if m.TryAllocate("hci0", deviceB) {
		t.Error("a full adapter took another device")
	}
	for range 2 {
		if !m.TryAllocate("hci0", deviceA) {
			t.Error("a connected device was refused its own slot")
		}
	}
	m.Connected("hci0", deviceA, 1)
	wantAllocations(t, m, "hci0", 1, 0, deviceA)
	r.want(t)

	if m.Release("hci0", deviceA) {
		t.Error("the slot of a link was released by hand")
	}
	m.Disconnected("hci0", deviceA, 1)
	wantAllocations(t, m, "hci0", 1, 1)
	r.want(t, "released hci0 "+deviceA+" 1/1")
	m.Disconnected("hci0", deviceA, 1)
	if m.Release("hci0", deviceA) {
		t.Error("a slot was released twice")
	}
	r.want(t)

	if !m.TryAllocate("hci0", deviceB) || m.TryAllocate("hci0", deviceA) {
		t.Error("the only slot went to two devices")
	}
	r.want(t, "allocated hci0 "+deviceB+" 0/1")
	if !m.Release("hci0", deviceB) {
		t.Error("the slot of an attempt was not released by hand")
	}
	r.want(t, "released hci0 "+deviceB+" 1/1")

	m.TryAllocate("hci0", deviceB)
	m.Disconnected("hci0", deviceB, 7)
	r.want(t, "allocated hci0 "+deviceB+" 0/1", "released hci0 "+deviceB+" 1/1")

	m.TryAllocate("hci0", deviceC)
	cancel()
	cancel()
	m.Remove("hci0")
	r.want(t, "allocated hci0 "+deviceC+" 0/1", "released hci0 "+deviceC+" 1/1")
	m.Remove("hci0")
	m.Remove("hci9")
	m.Disconnected("hci0", deviceC, 1)
	m.Connected("hci0", deviceC, 1)
	m.Reconcile("hci0", []slots.Link{{Address: deviceC}})
	m.Touch("hci0", deviceC)
	if !m.TryAllocate("hci0", deviceA) || m.Release("hci0", deviceA) || m.Refused("hci0", deviceA, 0x09) {
		t.Error("a removed adapter is still counted")
	}
	r.want(t)
	wantAllocations(t, m, "hci0", 0, 0)
}

// TestDiagnostics checks the exact JSON.
func TestDiagnostics(t *testing.T) { synctest.Test(t, testDiagnostics) }

func testDiagnostics(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	got, err := json.Marshal(m.Diagnostics())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"manager":true,"adapter_slots":{},"allocations_by_adapter":{},"adapters":[],"waiting":[],"subscribers":0}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.Register("hci1", 3)
	m.Register("hci0", 0, slots.Link{Address: deviceA, Handle: 64})
	m.TryAllocate("hci0", deviceB)
	m.Refused("hci0", deviceB, 0x0D)
	m.Release("hci0", deviceB)
	m.TryAllocate("hci0", deviceB)
	m.Refused("hci0", deviceB, 0x0D)
	time.Sleep(time.Second)
	if got, err = json.Marshal(m.Diagnostics()); err != nil {
		t.Fatal(err)
	}
	if want := `{"manager":true,"adapter_slots":{"hci0":0,"hci1":3},` +
		`"allocations_by_adapter":{"hci0":["` + deviceA + `","` + deviceB + `"],"hci1":[]},` +
		`"adapters":[{"adapter":"hci0","slots":1,"free":0,"learned":1,"learned_reason":13,"held":[` +
		`{"address":"` + deviceA + `","connected":true,"handle":64,"priority":0,"age_ms":1000,"idle_ms":1000},` +
		`{"address":"` + deviceB + `","connected":false,"handle":0,"priority":0,"age_ms":1000,"idle_ms":1000}]},` +
		`{"adapter":"hci1","slots":3,"free":3,"held":[]}],"waiting":[],"subscribers":0}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back slots.Diagnostics
	if err := json.Unmarshal(got, &back); err != nil || back.Adapters[0].Held[0] != m.Diagnostics().Adapters[0].Held[0] {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

// TestFreeNeverNegative checks that links beyond the capacity leave 0 free slots.
func TestFreeNeverNegative(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 1, slots.Link{Address: deviceA, Handle: 1}, slots.Link{Address: deviceB, Handle: 2})
	wantAllocations(t, m, "hci0", 1, 0, deviceA, deviceB)
	m.Connected("hci0", deviceC, 3)
	wantAllocations(t, m, "hci0", 1, 0, deviceA, deviceB, deviceC)
	m.Disconnected("hci0", deviceA, 1)
	m.Disconnected("hci0", deviceB, 2)
	wantAllocations(t, m, "hci0", 1, 0, deviceC)
	m.Disconnected("hci0", deviceC, 3)
	wantAllocations(t, m, "hci0", 1, 1)
}

// TestLateDisconnect checks that a late report of the end of an old link does not
// release the slot of a new one.
func TestLateDisconnect(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 2)
	m.Connected("hci0", deviceA, 1)
	m.Connected("hci0", deviceA, 2)
	m.Disconnected("hci0", deviceA, 1)
	wantAllocations(t, m, "hci0", 2, 1, deviceA)
	m.Disconnected("hci0", deviceA, 2)
	wantAllocations(t, m, "hci0", 2, 2)
}

// TestUnknownCapacity checks that an unknown capacity allows any number of slots.
// TestRemovalDuringDisconnect: the adapter of a link is removed before the end of the link
// is reported.
func TestRemovalDuringDisconnect(t *testing.T) { synctest.Test(t, testRemovalDuringDisconnect) }

func testRemovalDuringDisconnect(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	var r recorder
	defer m.Subscribe(r.event)()
	m.Register("hci0", 1)
	m.TryAllocate("hci0", deviceA)
	m.Connected("hci0", deviceA, 1)
	m.Remove("hci0")
	r.want(t, "allocated hci0 "+deviceA+" 0/1", "released hci0 "+deviceA+" 1/1")
	m.Disconnected("hci0", deviceA, 1)
	r.want(t)
	wantAllocations(t, m, "hci0", 0, 0)
	// The adapter is back, with a link that has the handle of the old one.
	m.Register("hci0", 1, slots.Link{Address: deviceB, Handle: 1})
	m.Disconnected("hci0", deviceA, 1)
	wantAllocations(t, m, "hci0", 1, 0, deviceB)
}

func TestUnknownCapacity(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 0)
	for i := range 20 {
		if !m.TryAllocate("hci0", fmt.Sprint(i)) || !m.Room("hci0") {
			t.Fatalf("device %d was refused", i)
		}
	}
	if got := m.Allocations("hci0"); got.Slots != slots.Unknown || got.Free != slots.Unknown {
		t.Errorf("got %+v", got)
	}
	if m.Room("hci9") {
		t.Error("an adapter that is not registered has room")
	}
}

// model is the simplest implementation of the counts of a Manager.
type model struct {
	slots     int
	held      map[string]bool
	connected map[string]uint16
}

// TestModel compares a Manager with a model under random calls: the taken and free
// slots, and the sum of the events.
func TestModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		synctest.Test(t, func(t *testing.T) { testModel(t, rng) })
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func testModel(t *testing.T, rng *rand.Rand) {
	m := slots.New(&slots.Config{EventQueue: 1000, ReservationTimeout: -1})
	defer m.Close()
	byEvents := map[string]bool{}
	m.Subscribe(func(e slots.Event) {
		if byEvents[e.Address] == (e.Change == slots.Allocated) {
			t.Errorf("%v %s does not follow from the events before", e.Change, e.Address)
		}
		byEvents[e.Address] = e.Change == slots.Allocated
	})
	w := model{slots: rng.IntN(4) + 1, held: map[string]bool{}, connected: map[string]uint16{}}
	m.Register("hci0", w.slots)
	for range 100 {
		a := fmt.Sprint(rng.IntN(6))
		switch rng.IntN(6) {
		case 0, 1:
			want := w.held[a] || len(w.held) < w.slots
			if got := m.TryAllocate("hci0", a); got != want {
				t.Fatalf("allocate %s: got %v, want %v", a, got, want)
			}
			if want {
				w.held[a] = true
			}
		case 2:
			h := uint16(rng.IntN(3))
			m.Connected("hci0", a, h)
			w.held[a], w.connected[a] = true, h
		case 3:
			h := uint16(rng.IntN(3))
			m.Disconnected("hci0", a, h)
			if at, up := w.connected[a]; !up || at == h {
				delete(w.held, a)
				delete(w.connected, a)
			}
		case 4:
			_, up := w.connected[a]
			if got := m.Release("hci0", a); got != (w.held[a] && !up) {
				t.Fatalf("release %s: got %v", a, got)
			}
			if !up {
				delete(w.held, a)
			}
		case 5:
			live := []slots.Link{{Address: a, Handle: 9}}
			m.Reconcile("hci0", live)
			for x := range w.connected {
				delete(w.held, x)
			}
			clear(w.connected)
			w.held[a], w.connected[a] = true, 9
		}
		got := m.Allocations("hci0")
		if len(got.Allocated) != len(w.held) || got.Free != slots.Count(max(0, w.slots-len(w.held))) {
			t.Fatalf("got %+v, want %v of %d", got, w.held, w.slots)
		}
		for _, x := range got.Allocated {
			if !w.held[x] {
				t.Fatalf("%s has a slot, want %v", x, w.held)
			}
		}
	}
	synctest.Wait()
	for x, up := range byEvents {
		if up != w.held[x] {
			t.Errorf("by its events %s has a slot: %v; want %v", x, up, w.held[x])
		}
	}
}
