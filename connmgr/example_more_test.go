package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// Values are delivered as the device sends them, until the loop is left, ctx ends, or the
// link ends: the last pair has the reason.
func ExampleClient_Subscribe() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()
	c, err := m.Establish(ctx, "C0:FF:EE:00:00:02/random", nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()

	sub, err := c.Subscribe(ctx, gatt.UUID16(0x180D), gatt.UUID16(0x2A37), nil) // Heart Rate, Heart Rate Measurement
	if err != nil {
		log.Print(err)
		return
	}
	defer sub.Close()
	for v, err := range sub.All(ctx) {
		if err != nil {
			log.Print(err) // the link has ended
			return
		}
		if len(v.Data) < 2 || v.Data[0]&1 != 0 { // flags: the rate has 16 bits
			continue
		}
		fmt.Println("a heart rate between 60 and 75:", v.Data[1] >= 60 && v.Data[1] < 75)
		break
	}
	// Output: a heart rate between 60 and 75: true
}

// Write returns when the device has accepted the value, or refused it.
func ExampleClient_Write() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()
	c, err := m.Establish(ctx, "C0:FF:EE:00:00:03/random", nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()

	if err := c.Write(ctx, sim.LampService, sim.LampSwitch, []byte{1}); err != nil {
		log.Print(err)
		return
	}
	v, err := c.Read(ctx, sim.LampService, sim.LampSwitch)
	fmt.Printf("switch: %x, %v\n", v, err)
	err = c.Write(ctx, sim.LampService, sim.LampSwitch, []byte{1, 2, 3})
	fmt.Println("three octets do not fit:", errors.Is(err, att.CodeInvalidAttributeValueLength))
	// Output:
	// switch: 01, <nil>
	// three octets do not fit: true
}

// newLock is a device that shows its battery level on encrypted links only.
func newLock(ctx context.Context, air *sim.Air) (*sim.Peripheral, error) {
	return air.NewPeripheral(ctx, &sim.PeripheralConfig{
		Name: "Lock", Host: host.Config{SMP: &smp.Config{}},
		Services: []gatt.ServiceDef{{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead, Value: []byte{64},
			Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}},
		}}}},
	})
}

// A device that requires an encrypted link is paired with if there is no bond yet. This
// one has neither display nor keys, so that no user is involved; Config.Pairing takes a
// Delegate for other devices.
func ExampleOptions_pair() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	lock, err := newLock(ctx, air)
	if err != nil {
		log.Print(err)
		return
	}
	defer lock.Close()
	m, err := connmgr.Open(ctx, on(air))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	c, err := m.Establish(ctx, lock.Address().String(), &connmgr.Options{Pair: true})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	fmt.Println("paired by", c.Paired().Method)
	fmt.Println("encrypted:", c.Security().Encrypted, "bonded:", c.Security().Bonded)
	v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19))
	fmt.Printf("battery: %d, %v\n", v, err)
	// Output:
	// paired by Just Works
	// encrypted: true bonded: true
	// battery: [64], <nil>
}

// With a state directory, bonds and attribute tables outlive the program: the second run
// neither pairs nor discovers.
func ExampleConfig_stateDir() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example") // a program uses a permanent directory
	if err != nil {
		log.Print(err)
		return
	}
	defer os.RemoveAll(dir)
	air := sim.New(nil)
	defer air.Close()
	lock, err := newLock(ctx, air)
	if err != nil {
		log.Print(err)
		return
	}
	defer lock.Close()

	program := func() error {
		m, err := connmgr.Open(ctx, &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}, StateDir: dir})
		if err != nil {
			return err
		}
		defer m.Close()
		c, err := m.Establish(ctx, lock.Address().String(), &connmgr.Options{Pair: true})
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Println("paired now:", c.Paired() != nil, "encrypted:", c.Security().Encrypted, "table from the cache:", c.Cached())
		return nil
	}
	for range 2 {
		if err := program(); err != nil {
			log.Print(err)
		}
	}
	// Output:
	// paired now: true encrypted: true table from the cache: false
	// paired now: false encrypted: true table from the cache: true
}
