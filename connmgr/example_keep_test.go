package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
)

// A connection that is kept makes its subscriptions again on each link, and tells the
// program when values may have been missed.
func ExampleManager_Keep() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()
	k, err := m.Keep(ctx, "C0:FF:EE:00:00:02/random", nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer k.Close()

	sub := k.Subscribe(gatt.UUID16(0x180D), gatt.UUID16(0x2A37), nil) // Heart Rate, Heart Rate Measurement
	for v, err := range sub.All(ctx) {
		if e, ok := errors.AsType[*connmgr.InterruptedError](err); ok {
			log.Print(e) // values are missed from here on, or come again
			continue
		}
		if err != nil {
			log.Print(err) // the end
			return
		}
		if len(v.Data) < 2 || v.Data[0]&1 != 0 { // flags: the rate has 16 bits
			continue
		}
		fmt.Println("a heart rate between 60 and 75:", v.Data[1] >= 60 && v.Data[1] < 75)
		break
	}
	fmt.Println(k.Status().State, k.Status().Establishes)
	// Output:
	// a heart rate between 60 and 75: true
	// ready 1
}

// With KeepOptions.Idle there is a link while there is work, and no longer.
func ExampleKept_Do() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()
	k, err := m.Keep(ctx, "C0:FF:EE:00:00:01/random", &connmgr.KeepOptions{Idle: 10 * second})
	if err != nil {
		log.Print(err)
		return
	}
	defer k.Close()

	err = k.Do(ctx, func(c *connmgr.Client) error {
		v, err := c.Read(ctx, gatt.UUID16(0x180F), gatt.UUID16(0x2A19)) // Battery Service, Battery Level
		fmt.Printf("battery % x\n", v)
		return err
	})
	if err != nil {
		log.Print(err)
	}
	// Output: battery 57
}

// The explanation is for people as text, for programs as a Verdict and as JSON.
func ExampleManager_Explain() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()
	if _, err := m.WaitFor(ctx, "C0:FF:EE:00:00:01"); err != nil {
		log.Print(err)
		return
	}
	e, err := m.Explain("C0:FF:EE:00:00:01")
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(e.Verdict)
	fmt.Println(e.Reason)
	// Output:
	// connectable
	// nothing speaks against a connection
}
