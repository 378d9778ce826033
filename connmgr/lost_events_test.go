package connmgr_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// A lost Disconnection Complete costs neither the link's user nor its slot.
func TestLostDisconnectionComplete(t *testing.T) { inBubble(t, testLostDisconnection) }

func testLostDisconnection(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	p := l.device(1)
	l.device(2)
	time.Sleep(second)
	told := make(chan error, 1)
	c := l.establish(1, &connmgr.Options{Disconnected: func(_ *connmgr.Client, err error) { told <- err }})
	time.Sleep(10 * second)
	l.adapters[0].Fault(sim.EventFault{Code: 0x05, Drop: true})
	l.air.SetAway(p, true)
	time.Sleep(time.Minute)
	if err := c.Err(); err != nil {
		t.Fatalf("the loss of the event went unnoticed by the test: %v", err)
	}
	o, took := l.begin(2, nil)()
	wantAbout(t, "another device", took, 0)
	if err := <-told; err == nil || c.Err() == nil {
		t.Errorf("the callback got %v, the Client has %v", err, c.Err())
	}
	o.Close()
	l.wantNoSlots()
}

// After a lost Disconnection Complete, an Establish to the same device does not wait for
// an answer on the link that is over: the controller knows sooner.
func TestLostDisconnectionOfTheSameDevice(t *testing.T) {
	inBubble(t, testLostDisconnectionOfTheSameDevice)
}

func testLostDisconnectionOfTheSameDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	time.Sleep(second)
	old := l.establish(1, nil)
	time.Sleep(20 * second)
	l.adapters[0].Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
	l.air.SetAway(p, true)
	time.Sleep(time.Minute)
	if err := old.Err(); err != nil {
		t.Fatalf("the loss of the event went unnoticed by the test: %v", err)
	}
	l.air.SetAway(p, false)
	time.Sleep(second)
	r := l.record()
	c, took := l.begin(1, nil)()
	wantAbout(t, "the same device", took, 0)
	if old.Err() == nil || r.count(isFailure) != 0 {
		t.Errorf("the old link: %v; %d failures", old.Err(), r.count(isFailure))
	}
	l.wantLevel(c, 1)
	c.Close()
	l.wantNoSlots()
}

// A lost Connection Complete costs one attempt, nobody's link, and no reset.
func TestLostConnectionComplete(t *testing.T) { inBubble(t, testLostConnectionComplete) }

func testLostConnectionComplete(t *testing.T) {
	for _, linked := range []bool{false, true} {
		l := newLab(t, connmgr.Config{})
		l.device(1)
		l.device(2)
		time.Sleep(second)
		var other *connmgr.Client
		if linked {
			other = l.establish(2, nil)
		}
		resets, r := l.resets(), l.record()
		l.adapters[0].Fault(sim.EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEEnhancedConnectionComplete, Drop: true})
		c, took := l.begin(1, nil)()
		// The dial ends after 20 s. The next one ends the link, and begins anew.
		if failed := r.count(isFailure); took < 20*second || took > 21500*time.Millisecond || failed != 1 || resets() != 0 {
			t.Errorf("beside a link %v: connected after %v, %d failures and %d resets", linked, took, failed, resets())
		}
		l.wantLevel(c, 1)
		c.Close()
		if linked {
			l.wantLevel(other, 2)
			other.Close()
		}
		time.Sleep(second)
		l.wantNoSlots()
		l.m.Close()
	}
}

// A lost Disconnection Complete keeps no slot of a controller that does not know Read RSSI,
// as Zephyr's without CONFIG_BT_CTLR_CONN_RSSI.
func TestLostDisconnectionWithoutReadRSSI(t *testing.T) {
	inBubble(t, testLostDisconnectionWithoutReadRSSI)
}

func testLostDisconnectionWithoutReadRSSI(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	p := l.device(1)
	l.device(2)
	time.Sleep(second)
	old := l.establish(1, nil)
	time.Sleep(10 * second)
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpReadRSSI, Status: hci.StatusUnknownCommand, Times: sim.Always})
	l.adapters[0].Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
	l.air.SetAway(p, true)
	time.Sleep(10 * time.Minute)
	begin := time.Now()
	c, err := l.m.Establish(t.Context(), address(2).String(), nil)
	if err != nil {
		t.Fatalf("%v after %v; the dead link: %v", err, time.Since(begin), old.Err())
	}
	c.Close()
}
