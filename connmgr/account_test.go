package connmgr_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// private puts device 1 on air under private addresses, and returns the first.
func (l *lab) private(life time.Duration) hci.Addr {
	l.t.Helper()
	l.put(&sim.PeripheralConfig{
		Name: "lock", Address: address(1), Host: host.Config{SMP: &smp.Config{Privacy: true, AddressLifetime: life}},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead, Value: []byte{1}},
		}}},
	})
	time.Sleep(3 * second)
	heard := l.m.Devices()
	if len(heard) != 1 || heard[0].OnAir == address(1) {
		l.t.Fatalf("heard %v", heard)
	}
	return heard[0].OnAir
}

// slowStore takes a second to list the bonds on request. A list of links that the
// Manager has read before is out of date after that.
type slowStore struct {
	smp.Store
	slow *atomic.Bool
}

func (s slowStore) All() []*smp.Bond {
	if s.slow.CompareAndSwap(true, false) {
		time.Sleep(second)
	}
	return s.Store.All()
}

func TestPairedUnderAPrivateAddress(t *testing.T) { inBubble(t, testPairedUnderAPrivateAddress) }

func testPairedUnderAPrivateAddress(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 3}})
	rpa := l.private(15 * time.Minute)
	l.device(2)
	c, err := l.m.Establish(t.Context(), rpa.String(), &connmgr.Options{Pair: true})
	if err != nil {
		t.Fatal(err)
	}
	// The identity address leads to the same link now.
	same := l.establish(1, nil)
	other := l.establish(2, nil)
	if n := l.taken("hci0"); same.Conn() != c.Conn() || n != 2 {
		t.Errorf("%d slots for two links", n)
	}
	other.Close()
	same.Close()
	c.Close()
	l.wantNoSlots()
}

func TestLinkEndsWhileCounting(t *testing.T) { inBubble(t, testLinkEndsWhileCounting) }

func testLinkEndsWhileCounting(t *testing.T) {
	var slow atomic.Bool
	l := newLab(t, connmgr.Config{
		Slots: map[string]int{"hci0": 2},
		Pairing: &smp.Config{DisableIncoming: true, Store: func(l smp.Local) (smp.Store, error) {
			s, err := smp.Memory()(l)
			return slowStore{s, &slow}, err
		}},
	})
	// A link that the program has made itself is counted, too.
	rpa := l.private(15 * time.Minute)
	foreign, err := l.m.Adapter("hci0").Controller().Connect(t.Context(), rpa, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.device(2)
	l.device(3)
	mine := l.establish(2, nil)
	if n := l.taken("hci0"); n != 2 {
		t.Errorf("%d slots taken by two links", n)
	}
	slow.Store(true)
	wait := l.begin(3, nil)
	time.Sleep(100 * time.Millisecond)
	go mine.Close()
	c, took := wait()
	if took > 2*second {
		t.Errorf("established after %v: whoever waits was not told of the free slot", took)
	}
	c.Close()
	if got := l.m.Slots().Allocations("hci0").Allocated; !slices.Equal(got, []string{rpa.MAC.String()}) {
		t.Errorf("slots of %v, want that of the program's link", got)
	}
	if err := foreign.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	l.wantNoSlots()
}

func TestTwoEvictions(t *testing.T) { inBubble(t, testTwoEvictions) }

func testTwoEvictions(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 2}})
	for n := range 4 {
		l.device(n)
	}
	l.establish(0, nil)
	l.establish(1, nil)
	time.Sleep(2 * second)
	o := &connmgr.Options{Priority: 1, Evict: true}
	one, other := l.begin(2, o), l.begin(3, o)
	for _, wait := range []func() (*connmgr.Client, time.Duration){one, other} {
		if _, took := wait(); took > second {
			t.Errorf("one of the two took %v although two links could be evicted", took)
		}
	}
}

func TestAdapterGoneWhileWaitingForASlot(t *testing.T) {
	inBubble(t, testAdapterGoneWhileWaitingForASlot)
}

func testAdapterGoneWhileWaitingForASlot(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	for n := range 3 {
		l.device(n)
	}
	l.establish(0, nil)
	p := once()
	p.AdapterTimeout = 0 // do not wait for it to come back
	failed := make(chan error, 2)
	for _, n := range []int{1, 2} {
		go func() {
			_, err := l.m.Establish(t.Context(), address(n).String(), &connmgr.Options{Policy: p})
			failed <- err
		}()
	}
	time.Sleep(second)
	l.adapters[0].Unplug()
	for range 2 {
		// One of them may have got the slot of the link that ended, and dialed.
		var e *connmgr.EstablishError
		if err := <-failed; !errors.As(err, &e) || errors.Is(err, connmgr.ErrOutOfSlots) ||
			e.Attempts[0].Class.Budget != errclass.BudgetAdapter {
			t.Errorf("error %v, want that of the adapter", err)
		}
	}
}

func TestSlotsChangedIsOfOneMoment(t *testing.T) { inBubble(t, testSlotsChangedIsOfOneMoment) }

func testSlotsChangedIsOfOneMoment(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 8}})
	told := make(chan int)
	go func() {
		n := 0
		for ev := range l.m.Events(t.Context()) {
			if s, ok := ev.(connmgr.SlotsChanged); ok {
				if n++; s.Used+int(s.Free) != 8 {
					t.Errorf("%+v: used and free are not 8", s)
				}
			}
		}
		told <- n
	}()
	for i := range 8 {
		l.device(i)
	}
	for range 5 {
		var waits []func() (*connmgr.Client, time.Duration)
		for i := range 8 {
			waits = append(waits, l.begin(i, nil))
		}
		for _, wait := range waits {
			c, _ := wait()
			c.Close()
		}
	}
	l.m.Close()
	if n := <-told; n != 80 {
		t.Errorf("%d changes, want 80", n)
	}
}

// Calls that one event has refused together are not made together again, neither on the
// same adapter nor on the next one.
func TestRefusedCallsGoOneByOne(t *testing.T) { inBubble(t, testRefusedCallsGoOneByOne) }

func testRefusedCallsGoOneByOne(t *testing.T) {
	const devices, adapters, links = 100, 4, 4
	c := sim.ControllerConfig{MaxLinks: links}
	l := newLab(t, connmgr.Config{}, &c, &c, &c, &c)
	for n := range devices {
		l.sensorAt(n, 100*time.Millisecond, sim.Temper{})
	}
	time.Sleep(second)
	r := l.record()
	begin := time.Now()
	var wg sync.WaitGroup
	for n := range devices {
		wg.Go(func() {
			c, err := l.m.Establish(t.Context(), address(n).String(), &connmgr.Options{DisableDiscovery: true})
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(second)
			c.Close()
		})
	}
	wg.Wait()
	// All without a link are refused before anything is known. After that, each adapter
	// makes one dial to confirm its limit, and one to probe it.
	if n := r.count(isFailure); n > devices-adapters*links+2*adapters {
		t.Errorf("%d failed attempts for %d devices", n, devices)
	}
	if took := time.Since(begin); took > 8*second {
		t.Errorf("%d devices over %d links took %v", devices, adapters*links, took)
	}
}

// The event of a slot has the kind of address of its device, also for a program that begins
// to listen while the link is up, to a device that no adapter has heard.
func TestSlotsChangedNamesTheKind(t *testing.T) { inBubble(t, testSlotsChangedNamesTheKind) }

func testSlotsChangedNamesTheKind(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true})
	l.device(1)
	c := l.establish(1, nil)
	time.Sleep(second)
	events := l.m.Events(t.Context())
	go c.Close()
	for ev := range events {
		if s, ok := ev.(connmgr.SlotsChanged); ok {
			if s.Address != address(1) || s.Allocated {
				t.Errorf("%+v, want the release of the slot of %v", s, address(1))
			}
			break
		}
	}
	l.m.Close()
}
