package gatt_test

import (
	"encoding/hex"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
)

// TestServerIndicatesWholeRanges: the indicated range ends at 0xffff if no
// service follows it, and else with a service. BlueZ 5.66 drops all services of a
// range that ends behind the last of them.
func TestServerIndicatesWholeRanges(t *testing.T) {
	svc := func(u uint16, h int, chars int) gatt.ServiceDef {
		d := gatt.ServiceDef{UUID: gatt.UUID16(u), Handle: att.Handle(h)}
		for range chars {
			d.Characteristics = append(d.Characteristics, gatt.CharDef{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead})
		}
		return d
	}
	for _, test := range []struct {
		name        string
		before, now []gatt.ServiceDef
		want        string
	}{
		{
			"the last services are gone",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 1), svc(0xFF03, 0x30, 1)},
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1)},
			"1d 0800 2000 ffff",
		},
		{
			"the last service shrinks",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 3)},
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 1)},
			"1d 0800 2000 ffff",
		},
		{
			"the last service is new",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1)},
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 1)},
			"1d 0800 2000 ffff",
		},
		{
			"a service in the middle grows",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 1)},
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 2), svc(0xFF02, 0x20, 1)},
			"1d 0800 1000 1400",
		},
		{
			"a service in the middle shrinks",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 3), svc(0xFF02, 0x20, 1)},
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 1), svc(0xFF02, 0x20, 1)},
			"1d 0800 1000 2200",
		},
		{
			"a service in the middle is gone",
			[]gatt.ServiceDef{svc(0xFF01, 0x10, 3), svc(0xFF02, 0x20, 1)},
			[]gatt.ServiceDef{svc(0xFF02, 0x20, 1)},
			"1d 0800 1000 1600",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := newServer(t, &gatt.ServerConfig{Services: test.before})
			w := newWire(t, srv, 23, gatt.PeerInfo{})
			w.receive("12 0900 0200", "13")
			setServices(t, srv, test.now)
			w.want("the change", test.want)
		})
	}
}

// TestServerKeepsSubscriptionsBesideAChange: the indicated range may hold a
// service that has not changed; the subscriptions in it stay in force.
func TestServerKeepsSubscriptionsBesideAChange(t *testing.T) {
	notify := func(u uint16, h, end int) gatt.ServiceDef {
		return gatt.ServiceDef{UUID: gatt.UUID16(u), Handle: att.Handle(h), End: att.Handle(end), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropNotify},
		}}
	}
	srv := newServer(t, &gatt.ServerConfig{Services: []gatt.ServiceDef{notify(0xFF01, 0x10, 0x15), notify(0xFF02, 0x20, 0)}})
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("12 0900 0200", "13")
	w.receive("12 1300 0100", "13")
	w.receive("12 2300 0100", "13")
	setServices(t, srv, []gatt.ServiceDef{notify(0xFF01, 0x10, 0x13), notify(0xFF02, 0x20, 0)})
	w.want("the change", "1d 0800 1000 2300")
	w.receive("0a 1300", "0b 0000")
	w.receive("0a 2300", "0b 0100")
}

// TestServerIndicatesNoChangeThatTheClientKnows: a client that has proved that it
// knows the table is not told of the change.
func TestServerIndicatesNoChangeThatTheClientKnows(t *testing.T) {
	srv, w := robust(t)
	setServices(t, srv, withoutVendor())
	h := srv.Hash()
	w.receive("08 0100 ffff 2a2b", "09 12 0d00"+hex.EncodeToString(h[:]))
	w.receive("12 0900 0200", "13")
	w.receive("0a 0900", "0b 0200")

	// The client has proved it while an earlier change was unconfirmed.
	setServices(t, srv, nil)
	w.want("the change", "1d 0800 1000 ffff")
	setServices(t, srv, withoutVendor())
	h = srv.Hash()
	w.receive("08 0100 ffff 2a2b", "09 12 0d00"+hex.EncodeToString(h[:]))
	w.receive("0a 0300", "0b 6d6f6f72")
	w.receive("1e")

	// A change after that is indicated.
	setServices(t, srv, nil)
	w.want("the next change", "1d 0800 1000 ffff")
}

// TestServerIndicatesAChangeToALateSubscriber: a client that has not proved
// anything is told of the change as soon as it subscribes.
func TestServerIndicatesAChangeToALateSubscriber(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	setServices(t, srv, withoutVendor())
	w.receive("12 0900 0200", "13", "1d 0800 1f00 ffff")
}
