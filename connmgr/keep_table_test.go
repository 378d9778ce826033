package connmgr_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

// notifyTable is a table with a battery level that notifies, behind some more services.
func notifyTable(hash bool, before ...gatt.ServiceDef) sim.Table {
	defs := append([]gatt.ServiceDef{sim.GenericAccess("lamp"), sim.GenericAttribute(true, hash)}, before...)
	return sim.NewTable(append(defs, gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{1}},
	}})...)
}

// lampOf puts device 1 on air, which has a table and advertises each 100 ms.
func (l *lab) lampOf(table sim.Table) *sim.Device {
	return l.air.NewDevice(&sim.DeviceConfig{Name: "lamp", Address: address(1), Table: table, Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond}})
}

// A device changes its table in the first second of the link, in which no change is
// indicated. The subscription is made again as soon as changes are.
func TestKeepEarlyChange(t *testing.T) {
	for _, hash := range []bool{true, false} {
		for _, after := range []time.Duration{0, 500 * time.Millisecond, 900 * time.Millisecond} {
			inBubble(t, func(t *testing.T) { testKeepEarlyChange(t, after, hash) })
		}
	}
}

func testKeepEarlyChange(t *testing.T, after time.Duration, hash bool) {
	l := newLab(t, connmgr.Config{})
	d := l.lampOf(notifyTable(hash))
	k := l.keep(1, nil)
	s := k.Subscribe(battery, level, nil)
	k.await(connmgr.KeepReady)
	time.Sleep(after)
	d.SetTable(notifyTable(hash, controlService), true)
	time.Sleep(5*second - after)
	d.SetValue(d.Find(level), []byte{0x55})
	time.Sleep(second)
	if st := k.Status(); st.Subscribed != 1 {
		t.Errorf("hash %v: after a change at %v: %+v", hash, after, st)
	}
	wantInterruptions(t, s, "changed", "again", "value 55")
	k.Close()
}

// drain takes the values and interruptions of a subscription.
func drain(s *connmgr.KeptSubscription) {
	go func() {
		for range s.All(context.Background()) { // until the connection ends
		}
	}()
}

// A device that changes its table whenever it is subscribed to is subscribed to after holds
// of 1, 2, 4 and then each 8 s.
func TestKeepPacesATableThatChangesWhenSubscribed(t *testing.T) {
	inBubble(t, testKeepPacesATableThatChangesWhenSubscribed)
}

func testKeepPacesATableThatChangesWhenSubscribed(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	table := func(n int64) sim.Table {
		if n%2 == 1 {
			return notifyTable(false, controlService)
		}
		return notifyTable(false)
	}
	d := l.lampOf(table(0))
	k := l.keep(1, nil)
	time.Sleep(20 * second)
	var subscribed atomic.Int64
	step := func(e sim.Entry) {
		if e.Kind == sim.LogData && len(e.Packet) >= 9 && e.Packet[4] == byte(att.OpWriteReq) && e.Packet[7] == 1 && e.Packet[8] == 0 {
			n := subscribed.Add(1)
			go d.SetTable(table(n), true)
		}
	}
	l.step.Store(&step)
	before := l.requests.Load()
	drain(k.Subscribe(battery, level, nil))
	time.Sleep(time.Minute)
	if n, r := subscribed.Load(), l.requests.Load()-before; n != 10 || r > 100 {
		t.Errorf("%d subscriptions in a minute, want 10; %d requests, want 100 at most", n, r)
	}
	time.Sleep(10 * time.Minute)
	if n, r := subscribed.Load(), l.requests.Load()-before; n > 85 || r > 700 {
		t.Errorf("%d subscriptions in 11 minutes, %d requests", n, r)
	}
	l.step.Store(nil)
	time.Sleep(10 * second)
	if s := k.Status(); s.Subscribed != 1 {
		t.Errorf("after the last change: %+v", s)
	}
	k.Close()
}
