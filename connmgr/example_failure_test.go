package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// Each kind of failure has its own error, and an *EstablishError lists the attempts.
func ExampleEstablishError() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated("empty"))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	_, err = m.Establish(ctx, thermometer+"/random", &connmgr.Options{Name: "kitchen", Policy: impatient()})
	switch {
	case errors.Is(err, connmgr.ErrNotFound):
		fmt.Println("Device not found - it may have moved out of range")
	case errors.Is(err, connmgr.ErrOutOfSlots):
		fmt.Println("No connection slots available - try disconnecting other devices")
	case errors.Is(err, connmgr.ErrAborted):
		fmt.Println("Connection aborted - check for interference or move closer")
	case errors.Is(err, connmgr.ErrBondLost):
		fmt.Println("The device has forgotten us - pair again")
	default:
		fmt.Println("Connection failed:", err)
	}
	if failed, ok := errors.AsType[*connmgr.EstablishError](err); ok {
		for i, a := range failed.Attempts {
			fmt.Printf("attempt %d on %s: %v\n", i+1, a.Adapter, a.Err)
		}
	}
	// Output:
	// Device not found - it may have moved out of range
	// attempt 1 on sim:empty: controller: connect C0:FF:EE:00:00:01/random: the peer was not heard in time
	// attempt 2 on sim:empty: controller: connect C0:FF:EE:00:00:01/random: the peer was not heard in time
}

// A device gets new firmware with another service. Its cached table lacks a service
// that the program requires, so that the table is discovered anew.
func ExampleMissingError() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	firmware := sim.Thermometer()
	firmware.Services = firmware.Services[:2]
	device, err := air.NewPeripheral(ctx, firmware)
	if err != nil {
		log.Print(err)
		return
	}
	m, err := connmgr.Open(ctx, on(air))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	connect := func(require ...connmgr.Requirement) {
		c, err := m.Establish(ctx, thermometer, &connmgr.Options{Require: require})
		var missing *connmgr.MissingError
		switch {
		case errors.As(err, &missing):
			fmt.Println("Characteristic missing:", missing)
		case err != nil:
			log.Print(err)
		default:
			fmt.Println("Connected to a device with", len(c.Profile().Services), "services")
			_ = c.Close()
		}
	}
	connect()
	_ = device.Close()
	update, err := air.NewPeripheral(ctx, sim.Thermometer())
	if err != nil {
		log.Print(err)
		return
	}
	defer update.Close()
	environment, temperature, rain := gatt.UUID16(0x181A), gatt.UUID16(0x2A6E), gatt.UUID16(0x2A78)
	connect(connmgr.Requirement{Service: environment, Characteristics: []gatt.UUID{temperature}})
	connect(connmgr.Requirement{Service: environment, Characteristics: []gatt.UUID{temperature, rain}})
	// Output:
	// Connected to a device with 4 services
	// Connected to a device with 5 services
	// Characteristic missing: the device has no characteristic 2a78 in service 181a
}

// Short operations that fail because the device disconnects are repeated, after the
// wait that the failure demands.
func ExampleRetry() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	device, err := air.NewPeripheral(ctx, sim.Thermometer())
	if err != nil {
		log.Print(err)
		return
	}
	defer device.Close()
	m, err := connmgr.Open(ctx, on(air))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	calls := 0
	readBattery := func(ctx context.Context) (byte, error) {
		c, err := m.Establish(ctx, thermometer, nil)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if calls++; calls == 1 {
			hangUp(ctx, device)
			<-c.Done()
		}
		v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19))
		if err != nil {
			return 0, err
		}
		return v[0], nil
	}
	level, err := connmgr.Retry(ctx, 3, readBattery)
	fmt.Printf("Battery: %d%%, %v, after %d calls\n", level, err, calls)
	// Output: Battery: 87%, <nil>, after 2 calls
}
