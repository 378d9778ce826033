package goble_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// watchGrill logs in to a grill thermometer, switches its values on, and passes them to
// temperature until the thermometer goes away. It passes its states to state.
func watchGrill(ctx context.Context, state func(string), temperature func(float64), open func() (ble.Device, error)) error {
	d, err := open()
	if err != nil {
		return err
	}
	ble.SetDefaultDevice(d)
	state("connecting")
	c, err := ble.Connect(ctx, func(a ble.Advertisement) bool { return strings.EqualFold(a.LocalName(), "iBBQ") })
	if err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		<-c.Disconnected()
		state("disconnected")
		close(gone)
	}()
	p, err := c.DiscoverProfile(true)
	if err != nil {
		return err
	}
	find := func(u uint16) *ble.Characteristic { return p.FindCharacteristic(ble.NewCharacteristic(ble.UUID16(u))) }
	if err := c.WriteCharacteristic(find(0xFFF2), []byte("secret"), false); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	if err := c.Subscribe(find(0xFFF4), false, func(b []byte) {
		temperature(float64(binary.LittleEndian.Uint16(b)) / 10)
	}); err != nil {
		return err
	}
	if err := c.WriteCharacteristic(find(0xFFF5), []byte{0x0B, 1, 0, 0, 0, 0}, false); err != nil {
		return err
	}
	state("receiving")
	<-gone
	return ble.Stop()
}

// TestGrillThermometer: the program passes its states in order, and each value.
func TestGrillThermometer(t *testing.T) {
	onAir(t, func(t *testing.T, r *radio, open func() (ble.Device, error)) {
		on := make(chan struct{}, 1)
		off := make(chan struct{})
		svc := gatt.ServiceDef{UUID: uuid.From16(0xFFF0), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(0xFFF2), Properties: gatt.PropWrite, Write: func(_ context.Context, w *gatt.WriteRequest) error {
				if string(w.Value) != "secret" {
					return att.CodeInsufficientAuthorization
				}
				return nil
			}},
			{UUID: uuid.From16(0xFFF4), Properties: gatt.PropNotify},
			{UUID: uuid.From16(0xFFF5), Properties: gatt.PropWrite, Write: func(context.Context, *gatt.WriteRequest) error {
				on <- struct{}{}
				return nil
			}},
		}}
		grill := r.device(t, "iBBQ", svc, func(ctx context.Context, p *sim.Peripheral) {
			h, _ := p.Server().Handle(uuid.From16(0xFFF0), uuid.From16(0xFFF4))
			select {
			case <-on:
			case <-ctx.Done():
				return
			}
			for i := range 4 {
				time.Sleep(time.Second)
				_, _ = p.Server().Notify(ctx, h, binary.LittleEndian.AppendUint16(nil, 615+uint16(i)))
			}
			time.Sleep(time.Second)
			close(off)
		})
		var closing sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer closing.Wait() // nobody else may close it meanwhile
		defer cancel()
		closing.Go(func() {
			select {
			case <-off:
			case <-ctx.Done():
			}
			grill.Close()
		})
		var mu sync.Mutex
		var log []string
		note := func(s string) { mu.Lock(); log = append(log, s); mu.Unlock() }
		if err := watchGrill(ctx, note, func(c float64) { note(fmt.Sprint(c)) }, open); err != nil {
			t.Error(err)
		}
		want := []string{"connecting", "receiving", "61.5", "61.6", "61.7", "61.8", "disconnected"}
		if !slices.Equal(log, want) {
			t.Errorf("got %v, want %v", log, want)
		}
	})
}

// exportOnce opens the device, listens for two seconds, stops it, and returns the names that
// were heard.
func exportOnce(open func() (ble.Device, error)) (names []string, err error) {
	d, err := open()
	if err != nil {
		return nil, err
	}
	ble.SetDefaultDevice(d)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var mu sync.Mutex
	heard := map[string]bool{}
	err = ble.Scan(ctx, true, func(a ble.Advertisement) {
		mu.Lock()
		heard[a.LocalName()] = true
		mu.Unlock()
	}, func(a ble.Advertisement) bool { return a.LocalName() != "" })
	if !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("scan: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for name := range heard {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, ble.Stop()
}

// TestExporter: a program that opens and stops its device for each scan hears all devices
// each time, also on the scenario flaky.
func TestExporter(t *testing.T) {
	export := func(t *testing.T, open func() (ble.Device, error)) {
		for range 5 {
			names, err := exportOnce(open)
			if want := []string{"Heart rate belt", "Lamp", "Thermometer"}; err != nil || !slices.Equal(names, want) {
				t.Errorf("heard %q, %v", names, err)
			}
		}
	}
	onAir(t, func(t *testing.T, _ *radio, open func() (ble.Device, error)) { export(t, open) })
	synctest.Test(t, func(t *testing.T) {
		export(t, func() (ble.Device, error) {
			m, err := connmgr.Open(t.Context(), &connmgr.Config{
				Adapters: []string{"sim:flaky"},
				Kinds:    []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}},
			})
			if err != nil {
				return nil, err
			}
			return goble.NewManager(m)
		})
	})
}

// provision serves commands that end with a line feed, and answers each central in pieces of
// 20 octets, until ctx ends.
func provision(ctx context.Context, execute func(command string) string, open func() (ble.Device, error)) error {
	d, err := open()
	if err != nil {
		return err
	}
	ble.SetDefaultDevice(d)
	var mu sync.Mutex
	lines, answers := map[string]string{}, map[string]chan string{}
	answersTo := func(peer string) chan string {
		mu.Lock()
		defer mu.Unlock()
		if answers[peer] == nil {
			answers[peer] = make(chan string, 10)
		}
		return answers[peer]
	}
	svc := ble.NewService(provisioning)
	commander := svc.NewCharacteristic(ble.UUID16(0xFF11))
	commander.HandleWrite(ble.WriteHandlerFunc(func(req ble.Request, _ ble.ResponseWriter) {
		peer := req.Conn().RemoteAddr().String()
		mu.Lock()
		lines[peer] += string(req.Data())
		line, whole := strings.CutSuffix(lines[peer], "\n")
		if whole {
			delete(lines, peer)
		}
		mu.Unlock()
		if whole {
			answersTo(peer) <- execute(line) + "\n"
		}
	}))
	svc.NewCharacteristic(ble.UUID16(0xFF12)).HandleNotify(ble.NotifyHandlerFunc(func(req ble.Request, n ble.Notifier) {
		for {
			select {
			case a := <-answersTo(req.Conn().RemoteAddr().String()):
				for part := range slices.Chunk([]byte(a), 20) {
					if _, err := n.Write(part); err != nil {
						return
					}
				}
			case <-n.Context().Done():
				return
			}
		}
	}))
	if err := ble.AddService(svc); err != nil {
		return err
	}
	if err := ble.AdvertiseNameAndServices(ctx, "Setup", svc.UUID); !errors.Is(err, context.Canceled) {
		return err
	}
	return ble.Stop()
}

// TestProvisioning: three centrals at the same time get their own answers. A command of one
// that takes ten seconds does not delay the others.
func TestProvisioning(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRadio(t)
			testProvisioning(t, r, func() (ble.Device, error) { return newDevice(t, r.air), nil })
		})
	})
	onKernel(t, testProvisioning)
}

func testProvisioning(t *testing.T, r *radio, open func() (ble.Device, error)) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- provision(ctx, func(command string) string {
			if command == "slow" {
				time.Sleep(10 * time.Second)
			}
			return "you say " + strings.ToUpper(command)
		}, open)
	}()
	var wg sync.WaitGroup
	for _, command := range []string{"slow", "list the networks in reach", strings.Repeat("join ", 30)} {
		c, p := dialService(t, newDevice(t, r.air), provisioning)
		answer := make(chan string, 100)
		if err := c.Subscribe(find(t, p, 0xFF12), false, func(b []byte) { answer <- string(b) }); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		commander := find(t, p, 0xFF11)
		wg.Go(func() {
			for part := range slices.Chunk([]byte(command+"\n"), 20) {
				if err := c.WriteCharacteristic(commander, part, false); err != nil {
					t.Error(err)
				}
			}
			got := ""
			for !strings.HasSuffix(got, "\n") {
				got += <-answer
			}
			took := time.Since(begin)
			if want := "you say " + strings.ToUpper(command) + "\n"; got != want {
				t.Errorf("%q was answered %q", command, got)
			}
			if slow := took >= 10*time.Second; slow != (command == "slow") {
				t.Errorf("%q was answered after %v", command, took)
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
