package figures

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

const (
	idleLinks   = 1000
	heapPerLink = 32 << 10
)

// attDevice is a device that uses little memory. Its script accepts an MTU of 247 and
// every write, as a subscription needs, and sends one notification.
func attDevice(air *sim.Air) *sim.RawPeer {
	const attCID = 4
	return air.NewRawPeer(&sim.RawPeerConfig{Interval: 20 * time.Millisecond, Script: sim.Script{
		Frame: func(l *sim.RawLink, cid uint16, pdu []byte) {
			switch {
			case cid != attCID:
			case pdu[0] == 0x02: // Exchange MTU
				l.Send(attCID, []byte{0x03, 0xF7, 0x00})
			case pdu[0] == 0x12: // Write
				l.Send(attCID, []byte{0x13})
				l.Send(attCID, append([]byte{0x1B, 3, 0}, make([]byte, payload)...))
			}
		},
	}})
}

// idleProfile is the table of an attDevice.
var idleProfile = &gatt.Profile{Services: []gatt.Service{{
	UUID: storm, Handle: 1, End: 4, Primary: true,
	Characteristics: []gatt.Characteristic{{
		UUID: drops, Handle: 2, Value: 3, End: 4, Properties: gatt.PropNotify,
		Descriptors: []gatt.Descriptor{{UUID: gatt.UUID16(0x2902), Handle: 4}},
	}},
}}}

// TestIdleLinks measures the memory of a thousand idle links, each with an exchanged MTU
// and a subscription that has received a value. The result includes the simulation of
// both ends, so the stack uses less.
func TestIdleLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(nil)
		defer air.Close()
		ctl := air.NewController(&sim.ControllerConfig{MaxLinks: idleLinks})
		h, err := host.Open(t.Context(), ctl, nil)
		if err != nil {
			t.Fatal(err)
		}
		devices := make([]*sim.RawPeer, idleLinks)
		for i := range devices {
			devices[i] = attDevice(air)
		}
		synctest.Wait()
		heap, goroutines := heapInUse(), runtime.NumGoroutine()
		subs := make([]*gatt.Subscription, idleLinks)
		for i, d := range devices {
			c, err := h.Connect(t.Context(), d.Address(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.GATT().ExchangeMTU(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.GATT().SetProfile(idleProfile)
			ch, err := c.GATT().Char(t.Context(), storm, drops)
			if err != nil {
				t.Fatal(err)
			}
			if subs[i], err = ch.Subscribe(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := subs[i].Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // what belongs to connecting is over
		synctest.Wait()
		with, extra := heapInUse()-heap, runtime.NumGoroutine()-goroutines
		figure(t, "idle-link/heap", float64(with)/idleLinks, 1, heapPerLink, "B")
		figure(t, "idle-link/goroutines", float64(extra), 0, 0, "goroutines")
		runtime.KeepAlive(subs)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func heapInUse() int64 {
	for range 3 { // finalizers and what they free
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
