package connmgr_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// A device that is carried from the adapter that dials it to another one, as the dial
// begins, is connected over that other one, within the same attempt.
func TestDialFollowsACarriedDevice(t *testing.T) { inBubble(t, testDialFollows) }

func testDialFollows(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	p := l.device(1)
	l.air.SetPath(l.adapters[0], p, sim.Path{RSSI: -50})
	l.outOfRange(1, p)
	time.Sleep(5 * second)
	l.outOfRange(0, p)
	l.air.SetPath(l.adapters[1], p, sim.Path{RSSI: -55})
	ev := l.record()
	c, took := l.begin(1, nil)()
	if c.Adapter() != "hci1" {
		t.Errorf("connected over %s", c.Adapter())
	}
	wantAbout(t, "a device that hci0 has not heard for 2 s", took, 2*second+second/20)
	if s, f := ev.count(isStart), ev.count(isFailure); s != 1 || f != 0 {
		t.Errorf("%d attempts, %d failures; want one attempt", s, f)
	}
	c.Close()
}

// A device that was carried away a while ago is not dialed over the adapter that it has
// left, however strongly that had heard it.
func TestAdapterThatADeviceHasLeftIsNotDialed(t *testing.T) { inBubble(t, testAdapterLeft) }

func testAdapterLeft(t *testing.T) {
	for _, ago := range []time.Duration{3 * second, 20 * second, 100 * second} {
		l := newLab(t, connmgr.Config{}, nil, nil)
		p := l.device(1)
		l.air.SetPath(l.adapters[0], p, sim.Path{RSSI: -40})
		l.outOfRange(1, p)
		time.Sleep(5 * second)
		l.outOfRange(0, p)
		l.air.SetPath(l.adapters[1], p, sim.Path{RSSI: -88})
		time.Sleep(ago)
		c, took := l.begin(1, nil)()
		if c.Adapter() != "hci1" {
			t.Errorf("carried away %v ago: connected over %s", ago, c.Adapter())
		}
		wantAbout(t, "a device that hci1 hears", took, 0)
		c.Close()
		l.m.Close()
	}
}

// A weak device ends its links for 2 s. No dial goes over an adapter that has never heard
// it, however often those that hear it have failed.
func TestDeafAdapterAfterFailures(t *testing.T) { inBubble(t, testDeafAdapter) }

func testDeafAdapter(t *testing.T) {
	for _, st := range []hci.Status{0x08, 0x22, 0x3E} {
		l := newLab(t, connmgr.Config{}, nil, nil)
		d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
		l.air.SetPath(l.adapters[0], d, sim.Path{RSSI: -80})
		l.outOfRange(1, d)
		time.Sleep(3 * second)
		r := l.watchAttempts()
		l.air.SetTemper(d, resting(st, 2*second))
		begin := time.Now()
		c, err := l.m.Establish(t.Context(), address(1).String(), nil)
		started, _ := r.events()
		deaf := 0
		for _, s := range started {
			if s.Adapter == "hci1" {
				deaf++
			}
		}
		if took := time.Since(begin); err != nil || deaf != 0 || took > 6*second {
			t.Errorf("0x%02x: %v after %v, %d dials over an adapter that has never heard the device", uint8(st), err, took, deaf)
		}
		if err == nil {
			c.Close()
		}
		l.m.Close()
	}
}
