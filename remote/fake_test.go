package remote_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
)

// fake is a proxy whose answers the test gives.
type fake struct {
	t     *testing.T
	turn  sync.Mutex // held while a message is answered; guards what the test changes
	flags esphome.ProxyFlags
	mute  bool // it confirms no subscription
	limit int
	// subscriber is whose subscription the fake has. As some firmware does, it answers no other one, not even of
	// the subscriber itself, and ends all links with the subscription.
	subscriber *esphome.Conn
	// answer answers a message; false leaves it to the fake.
	answer func(f *fake, m esphome.Message) bool

	mu    sync.Mutex
	conn  *esphome.Conn
	got   []esphome.Message
	held  map[esphome.Address]bool
	times []time.Duration // of the connects, since the first one
	first time.Time
}

const fakeAddress = esphome.Address(0xC0FE00000001)

// fakeTable is a battery.
var fakeTable = []esphome.Service{{Short: 0x180F, Handle: 1, Characteristics: []esphome.Characteristic{
	{Short: 0x2A19, Handle: 3, Properties: 0x12, Descriptors: []esphome.Descriptor{{Short: 0x2902, Handle: 4}}},
}}}

// fake starts a proxy of that kind as "fake".
func (l *lab) fake(f *fake) *fake {
	f.t = l.t
	if f.flags == 0 {
		f.flags = esphome.AllFlags
	}
	if f.limit == 0 {
		f.limit = 3
	}
	f.held = map[esphome.Address]bool{}
	l.serve("fake:6053", func(c net.Conn) { go f.serveConn(c) })
	return f
}

func (f *fake) serveConn(c net.Conn) {
	conn, err := esphome.Accept(context.Background(), c, nil, esphome.Identity{Name: "fake"})
	if err != nil {
		return
	}
	defer conn.Close()
	f.mu.Lock()
	f.conn = conn
	f.mu.Unlock()
	defer f.change(func() {
		if f.subscriber == conn {
			f.subscriber = nil
		}
	})
	for {
		m, err := conn.Read()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.got = append(f.got, m)
		f.mu.Unlock()
		f.change(func() {
			if f.answer == nil || !f.answer(f, m) {
				f.handle(m)
			}
		})
	}
}

// change changes the state between two messages.
func (f *fake) change(to func()) {
	f.turn.Lock()
	defer f.turn.Unlock()
	to()
}

func (f *fake) send(ms ...esphome.Message) {
	f.mu.Lock()
	conn := f.conn
	f.mu.Unlock()
	_ = conn.Write(ms...)
}

func (f *fake) slots() *esphome.Slots {
	s := &esphome.Slots{Limit: uint32(f.limit), Free: uint32(f.limit - len(f.held))}
	for a := range f.held {
		s.Allocated = append(s.Allocated, a)
	}
	return s
}

func (f *fake) handle(m esphome.Message) {
	switch m := m.(type) {
	case *esphome.HelloRequest:
		f.send(&esphome.HelloResponse{Major: 1, Minor: 14, Name: "fake"})
	case *esphome.DeviceInfoRequest:
		f.send(&esphome.DeviceInfoResponse{Name: "fake", MAC: "02:00:00:00:00:01", BluetoothMAC: "02:00:00:00:00:02", Proxy: f.flags})
	case *esphome.PingRequest:
		f.send(&esphome.PingResponse{})
	case *esphome.DisconnectRequest:
		f.send(&esphome.DisconnectResponse{})
	case *esphome.SubscribeAdvertisements:
		if !f.mute && f.subscriber == nil {
			f.mu.Lock()
			f.subscriber = f.conn
			f.mu.Unlock()
			f.send(&esphome.ScannerState{State: esphome.ScanRunning, Mode: esphome.ScanActive})
		}
	case *esphome.UnsubscribeAdvertisements:
		f.subscriber = nil
		for a := range f.held {
			delete(f.held, a)
			f.send(&esphome.DeviceConnection{Address: a, Error: 0x16}, f.slots())
		}
	case *esphome.SubscribeSlots:
		f.send(f.slots())
	case *esphome.DeviceRequest:
		f.request(m)
	case *esphome.ServicesRequest:
		f.send(&esphome.ServicesResponse{Address: m.Address, Services: fakeTable}, &esphome.ServicesDone{Address: m.Address})
	case *esphome.ReadRequest:
		f.send(&esphome.ReadResponse{Address: m.Address, Handle: m.Handle, Data: []byte{42}})
	case *esphome.NotifyRequest:
		f.send(&esphome.NotifyResponse{Address: m.Address, Handle: m.Handle})
	case *esphome.WriteDescriptorRequest:
		f.send(&esphome.WriteResponse{Address: m.Address, Handle: m.Handle})
	case *esphome.WriteRequest:
		f.send(&esphome.WriteResponse{Address: m.Address, Handle: m.Handle})
	case *esphome.SetParams:
		f.send(&esphome.SetParamsResponse{Address: m.Address})
	}
}

func (f *fake) request(m *esphome.DeviceRequest) {
	switch m.Type {
	case esphome.ConnectWithCache, esphome.ConnectWithoutCache:
		f.held[m.Address] = true
		f.send(f.slots(), &esphome.DeviceConnection{Address: m.Address, Connected: true, MTU: 247}, f.slots())
	case esphome.Disconnect:
		delete(f.held, m.Address)
		f.send(&esphome.DeviceConnection{Address: m.Address}, f.slots())
	case esphome.ClearCache:
		f.send(&esphome.ClearCacheResponse{Address: m.Address, Success: true})
	default: // it answers no others
	}
}

// refuse answers each connect by a number, and takes the times.
func refuse(number int32) func(*fake, esphome.Message) bool {
	return func(f *fake, m esphome.Message) bool {
		r, ok := m.(*esphome.DeviceRequest)
		if !ok || r.Type != esphome.ConnectWithCache && r.Type != esphome.ConnectWithoutCache {
			return false
		}
		f.mu.Lock()
		if f.first.IsZero() {
			f.first = time.Now()
		}
		f.times = append(f.times, time.Since(f.first))
		f.mu.Unlock()
		f.send(&esphome.DeviceConnection{Address: r.Address, Error: number})
		return true
	}
}

// connects returns the types of the requests about devices since the last call, and how
// often services were asked for.
func (f *fake) connects() (types []esphome.RequestType, services int) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.got {
		switch m := m.(type) {
		case *esphome.DeviceRequest:
			types = append(types, m.Type)
		case *esphome.ServicesRequest:
			services++
		}
	}
	f.got = nil
	return types, services
}

// subscriptions returns how many subscriptions to advertisements were asked for since the last call.
func (f *fake) subscriptions() (n int) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.got {
		if _, ok := m.(*esphome.SubscribeAdvertisements); ok {
			n++
		}
	}
	f.got = nil
	return n
}

// advertise reports an advertisement of device 1.
func (f *fake) advertise(data ...byte) {
	f.send(&esphome.Advertisements{Reports: []esphome.Advertisement{{Address: fakeAddress, RSSI: -50, Kind: 1, Data: data}}})
}

// fakeManager opens a Manager on the fake.
func (l *lab) fakeManager() *connmgr.Manager {
	l.t.Helper()
	return l.manager(connmgr.Config{Adapters: []string{"esphome:fake"}})
}
