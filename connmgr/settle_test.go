package connmgr_test

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestReadyBeforeSettled measures Establish and the first read, 60 times at other
// phases of a device that advertises every 100 ms: the medians are exact.
func TestReadyBeforeSettled(t *testing.T) {
	for _, test := range []struct {
		name        string
		o           connmgr.Options
		ready, read time.Duration
	}{
		{"warm", connmgr.Options{}, 57743526, 72599526},
		{"cold", connmgr.Options{DisableCache: true}, 117743526, 132599526},
	} {
		inBubble(t, func(t *testing.T) {
			air := sim.New(&sim.Config{Seed: 3})
			defer air.Close()
			thermometer := sim.Thermometer()
			thermometer.Run = nil // which would make the phases depend on its values
			p, err := air.NewPeripheral(t.Context(), thermometer)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var ready, read []time.Duration
			for i := range 61 {
				time.Sleep(2*second + time.Duration(i)*17*time.Millisecond)
				begin, o := time.Now(), test.o
				c, err := m.Establish(t.Context(), p.Address().String(), &o)
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(begin)
				if _, err := c.Read(t.Context(), battery, level); err != nil {
					t.Fatal(err)
				}
				if i > 0 { // the first one fills the cache
					ready, read = append(ready, took), append(read, time.Since(begin))
				}
				c.Close()
			}
			slices.Sort(ready)
			slices.Sort(read)
			if ready[30] != test.ready || read[30] != test.read {
				t.Errorf("%s: median %v to ready, %v to the first read; want %v, %v", test.name, ready[30], read[30], test.ready, test.read)
			}
		})
	}
}

// A link settles in steps, the first one second after the last answer. Each step is over
// for as long as a silent device needs to lose its link before the next one begins.
func TestIdleLinkSettles(t *testing.T) { inBubble(t, testIdleLinkSettles) }

func testIdleLinkSettles(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart()})
	c := l.establish(1, nil)
	begin := time.Now()
	if p := c.Params(); p.Interval != 7500*time.Microsecond {
		t.Errorf("ready at an interval of %v", p.Interval)
	}
	l.trace.reset()
	if err := c.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"1s LE Set Data Length", "3.25s LE Set PHY", "5.557s LE Connection Update"}
	if got := l.trace.commands(begin); !slices.Equal(got, want) {
		t.Errorf("commands %q, want %q", got, want)
	}
	s := c.Conn().Link().State()
	if s.Params.Interval != 50*time.Millisecond || s.Params.Timeout != 5*second || s.TX != hci.PHY2M || s.MaxTX != 251 {
		t.Errorf("settled at %+v", s)
	}
	c.Close()
}

// A link that is in use does not settle, nor with a request outstanding.
func TestBusyLinkDoesNotSettle(t *testing.T) { inBubble(t, testBusyLinkDoesNotSettle) }

func testBusyLinkDoesNotSettle(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{
		Rules: []sim.Rule{{On: sim.OnRequest, Opcode: att.OpWriteReq, Do: sim.Answer, Delay: 8 * second}},
	}})
	c := l.establish(1, nil)
	l.trace.reset()
	for range 20 { // a read each 0.9 s
		if _, err := c.Read(t.Context(), serial, serialData); err != nil {
			t.Fatal(err)
		}
		time.Sleep(900 * time.Millisecond)
	}
	if err := c.Write(t.Context(), serial, serialData, []byte{1}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if got := l.trace.commands(begin); len(got) != 0 {
		t.Errorf("commands %q on a link in use", got)
	}
	time.Sleep(second + time.Millisecond)
	if got, want := l.trace.commands(begin), []string{"1s LE Set Data Length"}; !slices.Equal(got, want) {
		t.Errorf("commands %q, want %q", got, want)
	}
	c.Close()
}

// Parameters that the program or the device asks for stay.
func TestSettlingYields(t *testing.T) {
	slow := hci.ConnParams{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Timeout: 5 * second}
	for _, test := range []struct {
		name string
		o    connmgr.Options
		asks []sim.ParamRequest
		set  bool
		want time.Duration
	}{
		{"KeepParams", connmgr.Options{KeepParams: true}, nil, false, 7500 * time.Microsecond},
		{"UpdateParams", connmgr.Options{}, nil, true, 100 * time.Millisecond},
		{"device", connmgr.Options{}, []sim.ParamRequest{{After: 500 * time.Millisecond, Params: slow}}, false, 100 * time.Millisecond},
		{"device, in the link layer", connmgr.Options{}, []sim.ParamRequest{{After: 500 * time.Millisecond, Params: slow, LinkLayer: true}}, false, 100 * time.Millisecond},
	} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{ParamRequests: test.asks}})
			c := l.establish(1, &test.o)
			if test.set {
				if _, err := c.UpdateParams(t.Context(), slow); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := c.Params(); p.Interval != test.want {
				t.Errorf("%s: settled at %v, want %v", test.name, p.Interval, test.want)
			}
			c.Close()
		})
	}
}

// A refusal of the settled parameters, and a lost event about them, cost neither the link
// nor the next one a step.
func TestSettledParametersRefused(t *testing.T) {
	for _, fault := range []sim.Fault{
		sim.CommandFault{Opcode: hci.OpLEConnectionUpdate, Status: hci.StatusUnacceptableParameters, Times: sim.Always},
		sim.CommandFault{Opcode: hci.OpLEConnectionUpdate, Status: hci.StatusUnsupportedRemoteFeature, Times: sim.Always},
		sim.EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEConnectionUpdateComplete, Drop: true},
	} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.device(1)
			l.adapters[0].Fault(fault)
			c := l.establish(1, nil)
			if err := c.Settled(t.Context()); err != nil {
				t.Errorf("%+v: %v", fault, err)
			}
			time.Sleep(time.Minute)
			l.wantLevel(c, 1)
			l.wantTraits()
			c.Close()
		})
	}
}

// A device that asks for parameters at the begin of the link gets them and keeps them,
// and Establish takes no longer.
func TestDeviceAsksForParameters(t *testing.T) {
	for _, after := range []time.Duration{0, 20 * time.Millisecond} {
		for _, p := range []hci.ConnParams{
			{IntervalMin: 10 * time.Millisecond, IntervalMax: 10 * time.Millisecond, Latency: 16, Timeout: second},
			{IntervalMin: 100 * time.Millisecond, IntervalMax: 200 * time.Millisecond, Timeout: 4 * second},
		} {
			inBubble(t, func(t *testing.T) {
				l := newLab(t, connmgr.Config{})
				l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{
					ParamRequests: []sim.ParamRequest{{After: after, Params: p}},
				}})
				begin := time.Now()
				c := l.establish(1, nil)
				took := time.Since(begin)
				time.Sleep(20 * second)
				if got := c.Params(); c.Err() != nil || got.Interval != p.IntervalMax || got.Latency != p.Latency || got.Timeout != p.Timeout {
					t.Errorf("after %v: %+v, %v; want what the device asked for, %+v", after, got, c.Err(), p)
				}
				if took > 300*time.Millisecond {
					t.Errorf("after %v, asking for %v: Establish took %v", after, p.IntervalMax, took)
				}
				c.Close()
			})
		}
	}
}

// A request of the device while its table is read is carried out when that is known:
// discovery is not slowed down.
func TestRequestDuringDiscovery(t *testing.T) { inBubble(t, testRequestDuringDiscovery) }

func testRequestDuringDiscovery(t *testing.T) {
	var services []gatt.ServiceDef
	for i := range 10 {
		s := gatt.ServiceDef{UUID: gatt.UUID16(uint16(0xF000 + i))}
		for j := range 6 {
			s.Characteristics = append(s.Characteristics, gatt.CharDef{
				UUID: gatt.UUID16(uint16(0xE000 + 16*i + j)), Properties: gatt.PropRead | gatt.PropNotify,
				Descriptors: []gatt.DescDef{{UUID: gatt.UUID16(0x2901)}, {UUID: gatt.UUID16(0x2902)}},
			})
		}
		services = append(services, s)
	}
	slow := hci.ConnParams{IntervalMin: 200 * time.Millisecond, IntervalMax: 200 * time.Millisecond, Timeout: 4 * second}
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: sim.NewTable(services...), Temper: sim.Temper{
		ParamRequests: []sim.ParamRequest{{Params: slow}},
	}})
	begin := time.Now()
	c := l.establish(1, nil)
	if took := time.Since(begin); took > 200*time.Millisecond {
		t.Errorf("Establish took %v", took)
	}
	time.Sleep(20 * second)
	if p := c.Params(); p.Interval != slow.IntervalMax || p.Timeout != slow.Timeout {
		t.Errorf("in use %+v, want what the device has asked for, %+v", p, slow)
	}
	c.Close()
}
