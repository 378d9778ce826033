package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/remote"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an air with devices, and proxies on it.
type lab struct {
	t   *testing.T
	air *sim.Air

	mu      sync.Mutex
	servers map[string]func(net.Conn) // by the target of the address
	dials   int
	wrap    func(net.Conn) net.Conn // applied to the client's end
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, air: sim.New(&sim.Config{Seed: 1}), servers: map[string]func(net.Conn){}}
	t.Cleanup(func() { l.air.Close() })
	return l
}

// dial connects to a proxy of the lab.
func (l *lab) dial(_ context.Context, _, target string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dials++
	serve := l.servers[target]
	if serve == nil {
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	serve(a)
	if l.wrap != nil {
		return l.wrap(b), nil
	}
	return b, nil
}

func (l *lab) serve(target string, f func(net.Conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[target] = f
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

// board is a machine with a controller on the air, and a proxy on it.
type board struct {
	l          *lab
	name       string
	slots      int
	key        *esphome.Key
	controller *sim.Controller
	m          *connmgr.Manager
	stop       func() // ends the proxy, and waits for its end
}

// board starts a proxy.
func (l *lab) board(name string, slots int, key *esphome.Key) *board {
	l.t.Helper()
	b := &board{l: l, name: name, slots: slots, key: key, controller: l.air.NewController(&sim.ControllerConfig{Name: name})}
	b.start()
	l.t.Cleanup(func() { b.stop() })
	return b
}

// start starts the proxy, for the first time or again.
func (b *board) start() {
	b.l.t.Helper()
	pairing := &smp.Config{}
	m, err := connmgr.Open(b.l.t.Context(), &connmgr.Config{
		Kinds: []connmgr.Kind{{Open: b.l.air.OpenTransport}}, Adapters: []string{b.name},
		Slots: map[string]int{b.name: b.slots}, Pairing: pairing,
	})
	if err != nil {
		b.l.t.Fatal(err)
	}
	b.m = m
	s, err := proxy.New(m, &proxy.Config{Name: b.name, MAC: hci.MAC{byte(len(b.name)), 0, 0, 0, 0xEE, 2}, Key: b.key, Version: "1"})
	if err != nil {
		b.l.t.Fatal(err)
	}
	p := &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, p) }()
	b.l.serve(b.name+":6053", func(c net.Conn) { p.conns <- c })
	b.stop = sync.OnceFunc(func() {
		b.l.serve(b.name+":6053", nil)
		cancel()
		if err := <-done; err != nil {
			b.l.t.Error(err)
		}
		m.Close()
	})
}

// manager opens a Manager whose adapters are proxies, or controllers on the air.
func (l *lab) manager(cfg connmgr.Config) *connmgr.Manager {
	l.t.Helper()
	m, err := l.tryManager(cfg, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

func (l *lab) tryManager(cfg connmgr.Config, key *esphome.Key) (*connmgr.Manager, error) {
	cfg.Kinds = []connmgr.Kind{
		{Open: l.air.OpenTransport},
		remote.ESPHome(&remote.Config{Dial: l.dial, Key: func(string) (*esphome.Key, error) { return key, nil }}),
	}
	m, err := connmgr.Open(l.t.Context(), &cfg)
	if err == nil {
		l.t.Cleanup(func() { m.Close() })
	}
	return m, err
}

var (
	battery    = gatt.UUID16(0x180F)
	level      = gatt.UUID16(0x2A19)
	deviceName = gatt.UUID16(0x2A00)
	longValue  = gatt.UUID16(0x2A50)
	counter    = gatt.UUID16(0x2A1C)
)

func addrOf(n byte) hci.Addr {
	return hci.Addr{MAC: hci.MAC{n, 0, 0, 0, 0xFE, 0xC0}, Kind: hci.AddrRandom}
}

// device puts a device on air: a battery whose level is n.
func (l *lab) device(n byte) *sim.Device {
	return l.air.NewDevice(deviceConfig(n))
}

func deviceConfig(n byte) *sim.DeviceConfig {
	long := make([]byte, 400)
	for i := range long {
		long[i] = byte(i)
	}
	return &sim.DeviceConfig{
		Name: fmt.Sprintf("d%d", n), Address: addrOf(n),
		Table: sim.NewTable(
			gatt.ServiceDef{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{
				{UUID: longValue, Properties: gatt.PropRead | gatt.PropWrite, Value: long},
			}},
			gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
				{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{n}},
				{UUID: deviceName, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse, Value: []byte("old")},
				{UUID: counter, Properties: gatt.PropIndicate},
			}},
			sim.GenericAttribute(true, true),
		),
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
