package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

// meter is a device whose level is another number each 100 ms.
type meter struct {
	*lab
	d     *sim.Device
	begin time.Time
}

const tick = 100 * time.Millisecond

// newMeter puts a meter on air, until the test ends.
func newMeter(t *testing.T, table sim.Table, temper sim.Temper) *meter {
	t.Helper()
	m := &meter{lab: newLab(t, connmgr.Config{}), begin: time.Now()}
	m.d = m.air.NewDevice(&sim.DeviceConfig{Name: "meter", Address: address(1), Table: table, Temper: temper,
		Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond}})
	go func() {
		for n := uint16(1); ; n++ {
			select {
			case <-time.After(tick):
				m.d.SetValue(m.d.Find(level), []byte{byte(n), byte(n >> 8)})
			case <-t.Context().Done():
				return
			}
		}
	}()
	return m
}

// awaitTick waits until shortly after a value: the next one is due in 30 ms.
func (m *meter) awaitTick() { time.Sleep(tick + 70*time.Millisecond - time.Since(m.begin)%tick) }

// reading is the values and the notices of a subscription to a meter.
type reading struct {
	mu      sync.Mutex
	notices []string  // "lost" and "again"
	values  int       // guarded by mu, as all here
	missed  int       // values that did not come
	untold  []string  // gaps without a notice
	last    time.Time // of the latest value
	first   time.Time // of the first value after the latest gap
}

// read reads a subscription until its connection ends.
func read(s *connmgr.KeptSubscription) *reading {
	r := &reading{}
	go func() {
		last, told := 0, false
		for v, err := range s.All(context.Background()) {
			r.mu.Lock()
			e, ok := errors.AsType[*connmgr.InterruptedError](err)
			switch {
			case ok && e.Err != nil:
				r.notices = append(r.notices, "lost")
				told = true
			case ok:
				r.notices = append(r.notices, "again")
				told = true // a value may have come within the interruption
			case err == nil:
				n := int(v.Data[0]) | int(v.Data[1])<<8
				if told {
					r.first = time.Now()
				}
				if last != 0 && n != last+1 {
					r.missed += n - last - 1
					if !told {
						r.untold = append(r.untold, fmt.Sprintf("%d after %d", n, last))
					}
				}
				last, told = n, false
				r.values++
				r.last = time.Now()
			}
			r.mu.Unlock()
		}
	}()
	return r
}

// wantReading checks that the values come, that the notices are those wanted, and that
// no value was missed without one. With missed, some have to be.
func (r *reading) wantReading(t *testing.T, name, notices string, missed bool) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.notices, " "); got != notices {
		t.Errorf("%s: notices %q, want %q", name, got, notices)
	}
	if len(r.untold) > 0 || missed && r.missed == 0 {
		t.Errorf("%s: %d values missed, want some: %v; untold: %v", name, r.missed, missed, r.untold)
	}
	if since := time.Since(r.last); since > 4*tick {
		t.Errorf("%s: the last value came %v ago", name, since)
	}
}

// allowUnsent accepts n values that the device could not send while it had no table: since
// it has kept the subscription, nothing shows that.
func (r *reading) allowUnsent(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missed != n || len(r.untold) != 1 {
		t.Errorf("%d values not sent, want %d; %v", r.missed, n, r.untold)
	}
	r.untold = nil
}

// behind is a service that changes no handle of the ones before it.
var behind = gatt.ServiceDef{UUID: gatt.UUID16(0xFE00)}

// meterTable is the table of a meter.
func meterTable(hash bool, after ...gatt.ServiceDef) sim.Table {
	defs := []gatt.ServiceDef{sim.GenericAccess("meter"), sim.GenericAttribute(true, hash), {UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{0, 0}},
	}}}
	return sim.NewTable(append(defs, after...)...)
}

// A table goes and comes back within milliseconds: the program is told once of each time
// at which the device may have forgotten the subscription, and of no other.
func TestKeepTableThatComesBack(t *testing.T) {
	outOfSync := sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Do: sim.Refuse, Code: att.CodeDatabaseOutOfSync, From: 20 * second, Times: 1}}}
	for _, c := range []struct {
		name     string
		temper   sim.Temper
		indicate [2]bool // the change, and the one back
		forgets  [2]bool // the subscriptions, with each
		reads    bool    // the program reads a value after that
		notices  string
		missed   bool
	}{
		{name: "indicates both, keeps", indicate: [2]bool{true, true}, notices: "lost again"},
		{name: "indicates both, forgets at last", indicate: [2]bool{true, true}, forgets: [2]bool{false, true}, notices: "lost again", missed: true},
		{name: "indicates the first, forgets at once", indicate: [2]bool{true, false}, forgets: [2]bool{true, true}, notices: "lost again", missed: true},
		{name: "indicates the second, forgets", indicate: [2]bool{false, true}, forgets: [2]bool{false, true}, notices: "lost again", missed: true},
		{name: "out of sync, forgets", temper: outOfSync, forgets: [2]bool{true, true}, reads: true, notices: "lost again", missed: true},
		{name: "out of sync, keeps", temper: outOfSync, reads: true, notices: "lost again"},
		{name: "silent, keeps", reads: true},
	} {
		for _, hash := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				a, b := meterTable(hash), meterTable(hash, behind)
				m := newMeter(t, a, c.temper)
				k := m.keep(1, nil)
				r := read(k.Subscribe(battery, level, nil))
				time.Sleep(20 * second)
				for i, table := range []sim.Table{b, a} {
					m.d.SetTable(table, c.indicate[i])
					if c.forgets[i] {
						m.d.ForgetSubscriptions()
					}
					time.Sleep(5 * time.Millisecond)
				}
				if c.reads {
					time.Sleep(second)
					if err := k.Do(t.Context(), func(c *connmgr.Client) error { _, err := c.Read(t.Context(), battery, level); return err }); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(10 * second)
				r.wantReading(t, fmt.Sprintf("%s, hash %v", c.name, hash), c.notices, c.missed)
				k.Close()
			})
		}
	}
}

// A device starts its server again on the same link. A read of the program fails meanwhile,
// and the table that is discovered then is the old one. All that share the link are told.
// The subscription to Service Changed is restored too.
func TestKeepServerThatStartsAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		forgets bool
		notices string
	}{
		{"forgets", true, "lost again"},
		{"keeps", false, ""},
	} {
		for _, hash := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				table := meterTable(hash)
				m := newMeter(t, table, sim.Temper{})
				cl := m.establish(1, nil)
				time.Sleep(8 * second)
				cl.Close() // the table is in the cache
				k, other := m.keep(1, nil), m.keep(1, nil)
				rs := []*reading{read(k.Subscribe(battery, level, nil)), read(other.Subscribe(battery, level, nil))}
				time.Sleep(20 * second)
				m.awaitTick()
				m.d.SetTable(nil, false)
				if c.forgets {
					m.d.ForgetSubscriptions()
				}
				go func() { // one value is not sent, since there is no level
					time.Sleep(60 * time.Millisecond)
					m.d.SetTable(table, false)
				}()
				if err := k.Do(t.Context(), func(c *connmgr.Client) error { _, err := c.Read(t.Context(), battery, level); return err }); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * second)
				name, told := fmt.Sprintf("%s, hash %v", c.name, hash), c.notices
				if !hash { // the refusal has disproved the table in the cache
					told = "lost again"
				}
				for _, r := range rs {
					if told == "" {
						r.allowUnsent(t, 1)
					}
					r.wantReading(t, name, told, c.forgets)
				}
				// Changes are indicated again.
				m.d.SetTable(meterTable(hash, behind), true)
				time.Sleep(5 * second)
				for _, r := range rs {
					r.wantReading(t, name+", then another table", strings.TrimSpace(told+" lost again"), c.forgets)
				}
				k.Close()
				other.Close()
			})
		}
	}
}

// A server that takes two seconds to start again shows no table meanwhile: the subscription
// is refused until it is there. Later changes are indicated again.
func TestKeepServerThatStartsSlowly(t *testing.T) { inBubble(t, testKeepServerThatStartsSlowly) }

func testKeepServerThatStartsSlowly(t *testing.T) {
	table := meterTable(true)
	m := newMeter(t, table, sim.Temper{})
	cl := m.establish(1, nil)
	time.Sleep(8 * second)
	cl.Close() // the table is in the cache
	k := m.keep(1, nil)
	r := read(k.Subscribe(battery, level, nil))
	time.Sleep(20 * second)
	m.d.SetTable(nil, false)
	m.d.ForgetSubscriptions()
	time.AfterFunc(2*second, func() { m.d.SetTable(table, false) })
	if err := k.Do(t.Context(), func(c *connmgr.Client) error { _, err := c.Read(t.Context(), battery, level); return err }); !errors.Is(err, gatt.ErrNotFound) {
		t.Error(err)
	}
	time.Sleep(10 * second)
	r.wantReading(t, "slow start", "lost lost again", true)
	m.d.SetTable(meterTable(true, behind), true)
	time.Sleep(5 * second)
	r.wantReading(t, "slow start, then another table", "lost lost again lost again", true)
	k.Close()
}

// The table is not from the cache, so that a read that fails does not heal: it shows that
// the device has forgotten the subscription all the same, as does ProveSubscriptions after
// a loss without a sign. Without a loss, nothing is told.
func TestKeepProvesSubscriptions(t *testing.T) {
	for _, away := range []bool{false, true} {
		for _, forgets := range []bool{false, true} {
			inBubble(t, func(t *testing.T) { testKeepProvesSubscriptions(t, away, forgets) })
		}
	}
}

func testKeepProvesSubscriptions(t *testing.T, away, forgets bool) {
	table := meterTable(true)
	m := newMeter(t, table, sim.Temper{})
	k := m.keep(1, nil)
	r := read(k.Subscribe(battery, level, nil))
	time.Sleep(20 * second)
	m.awaitTick()
	if forgets {
		m.d.ForgetSubscriptions()
	}
	if away {
		m.d.SetTable(nil, false)
		time.AfterFunc(60*time.Millisecond, func() { m.d.SetTable(table, false) }) // one value is not sent
	}
	before := m.requests.Load()
	err := k.Do(t.Context(), func(c *connmgr.Client) error {
		if away {
			_, err := c.Read(t.Context(), battery, level)
			return err
		}
		return c.GATT().ProveSubscriptions(t.Context())
	})
	if errors.Is(err, att.CodeInvalidHandle) != away {
		t.Errorf("away %v: %v", away, err)
	}
	time.Sleep(10 * second)
	name := fmt.Sprintf("away %v, forgets %v", away, forgets)
	notices, want := "", int64(2) // reads of the configurations of the level and of Service Changed
	if forgets {
		notices, want = "lost again", 4 // and writes
	}
	if away {
		want++
	}
	if away && !forgets {
		r.allowUnsent(t, 1)
	}
	r.wantReading(t, name, notices, forgets)
	if n := m.requests.Load() - before; n != want {
		t.Errorf("%s: %d requests, want %d: %q", name, n, want, m.trace.requests())
	}
	k.Close()
}

// A device forgets all subscriptions with each change, that to Service Changed too: it
// indicates a change, and not always the one back, which comes at any moment of the
// repair.
func TestKeepChangeDuringTheRepair(t *testing.T) {
	for back := time.Duration(0); back <= 2*second; back += 50 * time.Millisecond {
		for _, hash := range []bool{false, true} {
			inBubble(t, func(t *testing.T) { testKeepChangeDuringTheRepair(t, back, hash) })
		}
	}
}

func testKeepChangeDuringTheRepair(t *testing.T, back time.Duration, hash bool) {
	a, b := meterTable(hash), meterTable(hash, behind)
	m := newMeter(t, a, sim.Temper{})
	k := m.keep(1, nil)
	r := read(k.Subscribe(battery, level, nil))
	time.Sleep(20 * second)
	for _, table := range []sim.Table{b, a} {
		m.d.SetTable(table, true)
		m.d.ForgetSubscriptions()
		time.Sleep(back)
	}
	time.Sleep(10 * second)
	synctest.Wait()
	r.mu.Lock()
	n := len(r.notices)
	r.mu.Unlock()
	name := fmt.Sprintf("back after %v, hash %v", back, hash)
	if n != 2 && n != 4 {
		t.Errorf("%s: %d notices, want those of one or two gaps", name, n)
	}
	r.wantReading(t, name, strings.TrimSpace(strings.Repeat("lost again ", n/2)), true)
	k.Close()
}
