package remote_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/remote"
)

// TestCacheOfTheProxy: the second link to a device uses the cache of the proxy and asks for no
// services; after ClearCache the proxy has to clear its own.
func TestCacheOfTheProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		use := func(clear bool) {
			t.Helper()
			c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != 42 {
				t.Errorf("read %x, %v", v, err)
			}
			if clear {
				c.ClearCache()
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		want := func(services int, types ...esphome.RequestType) {
			t.Helper()
			if got, n := f.connects(); !slices.Equal(got, types) || n != services {
				t.Errorf("requests %v and %d for services, want %v and %d", got, n, types, services)
			}
		}
		use(false)
		want(1, esphome.ConnectWithoutCache, esphome.Disconnect)
		use(false)
		want(1, esphome.ConnectWithCache, esphome.Disconnect) // the services are compared
		use(true)
		want(1, esphome.ConnectWithCache, esphome.ClearCache, esphome.Disconnect)
		use(false)
		want(1, esphome.ConnectWithoutCache, esphome.Disconnect)
		// A proxy that has lost its table shows none, and is asked without the cache then.
		f.change(func() {
			f.answer = func(f *fake, m esphome.Message) bool {
				r, ok := m.(*esphome.ServicesRequest)
				if ok {
					f.answer = nil
					f.send(&esphome.ServicesDone{Address: r.Address})
				}
				return ok
			}
		})
		use(false)
		want(2, esphome.ConnectWithCache, esphome.Disconnect, esphome.ConnectWithoutCache, esphome.Disconnect)
	})
}

// TestRefusals: the numbers with which a proxy refuses a link have the waits of their words.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		number   int32
		word     string
		category errclass.Category
		gap      time.Duration
		attempts int
	}{
		{0x100, "ESP_GATT_CONN_CONN_CANCEL", errclass.Aborted, 4 * time.Second, 9},
		{0x85, "ESP_GATT_ERROR", errclass.Aborted, time.Second, 4},
		{0x3E, "ESP_GATT_CONN_FAIL_ESTABLISH", errclass.Aborted, 500 * time.Millisecond, 9},
		{0x08, "ESP_GATT_CONN_TIMEOUT", errclass.Aborted, 500 * time.Millisecond, 4},
		{0x13, "ESP_GATT_CONN_TERMINATE_PEER_USER", errclass.Aborted, 250 * time.Millisecond, 9},
		{0x16, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST", errclass.Aborted, 250 * time.Millisecond, 9},
		{0x22, "ESP_GATT_CONN_LMP_TIMEOUT", errclass.Connection, 100 * time.Millisecond, 4},
		{0x101, "ESP_GATT_CONN_NONE", errclass.Connection, 100 * time.Millisecond, 4},
		{0, "Disconnected", errclass.Connection, 0, 4},
		{4711, "ESP_GATT_CONN_UNKNOWN", errclass.Connection, 100 * time.Millisecond, 4},
	} {
		t.Run(tt.word, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				f := l.fake(&fake{answer: refuse(tt.number)})
				_, err := l.fakeManager().Establish(within(t, 100*time.Second), addrOf(1).String(), nil)
				refused, ok := errors.AsType[*remote.Error](err)
				if !ok || refused.Number != tt.number || refused.Proxy != "fake" || !strings.Contains(err.Error(), tt.word) {
					t.Fatalf("got %v", err)
				}
				last := err.(*connmgr.EstablishError).Attempts
				if c := last[len(last)-1].Class; c.Category != tt.category {
					t.Errorf("class %+v", c)
				}
				if len(f.times) != tt.attempts || f.times[1] != tt.gap {
					t.Errorf("connects at %v, want %d with gaps of %v", f.times, tt.attempts, tt.gap)
				}
			})
		})
	}
}

// TestOutOfSlots: a proxy without a free slot is asked for no link, and a freed slot is used
// at once.
func TestOutOfSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{limit: 1})
		f.held[7] = true // of another client
		m := l.fakeManager()
		if a := m.Slots().Usage("esphome:fake"); a.Free != 0 {
			t.Errorf("usage %+v", a)
		}
		time.Sleep(time.Second) // until the host scans
		f.connects()
		begin := time.Now()
		time.AfterFunc(7*time.Second, func() {
			f.change(func() {
				delete(f.held, 7)
				f.send(f.slots())
			})
		})
		f.advertise(2, 1, 6)
		c, err := m.Establish(within(t, 60*time.Second), addrOf(1).String(), nil)
		if err != nil || time.Since(begin) != 7*time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		if u := m.Slots().Usage("esphome:fake"); u.Slots != 1 || u.Used != 1 || u.Free != 0 {
			t.Errorf("usage %+v", u)
		}
		if types, _ := f.connects(); !slices.Equal(types, []esphome.RequestType{esphome.ConnectWithoutCache}) {
			t.Errorf("requests %v", types)
		}
		c.Close()
		if u := m.Slots().Usage("esphome:fake"); u.Free != 1 {
			t.Errorf("usage %+v", u)
		}
	})
}

// TestConfiguredSlots: the number of Config.Slots bounds that of the proxy from the first dial on.
func TestConfiguredSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.manager(connmgr.Config{Adapters: []string{"esphome:fake"}, Slots: map[string]int{"esphome:fake": 1}})
		most := 0
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for e := range m.Events(ctx) {
				if s, ok := e.(connmgr.SlotsChanged); ok {
					most = max(most, s.Used+int(s.Free))
				}
			}
		}()
		for range 50 {
			f.mu.Lock()
			f.conn.Close() // the adapter is opened again
			f.mu.Unlock()
			synctest.Wait()
			for n := range byte(3) {
				c, err := m.Establish(within(t, time.Minute), addrOf(n+1).String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
		}
		cancel()
		<-watched
		if most != 1 {
			t.Errorf("there were %d slots, want 1", most)
		}
	})
}

// TestNotConnected: a proxy that fails an operation because the device is not connected is asked to end the link
// whose end it has not told, so that it keeps no slot.
func TestNotConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.connects()
		f.change(func() {
			f.answer = func(f *fake, m esphome.Message) bool {
				r, ok := m.(*esphome.ReadRequest)
				if ok {
					f.send(&esphome.GATTError{Address: r.Address, Handle: r.Handle, Error: -1})
				}
				return ok
			}
		})
		begin := time.Now()
		if _, err := c.Read(within(t, 10*time.Second), battery, level); err == nil || time.Since(begin) != 0 {
			t.Errorf("read: %v after %v", err, time.Since(begin))
		}
		<-c.Done()
		if types, _ := f.connects(); !slices.Equal(types, []esphome.RequestType{esphome.Disconnect}) {
			t.Errorf("requests %v", types)
		}
		f.change(func() {
			if len(f.held) != 0 {
				t.Errorf("the proxy still has the links %v", f.held)
			}
		})
		if u := m.Slots().Usage("esphome:fake"); u.Slots != 3 || u.Free != 3 {
			t.Errorf("usage %+v", u)
		}
	})
}

// TestPairOfALostLink: a pairing ends with its link.
func TestPairOfALostLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.change(func() {
			f.answer = func(f *fake, m esphome.Message) bool {
				r, ok := m.(*esphome.DeviceRequest)
				if !ok || r.Type != esphome.Pair && r.Type != esphome.Unpair {
					return false
				}
				if r.Type == esphome.Pair {
					delete(f.held, r.Address)
					f.send(&esphome.DeviceConnection{Address: r.Address, Error: 0x13}, f.slots())
				}
				return true
			}
		})
		p := m.Adapter("esphome:fake").Proxy()
		unpaired := make(chan error, 1)
		go func() { unpaired <- p.Unpair(within(t, 2*time.Minute), addrOf(1).MAC) }()
		synctest.Wait()
		begin := time.Now()
		err = p.Pair(within(t, time.Minute), addrOf(1).MAC)
		if err == nil || !strings.Contains(err.Error(), "has ended") || time.Since(begin) != 0 {
			t.Errorf("paired: %v after %v", err, time.Since(begin))
		}
		<-c.Done()
		if err := p.Pair(within(t, time.Minute), addrOf(1).MAC); err == nil || time.Since(begin) != 0 {
			t.Errorf("without a link: %v after %v", err, time.Since(begin))
		}
		// The removal of a bond needs no link, and is given up after a time.
		if err := <-unpaired; err == nil || time.Since(begin) != time.Minute {
			t.Errorf("unpaired: %v after %v", err, time.Since(begin))
		}
	})
}

// TestNoConnections: a proxy that forwards advertisements alone.
func TestNoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{flags: esphome.FlagPassiveScan | esphome.FlagRawAdvertisements | esphome.FlagScannerState})
		m := l.fakeManager()
		time.Sleep(time.Second) // until the host scans
		f.advertise(2, 1, 6)
		d, err := m.WaitFor(within(t, 10*time.Second), addrOf(1).String())
		if err != nil || d.Adapter != "esphome:fake" || d.RSSI != -50 {
			t.Errorf("%+v, %v", d, err)
		}
		_, err = m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if !errors.Is(err, remote.ErrNoConnections) {
			t.Errorf("got %v", err)
		}
	})
}

// TestKindOfAddress: a device whose kind of address is not known is asked for with the kind
// of its reports.
func TestKindOfAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.manager(connmgr.Config{Adapters: []string{"esphome:fake"}, DisableScan: true})
		f.connects()
		time.AfterFunc(time.Second, func() {
			f.send(&esphome.Advertisements{Reports: []esphome.Advertisement{{Address: 0x112233445566, RSSI: -50, Kind: 1, Data: []byte{2, 1, 6}}}})
		})
		begin := time.Now()
		c, err := m.Establish(within(t, 10*time.Second), "11:22:33:44:55:66", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.Address().Kind != hci.AddrRandom || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", c.Address(), time.Since(begin))
		}
	})
}

// TestLateEnd: the end of an earlier link does not end a dial that has not asked the proxy yet.
func TestLateEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.manager(connmgr.Config{Adapters: []string{"esphome:fake"}, DisableScan: true})
		const address = esphome.Address(0x112233445566)
		time.AfterFunc(time.Second, func() { f.send(&esphome.DeviceConnection{Address: address}) })
		begin := time.Now()
		c, err := m.Establish(within(t, time.Minute), "11:22:33:44:55:66", nil) // of an unknown kind
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("connected after %v, want the two seconds for a report of the device", d)
		}
		c.Close()
	})
}

// TestReports: advertisements of all lengths, with and without scan responses.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		time.Sleep(time.Second) // until the host scans
		name := append([]byte{6, 9}, "attic"...)
		long := append([]byte{2, 1, 6, 249, 0xFF}, make([]byte, 248)...)
		for _, r := range []esphome.Advertisement{
			{Address: 1, RSSI: -60, Data: []byte{2, 1, 6}}, {Address: 1, RSSI: -60, Data: name},
			{Address: 2, RSSI: -127, Data: long}, {Address: 2, RSSI: -127, Kind: 9, Data: name}, {Address: 1 << 50, Data: name},
		} {
			f.send(&esphome.Advertisements{Reports: []esphome.Advertisement{r}})
		}
		time.Sleep(time.Second)
		d := m.Devices()
		if len(d) != 2 {
			t.Fatalf("devices %+v", d)
		}
		slices.SortFunc(d, func(a, b connmgr.Device) int { return int(a.Addr.MAC[0]) - int(b.Addr.MAC[0]) })
		if d[0].Name != "attic" || string(d[0].Data) != "\x02\x01\x06" || string(d[0].Response) != string(name) || d[0].RSSI != -60 {
			t.Errorf("device %+v", d[0])
		}
		if string(d[1].Data) != string(long) || d[1].RSSI != connmgr.NoRSSI {
			t.Errorf("device %+v", d[1])
		}
	})
}

// TestRequestsOutliveInitiations: a dial that ends soon after the first leaves the request of the other
// device alone.
func TestRequestsOutliveInitiations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{answer: func(_ *fake, m esphome.Message) bool {
			r, ok := m.(*esphome.DeviceRequest)
			return ok && r.Type != esphome.Disconnect && r.Address == fakeAddress+1 // is away
		}})
		m := l.fakeManager()
		f.connects()
		away := make(chan error, 1)
		go func() {
			_, err := m.Establish(within(t, 15*time.Second), addrOf(2).String(), &connmgr.Options{MaxAttempts: -1})
			away <- err
		}()
		time.Sleep(time.Second)
		for range 3 {
			c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-away; err == nil {
			t.Error("no error")
		}
		time.Sleep(time.Second)
		types, _ := f.connects()
		n := 0
		for _, r := range types {
			if r == esphome.Disconnect {
				n++
			}
		}
		// Three links and one request, each ended once, and asked for once.
		if len(types) != 8 || n != 4 {
			t.Errorf("requests %v", types)
		}
	})
}

// TestFlood: a proxy that sends values faster than the host takes them is held back, and none
// is lost.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.fakeManager()
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const values = 50_000
		sub, err := c.Subscribe(t.Context(), battery, level, &gatt.SubscribeOptions{Queue: values})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range values / 100 {
				var ms []esphome.Message
				for range 100 {
					ms = append(ms, &esphome.NotifyData{Address: fakeAddress, Handle: 3, Data: []byte{1}})
				}
				f.send(ms...)
			}
		}()
		for range values {
			if v, err := sub.Next(within(t, 10*time.Second)); err != nil || v.Dropped != 0 {
				t.Fatalf("%+v, %v", v, err)
			}
		}
	})
}

// TestLegacyCommands: a host without the extended commands scans and connects, and takes apart
// the data that a board has joined of an advertisement and a scan response.
func TestLegacyCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{})
		m := l.manager(connmgr.Config{
			Adapters: []string{"esphome:fake"}, Host: host.Config{HCI: controller.Config{DisableExtended: true}},
		})
		time.Sleep(time.Second)
		first := append([]byte{2, 1, 6, 24, 0xFF}, make([]byte, 23)...)
		f.advertise(append(first, "\x06\x09attic"...)...)
		time.Sleep(time.Second)
		d := m.Devices()
		if len(d) != 1 || d[0].Name != "attic" || string(d[0].Data) != string(first) || len(d[0].Response) != 7 {
			t.Errorf("devices %+v", d)
		}
		c, err := m.Establish(within(t, 10*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := c.Read(t.Context(), battery, level); err != nil || v[0] != 42 {
			t.Errorf("%x, %v", v, err)
		}
		c.Close()
	})
}
