package figures

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// The parameters of the measurement, and the capacity of a link with them.
const (
	interval = 7500 * time.Microsecond
	// payload is the length of the value in a link layer packet of 251 octets: L2CAP
	// takes 4 octets and ATT 3.
	payload = 251 - 4 - 3
	// On the 2M PHY, at 4 µs an octet, a packet adds to its 251 octets 2 of
	// preamble, 4 of access address, 2 of header and 3 of CRC: 1048 µs. The
	// answer without payload takes 44 µs, and 150 µs pass behind each.
	exchange = (2+4+2+251+3)*4*time.Microsecond + 150*time.Microsecond + (2+4+2+3)*4*time.Microsecond + 150*time.Microsecond
	perEvent = int(interval / exchange) // 5
	// limit is 1301 kbit/s.
	limit = float64(perEvent*payload*8) / (float64(interval) / float64(time.Second)) / 1000

	settle = time.Second     // in which PHY and packet length are agreed on
	window = 2000 * interval // in which is counted
	least  = 0.95            // of the limit, for one link
	unfair = 0.10            // difference of a link's part from the mean
	links  = 8               // that share the air
	busy   = 0.75            // of the limit that they carry together at least
	soon   = 100 * time.Millisecond
)

var (
	storm = uuid.MustParse("6d6f6f72-0001-7374-6f72-6d0000000000")
	drops = uuid.MustParse("6d6f6f72-0002-7374-6f72-6d0000000000")
)

// stormer is a device that sends notifications as fast as it can to a subscriber, and
// counts the octets that are written to it.
type stormer struct {
	*sim.Peripheral
	written atomic.Int64 // octets
}

func newStormer(t *testing.T, air *sim.Air) *stormer {
	t.Helper()
	s := &stormer{}
	p, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
		Services: []gatt.ServiceDef{{UUID: storm, Characteristics: []gatt.CharDef{{
			UUID: drops, Properties: gatt.PropNotify | gatt.PropWriteWithoutResponse,
			Write: func(_ context.Context, r *gatt.WriteRequest) error {
				s.written.Add(int64(len(r.Value)))
				return nil
			},
		}}}},
		Run: notifyAlways,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s.Peripheral = p
	return s
}

// notifyAlways sends notifications without pause.
func notifyAlways(ctx context.Context, p *sim.Peripheral) { notifyValues(ctx, p, payload) }

// notifyValues sends notifications with values of n octets without pause.
func notifyValues(ctx context.Context, p *sim.Peripheral, n int) {
	h, _ := p.Server().Handle(storm, drops)
	value := make([]byte, n)
	for ctx.Err() == nil {
		if n, err := p.Server().Notify(ctx, h, value); n == 0 || err != nil {
			select {
			case <-time.After(soon):
			case <-ctx.Done():
			}
		}
	}
}

// flow is one link under load. octets counts the octets that have arrived.
type flow struct {
	octets *atomic.Int64
}

// connect connects one host to n devices. buffers is the number of data buffers of its
// controller.
func connect(t *testing.T, n, buffers int) (devices []*stormer, chars []*gatt.Char) {
	t.Helper()
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	h, err := host.Open(t.Context(), air.NewController(&sim.ControllerConfig{ACLNum: buffers}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for range n {
		d := newStormer(t, air)
		c, err := h.Connect(t.Context(), d.Address(), &controller.ConnectOptions{
			Params: hci.ConnParams{IntervalMin: interval, IntervalMax: interval, Timeout: 4 * time.Second},
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
		devices, chars = append(devices, d), append(chars, ch)
	}
	return devices, chars
}

// notified starts the notifications of all devices.
func notified(t *testing.T, n, buffers int) []flow {
	t.Helper()
	_, chars := connect(t, n, buffers)
	flows := make([]flow, n)
	for i, ch := range chars {
		sub, err := ch.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := new(atomic.Int64)
		flows[i].octets = got
		go func() {
			for v, err := range sub.All(t.Context()) {
				if err != nil {
					return
				}
				if v.Dropped != 0 {
					t.Errorf("%d notifications dropped in the host", v.Dropped)
				}
				got.Add(int64(len(v.Data)))
			}
		}()
	}
	return flows
}

// written starts writes of the host to all devices.
func written(t *testing.T, n, buffers int) []flow {
	t.Helper()
	devices, chars := connect(t, n, buffers)
	flows := make([]flow, n)
	for i, ch := range chars {
		flows[i].octets = &devices[i].written
		go func() {
			value := make([]byte, payload)
			for ch.WriteNoResponse(t.Context(), value) == nil {
				continue
			}
		}()
	}
	return flows
}

// measure returns the kbit/s of each flow.
func measure(flows []flow) []float64 { return measureFor(flows, window) }

func measureFor(flows []flow, window time.Duration) []float64 {
	time.Sleep(settle)
	before := make([]int64, len(flows))
	for i := range flows {
		before[i] = flows[i].octets.Load()
	}
	time.Sleep(window)
	rates := make([]float64, len(flows))
	for i := range flows {
		rates[i] = float64(flows[i].octets.Load()-before[i]) * 8 / window.Seconds() / 1000
	}
	return rates
}

func TestThroughput(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(t *testing.T, n, buffers int) []flow
	}{{"notifications", notified}, {"writes", written}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := measure(test.start(t, 1, 8))[0]
				figure(t, "throughput/"+test.name, rate, least*limit, limit*1.001, "kbit/s")
				figure(t, "throughput-of-limit/"+test.name, 100*rate/limit, 100*least, 100.1, "%")
			})
		})
	}
}

// TestFairness measures eight links that share one radio. Together they may carry a
// little more than one link: the connection event of one link starts where that of
// another does not fit. With one buffer for each link, an event carries one packet.
func TestFairness(t *testing.T) {
	for _, test := range []struct {
		name    string
		start   func(t *testing.T, n, buffers int) []flow
		buffers int
	}{{"notifications", notified, 8}, {"writes", written, 8}, {"writes-32-buffers", written, 32}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rates := measure(test.start(t, links, test.buffers))
				sum, worst := 0.0, 0.0
				for _, r := range rates {
					sum += r
				}
				mean := sum / links
				for _, r := range rates {
					worst = max(worst, (r-mean)/mean, (mean-r)/mean)
				}
				figure(t, "shared-by-8/"+test.name, sum, busy*limit, 1.1*limit, "kbit/s")
				figure(t, "unfairness-of-8/"+test.name, 100*worst, 0, 100*unfair, "%")
				t.Logf("kbit/s: %.1f", rates)
			})
		})
	}
}
