package figures

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

const slowInterval = 500 * time.Millisecond

// listener is a central that receives all notifications of a server.
type listener struct {
	ctl    *sim.Controller
	octets atomic.Int64
}

// listen connects a central to p, with an interval, and subscribes.
func listen(t *testing.T, air *sim.Air, p *sim.Peripheral, interval time.Duration) *listener {
	t.Helper()
	l := &listener{ctl: air.NewController(nil)}
	h, err := host.Open(t.Context(), l.ctl, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	c, err := h.Connect(t.Context(), p.Address(), &controller.ConnectOptions{
		Params: hci.ConnParams{IntervalMin: interval, IntervalMax: interval, Timeout: 8 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GATT().ExchangeMTU(t.Context()); err != nil {
		t.Fatal(err)
	}
	ch, err := c.GATT().Char(t.Context(), storm, drops)
	if err != nil {
		t.Fatal(err)
	}
	setting{}.count(t, ch, &l.octets)
	return l
}

// rate returns the kbit/s that a central receives within 5 s.
func (l *listener) rate() float64 {
	const span = 5 * time.Second
	before := l.octets.Load()
	time.Sleep(span)
	return float64(l.octets.Load()-before) * 8 / span.Seconds() / 1000
}

// TestSlowCentral has a server notify in a loop: to one central alone, beside one with an
// interval of 500 ms, and beside one that falls silent.
func TestSlowCentral(t *testing.T) {
	alone := 0.0
	for _, test := range []struct {
		name   string
		other  time.Duration // 0: none
		silent bool
		bound  [2]float64 // with 32 buffers and with 8
	}{
		{"alone", 0, false, [2]float64{1, 1}},
		{"beside-500ms", slowInterval, false, [2]float64{0.95, 0.95}},
		{"beside-silent", interval, true, [2]float64{0.95, 0.15}},
	} {
		for i, buffers := range []int{32, 8} {
			synctest.Test(t, func(t *testing.T) {
				air := sim.New(nil)
				defer air.Close()
				p, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
					Controller: &sim.ControllerConfig{ACLNum: buffers},
					Advertise:  &controller.AdvertiseOptions{MaxLinks: 2},
					Services:   []gatt.ServiceDef{{UUID: storm, Characteristics: []gatt.CharDef{{UUID: drops, Properties: gatt.PropNotify}}}},
					Run:        notifyAlways,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				fast := listen(t, air, p, interval)
				var other *listener
				if test.other != 0 {
					other = listen(t, air, p, test.other)
				}
				time.Sleep(settle)
				if test.silent {
					air.SetAway(other.ctl, true)
					time.Sleep(settle)
				}
				rate := fast.rate()
				if test.other == 0 {
					alone = rate
				}
				name := test.name
				if buffers == 8 {
					name += "-8-buffers"
				}
				figure(t, "fast-central/"+name, 100*rate/alone, 100*test.bound[i], 100.1, "%")
				if other != nil && !test.silent {
					figure(t, "slow-central/"+name, other.rate(), 1, limit, "kbit/s")
				}
			})
		}
	}
}
