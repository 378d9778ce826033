package proxy_test

import (
	"net"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
)

// TestSlowClientKeepsItsLink: a client that reads nothing for a while loses notifications
// and no reply, and is not cut off for them.
func TestSlowClientKeepsItsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		table := sim.NewTable(gatt.ServiceDef{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead | gatt.PropNotify, Value: make([]byte, 200)},
		}})
		d := l.air.NewDevice(&sim.DeviceConfig{Name: "d1", Address: hci.Addr{MAC: macOf(1), Kind: hci.AddrRandom}, Table: table})
		battery := d.Find(gatt.UUID16(0x2A19))
		time.Sleep(2 * time.Second)
		u := l.slowUser()
		u.send(connect(1, esphome.ConnectWithoutCache))
		u.skipTo(&esphome.DeviceConnection{})
		u.send(&esphome.ServicesRequest{Address: addr(1)})
		services, _ := u.skipTo(&esphome.ServicesResponse{}).(*esphome.ServicesResponse)
		h := services.Services[0].Characteristics[0].Handle
		u.send(&esphome.NotifyRequest{Address: addr(1), Handle: h, Enable: true})
		u.skipTo(&esphome.NotifyResponse{})
		sent := 0
		for range 20 {
			for range 200 { // 4,000 values take more than all that may wait
				value := append([]byte{byte(sent), byte(sent >> 8)}, make([]byte, 198)...)
				d.SetValue(battery, value)
				sent++
				time.Sleep(5 * time.Millisecond)
			}
			u.send(&esphome.PingRequest{}) // which it does not read the answer of
		}
		u.send(&esphome.ReadRequest{Address: addr(1), Handle: h})
		var got []int
		for {
			m := u.next()
			if v, ok := m.(*esphome.NotifyData); ok {
				got = append(got, int(v.Data[0])|int(v.Data[1])<<8)
				continue
			}
			if _, ok := m.(*esphome.ReadResponse); ok {
				break
			}
		}
		time.Sleep(time.Second)
		if !slices.IsSorted(got) || len(got) < 900 || len(got) >= sent {
			t.Errorf("%d values of %d, in order: %v", len(got), sent, slices.IsSorted(got))
		}
	})
}

// slowUser is a client that reads only when it is told to.
type slowUser struct {
	t    *testing.T
	conn *esphome.Conn
}

func (l *lab) slowUser() *slowUser {
	l.t.Helper()
	a, b := net.Pipe()
	l.pipe.conns <- a
	conn, err := esphome.Connect(l.t.Context(), b, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	u := &slowUser{l.t, conn}
	u.send(&esphome.HelloRequest{Client: "slow", Major: 1, Minor: 14})
	return u
}

func (u *slowUser) send(m esphome.Message) {
	u.t.Helper()
	if err := u.conn.Write(m); err != nil {
		u.t.Fatal(err)
	}
}

func (u *slowUser) next() esphome.Message {
	u.t.Helper()
	m, err := u.conn.Read()
	if err != nil {
		u.t.Fatal(err)
	}
	return m
}

// skipTo returns the next message of the type of like.
func (u *slowUser) skipTo(like esphome.Message) esphome.Message {
	u.t.Helper()
	for {
		if m := u.next(); reflect.TypeOf(m) == reflect.TypeOf(like) {
			return m
		}
	}
}
