package host_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	service  = gatt.UUID16(0x180F)
	level    = gatt.UUID16(0x2A19)
	control  = gatt.UUID16(0x2B00)
	setValue = gatt.UUID16(0x2B01)
)

// pair is a central and a peripheral on one air, each with the whole stack.
type pair struct {
	air                 *sim.Air
	central, peripheral *host.Host
	ctl, peer           *sim.Controller
	server              *gatt.Server
	written             chan []byte
}

func newPair(t *testing.T, cc, pc *sim.ControllerConfig) *pair {
	t.Helper()
	p := &pair{air: sim.New(&sim.Config{Seed: 1}), written: make(chan []byte, 100)}
	t.Cleanup(func() { p.air.Close() })
	p.ctl, p.peer = p.air.NewController(cc), p.air.NewController(pc)
	srv, err := gatt.NewServer(&gatt.ServerConfig{Name: "sensor", Services: []gatt.ServiceDef{{
		UUID: service,
		Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{77}},
			{UUID: control, Properties: gatt.PropRead | gatt.PropWrite, Value: bytes.Repeat([]byte("long "), 60)},
			{UUID: setValue, Properties: gatt.PropWriteWithoutResponse | gatt.PropWrite,
				Write: func(_ context.Context, r *gatt.WriteRequest) error { p.written <- bytes.Clone(r.Value); return nil }},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p.server = srv
	t.Cleanup(srv.Close)
	p.central = openHost(t, p.ctl, nil)
	p.peripheral = openHost(t, p.peer, &host.Config{Server: srv})
	ad, err := (&hci.AdvFields{Name: "sensor"}).Append(nil, 31)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.peripheral.Advertise(t.Context(), &controller.AdvertiseOptions{Data: ad}); err != nil {
		t.Fatal(err)
	}
	return p
}

func openHost(t *testing.T, tr hci.Transport, cfg *host.Config) *host.Host {
	t.Helper()
	h, err := host.Open(t.Context(), tr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func (p *pair) addr() hci.Addr { return p.peripheral.Controller().Info().Address }

func (p *pair) connect(t *testing.T) *host.Conn {
	t.Helper()
	c, err := p.central.Connect(t.Context(), p.addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// controllers are the kinds of controller that the tests run on.
var controllers = map[string]*sim.ControllerConfig{
	"extended":                 nil,
	"legacy, one small buffer": {Legacy: true, ACLLen: 27, ACLNum: 1, MaxOctets: 27, NoScanWhileInitiating: true},
	"shared buffers":           {SharedBuffers: true},
}

func TestMainJob(t *testing.T) {
	for name, cfg := range controllers {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testMainJob(t, cfg) }) })
	}
}

func testMainJob(t *testing.T, cfg *sim.ControllerConfig) {
	p := newPair(t, cfg, cfg)
	sc, err := p.central.Scan(t.Context(), &controller.ScanOptions{Filter: &controller.ScanFilter{Name: "sensor"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := sc.Next(t.Context())
	if err != nil || r.Addr != p.addr() || !r.Connectable || r.Name() != "sensor" {
		t.Fatalf("report %+v, %v", r, err)
	}
	c := p.connect(t)
	sc.Close()
	g := c.GATT()
	if mtu, err := g.ExchangeMTU(t.Context()); mtu != 517 || err != nil {
		t.Fatalf("MTU %d, %v", mtu, err)
	}
	profile, err := g.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(profile.Services) != 3 {
		t.Errorf("discovered %+v", profile)
	}
	if v, err := g.Read(t.Context(), service, level); err != nil || !bytes.Equal(v, []byte{77}) {
		t.Errorf("read % x, %v", v, err)
	}
	if v, err := g.Read(t.Context(), service, control); err != nil || len(v) != 300 {
		t.Errorf("long read of %d octets, %v", len(v), err)
	}
	ch, err := g.Char(t.Context(), service, setValue)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Write(t.Context(), []byte("hello")); err != nil {
		t.Error(err)
	}
	if got := <-p.written; string(got) != "hello" {
		t.Errorf("the peer got %q", got)
	}
	for range 20 {
		if err := ch.WriteNoResponse(t.Context(), []byte("again")); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if got := <-p.written; string(got) != "again" {
			t.Errorf("the peer got %q", got)
		}
	}
	lv, err := g.Char(t.Context(), service, level)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := lv.Subscribe(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := p.server.Handle(service, level)
	for i := range 5 {
		if n, err := p.server.Notify(t.Context(), h, []byte{byte(i)}); n != 1 || err != nil {
			t.Fatalf("notified %d, %v", n, err)
		}
	}
	for i := range 5 {
		if v, err := sub.Next(t.Context()); err != nil || !bytes.Equal(v.Data, []byte{byte(i)}) {
			t.Errorf("notification %d: %+v, %v", i, v, err)
		}
	}
	want := hci.ConnParams{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Latency: 2, Timeout: 5 * time.Second}
	got, err := c.Link().Update(t.Context(), want)
	if err != nil || got != (hci.ConnParamsInUse{Interval: 100 * time.Millisecond, Latency: 2, Timeout: 5 * time.Second}) || c.Link().State().Params != got {
		t.Errorf("parameters %+v, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	var de *controller.DisconnectError
	if !errors.As(c.Err(), &de) || !de.Local || de.Reason != hci.StatusLocalHostTerminated {
		t.Errorf("the link ended with %v", c.Err())
	}
	if _, err := sub.Next(t.Context()); !errors.As(err, &de) {
		t.Errorf("the subscription ended with %v", err)
	}
}

func TestTuningIsAskedForAndHarmless(t *testing.T) {
	synctest.Test(t, testTuningIsAskedForAndHarmless)
}

func testTuningIsAskedForAndHarmless(t *testing.T) {
	p := newPair(t, nil, nil)
	c := p.connect(t)
	time.Sleep(2 * time.Second)
	if s := c.Link().State(); s.TX != hci.PHY2M || s.RX != hci.PHY2M || s.MaxTX != 251 || s.MaxRX != 251 {
		t.Errorf("link state %+v, want 2M and 251 octets", s)
	}
	p.ctl.Fault(sim.CommandFault{Opcode: hci.OpLESetPHY, Times: sim.Always, NoAnswer: true, Ignore: true})
	if _, _, err := c.Link().SetPHY(t.Context(), hci.PHYs1M, hci.PHYs1M); !errors.Is(err, controller.ErrNoAnswer) {
		t.Errorf("got %v, want no answer", err)
	}
	if v, err := c.GATT().Read(t.Context(), service, level); err != nil || len(v) != 1 {
		t.Errorf("the link did not live on: % x, %v", v, err)
	}
}

func TestReasonOfTheEndIsKept(t *testing.T) { synctest.Test(t, testReasonOfTheEndIsKept) }

func testReasonOfTheEndIsKept(t *testing.T) {
	p := newPair(t, nil, nil)
	c := p.connect(t)
	remote, err := p.peripheral.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	var de *controller.DisconnectError
	if !errors.As(c.Err(), &de) || de.Local || !errors.Is(c.Err(), hci.StatusRemoteUserTerminated) {
		t.Errorf("closed by the peer: %v", c.Err())
	}
	c = p.connect(t)
	if _, err := c.GATT().Read(t.Context(), service, level); err != nil {
		t.Fatal(err)
	}
	p.air.SetAway(p.peer, true)
	begin := time.Now()
	_, err = c.GATT().Read(t.Context(), service, level)
	if !errors.Is(err, hci.StatusConnectionTimeout) || time.Since(begin) > 5*time.Second {
		t.Errorf("out of range: %v after %v", err, time.Since(begin))
	}
}
