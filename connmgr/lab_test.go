package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	battery = gatt.UUID16(0x180F)
	level   = gatt.UUID16(0x2A19)
)

// lab is an air with adapters and devices, and a Manager over the adapters.
type lab struct {
	// crowds allows commands beyond the controller's number: doubled and late events
	// about commands tell the host a number that is not true.
	crowds   bool
	t        *testing.T
	air      *sim.Air
	adapters []*sim.Controller
	absent   []atomic.Bool // the adapters that cannot be opened now
	m        *connmgr.Manager
	requests atomic.Int64                    // ATT requests that reached devices
	step     atomic.Pointer[func(sim.Entry)] // sees the log of the air
	trace    trace
}

// errAbsent is the error of opening an adapter that is unplugged.
var errAbsent = errors.New("no such device")

// unplug takes an adapter away until plug.
func (l *lab) unplug(i int) {
	l.absent[i].Store(true)
	l.adapters[i].Unplug()
}

// plug brings an adapter back.
func (l *lab) plug(i int) { l.absent[i].Store(false) }

// newLab opens a Manager over adapters hci0, hci1, ... Each transport is the
// controller's present one, so that an adapter can be unplugged and come back. Of
// cfg.Kinds, the Recoverer of the first one is used.
func newLab(t *testing.T, cfg connmgr.Config, controllers ...*sim.ControllerConfig) *lab {
	t.Helper()
	l := &lab{t: t}
	l.air = sim.New(&sim.Config{Seed: 1, Log: l.count})
	t.Cleanup(func() { l.air.Close() })
	if len(controllers) == 0 {
		controllers = []*sim.ControllerConfig{nil}
	}
	for i, cc := range controllers {
		l.adapters = append(l.adapters, l.air.NewController(cc))
		cfg.Adapters = append(cfg.Adapters, fmt.Sprintf("hci%d", i))
	}
	l.absent = make([]atomic.Bool, len(controllers))
	var recoverer func() connmgr.Recoverer
	if len(cfg.Kinds) > 0 {
		recoverer = cfg.Kinds[0].Recoverer
	}
	cfg.Kinds = []connmgr.Kind{{Recoverer: recoverer, Open: func(_ context.Context, name string) (hci.Transport, error) {
		var i int
		if _, err := fmt.Sscanf(name, "hci%d", &i); err != nil {
			return nil, err
		}
		if l.absent[i].Load() {
			return nil, errAbsent
		}
		return l.adapters[i].Plug(), nil
	}}}
	m, err := connmgr.Open(t.Context(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.m = m
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		l.wantNothingLeft()
	})
	return l
}

// count counts ATT requests that arrive at devices.
func (l *lab) count(e sim.Entry) {
	if step := l.step.Load(); step != nil {
		(*step)(e)
	}
	l.trace.add(e)
	if e.Kind != sim.LogData || len(e.Packet) < 5 || e.Packet[2] != 4 || e.Packet[3] != 0 || e.Node[:3] == "hci" {
		return
	}
	if att.Opcode(e.Packet[4]).Kind() == att.KindRequest {
		l.requests.Add(1)
	}
}

// countLog counts the entries of the air's log from now on for which is returns true.
func (l *lab) countLog(is func(sim.Entry) bool) func() int {
	var n atomic.Int32
	step := func(e sim.Entry) {
		if is(e) {
			n.Add(1)
		}
	}
	l.step.Store(&step)
	return func() int { return int(n.Load()) }
}

// commandOf returns the HCI command in an entry of hci0; nil if there is none.
func commandOf(e sim.Entry) hci.Params {
	if e.Kind != sim.LogToController || e.Node != "hci0" || e.Packet[0] != 1 {
		return nil
	}
	p, err := hci.ParseCommand(e.Packet[1:])
	if err != nil {
		return nil
	}
	return p
}

func isDial(e sim.Entry) bool {
	_, ok := commandOf(e).(hci.LEExtendedCreateConnection)
	return ok
}

// wantNothingLeft checks that no link and no buffer is in use, and that the
// host has kept to the rules.
func (l *lab) wantNothingLeft() {
	l.t.Helper()
	for i, c := range l.adapters {
		if s := c.Stats(); s.Links != 0 || s.Held != 0 || s.Crowding != 0 && !l.crowds || s.Overruns != 0 || s.BadPackets != 0 {
			l.t.Errorf("hci%d: %+v", i, s)
		}
	}
}

// wantNoSlots checks that no slot is taken and no link known.
func (l *lab) wantNoSlots() {
	l.t.Helper()
	for _, a := range l.m.Adapters() {
		if s := l.m.Slots().Allocations(a.Name()); len(s.Allocated) != 0 {
			l.t.Errorf("%s: %+v", a.Name(), s)
		}
	}
}

// device puts a device with a battery on air.
func (l *lab) device(n int) *sim.Peripheral {
	l.t.Helper()
	return l.put(&sim.PeripheralConfig{
		Name: fmt.Sprintf("sensor %d", n), Address: address(n),
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{byte(n)}},
		}}},
	})
}

func (l *lab) put(cfg *sim.PeripheralConfig) *sim.Peripheral {
	l.t.Helper()
	p, err := l.air.NewPeripheral(l.t.Context(), cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { p.Close() })
	return p
}

func address(n int) hci.Addr {
	return hci.Addr{MAC: hci.MAC{byte(n), byte(n >> 8), 0, 0, 0xFE, 0xC0}, Kind: hci.AddrRandom}
}

func (l *lab) establish(n int, o *connmgr.Options) *connmgr.Client {
	l.t.Helper()
	c, err := l.m.Establish(l.t.Context(), address(n).String(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// begin is establish on a goroutine of its own; wait returns the result and the time it
// took.
func (l *lab) begin(n int, o *connmgr.Options) (wait func() (*connmgr.Client, time.Duration)) {
	var (
		c    *connmgr.Client
		err  error
		took time.Duration
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		begin := time.Now()
		c, err = l.m.Establish(l.t.Context(), address(n).String(), o)
		took = time.Since(begin)
	}()
	return func() (*connmgr.Client, time.Duration) {
		l.t.Helper()
		<-done
		if err != nil {
			l.t.Fatal(err)
		}
		return c, took
	}
}

func (l *lab) wantLevel(c *connmgr.Client, want byte) {
	l.t.Helper()
	if v, err := c.Read(l.t.Context(), battery, level); err != nil || len(v) != 1 || v[0] != want {
		l.t.Errorf("read % x, %v; want %02x", v, err, want)
	}
}

// inBubble runs a test in simulated time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

const second = time.Second
