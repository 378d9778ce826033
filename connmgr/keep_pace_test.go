package connmgr_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

// refusesSubscriptions puts a device on air that answers each subscription with code.
func (l *lab) refusesSubscriptions(n int, code att.Code) *sim.Peripheral {
	l.t.Helper()
	return l.put(&sim.PeripheralConfig{
		Name: "sensor", Address: address(n),
		Temper: sim.Temper{Rules: []sim.Rule{{On: sim.OnSubscribe, Do: sim.Refuse, Code: code}}},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{1}},
		}}},
	})
}

// A subscription that the device refuses is tried after 1, 2, 4, 8, 16 and 32 s, however
// it is refused: the discovery that Database Out Of Sync leads to finds the same table,
// which is no news, neither to the Keep that has made it nor to another one.
func TestKeepPacesRefusedSubscriptions(t *testing.T) { inBubble(t, testKeepPacesRefusedSubscriptions) }

func testKeepPacesRefusedSubscriptions(t *testing.T) {
	for _, c := range []struct {
		code     att.Code
		keeps    int
		requests int64 // in a minute
	}{
		{att.CodeWriteNotPermitted, 1, 6},  // each try is one write
		{att.CodeDatabaseOutOfSync, 1, 66}, // each is two writes, and nine requests of a discovery
		// The second Keep begins 5.3 s later. Two of its tries overlap those of the first, and
		// are one with them, discovery included.
		{att.CodeDatabaseOutOfSync, 2, 110},
	} {
		l := newLab(t, connmgr.Config{})
		l.refusesSubscriptions(1, c.code)
		var keeps []*keeper
		for range c.keeps {
			keeps = append(keeps, l.keep(1, nil))
		}
		time.Sleep(10 * second)
		before, begin := l.requests.Load(), time.Now()
		for _, k := range keeps {
			k.Subscribe(battery, level, nil)
			time.Sleep(5300 * time.Millisecond)
		}
		time.Sleep(time.Until(begin.Add(time.Minute)))
		if n := l.requests.Load() - before; n != c.requests {
			t.Errorf("%d Keeps, %v: %d requests in a minute, want %d", c.keeps, c.code, n, c.requests)
		}
		for _, k := range keeps {
			if s := k.Status(); s.State != connmgr.KeepReady || s.Subscribed != 0 {
				t.Errorf("%d Keeps, %v: %+v, want ready and not subscribed", c.keeps, c.code, s)
			}
			k.Close()
		}
		l.m.Close()
	}
}

// A device whose table is another one at each discovery, and that refuses subscriptions,
// is no reason to try without rest.
func TestKeepPacesChangingTables(t *testing.T) { inBubble(t, testKeepPacesChangingTables) }

func testKeepPacesChangingTables(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	table := func(extra uint16) sim.Table {
		return sim.NewTable(sim.GenericAccess("sensor"), gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{1}},
		}}, gatt.ServiceDef{UUID: gatt.UUID16(extra)})
	}
	d := l.air.NewDevice(&sim.DeviceConfig{
		Name: "sensor", Address: address(1), Table: table(0xFE00), Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond},
		Temper: sim.Temper{Rules: []sim.Rule{{On: sim.OnSubscribe, Do: sim.Refuse, Code: att.CodeDatabaseOutOfSync}}},
	})
	k := l.keep(1, nil)
	time.Sleep(10 * second)
	var discoveries atomic.Int64
	step := func(e sim.Entry) {
		// The first request of a discovery: the next one finds another table.
		if e.Kind == sim.LogData && len(e.Packet) >= 9 && e.Packet[4] == byte(att.OpReadByGroupTypeReq) && e.Packet[5] == 1 && e.Packet[6] == 0 && e.Packet[9] == 0x00 {
			n := discoveries.Add(1)
			go d.SetTable(table(0xFE00+uint16(n)), false)
		}
	}
	l.step.Store(&step)
	k.Subscribe(battery, level, nil)
	time.Sleep(time.Minute)
	l.step.Store(nil)
	// After 0, 1, 3, 7, 15 and 31 s.
	if n := discoveries.Load(); n != 6 {
		t.Errorf("%d discoveries in a minute, want 6", n)
	}
	k.Close()
}
