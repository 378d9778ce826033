package figures

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

const (
	// readsPer is the number of connection intervals in which reads are counted.
	readsPer = 1000
	// reaction is the time from a packet of a host to its controller, as over a UART:
	// longer than a connection event, so that no answer comes in the event of its
	// request.
	reaction = 3 * time.Millisecond
)

// TestBearers counts the reads of a link with several ATT bearers, whose callers
// keep every bearer busy. The answer to a request comes in the next connection event,
// and the next request goes in the one after, so a bearer carries one read in two
// intervals.
func TestBearers(t *testing.T) {
	for _, test := range []struct {
		bearers int
		want    float64
	}{
		{1, 500}, {2, 1000}, {3, 1500}, {4, 2000}, {6, 3000},
	} {
		name := fmt.Sprintf("%d-bearers", test.bearers)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				figure(t, "reads-in-1000-intervals/"+name, countReads(t, test.bearers), test.want, test.want, "reads")
			})
		})
	}
}

// countReads returns the reads in readsPer intervals of a link with a number of
// bearers, and as many callers.
func countReads(t *testing.T, bearers int) float64 {
	t.Helper()
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	p, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
		Controller: &sim.ControllerConfig{Latency: reaction},
		Services: []gatt.ServiceDef{{UUID: storm, Characteristics: []gatt.CharDef{{
			UUID: drops, Properties: gatt.PropRead, Value: []byte{1, 2, 3, 4},
		}}}},
		Host: host.Config{SMP: &smp.Config{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	h, err := host.Open(t.Context(), air.NewController(&sim.ControllerConfig{Latency: reaction}), &host.Config{SMP: &smp.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	c, err := h.Connect(t.Context(), p.Address(), &controller.ConnectOptions{
		Params: hci.ConnParams{IntervalMin: interval, IntervalMax: interval, Timeout: 4 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GATT().ExchangeMTU(t.Context()); err != nil {
		t.Fatal(err)
	}
	if more := bearers - 1; more > 0 {
		if n, err := c.GATT().Enhance(t.Context(), more); n != more || err != nil {
			t.Fatalf("%d enhanced bearers, %v", n, err)
		}
	}
	ch, err := c.GATT().Char(t.Context(), storm, drops)
	if err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int64
	for range bearers {
		go func() {
			for {
				if v, err := ch.Read(t.Context()); err != nil || len(v) != 4 {
					return
				}
				reads.Add(1)
			}
		}()
	}
	time.Sleep(settle)
	before := reads.Load()
	time.Sleep(readsPer * interval)
	return float64(reads.Load() - before)
}
