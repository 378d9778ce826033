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
)

// New firmware has another service before the known one. Nothing is read, written or
// subscribed to by the old handles.
func TestNewFirmwareWithOtherHandles(t *testing.T) { inBubble(t, testNewFirmwareWithOtherHandles) }

func testNewFirmwareWithOtherHandles(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart()})
	l.establish(1, nil).Close()
	rw := gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify
	d.SetTable(sim.NewTable(sim.GenericAccess("uart"), sim.GenericAttribute(false, false),
		gatt.ServiceDef{UUID: gatt.UUID16(0xFE59), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0xFE5A), Properties: rw, Value: []byte{0xEE}},
		}},
		gatt.ServiceDef{UUID: serial, Characteristics: []gatt.CharDef{{UUID: serialData, Properties: rw, Value: []byte{0x11}}}},
	), false)
	l.trace.reset()
	c := l.establish(1, nil)
	if c.Cached() {
		t.Error("the old table is in use")
	}
	if v, err := c.Read(t.Context(), serial, serialData); err != nil || !slices.Equal(v, []byte{0x11}) {
		t.Errorf("read % x, %v; want 11", v, err)
	}
	if err := c.Write(t.Context(), serial, serialData, []byte{0x22}); err != nil {
		t.Error(err)
	}
	sub, err := c.Subscribe(t.Context(), serial, serialData, nil)
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	for _, r := range l.trace.requests() {
		if h := r[2:6]; r[:2] != "02" && (h == "0900" || h == "0a00") && r[:2] != "08" && r[:2] != "04" && r[:2] != "10" {
			t.Errorf("request %s at a handle of the old table", r)
		}
	}
	if got := []byte{d.Value(9)[0], d.Value(13)[0]}; !slices.Equal(got, []byte{0xEE, 0x22}) {
		t.Errorf("handles 9 and 13 hold % x, want ee 22", got)
	}
	c.Close()
}

// A device that shows no service, as one that is booting, is asked again next time.
func TestEmptyTableIsNotKept(t *testing.T) { inBubble(t, testEmptyTableIsNotKept) }

func testEmptyTableIsNotKept(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	d := l.air.NewDevice(&sim.DeviceConfig{Address: address(1)})
	c := l.establish(1, nil)
	if p := c.Profile(); p == nil || len(p.Services) != 0 {
		t.Errorf("profile %+v, want an empty one", p)
	}
	c.Close()
	if l.m.ClearCache(address(1).String()) {
		t.Error("the empty table was kept")
	}
	d.SetTable(uart(), false)
	c = l.establish(1, nil)
	if v, err := c.Read(t.Context(), serial, serialData); err != nil || v[0] != 0x11 || c.Cached() {
		t.Errorf("read % x, %v, cached %v", v, err, c.Cached())
	}
	c.Close()
}

// A device that shows no service while it boots is waited for, on new links if the program
// requires a service, else when the program uses one.
func TestBootingDeviceIsWaitedFor(t *testing.T) { inBubble(t, testBootingDevice) }

func testBootingDevice(t *testing.T) {
	require := &connmgr.Options{Require: []connmgr.Requirement{{Service: serial}}}
	boot := func() *lab {
		l := newLab(t, connmgr.Config{})
		l.air.NewDevice(&sim.DeviceConfig{Address: address(1), TableChanges: []sim.TableChange{{At: 4 * second, Table: uart()}}})
		time.Sleep(second)
		return l
	}
	l := boot()
	c, took := l.begin(1, require)()
	if took < 3*second || took > 8*second {
		t.Errorf("connected after %v, want soon after the 3 s of booting", took)
	}
	c.Close()
	l.m.Close()

	l = boot()
	c = l.establish(1, nil)
	if _, err := c.Read(t.Context(), serial, serialData); !errors.Is(err, gatt.ErrNotFound) {
		t.Errorf("read while booting: %v, want not found", err)
	}
	time.Sleep(4 * second)
	shared := l.establish(1, require) // discovers again on the same link
	if shared.Conn() != c.Conn() {
		t.Error("the link is not shared")
	}
	shared.Close()
	l.m.Close()

	l = boot()
	c = l.establish(1, nil)
	time.Sleep(4 * second)
	if _, err := c.Read(t.Context(), serial, serialData); err != nil {
		t.Errorf("read after booting: %v", err)
	}
	l.m.Close()
}

// The wait for a table ends with the patience of the policy, and its error says so.
func TestEmptyTableForEver(t *testing.T) { inBubble(t, testEmptyTableForEver) }

func testEmptyTableForEver(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1)})
	begin := time.Now()
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Require: []connmgr.Requirement{{Service: serial}}})
	var missing *connmgr.MissingError
	if !errors.As(err, &missing) || !missing.Empty || missing.Service != serial || !errors.Is(err, connmgr.ErrConnection) {
		t.Errorf("error %v, want the one of an empty table", err)
	}
	if took := time.Since(begin); took < 45*second || took > 55*second {
		t.Errorf("gave up after %v, want 45 s to 55 s", took)
	}
}

// lampTable is the table of a lamp with a Database Hash; stated, if not nil, takes the
// place of the right one.
func lampTable(stated []byte, services ...gatt.ServiceDef) sim.Table {
	generic := sim.GenericAttribute(true, true)
	generic.Characteristics[1].Value = stated
	return sim.NewTable(append([]gatt.ServiceDef{sim.GenericAccess("lamp"), generic}, services...)...)
}

func battery8(value byte) gatt.ServiceDef {
	return gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropWrite, Value: []byte{value}},
	}}
}

var lampHash = gatt.UUID16(0x2B2A)

func hashOf(t sim.Table) []byte {
	i := slices.IndexFunc(t, func(a sim.Attribute) bool { return a.Type == lampHash })
	return t[i].Value
}

// A device cannot put a table of its own in the place of another device's by stating
// that one's hash, neither for the whole model nor under its address.
func TestTableIsNotPoisoned(t *testing.T) { inBubble(t, testTableIsNotPoisoned) }

func testTableIsNotPoisoned(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	other := gatt.ServiceDef{UUID: gatt.UUID16(0xFE59), Characteristics: []gatt.CharDef{
		{UUID: gatt.UUID16(0xFE5A), Properties: gatt.PropRead | gatt.PropWrite, Value: []byte{0xEE}},
	}}
	newFirmware := lampTable(nil, other, battery8(42))
	// The attacker's table has Battery Level where the lamp has the control point.
	forged := lampTable(hashOf(newFirmware), battery8(1), other)
	lamp := l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: lampTable(nil, battery8(42))})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(2), Table: forged})
	l.establish(1, nil).Close()
	l.establish(2, nil).Close()
	wantGenuine := func(why string) {
		t.Helper()
		c := l.establish(1, nil)
		v, err := c.Read(t.Context(), battery, level)
		if err != nil || v[0] != 42 || c.Cached() {
			t.Errorf("%s: read % x, %v, cached %v; want 2a of a table just discovered", why, v, err, c.Cached())
		}
		if err := c.Write(t.Context(), battery, level, []byte{42}); err != nil {
			t.Error(err)
		}
		if h := newFirmware.Find(gatt.UUID16(0xFE5A)); lamp.Value(h)[0] != 0xEE {
			t.Errorf("%s: the write hit the control point", why)
		}
		c.Close()
	}
	lamp.SetTable(newFirmware, false)
	wantGenuine("by hash")
	l.m.ClearCache(address(1).String())
	lamp.SetTable(forged, false)
	l.establish(1, nil).Close()
	lamp.SetTable(newFirmware, false)
	wantGenuine("by address")
}

// A table of which the device has refused a part is asked for again next time. A code
// by which sloppy devices end their tables is no such refusal; what is missing all the
// same is looked for once it is needed.
func TestIncompleteTable(t *testing.T) {
	for _, test := range []struct {
		code   att.Code
		cached bool
	}{{att.CodeUnlikelyError, false}, {att.CodeInsufficientResources, false}, {att.CodeInvalidHandle, true}} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{
				{On: sim.OnRequest, Opcode: att.OpFindInformationReq, Do: sim.Refuse, Code: test.code, Times: 1},
			}}})
			c := l.establish(1, nil)
			if err := c.GATT().Incomplete(); (err != nil) == test.cached {
				t.Errorf("%v: incomplete: %v", test.code, err)
			}
			if _, err := c.Subscribe(t.Context(), serial, serialData, nil); !errors.Is(err, gatt.ErrNoCCCD) {
				t.Errorf("%v: subscribe: %v, want ErrNoCCCD", test.code, err)
			}
			c.Close()
			c = l.establish(1, nil)
			if c.Cached() != test.cached {
				t.Errorf("%v: cached %v, want %v", test.code, c.Cached(), test.cached)
			}
			sub, err := c.Subscribe(t.Context(), serial, serialData, nil)
			if err != nil {
				t.Fatalf("%v: %v", test.code, err)
			}
			sub.Close()
			c.Close()
		})
	}
}
