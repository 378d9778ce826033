package connmgr_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// nearAndWeak is a lab whose adapter hci0 hears device 1 at -50 dBm, and hci1 at -89 dBm.
func nearAndWeak(t *testing.T) (*lab, *sim.Device) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
	l.air.SetPath(l.adapters[0], d, sim.Path{RSSI: -50})
	l.air.SetPath(l.adapters[1], d, sim.Path{RSSI: -89})
	time.Sleep(2 * second)
	return l, d
}

// wantOver connects to device 1 now, and again after ten seconds, and checks the adapter
// and the time of the first connect.
func (l *lab) wantOver(what, adapter string, took time.Duration) {
	l.t.Helper()
	c, first := l.begin(1, nil)()
	l.wantAdapter(what, c, adapter)
	wantAbout(l.t, what, first, took)
	c.Close()
	time.Sleep(10 * second)
	c = l.establish(1, nil)
	l.wantAdapter(what+", ten seconds later", c, adapter)
	c.Close()
	l.m.Close()
}

func (l *lab) wantAdapter(what string, c *connmgr.Client, want string) {
	l.t.Helper()
	if c.Adapter() != want {
		l.t.Errorf("%s: connected over %s, want %s", what, c.Adapter(), want)
	}
}

// An adapter that dials a device in vain while that is off is not the worse one when the
// device is on again.
func TestAbsenceDoesNotBlameTheAdapter(t *testing.T) { inBubble(t, testAbsenceBlamesNobody) }

func testAbsenceBlamesNobody(t *testing.T) {
	l, d := nearAndWeak(t)
	l.air.SetAway(d, true)
	time.Sleep(second)
	time.AfterFunc(45*second, func() { l.air.SetAway(d, false) })
	l.wantOver("a device that was off for 45 s", "hci0", 45*second)
}

// An adapter without room for a link is not the worse one when it has room again.
func TestLackOfRoomDoesNotBlameTheAdapter(t *testing.T) { inBubble(t, testLackOfRoomBlamesNobody) }

func testLackOfRoomBlamesNobody(t *testing.T) {
	for _, status := range []hci.Status{0x07, 0x09, 0x0D} {
		l, _ := nearAndWeak(t)
		l.adapters[0].Fault(sim.ConnectFault{Status: status, Times: 2})
		l.wantOver("two refusals", "hci0", 4*second+second/4)
	}
}

// A device that ends its links, or refuses its keys, does not make its adapter the worse
// one: it would do the same over any other.
func TestDeviceThatHangsUpDoesNotBlameTheAdapter(t *testing.T) {
	inBubble(t, testHangingUpBlamesNobody)
}

func testHangingUpBlamesNobody(t *testing.T) {
	for _, status := range []hci.Status{hci.StatusRemoteUserTerminated, hci.StatusKeyMissing} {
		l, d := nearAndWeak(t)
		l.air.SetTemper(d, resting(status, time.Hour))
		for range 3 {
			l.failToEstablish(single())
		}
		l.air.SetTemper(d, sim.Temper{})
		time.Sleep(second)
		l.wantOver(status.Error(), "hci0", 0)
	}
}

// An adapter whose dials fail while the device is on air is the worse one.
func TestDialsThatFailBlameTheAdapter(t *testing.T) { inBubble(t, testFailedDialsBlame) }

func testFailedDialsBlame(t *testing.T) {
	for _, fault := range []sim.Fault{
		sim.ConnectFault{Times: sim.Always}, // 0x3E
		sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Times: sim.Always, Ignore: true}, // the dial times out
	} {
		l, _ := nearAndWeak(t)
		l.adapters[0].Fault(fault)
		l.establish(1, nil).Close()
		time.Sleep(10 * second)
		c, took := l.begin(1, nil)()
		l.wantAdapter("an adapter that does not reach the device", c, "hci1")
		wantAbout(t, "the other one", took, 0)
		c.Close()
		l.m.Close()
	}
}

// Adapters that do not listen take turns in dialing a device that none has heard.
func TestUnheardDeviceIsDialedOverEachAdapter(t *testing.T) { inBubble(t, testUnheardDevice) }

func testUnheardDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true}, nil, nil)
	l.outOfRange(0, l.device(1))
	c, took := l.begin(1, nil)()
	l.wantAdapter("a device that only hci1 reaches", c, "hci1")
	wantAbout(t, "the second attempt", took, 20*second+second/4)
	c.Close()
}
