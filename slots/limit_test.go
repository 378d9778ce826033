package slots_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/slots"
)

// refuse takes a slot, as a dial does, and reports that the dial was refused.
func refuse(m *slots.Manager, adapter, address string) {
	m.TryAllocate(adapter, address)
	m.Refused(adapter, address, 0x09)
	m.Release(adapter, address)
}

// wantUsage checks the usage of an adapter.
func wantUsage(t *testing.T, m *slots.Manager, adapter string, all, used, free int, why string) {
	t.Helper()
	want := slots.Usage{Slots: slots.Count(all), Used: used, Free: slots.Count(free)}
	if got := m.Usage(adapter); got != want {
		t.Errorf("%s: usage is %+v, want %+v", why, got, want)
	}
}

const unknown = int(slots.Unknown)

// TestRefusalReasons tells a lack of room from other reasons.
func TestRefusalReasons(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 0)
	for reason := range 0x100 {
		want := reason == 0x07 || reason == 0x09 || reason == 0x0D
		if got := m.Refused("hci0", "a", uint8(reason)); got != want {
			t.Errorf("0x%02x means a lack of room: %v, want %v", reason, got, want)
		}
	}
	if m.Refused("hci9", "a", 0x09) {
		t.Error("an adapter that is not registered learned a limit")
	}
}

func TestLearnedLimit(t *testing.T) { synctest.Test(t, testLearnedLimit) }

func testLearnedLimit(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1}, slots.Link{Address: "b", Handle: 2})
	m.TryAllocate("hci0", "c")
	m.TryAllocate("hci0", "d")
	m.Refused("hci0", "c", 0x0D)
	wantUsage(t, m, "hci0", 3, 4, 0, "one refusal may pass: one more link than there are")
	m.Refused("hci0", "d", 0x0D)
	wantUsage(t, m, "hci0", 3, 4, 0, "one event fails several dials")
	m.Release("hci0", "d")
	m.Release("hci0", "c")
	m.TryAllocate("hci0", "c")
	m.Refused("hci0", "c", 0x0D)
	wantUsage(t, m, "hci0", 2, 3, 0, "two refusals in a row beside two links")
	m.Release("hci0", "c")
	wantUsage(t, m, "hci0", 2, 2, 0, "the refused dial has ended")

	waiting := acquire(t.Context(), m, 0, "c", "hci0")
	later := acquire(t.Context(), m, 0, "d", "hci0")
	time.Sleep(4*time.Second - 1)
	waiting.wantWaiting(t)
	time.Sleep(time.Nanosecond)
	waiting.want(t, "hci0", nil)
	later.wantWaiting(t)
	wantUsage(t, m, "hci0", 3, 3, 0, "one dial probes")

	m.Refused("hci0", "c", 0x0D)
	m.Release("hci0", "c")
	wantUsage(t, m, "hci0", 2, 2, 0, "the probe was refused")
	time.Sleep(8*time.Second - 1)
	later.wantWaiting(t)
	time.Sleep(time.Nanosecond)
	later.want(t, "hci0", nil)
	m.Release("hci0", "d") // nobody answered: the next dial is the probe
	wantUsage(t, m, "hci0", 3, 2, 1, "the probe has shown nothing")

	acquire(t.Context(), m, 0, "e", "hci0").want(t, "hci0", nil)
	three := acquire(t.Context(), m, 0, "f", "hci0")
	three.wantWaiting(t)
	m.Connected("hci0", "e", 3)
	three.want(t, "hci0", nil)
	wantUsage(t, m, "hci0", 6, 4, 2, "the probe's link is up: twice three")
	m.Connected("hci0", "f", 4)
	wantUsage(t, m, "hci0", 8, 4, 4, "twice four")
	m.Disconnected("hci0", "f", 4)
	wantUsage(t, m, "hci0", 8, 3, 5, "a limit does not fall with the links")

	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
	wantUsage(t, m, "hci0", unknown, 1, unknown, "registering again forgets the limit")
}

func TestProbeDelays(t *testing.T) { synctest.Test(t, testProbeDelays) }

// testProbeDelays refuses every probe: the delays double up to ten minutes.
func testProbeDelays(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
	refuse(m, "hci0", "b")
	refuse(m, "hci0", "b")
	for _, want := range []time.Duration{4, 8, 16, 32, 64, 128, 256, 512, 600, 600} {
		wantUsage(t, m, "hci0", 1, 1, 0, fmt.Sprint("before ", want))
		time.Sleep(want*time.Second - 1)
		wantUsage(t, m, "hci0", 1, 1, 0, fmt.Sprint("just before ", want))
		time.Sleep(time.Nanosecond)
		wantUsage(t, m, "hci0", 2, 1, 1, fmt.Sprint("after ", want))
		refuse(m, "hci0", "b")
	}
}

func TestWaitedProbeDelays(t *testing.T) { synctest.Test(t, testWaitedProbeDelays) }

// testWaitedProbeDelays refuses every probe while a ticket waits: the delays double up to
// 16 s. Without a ticket they go on doubling, and a late ticket is the probe at once. A
// ticket for which another adapter has room is none.
func testWaitedProbeDelays(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
	refuse(m, "hci0", "b")
	refuse(m, "hci0", "b")
	for _, want := range []time.Duration{4, 8, 16, 16, 16} {
		b := acquire(t.Context(), m, 0, "b", "hci0")
		time.Sleep(want*time.Second - 1)
		b.wantWaiting(t)
		wantUsage(t, m, "hci0", 1, 1, 0, fmt.Sprint("just before ", want))
		time.Sleep(time.Nanosecond)
		b.want(t, "hci0", nil)
		refuse(m, "hci0", "b")
	}
	time.Sleep(100 * time.Second)
	wantUsage(t, m, "hci0", 1, 1, 0, "nobody waits: the delay is 128 s")
	m.Register("hci1", 9)
	acquire(t.Context(), m, 0, "c", "hci0", "hci1").want(t, "hci1", nil)
	wantUsage(t, m, "hci0", 1, 1, 0, "the ticket has room elsewhere")
	acquire(t.Context(), m, 0, "d", "hci0").want(t, "hci0", nil)
	second := acquire(t.Context(), m, 0, "e", "hci0")
	second.wantWaiting(t)
	refuse(m, "hci0", "d")
	time.Sleep(16*time.Second - 1)
	second.wantWaiting(t)
	time.Sleep(time.Nanosecond)
	second.want(t, "hci0", nil)
}

func TestRefusalsInARow(t *testing.T) { synctest.Test(t, testRefusalsInARow) }

// testRefusalsInARow wants refusals that contradict each other to raise no more than a
// suspicion.
func testRefusalsInARow(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
	refuse(m, "hci0", "b")
	m.Connected("hci0", "b", 2)
	refuse(m, "hci0", "c")
	wantUsage(t, m, "hci0", 3, 2, 1, "beside one link, then beside two")
	m.Disconnected("hci0", "b", 2)
	refuse(m, "hci0", "b")
	m.Connected("hci0", "b", 2)
	m.Disconnected("hci0", "b", 2)
	refuse(m, "hci0", "b")
	wantUsage(t, m, "hci0", 2, 1, 1, "a second link came up between two refusals beside one")
	refuse(m, "hci0", "b")
	wantUsage(t, m, "hci0", 1, 1, 0, "nothing came between")

	m.Register("hci1", 0)
	refuse(m, "hci1", "a")
	refuse(m, "hci1", "a")
	wantUsage(t, m, "hci1", 1, 0, 1, "one slot stays even if no link is up")
	m.Register("hci2", 0, slots.Link{Address: "a", Handle: 1}, slots.Link{Address: "b", Handle: 2})
	refuse(m, "hci2", "a")
	refuse(m, "hci2", "a")
	wantUsage(t, m, "hci2", 1, 2, 0, "the link of the refused address itself does not count")
}

// One refusal leaves room for one dial at a time, until its link is up or for a while.
func TestSuspectedLimit(t *testing.T) { synctest.Test(t, testSuspectedLimit) }

func testSuspectedLimit(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
	refuse(m, "hci0", "b")
	wantUsage(t, m, "hci0", 2, 1, 1, "room for one more")
	acquire(t.Context(), m, 0, "b", "hci0").want(t, "hci0", nil)
	next := acquire(t.Context(), m, 0, "c", "hci0")
	next.wantWaiting(t)
	time.Sleep(4*time.Second - 1)
	next.wantWaiting(t)
	time.Sleep(time.Nanosecond)
	next.want(t, "hci0", nil)
	wantUsage(t, m, "hci0", unknown, 3, unknown, "after four seconds")

	m.Register("hci1", 0, slots.Link{Address: "a", Handle: 1})
	refuse(m, "hci1", "b")
	m.Connected("hci1", "b", 2)
	wantUsage(t, m, "hci1", unknown, 2, unknown, "the second link is up")

	m.Register("hci2", 0, slots.Link{Address: "a", Handle: 1}, slots.Link{Address: "b", Handle: 2}, slots.Link{Address: "c", Handle: 3})
	refuse(m, "hci2", "d")
	refuse(m, "hci2", "d")
	time.Sleep(time.Second)
	m.Disconnected("hci2", "b", 2)
	m.Disconnected("hci2", "c", 3)
	refuse(m, "hci2", "d")
	wantUsage(t, m, "hci2", 2, 1, 1, "below a learned limit")
	time.Sleep(3 * time.Second)
	wantUsage(t, m, "hci2", 2, 1, 1, "the probe of the learned limit is due")
	time.Sleep(time.Second)
	wantUsage(t, m, "hci2", 4, 1, 3, "the learned limit, and a probe")
}

func TestRegisteredNumberIsKept(t *testing.T) { synctest.Test(t, testRegisteredNumberIsKept) }

func testRegisteredNumberIsKept(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 5, slots.Link{Address: "a", Handle: 1})
	for range 5 {
		refuse(m, "hci0", "b")
	}
	wantUsage(t, m, "hci0", 5, 1, 4, "a registered number is the user's")
}

// TestLimitForEver switches probes off.
func TestLimitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := slots.New(&slots.Config{ProbeDelay: -1})
		m.Register("hci0", 0, slots.Link{Address: "a", Handle: 1})
		for range 100 {
			refuse(m, "hci0", "b")
		}
		time.Sleep(1000 * time.Hour)
		wantUsage(t, m, "hci0", 1, 1, 0, "no probe")
	})
}

// TestDialsOfUnknownCapacity: an adapter of unknown capacity grants slots for 8 dials, or
// for as many as it has links, so that a refusal ends no more. Slots that are taken without
// the queue have no limit.
func TestDialsOfUnknownCapacity(t *testing.T) { synctest.Test(t, testDialsOfUnknownCapacity) }

func testDialsOfUnknownCapacity(t *testing.T) {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 0)
	for n := range 100 {
		acquire(t.Context(), m, 0, fmt.Sprint(n), "hci0")
	}
	wantUsage(t, m, "hci0", unknown, 8, unknown, "8 dials")
	m.Release("hci0", "7")
	wantUsage(t, m, "hci0", unknown, 8, unknown, "a dial has ended")
	m.TryAllocate("hci0", "other")
	wantUsage(t, m, "hci0", unknown, 9, unknown, "a slot without the queue")
	m.Release("hci0", "other")
	for n := range 20 {
		links := n + 1
		name := fmt.Sprint(n)
		if n == 7 {
			name = "99" // which waits
		}
		m.Connected("hci0", name, uint16(n))
		if got, want := m.Usage("hci0").Used, links+max(8, links); got != want {
			t.Errorf("%d slots beside %d links, want %d", got, links, want)
		}
	}
	refuse(m, "hci0", "39")
	wantUsage(t, m, "hci0", 21, 39, 0, "one link more than there are, by a refusal")
}

// TestSetLimit: the far end of an adapter reports its room at any time, none included, while
// slots are taken and awaited.
func TestSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := slots.New(nil)
		defer m.Close()
		m.SetLimit("attic", 3) // is not there
		m.Register("attic", 0)
		m.SetLimit("attic", 1)
		if !m.TryAllocate("attic", "a") || m.TryAllocate("attic", "b") {
			t.Error("one slot: two were taken, or none")
		}
		m.SetLimit("attic", 0)
		if u := m.Usage("attic"); u != (slots.Usage{Slots: 0, Used: 1, Free: 0}) || m.Room("attic") {
			t.Errorf("usage %+v", u)
		}
		m.Refused("attic", "a", 0x09) // teaches no limit beside the one that is reported
		waiting := m.Ticket("b", 0)
		waiting.SetAdapters("attic")
		synctest.Wait()
		if waiting.Granted() {
			t.Error("a slot was granted")
		}
		m.SetLimit("attic", 2)
		synctest.Wait()
		if name, ok, err := waiting.Take(); name != "attic" || !ok || err != nil {
			t.Errorf("%q, %v, %v", name, ok, err)
		}
		m.Register("attic", 0) // opened again, with an unknown number
		if u := m.Usage("attic"); u.Slots != slots.Unknown || !m.Room("attic") {
			t.Errorf("usage %+v", u)
		}
	})
}
