package connmgr_test

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// allServices is the first request of a discovery.
const allServices = "100100ffff0028"

// A device that indicates Service Changed whenever that is subscribed to comes to rest: its
// table is discovered once more, and the program gets its values, with one interruption. One
// that indicates it all the time is not asked for its table all the time.
func TestRestlessTable(t *testing.T) { inBubble(t, testRestlessTable) }

func testRestlessTable(t *testing.T) {
	table := lampTable(nil, gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{42}},
	}})
	changed, value := table.Find(gatt.UUID16(0x2A05)), table.Find(level)
	all := []byte{1, 0, 0xFF, 0xFF}
	indication := append(binary.LittleEndian.AppendUint16([]byte{0x1D}, uint16(changed)), all...)
	values := sim.Notification{After: second / 2, Every: second, Handle: value, Value: []byte{42}}

	l, sub := restless(t, table, sim.Temper{
		Rules:         []sim.Rule{{On: sim.OnSubscribe, Handle: changed + 1, Do: sim.SendFirst, PDU: indication}},
		Notifications: []sim.Notification{values},
	})
	time.Sleep(time.Minute)
	if n := l.discoveries(); n != 1 {
		t.Errorf("%d discoveries in a minute after the first one, want 1", n)
	}
	l.m.Close()
	got, interruptions := 0, 0
	for done := false; !done; {
		switch _, err := sub.Next(t.Context()); {
		case err == nil:
			got++
		case errors.Is(err, gatt.ErrStale):
			interruptions++
		default:
			e, ok := errors.AsType[*connmgr.InterruptedError](err)
			done = !ok || e.Err != nil && !errors.Is(e.Err, gatt.ErrStale)
		}
	}
	if got != 60 || interruptions != 1 {
		t.Errorf("%d values with %d interruptions in a minute, want 60 with 1", got, interruptions)
	}

	l, _ = restless(t, table, sim.Temper{Notifications: []sim.Notification{
		{After: 2 * second, Every: 300 * time.Millisecond, Handle: changed, Value: all, Indicate: true},
	}})
	time.Sleep(time.Minute)
	if n := l.discoveries(); n < 1 || n > 8 {
		t.Errorf("%d discoveries in a minute of indications, want 8 at most", n)
	}
}

// restless is a lab in which a connection is kept to a device with a table and a temper, and the
// subscription to its battery level.
func restless(t *testing.T, table sim.Table, temper sim.Temper) (*lab, *connmgr.KeptSubscription) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: table, Temper: temper})
	k := l.keep(1, nil)
	k.await(connmgr.KeepReady)
	l.trace.reset()
	return l, k.Subscribe(battery, level, nil)
}

// discoveries returns how many discoveries of a table have begun.
func (l *lab) discoveries() (n int) {
	for _, r := range l.trace.requests() {
		if r == allServices {
			n++
		}
	}
	return n
}
