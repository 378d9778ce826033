package gatt_test

import (
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// sensor returns a service with a value at 0x0012 that notifies and indicates,
// its configuration at 0x0013, and a value at 0x0015 that can be written.
func sensor(props gatt.Properties, perms gatt.Permissions) []gatt.ServiceDef {
	return []gatt.ServiceDef{{UUID: gatt.UUID16(0xFF01), Characteristics: []gatt.CharDef{
		{UUID: gatt.UUID16(0x2A19), Properties: props, Permissions: perms},
		{UUID: gatt.UUID16(0x2A1A), Properties: gatt.PropRead | gatt.PropWrite, Permissions: perms, Value: []byte{1, 2}},
	}}}
}

const sensorValue att.Handle = 0x12

// TestServerChecksPermissionsAtDelivery: a subscription counts only while the
// link has the protection that it requires, whenever it was made.
func TestServerChecksPermissionsAtDelivery(t *testing.T) {
	const both = gatt.PropNotify | gatt.PropIndicate
	strict := gatt.Permissions{Subscribe: gatt.Require{Authentication: true}}

	t.Run("stored", func(t *testing.T) {
		srv := newServer(t, &gatt.ServerConfig{Services: sensor(both, gatt.Permissions{})})
		var b bond
		w := newWire(t, srv, 23, b.peer())
		b.encrypt(w)
		w.receive("12 1300 0300", "13")
		w.down()
		setServices(t, srv, sensor(both, strict))
		w = b.back(t, srv)
		wantIs(t, w.s.Notify(t.Context(), sensorValue, []byte{1}), gatt.ErrClientInsecure, att.CodeInsufficientAuthentication)
		wantIs(t, w.s.Indicate(t.Context(), sensorValue, []byte{1}), gatt.ErrClientInsecure)
		wantIs(t, w.s.NotifyMultiple(t.Context(), []att.AttributeData{
			{Handle: sensorValue, Value: []byte{1}}, {Handle: sensorValue, Value: []byte{2}},
		}), gatt.ErrClientInsecure)
		if n, err := srv.Notify(t.Context(), sensorValue, []byte{1}); n != 0 || err != nil {
			t.Errorf("sent to %d, error %v, want none", n, err)
		}
		w.want("nothing on a link with Just Works")
		b.security.Authenticated = true
		if n, err := srv.Notify(t.Context(), sensorValue, []byte{1}); n != 1 || err != nil {
			t.Errorf("sent to %d, error %v, want 1", n, err)
		}
		w.want("the subscription is in force again", "1b 1200 01")
	})

	t.Run("new permissions", func(t *testing.T) {
		srv := newServer(t, &gatt.ServerConfig{Services: sensor(both, gatt.Permissions{})})
		w := newWire(t, srv, 23, gatt.PeerInfo{})
		w.receive("12 1300 0300", "13")
		setServices(t, srv, sensor(both, gatt.Permissions{Subscribe: gatt.Require{Encryption: true}}))
		w.want("no change that clients could see")
		wantIs(t, w.s.Notify(t.Context(), sensorValue, []byte{1}), gatt.ErrClientInsecure, att.CodeInsufficientAuthentication)
		w.want("nothing in plain text")
		setServices(t, srv, sensor(both, gatt.Permissions{}))
		if err := w.s.Notify(t.Context(), sensorValue, []byte{1}); err != nil {
			t.Error(err)
		}
		w.want("free again", "1b 1200 01")
	})

	t.Run("lost property", func(t *testing.T) {
		srv := newServer(t, &gatt.ServerConfig{Services: sensor(both, gatt.Permissions{})})
		var b bond
		w := newWire(t, srv, 23, b.peer())
		b.encrypt(w)
		w.receive("12 1300 0300", "13")
		w.down()
		setServices(t, srv, sensor(gatt.PropNotify, gatt.Permissions{}))
		w = b.back(t, srv)
		w.receive("0a 1300", "0b 0100")
		wantIs(t, w.s.Indicate(t.Context(), sensorValue, []byte{1}), gatt.ErrNotSubscribed)
		if n, i := w.s.Subscribed(sensorValue); !n || i {
			t.Errorf("subscribed to notifications %v, to indications %v, want true, false", n, i)
		}
	})
}

// TestServerChecksPermissionsAtExecution: prepared writes count only while the
// link has the protection that the write requires.
func TestServerChecksPermissionsAtExecution(t *testing.T) {
	srv := newServer(t, &gatt.ServerConfig{Services: sensor(gatt.PropNotify, gatt.Permissions{})})
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("16 1500 0000 ff", "17 1500 0000 ff")
	w.receive("16 1300 0000 0100", "17 1300 0000 0100")
	setServices(t, srv, sensor(gatt.PropNotify, gatt.Permissions{Write: gatt.Require{Encryption: true}}))
	w.receive("18 01", "01 18 1500 05")
	w.receive("0a 1500", "0b 0102")
	w.receive("0a 1300", "0b 0000")

	// The configuration is protected by the permission to subscribe.
	w.receive("16 1300 0000 0100", "17 1300 0000 0100")
	setServices(t, srv, sensor(gatt.PropNotify, gatt.Permissions{Subscribe: gatt.Require{Encryption: true}}))
	w.receive("18 01", "01 18 1300 05")
	w.receive("0a 1300", "0b 0000")
}

// TestServerIndicatesChangesToTheProtected: Service Changed is a value like any
// other.
func TestServerIndicatesChangesToTheProtected(t *testing.T) {
	generic := gatt.ServiceDef{UUID: gatt.UUID16(0x1801), Characteristics: []gatt.CharDef{{
		UUID: gatt.UUID16(0x2A05), Properties: gatt.PropIndicate,
		Permissions: gatt.Permissions{Subscribe: gatt.Require{Encryption: true}},
	}}}
	srv := newServer(t, &gatt.ServerConfig{DisableGAP: true, Services: []gatt.ServiceDef{generic}})
	var b bond
	w := newWire(t, srv, 23, b.stranger())
	w.receive("12 0400 0200", "01 12 0400 05")
	b.security.Encrypted = true
	w.receive("12 0400 0200", "13")
	b.security.Encrypted = false
	setServices(t, srv, append([]gatt.ServiceDef{generic}, sensor(gatt.PropRead, gatt.Permissions{})...))
	w.want("not on this link")
	b.security.Encrypted = true
	w.s.SecurityChanged(w.now)
	w.want("the change", "1d 0300 0500 ffff")
}
