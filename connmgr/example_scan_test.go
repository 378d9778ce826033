package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// One loop receives what all adapters hear. An adapter that is unplugged, and one that
// comes back, is an error that does not end the loop.
func ExampleManager_Scan() {
	ctx := context.Background()
	air := sim.New(nil)
	defer air.Close()
	stick := air.NewController(&sim.ControllerConfig{Name: "hci1"})
	device, err := air.NewPeripheral(ctx, sim.Thermometer())
	if err != nil {
		log.Print(err)
		return
	}
	defer device.Close()
	m, err := connmgr.Open(ctx, &connmgr.Config{Adapters: []string{"hci0", "hci1"}, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	heard, back := map[string]bool{}, false
	for r, err := range m.Scan(ctx, &connmgr.ScanOptions{Names: []string{"Thermometer"}}) {
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			fmt.Println(lost)
			back = lost.Err == nil
			continue
		}
		if err != nil {
			log.Print(err) // the scan has ended
			return
		}
		if back && r.Adapter == "hci1" {
			fmt.Printf("%s hears %s at %d dBm again\n", r.Adapter, r.Name(), r.RSSI)
			break
		}
		if heard[r.Adapter] = true; len(heard) == 2 { // both adapters hear it
			stick.Unplug()
			clear(heard)
		}
	}
	// Output:
	// connmgr: adapter hci1 is down: controller: ended: transport read: sim: controller unplugged
	// connmgr: adapter hci1 scans again
	// hci1 hears Thermometer at -50 dBm again
}

// A device whose address is not known is found by its name, or by anything else
// that it advertises.
func ExampleManager_Find() {
	ctx := context.Background()
	m, err := connmgr.Open(ctx, simulated(""))
	if err != nil {
		log.Print(err)
		return
	}
	defer m.Close()

	d, err := m.Find(ctx, connmgr.Named("Thermometer"))
	if err != nil {
		log.Print(err)
		return
	}
	c, err := m.Establish(ctx, d.Addr.String(), nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	fmt.Println("connected to", c.Name(), c.Address())
	// Output: connected to Thermometer C0:FF:EE:00:00:01/random
}
