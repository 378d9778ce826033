package goble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/cmd"
	"github.com/go-ble/ble/linux/hci/evt"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

var provisioning = ble.MustParse("e081fec0-f757-4449-b9c9-bfa83133f7fc")

// background advertises until the test ends, and fails unless the call then returns
// the context's error itself.
func background(t *testing.T, advertise func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- advertise(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("advertising: %v", err)
		}
	})
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("advertising ended at once: %v", err)
	default:
	}
}

// dialService connects to the device that advertises a service, and discovers its table.
func dialService(t *testing.T, d *goble.Device, u ble.UUID) (ble.Client, *ble.Profile) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var found ble.Addr
	scan, stop := context.WithCancel(ctx)
	err := d.Scan(scan, false, func(a ble.Advertisement) {
		if found == nil && ble.Contains(a.Services(), u) {
			found = a.Addr()
			stop()
		}
	})
	if err != context.Canceled || found == nil {
		t.Fatalf("no device advertises %v: %v", u, err)
	}
	c, err := d.Dial(ctx, found)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func find(t *testing.T, p *ble.Profile, u uint16) *ble.Characteristic {
	t.Helper()
	c := p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(u)))
	if c == nil {
		t.Fatalf("no characteristic %04x", u)
	}
	return c
}

// receive returns the next value, which must arrive within ten seconds.
func receive(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("no value")
		return ""
	}
}

// TestPeripheral: a provisioning device, with commands in long writes, answers in
// notifications, a state to read, and indications.
func TestPeripheral(t *testing.T) { synctest.Test(t, testPeripheral) }

func testPeripheral(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	server := newDevice(t, air)
	svc := ble.NewService(provisioning)
	name := svc.NewCharacteristic(ble.UUID16(0xFF01))
	name.SetValue([]byte("box"))
	long := bytes.Repeat([]byte("0123456789"), 40)
	svc.NewCharacteristic(ble.UUID16(0xFF02)).HandleRead(ble.ReadHandlerFunc(func(req ble.Request, rsp ble.ResponseWriter) {
		rest := long[min(req.Offset(), len(long)):]
		if _, err := rsp.Write(make([]byte, rsp.Cap()+1)); err != io.ErrShortWrite {
			t.Errorf("too much was written: %v", err)
		}
		_, _ = rsp.Write(rest[:min(len(rest), rsp.Cap())])
	}))
	answers := make(chan []byte, 4)
	commands := svc.NewCharacteristic(ble.UUID16(0xFF03))
	commands.HandleWrite(ble.WriteHandlerFunc(func(req ble.Request, rsp ble.ResponseWriter) {
		if len(req.Data()) == 0 {
			rsp.SetStatus(ble.ErrInvalAttrValueLen)
			return
		}
		if req.Conn().RemoteAddr().String() == req.Conn().LocalAddr().String() {
			t.Error("the peer has the address of the device")
		}
		answers <- slices.Clone(req.Data())
	}))
	ended := make(chan error, 1)
	commands.HandleNotify(ble.NotifyHandlerFunc(func(_ ble.Request, n ble.Notifier) {
		for {
			select {
			case a := <-answers:
				if _, err := fmt.Fprintf(n, "%d of %d", len(a), n.Cap()); err != nil {
					t.Error(err)
				}
			case <-n.Context().Done():
				_, err := n.Write([]byte{1})
				ended <- err
				return
			}
		}
	}))
	confirmed := make(chan int, 1)
	svc.NewCharacteristic(ble.UUID16(0xFF04)).HandleIndicate(ble.NotifyHandlerFunc(func(_ ble.Request, n ble.Notifier) {
		sent, _ := n.Write(make([]byte, 1000))
		confirmed <- sent
	}))
	if err := server.AddService(svc); err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) error { return server.AdvertiseNameAndServices(ctx, "Gopher", provisioning) })

	c, p := dialService(t, newDevice(t, air), provisioning)
	if s := p.FindService(svc); s == nil || s.Handle != svc.Handle || s.EndHandle != svc.EndHandle || find(t, p, 0xFF01).ValueHandle != name.ValueHandle {
		t.Errorf("got %+v, the device says %+v", s, svc)
	}
	if mtu, err := c.ExchangeMTU(185); mtu != 185 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	if v, err := c.ReadCharacteristic(find(t, p, 0xFF01)); string(v) != "box" {
		t.Errorf("static value: %q, %v", v, err)
	}
	if v, err := c.ReadLongCharacteristic(find(t, p, 0xFF02)); !bytes.Equal(v, long) {
		t.Errorf("long value of %d octets: %v", len(v), err)
	}
	cmd := find(t, p, 0xFF03)
	if _, err := c.ReadCharacteristic(cmd); err != ble.ErrReadNotPerm {
		t.Errorf("a read without a handler: %v", err)
	}
	if err := c.WriteCharacteristic(cmd, nil, false); err != ble.ErrInvalAttrValueLen {
		t.Errorf("the handler's status: %v", err)
	}
	got := make(chan string, 4)
	if err := c.Subscribe(cmd, false, func(v []byte) { got <- string(v) }); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 182, 400} { // the last one in parts
		if err := c.WriteCharacteristic(cmd, make([]byte, n), false); err != nil {
			t.Fatal(err)
		}
		if v, want := receive(t, got), fmt.Sprintf("%d of 182", n); v != want {
			t.Errorf("answer %q, want %q", v, want)
		}
	}
	if err := c.WriteCharacteristic(cmd, make([]byte, 20), true); err != nil {
		t.Fatal(err)
	}
	if v := receive(t, got); v != "20 of 182" {
		t.Errorf("answer %q to a write without response", v)
	}
	if err := c.Unsubscribe(cmd, false); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a write after the end of the subscription: %v", err)
	}
	if err := c.Subscribe(find(t, p, 0xFF04), true, func(v []byte) { got <- fmt.Sprint(len(v)) }); err != nil {
		t.Fatal(err)
	}
	if n, v := <-confirmed, receive(t, got); n != 182 || v != "182" {
		t.Errorf("%d octets confirmed, %s received", n, v)
	}
	if err := c.Subscribe(cmd, false, func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	if err := c.CancelConnection(); err != nil {
		t.Fatal(err)
	}
	<-ended // with the link
}

// TestPeripheralBlocks: a handler that blocks stops neither another central nor a
// subscription of its own central.
func TestPeripheralBlocks(t *testing.T) { synctest.Test(t, testPeripheralBlocks) }

func testPeripheralBlocks(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	release := make(chan struct{})
	var connected, disconnected atomic.Int32
	server := newDevice(t, air, ble.OptConnectHandler(func(e evt.LEConnectionComplete) {
		connected.Add(1)
		if e.Role() != 1 || e.Status() != 0 || e.ConnInterval() == 0 || e.SupervisionTimeout() == 0 {
			t.Errorf("event % x", []byte(e))
		}
	}), ble.OptDisconnectHandler(func(e evt.DisconnectionComplete) {
		disconnected.Add(1)
		if e.Reason() != 0x13 {
			t.Errorf("reason %#x, want that of the remote user", e.Reason())
		}
	}))
	svc := ble.NewService(provisioning)
	svc.NewCharacteristic(ble.UUID16(0xFF01)).HandleRead(ble.ReadHandlerFunc(func(_ ble.Request, rsp ble.ResponseWriter) {
		<-release
		_, _ = rsp.Write([]byte("late"))
	}))
	ticks := svc.NewCharacteristic(ble.UUID16(0xFF02))
	ticks.SetValue([]byte("now"))
	ticks.HandleNotify(ble.NotifyHandlerFunc(func(_ ble.Request, n ble.Notifier) {
		for n.Context().Err() == nil {
			_, _ = n.Write([]byte("tick"))
			time.Sleep(time.Second)
		}
	}))
	if err := server.SetServices([]*ble.Service{svc}); err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) error { return server.AdvertiseNameAndServices(ctx, "Gopher", provisioning) })
	var clients []ble.Client
	got := make(chan string, 100)
	for i := range 3 {
		c, p := dialService(t, newDevice(t, air), provisioning)
		clients = append(clients, c)
		if err := c.Subscribe(find(t, p, 0xFF02), false, func(v []byte) { got <- fmt.Sprint(i, string(v)) }); err != nil {
			t.Fatal(err)
		}
		if v, err := c.ReadCharacteristic(find(t, p, 0xFF02)); string(v) != "now" {
			t.Errorf("central %d: %q, %v", i, v, err)
		}
		go func() {
			if v, err := c.ReadCharacteristic(find(t, p, 0xFF01)); string(v) != "late" {
				t.Errorf("central %d: %q, %v", i, v, err)
			}
		}()
	}
	time.Sleep(5 * time.Second)
	counts := map[string]int{}
	for range len(got) {
		counts[<-got]++
	}
	for i := range clients {
		if n := counts[fmt.Sprint(i, "tick")]; n < 5 {
			t.Errorf("central %d received %d values in 5 s while a handler blocked", i, n)
		}
	}
	close(release)
	synctest.Wait()
	time.Sleep(time.Second)
	if n := connected.Load(); n != 3 {
		t.Errorf("%d calls for 3 links", n)
	}
	for _, c := range clients {
		if err := c.CancelConnection(); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(2 * time.Second)
	if n := disconnected.Load(); n != 3 {
		t.Errorf("%d calls for the ends of 3 links", n)
	}
}

// TestAdvertisements: the exact octets that each call puts on air.
func TestAdvertisements(t *testing.T) { synctest.Test(t, testAdvertisements) }

func testAdvertisements(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	server, scanner := newDevice(t, air), newDevice(t, air)
	beacon := ble.MustParse("00010203-0405-0607-0809-0a0b0c0d0e0f")
	for _, test := range []struct {
		what           string
		advertise      func(context.Context) error
		data, response string
	}{
		{"name and services", func(ctx context.Context) error {
			return server.AdvertiseNameAndServices(ctx, "Box", ble.UUID16(0x180F), ble.UUID16(0x180A))
		}, "020106" + "05030f180a18" + "0409426f78", ""},
		{"long name", func(ctx context.Context) error {
			return server.AdvertiseNameAndServices(ctx, "Thermometer of the kitchen", provisioning)
		}, "020106" + "1107fcf73331a8bfc9b9494457f7c0fe81e0", "1b09546865726d6f6d65746572206f6620746865206b69746368656e"},
		{"name for the scan response", func(ctx context.Context) error {
			return server.AdvertiseNameAndServices(ctx, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9bc")
		}, "020106", "1d08" + strings.Repeat("61", 28)},
		{"too many services", func(ctx context.Context) error {
			return server.AdvertiseNameAndServices(ctx, "B", provisioning, beacon)
		}, "020106" + "1106fcf73331a8bfc9b9494457f7c0fe81e0" + "020942", ""},
		{"manufacturer", func(ctx context.Context) error { return server.AdvertiseMfgData(ctx, 0x0499, []byte{5, 6}) }, "05ff99040506", ""},
		{"service data", func(ctx context.Context) error {
			return server.AdvertiseServiceData16(ctx, 0xFCD2, []byte{0x40, 2})
		}, "0516d2fc4002", ""},
		{"iBeacon", func(ctx context.Context) error { return server.AdvertiseIBeacon(ctx, beacon, 1, 0x203, -59) },
			"1aff4c000215" + "000102030405060708090a0b0c0d0e0f" + "00010203c5", ""},
		{"another one", func(ctx context.Context) error { return server.Advertise(ctx, repeated{t, scanner}) },
			"020106" + "05ff99040506", ""},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		ended := make(chan error, 1)
		go func() { ended <- test.advertise(ctx) }()
		data, response := listen(ctx, t, scanner)
		if err := <-ended; err != context.DeadlineExceeded {
			t.Errorf("%s: %v", test.what, err)
		}
		cancel()
		if data != test.data || response != test.response {
			t.Errorf("%s: % s and % s, want %s and %s", test.what, data, response, test.data, test.response)
		}
	}
	quiet, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if data, _ := listen(quiet, t, scanner); data != "" {
		t.Errorf("%s on air after the end of the calls", data)
	}
}

// repeated is the advertisement of a program's own.
type repeated struct {
	*testing.T
	d *goble.Device
}

func (repeated) LocalName() string              { return "" }
func (repeated) ManufacturerData() []byte       { return []byte{0x99, 4, 5, 6} }
func (repeated) ServiceData() []ble.ServiceData { return nil }
func (repeated) Services() []ble.UUID           { return nil }
func (repeated) OverflowService() []ble.UUID    { return nil }
func (repeated) TxPowerLevel() int              { return 0 }
func (repeated) Connectable() bool              { return true }
func (repeated) SolicitedService() []ble.UUID   { return nil }
func (repeated) RSSI() int                      { return 0 }
func (repeated) Addr() ble.Addr                 { return hci.Addr{} }

// listen returns the last data and scan response on air until ctx ends, in hex.
func listen(ctx context.Context, t *testing.T, d *goble.Device) (data, response string) {
	t.Helper()
	sc, err := d.Host().Scan(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	for r, err := range sc.All(ctx) {
		if err != nil {
			break
		}
		data, response = fmt.Sprintf("%x", []byte(r.Data)), fmt.Sprintf("%x", []byte(r.Response))
	}
	return data, response
}

// TestPeripheralRefuses: errors name the value, and nothing changes.
func TestPeripheralRefuses(t *testing.T) { synctest.Test(t, testPeripheralRefuses) }

func testPeripheralRefuses(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	d := newDevice(t, air)
	odd := ble.NewService(ble.UUID{1, 2, 3})
	if err := d.AddService(odd); err == nil {
		t.Error("a UUID of three octets")
	}
	if err := d.SetServices([]*ble.Service{nil}); err == nil {
		t.Error("a nil service")
	}
	if err := d.AdvertiseMfgData(t.Context(), 1, make([]byte, 28)); !errors.Is(err, ble.ErrEIRPacketTooLong) {
		t.Errorf("28 octets of data: %v", err)
	}
	if err := d.AdvertiseIBeacon(t.Context(), ble.UUID16(1), 0, 0, 0); err == nil {
		t.Error("an iBeacon with a UUID of two octets")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.AdvertiseNameAndServices(ended, "x"); err != context.Canceled {
		t.Errorf("context has ended: %v", err)
	}
	if err := d.Option(ble.OptAdvParams(cmd.LESetAdvertisingParameters{AdvertisingIntervalMin: 0x20, AdvertisingType: 1})); err == nil {
		t.Error("directed advertising")
	}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	many, err := goble.NewManager(m)
	if err != nil {
		t.Fatal(err)
	}
	defer many.Stop()
	if err := many.AddService(ble.NewService(ble.UUID16(1))); !errors.Is(err, ble.ErrNotImplemented) {
		t.Errorf("on a Manager: %v", err)
	}
	if err := many.AdvertiseNameAndServices(t.Context(), "x"); !errors.Is(err, ble.ErrNotImplemented) {
		t.Errorf("on a Manager: %v", err)
	}
}
