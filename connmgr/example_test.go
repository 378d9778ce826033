package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// The examples run on simulated air, which has a thermometer, a heart rate belt and a
// lamp. Where they pass simulated, a program passes nil, or names its adapters.

const thermometer = "C0:FF:EE:00:00:01"

// simulated is the Config of a Manager on an air of package sim.
func simulated(scenario string) *connmgr.Config {
	return &connmgr.Config{Adapters: []string{"sim:" + scenario}, Kinds: []connmgr.Kind{{Prefix: "sim:", Open: sim.OpenTransport}}}
}

// impatient is a policy for devices that answer quickly or not at all.
func impatient() *connmgr.Policy {
	p := connmgr.DefaultPolicy()
	p.MaxAttempts, p.MaxTransients, p.AttemptTimeout = 2, 2, 250*time.Millisecond
	return &p
}

// A whole program: it reads the battery level of a device.
func Example() {
	run := func(ctx context.Context) error {
		m, err := connmgr.Open(ctx, simulated("")) // nil: every free adapter
		if err != nil {
			return err
		}
		defer m.Close()
		c, err := m.Establish(ctx, "C0:FF:EE:00:00:01/random", nil) // retries, slots, cached services
		if err != nil {
			return err
		}
		defer c.Close()
		v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19)) // Battery Service, Battery Level
		if err != nil {
			return err
		}
		fmt.Printf("battery %d%%\n", v[0])
		return nil
	}
	if err := run(context.Background()); err != nil {
		log.Print(err)
	}
	// Output: battery 87%
}

// If the kind of its address is not given, a device is connected to as it is heard. The
// name is for logs and errors.
func ExampleManager_Establish() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	c, err := m.Establish(ctx, thermometer, &connmgr.Options{Name: "kitchen", MaxAttempts: 6})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Name(), "is", c.Address(), "with", len(c.Profile().Services), "services")
	// Output: kitchen is C0:FF:EE:00:00:01/random with 5 services
}

// A program that finds a device, connects to it, and shows its services.
func Example_complete() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	fmt.Println("Scanning for devices...")
	found, err := m.Find(ctx, func(d connmgr.Device) bool { return d.Connectable && d.Name == "Lamp" })
	if err != nil {
		log.Print(err)
		return
	}

	fmt.Printf("Connecting to %s...\n", found.Name)
	c, err := m.Establish(ctx, found.Addr.String(), &connmgr.Options{Name: found.Name})
	if err != nil {
		fmt.Println("Failed to connect:", err)
		return
	}
	fmt.Println("Connected successfully!")
	for _, s := range c.Profile().Services[2:] { // after those that every device has
		fmt.Println("  Service:", s.UUID)
		for _, chr := range s.Characteristics {
			fmt.Println("    Characteristic:", chr.UUID)
		}
	}
	if err := c.Close(); err != nil {
		log.Print(err)
	}
	fmt.Println("Disconnected")
	// Output:
	// Scanning for devices...
	// Connecting to Lamp...
	// Connected successfully!
	//   Service: 180a
	//     Characteristic: 2a29
	//     Characteristic: 2a24
	//   Service: 6d6f6f72-0001-4c61-6d70-000000000000
	//     Characteristic: 6d6f6f72-0002-4c61-6d70-000000000000
	//     Characteristic: 6d6f6f72-0003-4c61-6d70-000000000000
	// Disconnected
}

// A callback receives the reason for the end of a link, unless the program has closed
// it.
func ExampleOptions_disconnected() {
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

	ended := make(chan error)
	_, err = m.Establish(ctx, thermometer, &connmgr.Options{
		Name: "Thermometer",
		Disconnected: func(c *connmgr.Client, err error) {
			fmt.Println(c.Name(), "disconnected unexpectedly")
			ended <- err
		},
	})
	if err != nil {
		log.Print(err)
		return
	}
	hangUp(ctx, device)
	err = <-ended
	fmt.Println("by the device:", errors.Is(err, hci.StatusRemoteUserTerminated))
	// Output:
	// Thermometer disconnected unexpectedly
	// by the device: true
}

// on is the Config of a Manager with one adapter on an air.
func on(air *sim.Air) *connmgr.Config {
	return &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}}
}

// hangUp makes a device end its links.
func hangUp(ctx context.Context, device *sim.Peripheral) {
	for _, link := range device.Host().Controller().Links() {
		if err := link.Disconnect(ctx); err != nil {
			log.Print(err)
		}
	}
}

// A device that changes its address is found again by its name: the callback is called
// before each attempt.
func ExampleOptions_device() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	tracked := func() (connmgr.Device, bool) {
		for _, d := range m.Devices() {
			if d.Name == "Thermometer" {
				return d, true
			}
		}
		return connmgr.Device{}, false // not heard yet: the address stays as it is
	}
	const yesterday = "CA:FE:CA:FE:CA:FE/random"
	c, err := m.Establish(ctx, yesterday, &connmgr.Options{Device: tracked, Policy: impatient(), MaxAttempts: 10})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	fmt.Println("today it is", c.Address())
	// Output: today it is C0:FF:EE:00:00:01/random
}

// Before a program connects after a restart, it ends links to the device that are left:
// its own and, on other adapters, those of the kernel.
func ExampleManager_CloseStale() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	forgotten, err := m.Establish(ctx, thermometer, nil)
	if err != nil {
		log.Print(err)
		return
	}
	if err := m.CloseStale(ctx, thermometer, false); err != nil {
		log.Print(err)
	}
	<-forgotten.Done()
	c, err := m.Establish(ctx, thermometer, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	fmt.Println("old link up:", forgotten.Err() == nil, "new link up:", c.Err() == nil)
	// Output: old link up: false new link up: true
}

// After a firmware update, a program can remove the device's attribute table from the
// cache before it connects.
func ExampleManager_ClearCache() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	connect := func() {
		c, err := m.Establish(ctx, thermometer, nil)
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println("table from the cache:", c.Cached())
		_ = c.Close()
	}
	connect()
	connect()
	fmt.Println("cleared:", m.ClearCache(thermometer))
	connect()
	// Output:
	// table from the cache: false
	// table from the cache: true
	// cleared: true
	// table from the cache: false
}

// Slots are the connections that an adapter can have. Programs that plan connections
// read how many are free.
func ExampleManager_Slots() {
	ctx := context.Background()
	cfg := simulated("")
	cfg.Slots = map[string]int{"sim:": 5}
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	c, err := m.Establish(ctx, thermometer, nil)
	if err != nil {
		log.Print(err)
		return
	}
	a := m.Slots().Allocations("sim:")
	fmt.Println(a.Free, "of", a.Slots, "free, used by", a.Allocated)
	_ = c.Close()
	fmt.Println(m.Slots().Allocations("sim:").Free, "free")
	// Output:
	// 4 of 5 free, used by [C0:FF:EE:00:00:01]
	// 5 free
}
