package goble_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// radio is simulated air with sim's own devices, one controller, and a record of the
// commands to it and of the requests that reach devices.
type radio struct {
	air *sim.Air
	ctl *sim.Controller

	mu       sync.Mutex
	commands []hci.Params // guarded by mu, as all below
	requests []att.Opcode
	offer    uint16 // the MTU in the last request to exchange it
}

func newRadio(t *testing.T) *radio {
	t.Helper()
	r := &radio{}
	r.air = sim.New(&sim.Config{Seed: 1, Log: r.record})
	t.Cleanup(func() { r.air.Close() })
	r.ctl = r.air.NewController(&sim.ControllerConfig{Name: "hci0"})
	for _, cfg := range []*sim.PeripheralConfig{sim.Thermometer(), sim.HeartRateBelt(), sim.Lamp()} {
		p, err := r.air.NewPeripheral(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
	}
	return r
}

func (r *radio) record(e sim.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Kind == sim.LogToController && e.Node == "hci0" && e.Packet[0] == 1:
		if p, err := hci.ParseCommand(e.Packet[1:]); err == nil {
			r.commands = append(r.commands, p)
		}
	case e.Kind == sim.LogData && len(e.Packet) > 4 && e.Packet[2] == 4 && e.Packet[3] == 0 && e.Node != "hci0":
		if op := att.Opcode(e.Packet[4]); op.Kind() == att.KindRequest {
			r.requests = append(r.requests, op)
			if op == att.OpExchangeMTUReq {
				r.offer = binary.LittleEndian.Uint16(e.Packet[5:])
			}
		}
	}
}

// takeRequests returns the requests since the last call.
func (r *radio) takeRequests() []att.Opcode {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// takeOffer returns the MTU that the peer was offered since the last call; 0 if none.
func (r *radio) takeOffer() uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	offer := r.offer
	r.offer = 0
	return offer
}

// lastScan returns the parameters of the last scan.
func (r *radio) lastScan() (p hci.ScanningPHY) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range slices.Backward(r.commands) {
		if s, ok := c.(hci.LESetExtendedScanParameters); ok {
			return s.Scanning[0]
		}
	}
	return p
}

// manager returns a Device on a Manager over the radio.
func (r *radio) manager(t *testing.T, cfg connmgr.Config, opts ...ble.Option) *goble.Device {
	t.Helper()
	cfg.Adapters = []string{"hci0"}
	cfg.Kinds = []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return r.ctl.Plug(), nil }}}
	d, err := goble.OpenManager(t.Context(), &cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	stopLater(t, d)
	return d
}

// host returns a Device on a host over the radio.
func (r *radio) host(t *testing.T) *goble.Device {
	t.Helper()
	h, err := host.Open(t.Context(), r.ctl, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := goble.New(h)
	if err != nil {
		t.Fatal(err)
	}
	stopLater(t, d)
	return d
}

func stopLater(t *testing.T, d *goble.Device) {
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
}

const belt = "c0:ff:ee:00:00:02"

func dial(t *testing.T, d *goble.Device) ble.Client {
	t.Helper()
	c, err := d.Dial(t.Context(), ble.NewAddr(belt))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestProgramOnManager is TestProgram over a Manager.
func TestProgramOnManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		program(t, r.manager(t, connmgr.Config{}, ble.OptDialerTimeout(20*time.Second)))
	})
}

// TestManagerCache: the first discovery of a Client takes the table that Establish has
// verified; a second one with force reads the device.
func TestManagerCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		d := r.manager(t, connmgr.Config{})
		c := dial(t, d)
		if _, err := c.DiscoverProfile(true); err != nil {
			t.Fatal(err)
		}
		if err := c.CancelConnection(); err != nil {
			t.Fatal(err)
		}
		r.takeRequests()
		c = dial(t, d)
		p, err := c.DiscoverProfile(true)
		if err != nil || len(p.Services) < 3 || p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(0x2A37))) == nil {
			t.Fatalf("profile %+v, %v", p, err)
		}
		// The MTU, and the Database Hash that proves the table.
		if got := r.takeRequests(); !slices.Equal(got, []att.Opcode{att.OpExchangeMTUReq, att.OpReadByTypeReq}) {
			t.Errorf("requests %v", got)
		}
		again, err := c.DiscoverProfile(true)
		if err != nil || again == p {
			t.Errorf("with force again: the same profile, %v", err)
		}
		if got := r.takeRequests(); !slices.Contains(got, att.OpReadByGroupTypeReq) {
			t.Errorf("with force again: requests %v", got)
		}
		if err := c.CancelConnection(); err != nil {
			t.Error(err)
		}
	})
}

// TestManagerSharesLinks: two Clients of one device share its link, and each ends alone.
func TestManagerSharesLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		d := r.manager(t, connmgr.Config{})
		a, b := dial(t, d), dial(t, d)
		if n := r.ctl.Stats().Links; n != 1 {
			t.Errorf("%d links to one device", n)
		}
		if err := a.CancelConnection(); err != nil {
			t.Error(err)
		}
		<-a.Disconnected()
		select {
		case <-b.Disconnected():
			t.Error("the other Client ended, too")
		default:
		}
		if _, err := b.DiscoverProfile(false); err != nil {
			t.Error(err)
		}
		if err := b.CancelConnection(); err != nil {
			t.Error(err)
		}
		<-b.Disconnected()
		if n := r.ctl.Stats().Links; n != 0 {
			t.Errorf("%d links are left", n)
		}
	})
}

// TestManagerErrors: the error of Dial is that of Establish, with its categories, and Dial
// obeys its context.
func TestManagerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		d := r.manager(t, connmgr.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := d.Dial(ctx, ble.NewAddr("11:22:33:44:55:66"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		_, err = d.Dial(t.Context(), ble.NewAddr("11:22:33:44:55:66"))
		var e *connmgr.EstablishError
		if !errors.Is(err, connmgr.ErrNotFound) || !errors.As(err, &e) || len(e.Attempts) != 4 {
			t.Errorf("absent device: %v", err)
		}
		if _, err = d.Dial(t.Context(), ble.NewAddr("nonsense")); err == nil {
			t.Error("nonsense was dialed")
		}
	})
}

// TestExchangeMTU: the peer gets the MTU that the program asks for, and the result is what
// the program may use. The Manager has exchanged the MTU already, and the program is held
// to its own value.
func TestExchangeMTU(t *testing.T) {
	offers := map[string]func(mtu int) uint16{
		"host": func(mtu int) uint16 {
			if mtu == ble.DefaultMTU {
				return 0 // nothing to exchange
			}
			return uint16(mtu)
		},
		"manager": func(int) uint16 { return att.MaxMTU },
	}
	for name, open := range map[string]func(*testing.T, *radio) *goble.Device{
		"host":    func(t *testing.T, r *radio) *goble.Device { return r.host(t) },
		"manager": func(t *testing.T, r *radio) *goble.Device { return r.manager(t, connmgr.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRadio(t)
				d := open(t, r)
				for _, mtu := range []int{23, 100, 185, ble.MaxMTU} {
					addr, err := hci.ParseAddr(belt + "/random")
					if err != nil {
						t.Fatal(err)
					}
					c, err := d.Dial(t.Context(), addr)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := c.ExchangeMTU(mtu); err != nil || got != mtu || c.Conn().TxMTU() != mtu || c.Conn().RxMTU() != mtu {
						t.Errorf("asked for %d: got %d, %v; connection %d and %d", mtu, got, err, c.Conn().TxMTU(), c.Conn().RxMTU())
					}
					if want := offers[name](mtu); r.takeOffer() != want {
						t.Errorf("asked for %d: the peer was offered another MTU than %d", mtu, want)
					}
					for _, bad := range []int{22, 516} {
						if _, err := c.ExchangeMTU(bad); err == nil || !strings.Contains(err.Error(), "outside 23 to 515") {
							t.Errorf("MTU %d: %v", bad, err)
						}
					}
					if err := c.CancelConnection(); err != nil {
						t.Error(err)
					}
					<-c.Disconnected()
				}
			})
		})
	}
}

// TestAddress: programs print the address of their adapter.
func TestAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		d := r.manager(t, connmgr.Config{})
		ctl := d.Manager().Adapter("hci0").Controller()
		if got, want := d.Address().String(), strings.ToLower(ctl.Info().Address.MAC.String()); got != want {
			t.Errorf("of a manager: %s, want %s", got, want)
		}
		if d.Host() != nil {
			t.Error("a Device on a Manager has a host")
		}
		c := dial(t, d)
		if got := c.Conn().LocalAddr().String(); got != d.Address().String() {
			t.Errorf("local address %s, want %s", got, d.Address())
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		<-c.Disconnected()
		if got := d.Address().String(); got != "00:00:00:00:00:00" {
			t.Errorf("without an adapter: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := newRadio(t).host(t)
		if got, want := d.Address().String(), strings.ToLower(d.Host().Controller().Info().Address.MAC.String()); got != want {
			t.Errorf("of a host: %s, want %s", got, want)
		}
		if d.Manager() != nil {
			t.Error("a Device on a host has a Manager")
		}
	})
}

// TestOptionAfterOpening: parameters of scans are those of the last option, also after
// opening. An option that is an error changes nothing.
func TestOptionAfterOpening(t *testing.T) {
	slow := cmd.LESetScanParameters{LEScanInterval: 0x00A0, LEScanWindow: 0x0050}
	for name, open := range map[string]func(*testing.T, *radio) *goble.Device{
		"host": func(t *testing.T, r *radio) *goble.Device { return r.host(t) },
		"manager": func(t *testing.T, r *radio) *goble.Device {
			return r.manager(t, connmgr.Config{DisableScan: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRadio(t)
				d := open(t, r)
				scan := func() hci.ScanningPHY {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if err := d.Scan(ctx, true, func(ble.Advertisement) {}); err != context.DeadlineExceeded {
						t.Errorf("scan: %v", err)
					}
					time.Sleep(time.Second)
					return r.lastScan()
				}
				if got, want := scan(), (hci.ScanningPHY{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}); got != want {
					t.Errorf("before: %+v", got)
				}
				if err := d.Option(ble.OptScanParams(slow)); err != nil {
					t.Fatal(err)
				}
				want := hci.ScanningPHY{Interval: 100 * time.Millisecond, Window: 50 * time.Millisecond}
				if got := scan(); got != want {
					t.Errorf("after: %+v, want %+v", got, want)
				}
				for _, bad := range []ble.Option{
					ble.OptScanParams(cmd.LESetScanParameters{LEScanType: 1, LEScanInterval: 1, LEScanWindow: 1}),
					ble.OptAdvParams(cmd.LESetAdvertisingParameters{AdvertisingType: 1}), ble.OptDeviceID(3),
				} {
					if err := d.Option(ble.OptDialerTimeout(time.Second), bad); err == nil {
						t.Error("an option that cannot be set is no error")
					}
				}
				if got := scan(); got != want {
					t.Errorf("after the errors: %+v, want %+v", got, want)
				}
			})
		})
	}
}

// TestConnParamsOnManager: links have the parameters of the program, and keep them.
func TestConnParamsOnManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRadio(t).manager(t, connmgr.Config{}, ble.OptConnParams(cmd.LECreateConnection{
			ConnIntervalMin: 0x50, ConnIntervalMax: 0x50, SupervisionTimeout: 0x100,
		}))
		c := dial(t, d)
		time.Sleep(time.Minute)
		for _, l := range d.Manager().Adapter("hci0").Controller().Links() {
			if got := l.State().Params.Interval; got != 100*time.Millisecond {
				t.Errorf("interval %v", got)
			}
		}
		if err := c.CancelConnection(); err != nil {
			t.Error(err)
		}
	})
}

// TestScanOnManager: Scan returns the error of its context itself, and hears each device
// on every adapter.
func TestScanOnManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		d := r.manager(t, connmgr.Config{})
		heard := make(chan string, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := d.Scan(ctx, false, func(a ble.Advertisement) { heard <- a.LocalName() }); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the context's error itself", err)
		}
		synctest.Wait() // a call of the handler may be running
		close(heard)
		names := map[string]bool{}
		for name := range heard {
			names[name] = true
		}
		if !names["Thermometer"] || !names["Heart rate belt"] || !names["Lamp"] {
			t.Errorf("heard %v", names)
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if err := d.Scan(t.Context(), false, func(ble.Advertisement) {}); err == nil {
			t.Error("a scan of a Device that is stopped")
		}
	})
}

// TestOpenManagerChoosesTheAdapter looks into the error for the adapter that was tried.
func TestOpenManagerChoosesTheAdapter(t *testing.T) {
	_, err := goble.OpenManager(t.Context(), nil, ble.OptDeviceID(65000))
	if err == nil || !strings.Contains(err.Error(), "hci65000: ") {
		t.Errorf("got %v, want an error of hci65000", err)
	}
	if _, err := goble.OpenManager(t.Context(), nil, ble.OptPeripheralRole()); !errors.Is(err, ble.ErrNotImplemented) {
		t.Errorf("an option that is not supported: %v", err)
	}
}
