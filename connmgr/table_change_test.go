package connmgr_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// A change of the table that a bonded device has indicated, and this host confirmed, is
// not forgotten with the link: the device will not indicate it again.
func TestConfirmedChangeOutlivesTheLink(t *testing.T) { inBubble(t, testConfirmedChange) }

func testConfirmedChange(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	value := func(v byte) []gatt.CharDef {
		return []gatt.CharDef{{UUID: level, Properties: gatt.PropRead | gatt.PropWrite, Value: []byte{v}}}
	}
	p := l.put(&sim.PeripheralConfig{Name: "lock", Address: address(1), Host: host.Config{SMP: &smp.Config{}},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: value(0x55)}}})
	c := l.establish(1, &connmgr.Options{Pair: true})
	time.Sleep(8 * second) // Service Changed is enabled
	c.Close()
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x180A), Characteristics: value(0xEE)}, {UUID: battery, Characteristics: value(0x55)},
	}); err != nil {
		t.Fatal(err)
	}
	l.establish(1, nil).Close() // a short visit: indication and confirmation, no more
	for range 2 {
		c = l.establish(1, nil)
		if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != 0x55 {
			t.Errorf("cached %v, read % x, %v; want 55", c.Cached(), v, err)
		}
		c.Close()
	}
}

// A program reads by the handle in Profile, under Heal, while the device changes its table.
// At no moment after the indication has arrived does it get the value of another attribute.
func TestHealDuringAChange(t *testing.T) {
	for after := time.Duration(0); after <= 1200*time.Millisecond; after += 50 * time.Millisecond {
		inBubble(t, func(t *testing.T) { testHealDuringAChange(t, after) })
	}
}

func testHealDuringAChange(t *testing.T, after time.Duration) {
	l := newLab(t, connmgr.Config{})
	table := func(services ...gatt.ServiceDef) sim.Table {
		return sim.NewTable(append([]gatt.ServiceDef{sim.GenericAccess("lock"), sim.GenericAttribute(true, false)}, services...)...)
	}
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: table(battery8(0x55))})
	c := l.establish(1, nil)
	time.Sleep(8 * second) // Service Changed is enabled
	d.SetTable(table(gatt.ServiceDef{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead, Value: []byte{0xEE}},
	}}, battery8(0x55)), true)
	time.Sleep(60*time.Millisecond + after) // the indication has arrived: the interval is 50 ms
	var v []byte
	err := c.Heal(t.Context(), func(ctx context.Context) (err error) {
		_, chr := c.Profile().Characteristic(battery, level)
		v, err = c.GATT().ReadHandle(ctx, chr.Value)
		return err
	})
	if err != nil || !bytes.Equal(v, []byte{0x55}) {
		t.Errorf("%v after the indication: % x, %v; want 55", after, v, err)
	}
	c.Close()
	l.m.Close()
}

// The indication of a change comes while Establish loads the table from the cache: the
// Client has the table of the device, and does not claim that it is the cached one.
func TestChangeDuringEstablish(t *testing.T) { inBubble(t, testChangeDuringEstablish) }

func testChangeDuringEstablish(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	value := func(v byte) []gatt.CharDef {
		return []gatt.CharDef{{UUID: level, Properties: gatt.PropRead, Value: []byte{v}}}
	}
	p := l.put(&sim.PeripheralConfig{Name: "lock", Address: address(1), Host: host.Config{SMP: &smp.Config{}},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: value(0x55)}}})
	c := l.establish(1, &connmgr.Options{Pair: true})
	time.Sleep(8 * second)
	c.Close()
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{
		{UUID: gatt.UUID16(0x180A), Characteristics: value(0xEE)}, {UUID: battery, Characteristics: value(0x55)},
	}); err != nil {
		t.Fatal(err)
	}
	c = l.establish(1, nil)
	defer c.Close()
	if _, chr := c.Profile().Characteristic(battery, level); c.Cached() || chr == nil {
		t.Fatalf("cached %v, table %v", c.Cached(), c.Profile())
	} else if v, err := c.GATT().ReadHandle(t.Context(), chr.Value); err != nil || v[0] != 0x55 {
		t.Errorf("read % x, %v by the handle in Profile; want 55", v, err)
	}
}

// A device changes its table in the first second of the link, in which no change is
// indicated: no operation gets the value of another attribute later on. Service Changed may
// have moved, so that it cannot be enabled before the table is discovered again.
func TestChangeBeforeTheGuard(t *testing.T) {
	for _, hash := range []bool{true, false} {
		for _, moves := range []bool{false, true} {
			inBubble(t, func(t *testing.T) { testChangeBeforeTheGuard(t, hash, moves) })
		}
	}
}

func testChangeBeforeTheGuard(t *testing.T, hash, moves bool) {
	l := newLab(t, connmgr.Config{})
	table := func(services ...gatt.ServiceDef) sim.Table {
		generic := sim.GenericAttribute(true, hash)
		if moves && len(services) > 1 {
			return sim.NewTable(append(services, sim.GenericAccess("lock"), generic)...)
		}
		return sim.NewTable(append([]gatt.ServiceDef{sim.GenericAccess("lock"), generic}, services...)...)
	}
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: table(battery8(0x55))})
	c := l.establish(1, nil)
	defer c.Close()
	time.Sleep(500 * time.Millisecond)
	d.SetTable(table(gatt.ServiceDef{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead, Value: []byte{0xEE}},
	}}, battery8(0x55)), true)
	time.Sleep(5 * second)
	if ts := l.m.Traits(address(1).String()); len(ts) != 0 {
		t.Errorf("hash %v, moves %v: traits %v", hash, moves, ts)
	}
	if v, err := c.Read(t.Context(), battery, level); err != nil || !bytes.Equal(v, []byte{0x55}) {
		t.Errorf("hash %v, moves %v: read % x, %v; want 55", hash, moves, v, err)
	}
}

// The check of the table costs one request where it has a hash, and two where it has none.
// A bonded device that indicates changes from the begin of the link is not asked.
func TestGuardChecksTheTable(t *testing.T) {
	for _, test := range []struct {
		hash, bonded bool
		requests     int64 // after those of Establish
	}{
		{hash: true, requests: 2},
		{hash: false, requests: 3},
		{hash: true, bonded: true, requests: 1},
	} {
		inBubble(t, func(t *testing.T) { testGuardChecksTheTable(t, test.hash, test.bonded, test.requests) })
	}
}

func testGuardChecksTheTable(t *testing.T, hash, bonded bool, requests int64) {
	l := newLab(t, connmgr.Config{})
	l.put(&sim.PeripheralConfig{Name: "lock", Address: address(1), Host: host.Config{SMP: &smp.Config{}},
		Services: []gatt.ServiceDef{sim.GenericAccess("lock"), sim.GenericAttribute(true, hash), battery8(0x55)}})
	c := l.establish(1, &connmgr.Options{Pair: bonded})
	time.Sleep(8 * second)
	c.Close()
	c = l.establish(1, nil)
	defer c.Close()
	before := l.requests.Load()
	time.Sleep(8 * second)
	if n := l.requests.Load() - before; n != requests {
		t.Errorf("hash %v, bonded %v: %d requests of the guard, want %d: %q", hash, bonded, n, requests, l.trace.requests())
	}
}
