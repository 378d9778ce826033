package goble_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/goble"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// Programs in this file and in programs_sensors_test.go are written for go-ble, in the manner
// of programs that people use. They get their Device from open, and know nothing of this
// package.

// stopped returns what open returns, and stops the Device at the end of the test.
func stopped(t *testing.T, d *goble.Device, err error) (ble.Device, error) {
	t.Helper()
	if err != nil {
		return nil, err
	}
	stopLater(t, d)
	return d, nil
}

// onAir runs a program with one controller on air without faults, with a Manager on air
// where the first two connects of the controller fail, and as onKernel does.
func onAir(t *testing.T, run func(t *testing.T, r *radio, open func() (ble.Device, error))) {
	t.Run("host", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRadio(t)
			run(t, r, func() (ble.Device, error) {
				h, err := host.Open(t.Context(), r.ctl.Plug(), nil)
				if err != nil {
					return nil, err
				}
				d, err := goble.New(h)
				return stopped(t, d, err)
			})
		})
	})
	t.Run("flaky", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRadio(t)
			r.ctl.Fault(sim.ConnectFault{Times: 2})
			run(t, r, func() (ble.Device, error) {
				m, err := connmgr.Open(t.Context(), &connmgr.Config{
					Adapters: []string{"hci0"},
					Kinds:    []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return r.ctl.Plug(), nil }}},
				})
				if err != nil {
					return nil, err
				}
				d, err := goble.NewManager(m)
				return stopped(t, d, err)
			})
		})
	})
	onKernel(t, run)
}

// device adds a device with one service.
func (r *radio) device(t *testing.T, name string, svc gatt.ServiceDef, run func(context.Context, *sim.Peripheral)) *sim.Peripheral {
	t.Helper()
	p, err := r.air.NewPeripheral(t.Context(), &sim.PeripheralConfig{Name: name, Services: []gatt.ServiceDef{svc}, Run: run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func wireUUID(u ble.UUID) uuid.UUID {
	to, _ := uuid.FromWire(u)
	return to
}

var (
	vehicleService = ble.MustParse("9a3f0211-5c1e-4c0d-8f34-5a0f6c7f1b01")
	vehicleTo      = ble.MustParse("9a3f0212-5c1e-4c0d-8f34-5a0f6c7f1b01")
	vehicleFrom    = ble.MustParse("9a3f0213-5c1e-4c0d-8f34-5a0f6c7f1b01")
)

// askVehicle sends a message to the vehicle with a name, in writes as long as the MTU
// allows, and returns the answer, which comes in indications. Both begin with their length.
func askVehicle(ctx context.Context, name string, message []byte, open func() (ble.Device, error)) ([]byte, error) {
	d, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Stop() }()
	found := make(chan ble.Advertisement, 1)
	scan, stop := context.WithCancel(ctx)
	defer stop()
	if err := d.Scan(scan, false, func(a ble.Advertisement) {
		if a.LocalName() == name && a.Connectable() {
			select {
			case found <- a:
				stop()
			default:
			}
		}
	}); !errors.Is(err, context.Canceled) {
		return nil, err
	}
	c, err := d.Dial(ctx, (<-found).Addr())
	if err != nil {
		return nil, err
	}
	services, err := c.DiscoverServices([]ble.UUID{vehicleService})
	if err != nil || len(services) == 0 {
		return nil, fmt.Errorf("no such service: %w", err)
	}
	chars, err := c.DiscoverCharacteristics([]ble.UUID{vehicleTo, vehicleFrom}, services[0])
	if err != nil {
		return nil, err
	}
	var to, from *ble.Characteristic
	for _, chr := range chars {
		if chr.UUID.Equal(vehicleTo) {
			to = chr
		} else {
			from = chr
		}
		if _, err := c.DiscoverDescriptors(nil, chr); err != nil {
			return nil, err
		}
	}
	parts := make(chan []byte, 100)
	if err := c.Subscribe(from, true, func(b []byte) { parts <- b }); err != nil {
		return nil, err
	}
	mtu, err := c.ExchangeMTU(ble.MaxMTU)
	if err != nil {
		return nil, err
	}
	out := append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	for part := range slices.Chunk(out, mtu-3) {
		if err := c.WriteCharacteristic(to, part, false); err != nil {
			return nil, err
		}
	}
	var in []byte
	for len(in) < 2 || len(in) < 2+int(binary.BigEndian.Uint16(in)) {
		select {
		case part := <-parts:
			in = append(in, part...)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return in[2:], c.CancelConnection()
}

// TestVehicleKey: a message of 602 octets goes in two writes, of which the first has the
// length of the longest value, and the answer of 700 octets comes whole.
func TestVehicleKey(t *testing.T) {
	onAir(t, func(t *testing.T, r *radio, open func() (ble.Device, error)) {
		var writes []int // by the handler alone, and read after the end
		var heard []byte
		whole := make(chan struct{}, 1)
		svc := gatt.ServiceDef{UUID: wireUUID(vehicleService), Characteristics: []gatt.CharDef{
			{UUID: wireUUID(vehicleTo), Properties: gatt.PropWrite, Write: func(_ context.Context, w *gatt.WriteRequest) error {
				writes, heard = append(writes, len(w.Value)), append(heard, w.Value...)
				if len(heard) == 602 {
					whole <- struct{}{}
				}
				return nil
			}},
			{UUID: wireUUID(vehicleFrom), Properties: gatt.PropIndicate},
		}}
		answer := bytes.Repeat([]byte("locked "), 100)
		r.device(t, "S1234C", svc, func(ctx context.Context, p *sim.Peripheral) {
			h, _ := p.Server().Handle(wireUUID(vehicleService), wireUUID(vehicleFrom))
			select {
			case <-whole:
			case <-ctx.Done():
				return
			}
			out := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
			for part := range slices.Chunk(out, 200) {
				if n, err := p.Server().Indicate(ctx, h, part); n != 1 || err != nil {
					t.Errorf("indicated to %d, %v", n, err)
				}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := askVehicle(ctx, "S1234C", make([]byte, 600), open)
		if err != nil || !bytes.Equal(got, answer) {
			t.Errorf("answer of %d octets, %v", len(got), err)
		}
		if !slices.Equal(writes, []int{512, 90}) {
			t.Errorf("writes of %v octets", writes)
		}
	})
}

var (
	printerTo   = ble.UUID16(0xAE01)
	printerFrom = ble.UUID16(0xAE02)
)

// printImage prints by attribute PDUs of its own on the connection, and waits until the
// printer notifies that it is done.
func printImage(ctx context.Context, image []byte, open func() (ble.Device, error)) error {
	d, err := open()
	if err != nil {
		return err
	}
	ble.SetDefaultDevice(d)
	defer func() { _ = ble.Stop() }()
	c, err := ble.Connect(ctx, func(a ble.Advertisement) bool { return a.LocalName() == "GB02" })
	if err != nil {
		return err
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		return err
	}
	to, from := p.FindCharacteristic(ble.NewCharacteristic(printerTo)), p.FindCharacteristic(ble.NewCharacteristic(printerFrom))
	conn := c.Conn()
	pdus := make(chan []byte)
	go func() {
		defer close(pdus)
		for {
			b := make([]byte, conn.RxMTU())
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			pdus <- b[:n]
		}
	}()
	subscribe := append(binary.LittleEndian.AppendUint16([]byte{0x12}, from.CCCD.Handle), 1, 0)
	if _, err := conn.Write(subscribe); err != nil {
		return err
	}
	if rsp := <-pdus; !bytes.Equal(rsp, []byte{0x13}) {
		return fmt.Errorf("subscription: % x", rsp)
	}
	for part := range slices.Chunk(image, conn.TxMTU()-3) {
		command := append(binary.LittleEndian.AppendUint16([]byte{0x52}, to.ValueHandle), part...)
		if n, err := conn.Write(command); n != len(command) || err != nil {
			return fmt.Errorf("%d octets written: %w", n, err)
		}
	}
	done := append(binary.LittleEndian.AppendUint16([]byte{0x1B}, from.ValueHandle), "done"...)
	if pdu := <-pdus; !bytes.Equal(pdu, done) {
		return fmt.Errorf("got % x", pdu)
	}
	if err := c.CancelConnection(); err != nil {
		return err
	}
	if pdu, ok := <-pdus; ok {
		return fmt.Errorf("after the end: % x", pdu)
	}
	return nil
}

// TestPrinter: all octets of an image reach the printer, in order.
func TestPrinter(t *testing.T) {
	onAir(t, func(t *testing.T, r *radio, open func() (ble.Device, error)) {
		image := bytes.Repeat([]byte("0123456789abcdef"), 300)
		var paper []byte
		printed := make(chan struct{}, 1)
		svc := gatt.ServiceDef{UUID: uuid.From16(0xAE30), Characteristics: []gatt.CharDef{
			{UUID: wireUUID(printerTo), Properties: gatt.PropWriteWithoutResponse, Write: func(_ context.Context, w *gatt.WriteRequest) error {
				if paper = append(paper, w.Value...); len(paper) == len(image) {
					printed <- struct{}{}
				}
				return nil
			}},
			{UUID: wireUUID(printerFrom), Properties: gatt.PropNotify},
		}}
		r.device(t, "GB02", svc, func(ctx context.Context, p *sim.Peripheral) {
			h, _ := p.Server().Handle(uuid.From16(0xAE30), wireUUID(printerFrom))
			select {
			case <-printed:
				if n, err := p.Server().Notify(ctx, h, []byte("done")); n != 1 || err != nil {
					t.Errorf("notified %d, %v", n, err)
				}
			case <-ctx.Done():
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := printImage(ctx, image, open); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(paper, image) {
			t.Errorf("%d octets printed, want %d", len(paper), len(image))
		}
	})
}
