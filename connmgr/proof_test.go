package connmgr_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

var (
	control     = gatt.UUID16(0xFE59)
	controlData = gatt.UUID16(0xFE5A)
	readWrite   = gatt.PropRead | gatt.PropWrite
	info        = gatt.ServiceDef{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{
		{UUID: gatt.UUID16(0x2A29), Properties: gatt.PropRead, Value: []byte{1}},
	}}
	serialService  = gatt.ServiceDef{UUID: serial, Characteristics: []gatt.CharDef{serialChar}}
	controlService = gatt.ServiceDef{UUID: control, Characteristics: []gatt.CharDef{controlChar}}
	serialChar     = gatt.CharDef{UUID: serialData, Properties: readWrite, Value: []byte{0x11}}
	controlChar    = gatt.CharDef{UUID: controlData, Properties: readWrite, Value: []byte{0xEE}}
)

// bare is a table without Service Changed and without hash: GAP in 1 to 5, GATT in 6, the
// services from 7 on.
func bare(services ...gatt.ServiceDef) sim.Table {
	return sim.NewTable(append([]gatt.ServiceDef{sim.GenericAccess("bare"), sim.GenericAttribute(false, false)}, services...)...)
}

// both is a service with two characteristics.
func both(a, b gatt.CharDef) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: serial, Characteristics: []gatt.CharDef{a, b}}
}

// TestChangedTableIsNotUsed has new firmware change a table in many ways that its last
// service does not show. Neither a read nor a write nor a subscription reaches another
// attribute than the one that is meant.
func TestChangedTableIsNotUsed(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new sim.Table
		cached   bool // by what the services show
	}{
		{"two services swapped", bare(serialService, controlService, info), bare(controlService, serialService, info), false},
		{"two characteristics swapped", bare(both(serialChar, controlChar)), bare(both(controlChar, serialChar)), true},
		{"the same in the last service but one", bare(both(serialChar, controlChar), info), bare(both(controlChar, serialChar), info), true},
		{"a service appended", bare(serialService), bare(serialService, controlService), false},
		{"a service appended that has a long UUID", bare(serialService), bare(serialService, gatt.ServiceDef{UUID: gatt.UUID{1}}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l := newLab(t, connmgr.Config{})
				d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: test.old})
				l.establish(1, nil).Close()
				d.SetTable(test.new, false)
				c := l.establish(1, nil)
				if c.Cached() != test.cached {
					t.Errorf("cached %v, want %v", c.Cached(), test.cached)
				}
				if v, err := c.Read(t.Context(), serial, serialData); err != nil || !slices.Equal(v, []byte{0x11}) {
					t.Errorf("read % x, %v; want 11", v, err)
				}
				if err := c.Write(t.Context(), serial, serialData, []byte{0x22}); err != nil {
					t.Error(err)
				}
				if v := d.Value(test.new.Find(serialData)); !slices.Equal(v, []byte{0x22}) {
					t.Errorf("the written value is % x, want 22", v)
				}
				if h := test.new.Find(controlData); h != 0 && !slices.Equal(d.Value(h), []byte{0xEE}) {
					t.Errorf("the other value is % x, want ee", d.Value(h))
				}
				c.Close()
			})
		})
	}
}

// A device that has the address of another one for a while cannot put a table without a
// hash in its place, however much its services resemble those of the other one.
func TestTableWithoutHashIsNotPoisoned(t *testing.T) {
	lamp := func(generic gatt.UUID, known bool, services ...gatt.ServiceDef) sim.Table {
		g := sim.GenericAttribute(true, true)
		g.UUID = generic
		for i := range g.Characteristics {
			if !known {
				g.Characteristics[i].UUID = gatt.UUID16(uint16(0xFFF1 + i))
			}
		}
		return sim.NewTable(append([]gatt.ServiceDef{sim.GenericAccess("lamp"), g}, services...)...)
	}
	gatt16 := gatt.UUID16(0x1801)
	levelChar := gatt.CharDef{UUID: level, Properties: readWrite, Value: []byte{42}}
	lit := func(a, b gatt.CharDef) gatt.ServiceDef {
		return gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{a, b}}
	}
	for _, test := range []struct {
		name            string
		forged, genuine sim.Table
	}{{
		"services swapped, another one in the place of GATT",
		lamp(gatt.UUID16(0xFFF0), false, battery8(1), controlService, info),
		lamp(gatt16, true, controlService, battery8(42), info),
	}, {
		"the same services, characteristics swapped",
		lamp(gatt16, false, lit(controlChar, levelChar), info),
		lamp(gatt16, true, lit(levelChar, controlChar), info),
	}} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l := newLab(t, connmgr.Config{})
				d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: test.forged})
				l.establish(1, nil).Close()
				d.SetTable(test.genuine, false)
				c := l.establish(1, nil)
				if v, err := c.Read(t.Context(), battery, level); err != nil || !slices.Equal(v, []byte{42}) {
					t.Errorf("read % x, %v; want 2a", v, err)
				}
				if err := c.Write(t.Context(), battery, level, []byte{0x77}); err != nil {
					t.Error(err)
				}
				if v := d.Value(test.genuine.Find(controlData)); !slices.Equal(v, []byte{0xEE}) {
					t.Errorf("the control point is % x, want ee", v)
				}
				c.Close()
			})
		})
	}
}

// A handle of a table that no hash proves is as safe as a characteristic: a program that
// goes on with it after an error hits nothing, and the next link has the new table.
func TestHandleOfChangedTable(t *testing.T) { inBubble(t, testHandleOfChangedTable) }

func testHandleOfChangedTable(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: bare(both(serialChar, controlChar))})
	l.establish(1, nil).Close()
	now := bare(both(controlChar, serialChar))
	d.SetTable(now, false)
	c := l.establish(1, nil)
	_, chr := c.Profile().Characteristic(serial, serialData)
	for range 2 {
		if err := c.GATT().WriteHandle(t.Context(), chr.Value, []byte{0x22}); !errors.Is(err, gatt.ErrStale) {
			t.Errorf("write: %v, want ErrStale", err)
		}
		if err := c.GATT().WriteNoResponse(t.Context(), chr.Value, []byte{0x22}); !errors.Is(err, gatt.ErrStale) {
			t.Errorf("command: %v, want ErrStale", err)
		}
	}
	c.Close()
	if v := d.Value(now.Find(controlData)); !slices.Equal(v, []byte{0xEE}) {
		t.Errorf("the control point is % x, want ee", v)
	}
	c = l.establish(1, nil)
	if _, chr := c.Profile().Characteristic(serial, serialData); c.Cached() || chr.Value != now.Find(serialData) {
		t.Errorf("cached %v, value at %v; want the new table", c.Cached(), chr.Value)
	}
	c.Close()
}

// A table is not used for another device that states the same hash.
func TestTableIsNotShared(t *testing.T) { inBubble(t, testTableIsNotShared) }

func testTableIsNotShared(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	for n := range 2 {
		l.air.NewDevice(&sim.DeviceConfig{Address: address(n), Table: lampTable(nil, battery8(42))})
	}
	old := lampTable(nil, info)
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(2), Table: old})
	l.establish(2, nil).Close()
	for n := range 2 {
		c := l.establish(n, nil)
		if c.Cached() {
			t.Errorf("device %d: cached", n)
		}
		c.Close()
	}
	d.SetTable(lampTable(nil, battery8(42)), false)
	c := l.establish(2, nil)
	if c.Cached() {
		t.Error("after an update: the table of another device is in use")
	}
	l.wantLevel(c, 42)
	c.Close()
}

// New firmware has the user description where the Client Characteristic Configuration was.
// A subscription does not write over it.
func TestSwappedDescriptors(t *testing.T) { inBubble(t, testSwappedDescriptors) }

func testSwappedDescriptors(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	cccd, description := gatt.UUID16(0x2902), gatt.UUID16(0x2901)
	old := bare(gatt.ServiceDef{UUID: serial, Characteristics: []gatt.CharDef{{
		UUID: serialData, Properties: gatt.PropNotify, Value: []byte{0x11},
		Descriptors: []gatt.DescDef{{UUID: description, Writable: true, Value: []byte{0x64, 0x61}}},
	}}})
	now := slices.Clone(old)
	at := func(u gatt.UUID) int { return slices.IndexFunc(now, func(a sim.Attribute) bool { return a.Type == u }) }
	i, j := at(cccd), at(description)
	now[i].Handle, now[j].Handle = now[j].Handle, now[i].Handle
	now[i], now[j] = now[j], now[i]
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: old})
	l.establish(1, nil).Close()
	d.SetTable(now, false)
	c := l.establish(1, nil)
	sub, err := c.Subscribe(t.Context(), serial, serialData, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := d.Value(now.Find(description)); !slices.Equal(v, []byte{0x64, 0x61}) {
		t.Errorf("the description is % x, want 64 61", v)
	}
	sub.Close()
	c.Close()
}

// A device asks for the proof of a table in these octets: MTU, the primary services to the
// end of the table, and once for each characteristic the types of its attributes, before
// the first use.
func TestRequestsOfProof(t *testing.T) { inBubble(t, testRequestsOfProof) }

func testRequestsOfProof(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart()})
	l.establish(1, nil).Close()
	l.trace.reset()
	c := l.establish(1, nil)
	for range 2 {
		if v, err := c.Read(t.Context(), serial, serialData); err != nil || !slices.Equal(v, []byte{0x11}) {
			t.Errorf("read % x, %v; want 11", v, err)
		}
	}
	sub, err := c.Subscribe(t.Context(), serial, serialData, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"020502", "100100ffff0028", "100b00ffff0028", "0409000a00", "0a0900", "0a0900", "120a000100"}
	if got := l.trace.requests(); !slices.Equal(got, want) || !c.Cached() {
		t.Errorf("requests %q, cached %v; want %q", got, c.Cached(), want)
	}
	sub.Close()
	c.Close()
}

// The table of a bonded device that has enabled Service Changed is used without a request.
// So a table whose change has been confirmed must not stay if the link ends before the new
// one is known.
func TestOutdatedTableOfBondedDevice(t *testing.T) { inBubble(t, testOutdatedTableOfBondedDevice) }

func testOutdatedTableOfBondedDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.guarded(&smp.Config{})
	c := l.establish(1, &connmgr.Options{Pair: true})
	time.Sleep(3 * second) // Service Changed is subscribed to
	confirmed := make(chan struct{}, 1)
	step := func(e sim.Entry) {
		if e.Kind == sim.LogData && len(e.Packet) == 5 && att.Opcode(e.Packet[4]) == att.OpHandleValueConfirmation {
			confirmed <- struct{}{}
		}
	}
	l.step.Store(&step)
	if err := p.Server().SetServices(t.Context(), []gatt.ServiceDef{controlService, battery8(42)}); err != nil {
		t.Fatal(err)
	}
	<-confirmed
	l.outOfRange(0, p)
	<-c.Done()
	l.step.Store(nil)
	l.air.SetPath(l.adapters[0], p, sim.Path{})
	c = l.establish(1, nil)
	if c.Cached() {
		t.Error("the old table is in use")
	}
	l.wantLevel(c, 42)
	c.Close()
}

// A table from before the bond may be another device's, whatever hash it has. It is read
// again, and is that of the bonded device from then on.
func TestTableOfBeforeTheBond(t *testing.T) { inBubble(t, testTableOfBeforeTheBond) }

func testTableOfBeforeTheBond(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	l.establish(1, nil).Close()
	c := l.establish(1, &connmgr.Options{Pair: true})
	if c.Cached() {
		t.Error("the table of before the bond is in use")
	}
	c.Close()
	for _, want := range []int64{2, 1} { // MTU and hash; MTU alone, once Service Changed is subscribed to
		l.requests.Store(0)
		c = l.establish(1, nil)
		if n := l.requests.Load(); n != want || !c.Cached() {
			t.Errorf("%d requests, cached %v; want %d", n, c.Cached(), want)
		}
		time.Sleep(3 * second)
		c.Close()
	}
}

// A device that is paired on the link on which its table was discovered is not asked for
// the table again.
func TestTableOfTheLinkThatPairs(t *testing.T) { inBubble(t, testTableOfTheLinkThatPairs) }

func testTableOfTheLinkThatPairs(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	c := l.establish(1, nil)
	if _, err := c.Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.requests.Store(0)
	c = l.establish(1, nil)
	if n := l.requests.Load(); n != 2 || !c.Cached() || !c.Security().Encrypted {
		t.Errorf("%d requests, cached %v, %+v; want MTU and hash", n, c.Cached(), c.Security())
	}
	c.Close()
}
