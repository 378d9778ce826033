package peripheral_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// rig is a peripheral and a central on one air.
type rig struct {
	engine  *peripheral.Engine
	central *host.Host
	addr    hci.Addr
	events  []peripheral.Event // valid once the bubble is idle
	served  chan error
	stop    context.CancelFunc
}

func newRig(t *testing.T, d *peripheral.Description, o peripheral.Options) *rig {
	t.Helper()
	r := &rig{served: make(chan error, 1), addr: d.Own()}
	o.Event = func(ev peripheral.Event) { r.events = append(r.events, ev) }
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { _ = air.Close() })
	var err error
	if r.engine, err = peripheral.New(d, &o); err != nil {
		t.Fatal(err)
	}
	cfg := r.engine.HostConfig()
	if cfg.Server, err = r.engine.NewServer(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cfg.Server.Close)
	h, err := host.Open(t.Context(), air.NewController(nil), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.served <- r.engine.Serve(ctx, h) }()
	<-r.engine.Ready()
	if r.central, err = host.Open(t.Context(), air.NewController(nil), &host.Config{SMP: &smp.Config{}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.central.Close() })
	return r
}

// end stops the engine and wants it to end without an error.
func (r *rig) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func (r *rig) connect(t *testing.T) *host.Conn {
	t.Helper()
	c, err := r.central.Connect(t.Context(), r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	service = uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000")
	first   = uuid.MustParse("6d6f6f72-0002-4c61-6d70-000000000000")
)

func describe(c peripheral.Characteristic) *peripheral.Description {
	c.UUID = first
	return &peripheral.Description{
		Name: "Thing", Services: []peripheral.Service{{UUID: service, Characteristics: []peripheral.Characteristic{c}}},
	}
}

// TestBehaviors wants the exact values of each behavior, once a second.
func TestBehaviors(t *testing.T) {
	for name, x := range map[string]struct {
		c    peripheral.Characteristic
		want []string
	}{
		"counter": {peripheral.Characteristic{Format: "uint8", Behavior: peripheral.Behavior{Kind: peripheral.Counter, To: 2}}, []string{"00", "01", "02", "00"}},
		"ramp": {
			peripheral.Characteristic{Format: "sint16", Scale: 0.1, Behavior: peripheral.Behavior{Kind: peripheral.Ramp, From: -1, To: 1}},
			[]string{"f6ff", "0000", "0a00", "0000", "f6ff"},
		},
		"big": {
			peripheral.Characteristic{Format: "uint24be", Behavior: peripheral.Behavior{Kind: peripheral.Counter, From: 258, To: 300}},
			[]string{"000102", "000103"},
		},
		"float": {
			peripheral.Characteristic{Format: "float32", Behavior: peripheral.Behavior{Kind: peripheral.Counter, From: 1, To: 2, Step: 0.5}},
			[]string{"0000803f", "0000c03f", "00000040"},
		},
		"script": {
			peripheral.Characteristic{Behavior: peripheral.Behavior{
				Kind: peripheral.Script, Repeat: true, Script: []peripheral.Moment{{After: time.Second, Value: "on"}, {After: time.Second, Value: "0x00ff"}},
			}},
			[]string{"6f6e", "00ff", "6f6e"},
		},
		"exec": {
			peripheral.Characteristic{Format: "uint8", Behavior: peripheral.Behavior{Kind: peripheral.Command, Run: "date"}},
			[]string{"04", "04"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, describe(x.c), peripheral.Options{
					Run: func(_ context.Context, command string) (string, error) { return fmt.Sprintln(len(command)), nil },
				})
				c := r.connect(t)
				ch, err := c.GATT().Char(t.Context(), service, first)
				if err != nil {
					t.Fatal(err)
				}
				sub, err := ch.Subscribe(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range x.want {
					v, err := sub.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if got := fmt.Sprintf("%x", v.Data); got != want {
						t.Errorf("value %d is %s, want %s", i, got, want)
					}
				}
				r.end(t)
				for i, n := 1, 0; i < len(r.events); i++ {
					if r.events[i].Kind != peripheral.EventValue {
						continue
					}
					if n++; n > 1 && r.events[i].Time.Sub(r.events[i-1].Time) != time.Second && r.events[i-1].Kind == peripheral.EventValue {
						t.Errorf("values %v apart, want 1s", r.events[i].Time.Sub(r.events[i-1].Time))
					}
				}
			})
		})
	}
}

// TestRandomWalk wants the same values for the same seed, within bounds.
func TestRandomWalk(t *testing.T) {
	walk := func(seed uint64) (values []byte) {
		c := describe(peripheral.Characteristic{
			Format: "uint8", Behavior: peripheral.Behavior{Kind: peripheral.RandomWalk, From: 10, To: 20, Step: 5},
		}).Services[0].Characteristics[0]
		m := peripheral.NewMover(&c, seed, 1)
		for range 100 {
			b, err := m.Next()
			if err != nil || len(b) != 1 || b[0] < 10 || b[0] > 20 {
				t.Fatalf("% x, %v", b, err)
			}
			values = append(values, b...)
		}
		return values
	}
	if !bytes.Equal(walk(1), walk(1)) || bytes.Equal(walk(1), walk(2)) {
		t.Error("the seed does not decide the values")
	}
}

// TestLongWrite writes a value of 40 octets in parts, and then a part of it.
func TestLongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := describe(peripheral.Characteristic{
			Name: "Text", Properties: []peripheral.Property{peripheral.Read, peripheral.Write}, Value: "abc", MaxLength: 100,
		})
		r := newRig(t, d, peripheral.Options{})
		c := r.connect(t)
		ch, err := c.GATT().Char(t.Context(), service, first)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("0123456789", 10)
		if err := ch.Write(t.Context(), []byte(long)); err != nil {
			t.Fatal(err)
		}
		if v, err := ch.Read(t.Context()); err != nil || string(v) != long {
			t.Errorf("reads %q, %v", v, err)
		}
		if err := ch.Write(t.Context(), []byte(long+"x")); !errors.Is(err, att.CodeInvalidAttributeValueLength) {
			t.Errorf("write of 101 octets: %v", err)
		}
		if err := r.engine.SetValue(t.Context(), "Text", "short"); err != nil {
			t.Error(err)
		}
		if v, err := ch.Read(t.Context()); err != nil || string(v) != "short" {
			t.Errorf("reads %q, %v", v, err)
		}
		for name, want := range map[string]string{
			"Txt": `peripheral: no such characteristic as "Txt": there are Text`,
			"6d6f6f72-0001-4c61-6d70-000000000000/Text": "",
		} {
			err := r.engine.SetValue(t.Context(), name, "")
			if want == "" != (err == nil) || err != nil && err.Error() != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		r.end(t)
		synctest.Wait()
		var kinds []string
		for _, ev := range r.events {
			kinds = append(kinds, string(ev.Kind))
		}
		if want := []string{"advertising", "connected", "written", "value", "value", "disconnected"}; !slices.Equal(kinds, want) {
			t.Errorf("events %q, want %q", kinds, want)
		}
		if err := r.engine.SetValue(t.Context(), "Text", ""); err == nil {
			t.Error("a value is set after the end")
		}
	})
}

// TestReload replaces the table while a central is connected, which learns of it.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := describe(peripheral.Characteristic{Name: "Text", Value: "old"})
		r := newRig(t, d, peripheral.Options{})
		c := r.connect(t)
		changed := make(chan bool, 2)
		c.GATT().HandleChanges(func(indicated bool) { changed <- indicated })
		ch, err := c.GATT().Char(t.Context(), uuid.From16(0x1801), uuid.From16(0x2A05))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ch.Subscribe(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		next := describe(peripheral.Characteristic{Name: "Text", Value: "new"})
		next.Services = append(next.Services, peripheral.Service{UUID: uuid.From16(0x180F), Characteristics: []peripheral.Characteristic{
			{UUID: uuid.From16(0x2A19), Value: "87"},
		}})
		if err := r.engine.Reload(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if !<-changed {
			t.Error("the change was not indicated")
		}
		if v, err := c.GATT().Read(t.Context(), uuid.From16(0x180F), uuid.From16(0x2A19)); err != nil || !bytes.Equal(v, []byte{87}) {
			t.Errorf("battery % x, %v", v, err)
		}
		if v, err := c.GATT().Read(t.Context(), service, first); err != nil || string(v) != "new" {
			t.Errorf("text %q, %v", v, err)
		}
		other := describe(peripheral.Characteristic{})
		other.Pairing.Method = peripheral.JustWorks
		var field *peripheral.FieldError
		if err := r.engine.Reload(t.Context(), other); !errors.As(err, &field) || field.Path != "pairing" {
			t.Errorf("reload with other pairing: %v", err)
		}
		r.end(t)
	})
}

// TestPrivatePeripheral advertises under an address that changes, and that a bonded
// central resolves.
func TestPrivatePeripheral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := describe(peripheral.Characteristic{Value: "secret", Security: peripheral.Encrypted})
		d.Address.Resolvable, d.Rotation, d.Pairing.Method = true, time.Minute, peripheral.JustWorks
		r := newRig(t, d, peripheral.Options{})
		sc, err := r.central.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var seen []hci.Addr
		for len(seen) < 3 {
			rep, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !rep.Addr.IsResolvable() {
				t.Fatalf("%v is not resolvable", rep.Addr)
			}
			if !slices.Contains(seen, rep.Addr) {
				seen = append(seen, rep.Addr)
			}
		}
		sc.Close()
		r.addr = seen[len(seen)-1]
		c := r.connect(t)
		if _, err := c.GATT().Read(t.Context(), service, first); !errors.Is(err, att.CodeInsufficientAuthentication) {
			t.Errorf("read without a bond: %v", err)
		}
		res, err := c.SMP().Pair(t.Context(), nil)
		if err != nil || res.Bond == nil || res.Bond.Peer != d.Own() {
			t.Fatalf("pairing %+v, %v", res, err)
		}
		if v, err := c.GATT().Read(t.Context(), service, first); err != nil || string(v) != "secret" {
			t.Errorf("%q, %v", v, err)
		}
		r.end(t)
	})
}
