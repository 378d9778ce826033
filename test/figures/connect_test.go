package figures

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// connects is the number of connections of which TestConnect takes the median.
const connects = 60

// TestConnect measures the time from Establish with default options to the ready Client
// and to the first value read, with a device that advertises every 100 ms. Each
// connection begins at another phase of its advertising.
func TestConnect(t *testing.T) {
	for _, test := range []struct {
		name        string
		o           connmgr.Options
		ready, read float64 // bounds in ms
	}{
		{"warm", connmgr.Options{}, 65, 80},
		{"cold", connmgr.Options{DisableCache: true}, 155, 170},
	} {
		synctest.Test(t, func(t *testing.T) {
			ready, read := connectOften(t, &test.o)
			figure(t, "connect/"+test.name+"/ready", median(ready), 1, test.ready, "ms")
			figure(t, "connect/"+test.name+"/first-read", median(read), 1, test.read, "ms")
		})
	}
}

func connectOften(t *testing.T, o *connmgr.Options) (ready, read []time.Duration) {
	air := sim.New(&sim.Config{Seed: 3})
	defer air.Close()
	device := sim.Thermometer()
	device.Run = nil
	p, err := air.NewPeripheral(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range connects + 1 {
		time.Sleep(2*time.Second + time.Duration(i)*17*time.Millisecond)
		begin := time.Now()
		c, err := m.Establish(t.Context(), p.Address().String(), o)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begin)
		if _, err := c.Read(t.Context(), gatt.UUID16(0x180F), gatt.UUID16(0x2A19)); err != nil {
			t.Fatal(err)
		}
		if i > 0 { // the first one fills the cache
			ready, read = append(ready, took), append(read, time.Since(begin))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	return ready, read
}

// median returns the median in milliseconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds() * 1000
}
