package sim_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// A stack on the controller of a scenario finds a thermometer and reads its
// battery level.
func ExampleOpen() {
	if err := readBattery(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: battery 87%
}

func readBattery(ctx context.Context) error {
	tr, err := sim.Open("sensors")
	if err != nil {
		return err
	}
	h, err := host.Open(ctx, tr, nil)
	if err != nil {
		return err
	}
	defer h.Close()
	addr, err := hci.ParseAddr("C0:FF:EE:00:00:01/random")
	if err != nil {
		return err
	}
	c, err := h.Connect(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.GATT().Read(ctx, uuid.From16(0x180F), uuid.From16(0x2A19))
	if err != nil {
		return err
	}
	if len(v) == 0 {
		return errors.New("the battery level is empty")
	}
	fmt.Printf("battery %d%%\n", v[0])
	return nil
}

// A test of one's own, of a program that reads a scale: the device, with a
// program of its own, and the program's Manager are on one air. In a test, all of
// it goes into a bubble of testing/synctest, where waiting takes no time.
func ExampleAir_NewPeripheral() {
	ctx := context.Background()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	weighing, weight := uuid.From16(0x181D), uuid.From16(0x2A9D) // Weight Scale, Weight Measurement
	scale, err := air.NewPeripheral(ctx, &sim.PeripheralConfig{
		Name: "Scale",
		Services: []gatt.ServiceDef{{UUID: weighing, Characteristics: []gatt.CharDef{
			{UUID: weight, Properties: gatt.PropRead, Value: []byte{0x00, 0x88, 0x13}}, // in steps of 5 g
		}}},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer scale.Close()
	m, err := connmgr.Open(ctx, &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	if err := weigh(ctx, m, scale.Address().String(), weighing, weight); err != nil {
		log.Print(err)
	}
	// The device goes out of range, and the program shows what it does then.
	air.SetAway(scale, true)
	near, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	if err := weigh(near, m, scale.Address().String(), weighing, weight); errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("no scale in range")
	}
	// Output:
	// 25 kg
	// no scale in range
}

// weigh is what is to be tested.
func weigh(ctx context.Context, m *connmgr.Manager, address string, svc, chr uuid.UUID) error {
	c, err := m.Establish(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.Read(ctx, svc, chr)
	if err != nil {
		return err
	}
	if len(v) < 3 {
		return fmt.Errorf("%d octets are no weight", len(v))
	}
	fmt.Printf("%d kg\n", (int(v[1])+int(v[2])<<8)/200)
	return nil
}

// A sensor that answers the first two reads of its battery level with errors.
func ExampleTemper() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	battery, level := uuid.From16(0x180F), uuid.From16(0x2A19)
	sensor := air.NewDevice(&sim.DeviceConfig{
		Table: sim.NewTable(gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead, Value: []byte{87}},
		}}),
		Temper: sim.Temper{Rules: []sim.Rule{
			{On: sim.OnRequest, Opcode: att.OpReadReq, Do: sim.Refuse, Code: att.CodeUnlikelyError, Times: 2},
		}},
	})
	h, err := host.Open(ctx, air.NewController(nil), nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer h.Close()
	c, err := h.Connect(ctx, sensor.Address(), nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	for range 3 {
		v, err := c.GATT().Read(ctx, battery, level)
		if errors.Is(err, att.CodeUnlikelyError) {
			fmt.Println("refused")
			continue
		}
		fmt.Printf("read % x %v\n", v, err)
	}
	// Output:
	// refused
	// refused
	// read 57 <nil>
}
