package connmgr_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

var serviceChanged = gatt.UUID16(0x2A05)

// soon is the quiet of a second, a discovery and a subscription with an interval of 50 ms.
const soon = 2200 * time.Millisecond

// After a storm of ten indications in a second, values come again within two seconds of
// the last one, however long the storm was: to one Keep and to two on one link, from a
// device that keeps the subscription and from one that forgets it each time. All that
// was missed is told.
func TestKeepAfterAStorm(t *testing.T) {
	for _, lasts := range []time.Duration{second, 5 * second, 20 * second, 2 * time.Minute} {
		for _, hash := range []bool{false, true} {
			for _, forgets := range []bool{false, true} {
				for keeps := 1; keeps <= 2; keeps++ {
					inBubble(t, func(t *testing.T) { testKeepAfterAStorm(t, lasts, hash, forgets, keeps) })
				}
			}
		}
	}
}

func testKeepAfterAStorm(t *testing.T, lasts time.Duration, hash, forgets bool, keeps int) {
	name := fmt.Sprintf("storm of %v, hash %v, forgets %v, %d Keeps", lasts, hash, forgets, keeps)
	table := meterTable(hash)
	m := newMeter(t, table, sim.Temper{})
	var readings []*reading
	for range keeps {
		readings = append(readings, read(m.keep(1, nil).Subscribe(battery, level, nil)))
	}
	time.Sleep(20 * second)
	var last time.Time
	for range lasts / tick {
		time.Sleep(tick)
		m.d.SetTable(table, true)
		if forgets {
			m.d.ForgetSubscriptions(table.Find(level))
		}
		last = time.Now()
	}
	time.Sleep(5 * second)
	synctest.Wait()
	for _, r := range readings {
		r.mu.Lock()
		if n := len(r.notices); n == 0 || r.notices[n-1] != "again" || r.first.Sub(last) > soon {
			t.Errorf("%s: notices %v, the first value %v after the last indication", name, r.notices, r.first.Sub(last))
		}
		r.mu.Unlock()
	}
	before := m.requests.Load()
	time.Sleep(time.Minute)
	if n := m.requests.Load() - before; n != 0 {
		t.Errorf("%s: %d requests in the minute after the storm", name, n)
	}
	for _, r := range readings {
		r.mu.Lock()
		pairs := strings.TrimSpace(strings.Repeat("lost again ", len(r.notices)/2))
		r.mu.Unlock()
		r.wantReading(t, name, pairs, false)
	}
}

// Values that no program waits for come as soon, and are told of when it does.
func TestKeepUnreadInAStorm(t *testing.T) { inBubble(t, testKeepUnreadInAStorm) }

func testKeepUnreadInAStorm(t *testing.T) {
	table := meterTable(true)
	m := newMeter(t, table, sim.Temper{})
	s := m.keep(1, nil).Subscribe(battery, level, &gatt.SubscribeOptions{Queue: 10000})
	time.Sleep(20 * second)
	for range 2 * time.Minute / tick {
		time.Sleep(tick)
		m.d.SetTable(table, true)
		m.d.ForgetSubscriptions(table.Find(level))
	}
	last := time.Now()
	time.Sleep(5 * second)
	values, notices := 0, 0
	for v, err := range s.All(t.Context()) {
		switch {
		case err != nil:
			notices++
			continue
		case notices == 0:
			values++
			continue
		}
		if took := v.Time.Sub(last); notices != 2 || took > soon || values < 200 || values > 201 {
			t.Errorf("the first value %v after the last indication, after %d values and %d notices; want 200 or 201, and 2", took, values, notices)
		}
		return
	}
}

// A storm without an end costs few requests: the device indicates changes at any interval,
// or whenever it is subscribed to, to one Keep or two on one link.
func TestKeepPacesAnEndlessStorm(t *testing.T) {
	for keeps := 1; keeps <= 2; keeps++ {
		for _, every := range []time.Duration{tick, 500 * time.Millisecond, 2 * second, 5 * second, 0} {
			inBubble(t, func(t *testing.T) { testKeepPacesAnEndlessStorm(t, keeps, every) })
		}
	}
}

func testKeepPacesAnEndlessStorm(t *testing.T, keeps int, every time.Duration) {
	l := newLab(t, connmgr.Config{})
	table := meterTable(false)
	all := []byte{1, 0, 0xFF, 0xFF}
	sc := table.Find(serviceChanged)
	temper := sim.Temper{Notifications: []sim.Notification{{After: 20 * second, Every: every, Handle: sc, Value: all, Indicate: true}}}
	if every == 0 {
		pdu := append([]byte{byte(att.OpHandleValueIndication), byte(sc), 0}, all...)
		temper = sim.Temper{Rules: []sim.Rule{{On: sim.OnSubscribe, Handle: table.Find(level) + 1, Do: sim.SendFirst, PDU: pdu}}}
	}
	l.air.NewDevice(&sim.DeviceConfig{Name: "meter", Address: address(1), Table: table, Peer: &sim.RawPeerConfig{Interval: tick}, Temper: temper})
	for range keeps {
		drain(l.keep(1, nil).Subscribe(battery, level, nil))
	}
	time.Sleep(20 * second)
	for i := range 4 {
		before := l.requests.Load()
		time.Sleep(time.Minute)
		n, most := l.requests.Load()-before, int64(100*keeps)
		if i == 0 {
			most = int64(120 * keeps)
		}
		if n > most {
			t.Errorf("%d Keeps, a change each %v: %d requests in minute %d, want %d at most", keeps, every, n, i, most)
		}
	}
}
