package proxy_test

import (
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
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// TestOperations: the answers of all operations, in the order of the requests.
func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d, u := connected(t)
		u.send(&esphome.ServicesRequest{Address: addr(1)})
		u.wantWithin(time.Second, &esphome.ServicesResponse{Address: addr(1), Services: []esphome.Service{{
			Short: 0x180F, Handle: 1, Characteristics: []esphome.Characteristic{
				{Short: 0x2A19, Handle: 3, Properties: 0x12, Descriptors: []esphome.Descriptor{{Short: 0x2902, Handle: 4}}},
				{Short: 0x2A00, Handle: 6, Properties: 0x0E},
			},
		}}}, &esphome.ServicesDone{Address: addr(1)})
		u.send(
			&esphome.ReadRequest{Address: addr(1), Handle: 3},
			&esphome.WriteRequest{Address: addr(1), Handle: 6, Response: true, Data: []byte("new")},
			&esphome.ReadRequest{Address: addr(1), Handle: 6},
			&esphome.WriteRequest{Address: addr(1), Handle: 6, Data: []byte("newer")},
			&esphome.ReadDescriptorRequest{Address: addr(1), Handle: 4},
			&esphome.ReadRequest{Address: addr(1), Handle: 99},
			&esphome.ReadRequest{Address: addr(1), Handle: 0x10000},
			&esphome.WriteRequest{Address: addr(1), Handle: 3, Response: true, Data: []byte{1}},
		)
		u.wantWithin(time.Second,
			&esphome.ReadResponse{Address: addr(1), Handle: 3, Data: []byte{1}},
			&esphome.WriteResponse{Address: addr(1), Handle: 6},
			&esphome.ReadResponse{Address: addr(1), Handle: 6, Data: []byte("new")},
			&esphome.WriteResponse{Address: addr(1), Handle: 6},
			&esphome.ReadResponse{Address: addr(1), Handle: 4, Data: []byte{0, 0}},
			&esphome.GATTError{Address: addr(1), Handle: 99, Error: 1},
			&esphome.GATTError{Address: addr(1), Handle: 0x10000, Error: 1},
			&esphome.GATTError{Address: addr(1), Handle: 3, Error: 3},
		)
		if v := string(d.Value(6)); v != "newer" {
			t.Errorf("the device has %q", v)
		}
	})
}

// TestNotifications: no value comes before the answer to the request, the ones that the
// device sent before follow it, and none comes after the answer to its end.
func TestNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d, u := connected(t)
		u.send(connect(1, esphome.Disconnect))
		time.Sleep(time.Second)
		l.air.SetTemper(d.Peer(), sim.Temper{Notifications: []sim.Notification{{After: time.Second, Every: time.Second, Handle: 3, Value: []byte{9}}}})
		u.send(connect(1, esphome.ConnectWithCache))
		time.Sleep(5*time.Second + 500*time.Millisecond)
		u.take()
		value := &esphome.NotifyData{Address: addr(1), Handle: 3, Data: []byte{9}}
		u.send(
			&esphome.NotifyRequest{Address: addr(1), Handle: 3, Enable: true},
			&esphome.WriteDescriptorRequest{Address: addr(1), Handle: 4, Data: []byte{1, 0}},
			&esphome.ReadDescriptorRequest{Address: addr(1), Handle: 4},
		)
		time.Sleep(300 * time.Millisecond)
		got := u.take()
		if want := (&esphome.NotifyResponse{Address: addr(1), Handle: 3}); len(got) != 8 || !reflect.DeepEqual(got[0], want) ||
			!slices.ContainsFunc(got, isValue(esphome.ReadResponse{Address: addr(1), Handle: 4, Data: []byte{1, 0}})) {
			t.Errorf("got\n%s", list(got))
		}
		u.wantWithin(3*time.Second, value, value, value)
		u.send(&esphome.NotifyRequest{Address: addr(1), Handle: 3}, &esphome.ReadDescriptorRequest{Address: addr(1), Handle: 4})
		u.wantWithin(300*time.Millisecond, &esphome.NotifyResponse{Address: addr(1), Handle: 3},
			&esphome.ReadResponse{Address: addr(1), Handle: 4, Data: []byte{0, 0}})
		u.wantWithin(5 * time.Second)
	})
}

func isValue(want esphome.ReadResponse) func(esphome.Message) bool {
	return func(m esphome.Message) bool { return reflect.DeepEqual(m, &want) }
}

// TestDisconnect: the client learns of the end first, and then of the slot.
func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, u := connected(t)
		u.send(connect(1, esphome.Disconnect))
		u.wantWithin(time.Second, down(1, 0), slots(2, 2))
		u.send(connect(1, esphome.Disconnect)) // of no link
		u.want(down(1, 0), slots(2, 2))
		u.send(&esphome.ReadRequest{Address: addr(1), Handle: 3})
		u.want(&esphome.GATTError{Address: addr(1), Handle: 3, Error: -1})
		u.send(connect(1, esphome.ConnectWithCache))
		u.want(slots(1, 2, 1))
		u.wantWithin(time.Second, up(1), slots(1, 2, 1))
	})
}

// TestConnectAgain: a second request for a link that is up, and one for a link that ends,
// are answered once each.
func TestConnectAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, u := connected(t)
		u.send(connect(1, esphome.ConnectWithCache))
		u.want(up(1), slots(1, 2, 1))
		u.send(connect(1, esphome.Disconnect), connect(1, esphome.ConnectWithCache))
		u.wantWithin(2*time.Second, down(1, 0), slots(2, 2), slots(1, 2, 1), up(1), slots(1, 2, 1))
	})
}

// TestTwoClients: a device has one owner. Another client's requests are refused at once
// and change nothing; the end of the owner ends its link.
func TestTwoClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		v := l.user("second")
		v.send(&esphome.SubscribeSlots{}, connect(1, esphome.ConnectWithCache))
		v.want(slots(1, 2, 1), down(1, 0x85))
		v.send(connect(1, esphome.Disconnect))
		v.want(down(1, 0), slots(1, 2, 1))
		v.send(&esphome.ReadRequest{Address: addr(1), Handle: 3}, connect(1, esphome.Pair), &esphome.SetParams{Address: addr(1)})
		v.want(&esphome.GATTError{Address: addr(1), Handle: 3, Error: -1},
			&esphome.PairResponse{Address: addr(1), Error: -1}, &esphome.SetParamsResponse{Address: addr(1), Error: -1})
		u.send(&esphome.ReadRequest{Address: addr(1), Handle: 3})
		u.wantWithin(time.Second, &esphome.ReadResponse{Address: addr(1), Handle: 3, Data: []byte{1}})
		u.conn.Close()
		v.wantWithin(time.Second, slots(2, 2))
		if n := l.adapters[0].Stats().Links; n != 0 {
			t.Errorf("%d links are up", n)
		}
	})
}

// TestOutOfSlots: the third device finds no slot.
func TestOutOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		l.device(2)
		l.device(3)
		time.Sleep(2 * time.Second)
		u.take()
		u.send(connect(2, esphome.ConnectWithoutCache), connect(3, esphome.ConnectWithoutCache))
		u.wantWithin(2*time.Second, slots(0, 2, 1, 2), down(3, 0x100), up(2), slots(0, 2, 1, 2))
	})
}

// TestSlotsOfOthers: links of the program itself reduce the limit.
func TestSlotsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 3, proxy.Config{MaxConnections: 2})
		u := l.user("first")
		u.send(&esphome.SubscribeSlots{})
		u.want(slots(2, 2))
		c, err := l.m.Establish(t.Context(), l.device(4).Address().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.m.Establish(t.Context(), l.device(5).Address().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		u.want(slots(1, 1))
		c.Close()
		d.Close()
		u.wantWithin(time.Second, slots(2, 2))
	})
}

// TestAbsentDevice: the answer to a disconnect does not wait for the controller, and an
// attempt ends with one answer.
func TestAbsentDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		u := l.user("first")
		u.send(connect(7, esphome.ConnectWithoutCache))
		u.wantWithin(5 * time.Second)
		u.send(connect(7, esphome.Disconnect))
		u.want(down(7, 0))
		u.send(connect(7, esphome.ConnectWithoutCache))
		u.wantWithin(30*time.Second, down(7, 0x85))
		u.wantWithin(time.Minute)
	})
}

// TestKilledDevice: the end of the link, with the reason that HCI gave.
func TestKilledDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d, u := connected(t)
		l.air.SetAway(d, true)
		u.wantWithin(10*time.Second, down(1, 8), slots(2, 2))
	})
}

// TestLostLinkAnswersOperations: the end of a link answers the operations that wait, and
// no answer follows it.
func TestLostLinkAnswersOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d, u := connected(t)
		l.air.SetAway(d, true)
		u.send(&esphome.ReadRequest{Address: addr(1), Handle: 3}, &esphome.ReadRequest{Address: addr(1), Handle: 6})
		u.wantWithin(20*time.Second, down(1, 8), slots(2, 2))
	})
}

// TestManyOperations: more than wait at a time are refused as busy, each once.
func TestManyOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, u := connected(t)
		for range 200 {
			u.send(&esphome.ReadRequest{Address: addr(1), Handle: 3})
		}
		time.Sleep(20 * time.Second)
		values, busy := 0, 0
		for _, m := range u.take() {
			switch m := m.(type) {
			case *esphome.ReadResponse:
				values++
			case *esphome.GATTError:
				if busy++; m.Error != 0x84 {
					t.Errorf("refused with %#x", m.Error)
				}
			}
		}
		if values+busy != 200 || values < 65 || busy == 0 {
			t.Errorf("%d values, %d refused", values, busy)
		}
	})
}

// TestParams changes parameters, and tells of those that no controller takes.
func TestParams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, u := connected(t)
		time.Sleep(5 * time.Second) // the link settles
		u.send(&esphome.SetParams{Address: addr(1), IntervalMin: 80, IntervalMax: 80, Timeout: 600})
		u.wantWithin(3*time.Second, &esphome.SetParamsResponse{Address: addr(1)})
		u.send(&esphome.SetParams{Address: addr(1), IntervalMin: 80, IntervalMax: 8, Timeout: 600})
		u.wantWithin(time.Second, &esphome.SetParamsResponse{Address: addr(1), Error: 0x85})
	})
}

// TestPairing pairs a device that can, and forgets the bond.
func TestPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		lamp := sim.Lamp()
		p, err := l.air.NewPeripheral(t.Context(), lamp)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		time.Sleep(2 * time.Second)
		a := esphome.Address(0xC0FFEE000003)
		request := func(rt esphome.RequestType) *esphome.DeviceRequest {
			return &esphome.DeviceRequest{Address: a, Type: rt, HasKind: true, Kind: 1}
		}
		u := l.user("first")
		u.send(request(esphome.ConnectWithoutCache))
		time.Sleep(2 * time.Second)
		u.take()
		for range 2 {
			u.send(request(esphome.Pair))
			u.wantWithin(3*time.Second, &esphome.PairResponse{Address: a, Paired: true})
		}
		u.send(request(esphome.Unpair))
		u.want(&esphome.UnpairResponse{Address: a, Success: true})
		u.send(request(esphome.ClearCache))
		u.want(&esphome.ClearCacheResponse{Address: a, Success: true})
	})
}

// TestRefusedDevices: lists of the proxy, requests without the kind of the address, and
// numbers that are no address.
func TestRefusedDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{Allow: []hci.MAC{macOf(1), macOf(2)}, Deny: []hci.MAC{macOf(2)}})
		l.device(1)
		time.Sleep(2 * time.Second)
		u := l.user("first")
		u.send(
			&esphome.DeviceRequest{Address: addr(1), Type: esphome.ConnectWithCache},
			&esphome.DeviceRequest{Address: 1 << 50, Type: esphome.ConnectWithCache, HasKind: true},
			&esphome.DeviceRequest{Address: addr(1), Type: esphome.ConnectV1, HasKind: true},
			&esphome.DeviceRequest{Address: addr(1), Type: 99, HasKind: true},
			connect(2, esphome.ConnectWithCache), // on both lists
			connect(3, esphome.ConnectWithCache), // on none
		)
		u.want(down(1, 0x85), &esphome.DeviceConnection{Address: 1 << 50, Error: 0x85}, down(1, 0x85), down(1, 0x85), down(2, 0x85), down(3, 0x85))
	})
}

// TestStop: the proxy takes leave, and ends the links of its clients.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		l.stop()
		got := u.take()
		if len(got) == 0 || !isGoodbye(got[len(got)-1]) && !isGoodbye(got[0]) {
			t.Errorf("got\n%s", list(got))
		}
		if n := l.adapters[0].Stats().Links; n != 0 {
			t.Errorf("%d links are up", n)
		}
		if c, err := l.m.Establish(t.Context(), "C0:FE:00:00:00:01/random", nil); err != nil {
			t.Errorf("the Manager does not serve its program any more: %v", err)
		} else if v, err := c.Read(t.Context(), gatt.UUID16(0x180F), gatt.UUID16(0x2A19)); err != nil || v[0] != 1 {
			t.Error(v, err)
		} else {
			c.Close()
		}
	})
}

func isGoodbye(m esphome.Message) bool { _, ok := m.(*esphome.DisconnectRequest); return ok }

// TestNotificationsFollowTheAnswer: whatever the scheduler does, values that the device
// sends at once come after the answer, and none after the answer to the end of it.
func TestNotificationsFollowTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d, u := connected(t)
		u.send(connect(1, esphome.Disconnect))
		time.Sleep(time.Second)
		l.air.SetTemper(d.Peer(), sim.Temper{Notifications: []sim.Notification{{After: time.Second, Every: 20 * time.Millisecond, Handle: 3, Value: []byte{9}}}})
		u.send(connect(1, esphome.ConnectWithCache))
		time.Sleep(2 * time.Second)
		u.take()
		on := false
		for i := range 400 {
			u.send(&esphome.NotifyRequest{Address: addr(1), Handle: 3, Enable: i%2 == 0})
			time.Sleep(time.Duration(100+i) * time.Millisecond)
			for _, m := range u.take() {
				switch m.(type) {
				case *esphome.NotifyResponse:
					on = !on
				case *esphome.NotifyData:
					if !on {
						t.Fatalf("round %d: a value while notifications are off", i)
					}
				}
			}
			if want := i%2 == 0; on != want {
				t.Fatalf("round %d: no answer", i)
			}
		}
	})
}

// TestForgetAbsurdDevices: what is no address, and devices that nobody may use, are not
// mistaken for others.
func TestForgetAbsurdDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{Deny: []hci.MAC{macOf(2)}})
		u := l.user("first")
		for _, a := range []esphome.Address{1<<50 | addr(1), addr(2)} {
			u.send(&esphome.DeviceRequest{Address: a, Type: esphome.Unpair})
			u.want(&esphome.UnpairResponse{Address: a, Error: 0x85})
			u.send(&esphome.DeviceRequest{Address: a, Type: esphome.ClearCache})
			u.want(&esphome.ClearCacheResponse{Address: a, Error: 0x85})
		}
	})
}

// TestLargeService: the table of a device that no frame holds costs the client nothing
// but the table.
func TestLargeService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		def := gatt.ServiceDef{UUID: gatt.UUID16(0x180F)}
		for range 2500 {
			def.Characteristics = append(def.Characteristics, gatt.CharDef{UUID: uuid.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Properties: gatt.PropRead})
		}
		l.air.NewDevice(&sim.DeviceConfig{Name: "large", Address: hci.Addr{MAC: macOf(1), Kind: hci.AddrRandom}, Table: sim.NewTable(def)})
		time.Sleep(2 * time.Second)
		u := l.user("first")
		u.send(connect(1, esphome.ConnectWithoutCache))
		time.Sleep(20 * time.Second)
		u.take()
		u.send(&esphome.ServicesRequest{Address: addr(1)})
		u.wantWithin(29*time.Second, &esphome.GATTError{Address: addr(1), Error: 0x85})
		u.send(&esphome.PingRequest{})
		u.want(&esphome.PingResponse{})
	})
}

// slowStore takes a second to remove a bond.
type slowStore struct{ smp.Store }

func (s slowStore) Remove(a hci.Addr) error {
	time.Sleep(time.Second)
	return s.Store.Remove(a)
}

// TestManyUnpairs: few of a client's requests to remove bonds run at a time, and the
// others are refused as busy. The removals of an adapter take turns.
func TestManyUnpairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLabWith(t, 1, 2, proxy.Config{}, &smp.Config{Store: func(local smp.Local) (smp.Store, error) {
			s, err := smp.Memory()(local)
			return slowStore{s}, err
		}})
		u := l.user("first")
		for range 100 {
			u.send(&esphome.DeviceRequest{Address: addr(1), Type: esphome.Unpair})
		}
		if got := u.take(); len(got) != 84 || !reflect.DeepEqual(got[0], &esphome.UnpairResponse{Address: addr(1), Error: 0x84}) {
			t.Errorf("%d are refused at once", len(got))
		}
		time.Sleep(40 * time.Second)
		if got := u.take(); len(got) != 16 || !reflect.DeepEqual(got[0], &esphome.UnpairResponse{Address: addr(1), Success: true}) {
			t.Errorf("%d are answered: %s", len(got), list(got))
		}
	})
}
