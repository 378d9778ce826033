package proxy_test

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an air with adapters and devices, and a proxy over the adapters.
type lab struct {
	t        *testing.T
	air      *sim.Air
	adapters []*sim.Controller
	m        *connmgr.Manager
	server   *proxy.Server
	pipe     *pipe
	stop     func() // ends the proxy, and waits for its end
}

var mac = hci.MAC{1, 0, 0, 0xEE, 0xFF, 2}

// newLab starts a proxy over n adapters, each of some slots.
func newLab(t *testing.T, n, slots int, cfg proxy.Config) *lab {
	t.Helper()
	return newLabWith(t, n, slots, cfg, nil)
}

// newLabWith is newLab with a Security Manager.
func newLabWith(t *testing.T, n, slots int, cfg proxy.Config, pairing *smp.Config) *lab {
	t.Helper()
	l := &lab{t: t, air: sim.New(&sim.Config{Seed: 1}), pipe: &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}}
	t.Cleanup(func() { l.air.Close() })
	mc := &connmgr.Config{Kinds: []connmgr.Kind{{Open: l.air.OpenTransport}}, Slots: map[string]int{}, PassiveScan: true, Pairing: pairing}
	for i := range n {
		name := fmt.Sprintf("hci%d", i)
		l.adapters = append(l.adapters, l.air.NewController(&sim.ControllerConfig{Name: name}))
		mc.Adapters = append(mc.Adapters, name)
		mc.Slots[name] = slots
	}
	var err error
	if l.m, err = connmgr.Open(t.Context(), mc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.m.Close() })
	cfg.Name, cfg.MAC, cfg.Version = "moor-test", mac, "0.1.0"
	if l.server, err = proxy.New(l.m, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.server.Serve(ctx, l.pipe) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// pipe is a listener in memory.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// user is a client of the proxy, which records the messages that it gets.
type user struct {
	l    *lab
	conn *esphome.Conn

	mu  sync.Mutex
	got []esphome.Message
}

// user connects a client.
func (l *lab) user(name string) *user {
	l.t.Helper()
	return l.userWithKey(name, nil)
}

// userWithKey is user for a proxy with a key.
func (l *lab) userWithKey(name string, key *esphome.Key) *user {
	l.t.Helper()
	a, b := net.Pipe()
	l.pipe.conns <- a
	conn, err := esphome.Connect(l.t.Context(), b, key)
	if err != nil {
		l.t.Fatal(err)
	}
	u := &user{l: l, conn: conn}
	l.t.Cleanup(func() { conn.Close() })
	go func() {
		for {
			m, err := conn.Read()
			if err != nil {
				return
			}
			if _, isPing := m.(*esphome.PingRequest); isPing {
				continue
			}
			u.mu.Lock()
			u.got = append(u.got, m)
			u.mu.Unlock()
		}
	}()
	u.send(&esphome.HelloRequest{Client: name, Major: 1, Minor: 14})
	u.want(&esphome.HelloResponse{Major: 1, Minor: 14, Server: "moor 0.1.0", Name: "moor-test"})
	return u
}

func (u *user) send(ms ...esphome.Message) {
	u.l.t.Helper()
	if err := u.conn.Write(ms...); err != nil {
		u.l.t.Fatal(err)
	}
}

// take returns the messages since the last call, without waiting for more than what
// happens at this instant.
func (u *user) take() []esphome.Message {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	got := u.got
	u.got = nil
	return got
}

// want checks the messages since the last call.
func (u *user) want(want ...esphome.Message) {
	u.l.t.Helper()
	got := u.take()
	if !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
		u.l.t.Errorf("got\n%swant\n%s", list(got), list(want))
	}
}

// wantWithin is want after a time.
func (u *user) wantWithin(d time.Duration, want ...esphome.Message) {
	u.l.t.Helper()
	time.Sleep(d)
	u.want(want...)
}

func list(ms []esphome.Message) (s string) {
	for _, m := range ms {
		s += fmt.Sprintf("  %T%+v\n", m, reflect.ValueOf(m).Elem())
	}
	return s
}

func macOf(n byte) hci.MAC { return hci.MAC{n, 0, 0, 0, 0xFE, 0xC0} }

// addr is device n's address as the protocol writes it.
func addr(n byte) esphome.Address { return 0xC0FE00000000 | esphome.Address(n) }

// device puts a device on air: a battery whose level is n, with notifications, and a
// name that can be written.
func (l *lab) device(n byte) *sim.Device {
	return l.air.NewDevice(&sim.DeviceConfig{
		Name: fmt.Sprintf("d%d", n), Address: hci.Addr{MAC: macOf(n), Kind: hci.AddrRandom},
		Table: sim.NewTable(gatt.ServiceDef{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{n}},
			{UUID: gatt.UUID16(0x2A00), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse, Value: []byte("old")},
		}}),
	})
}

func connect(n byte, t esphome.RequestType) *esphome.DeviceRequest {
	return &esphome.DeviceRequest{Address: addr(n), Type: t, HasKind: true, Kind: 1}
}

func slots(free, limit uint32, taken ...byte) *esphome.Slots {
	s := &esphome.Slots{Free: free, Limit: limit}
	for _, n := range taken {
		s.Allocated = append(s.Allocated, addr(n))
	}
	return s
}

func up(n byte) *esphome.DeviceConnection {
	return &esphome.DeviceConnection{Address: addr(n), Connected: true, MTU: 247}
}

func down(n byte, code int32) *esphome.DeviceConnection {
	return &esphome.DeviceConnection{Address: addr(n), Error: code}
}

// connected is a user with a link to device 1, over a proxy with two slots.
func connected(t *testing.T) (*lab, *sim.Device, *user) {
	l := newLab(t, 1, 2, proxy.Config{})
	d := l.device(1)
	time.Sleep(2 * time.Second)
	u := l.user("first")
	u.send(&esphome.SubscribeSlots{})
	u.want(slots(2, 2))
	u.send(connect(1, esphome.ConnectWithoutCache))
	u.want(slots(1, 2, 1))
	u.wantWithin(time.Second, up(1), slots(1, 2, 1))
	return l, d, u
}
