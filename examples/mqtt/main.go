// Command mqtt publishes the values that sensors broadcast, so that Home Assistant
// discovers each of them as a sensor of a device.
//
//	mqtt [-a ADAPTER]... [-broker URL]
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/sim"
)

const (
	availability = "moor/status" // online, or offline by the broker when this program is gone
	expiry       = 10 * time.Minute
	most         = 1000 // sensors
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:beacons; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	broker := flag.String("broker", "tcp://localhost:1883", "the broker's `URL`, such as ssl://USER:PASSWORD@HOST:8883")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := publish(ctx, cfg, *broker); err != nil {
		fmt.Fprintln(os.Stderr, "mqtt:", err)
		os.Exit(1)
	}
}

// publish publishes values until ctx ends. The client connects again by itself.
func publish(ctx context.Context, cfg *connmgr.Config, broker string) error {
	opts := paho.NewClientOptions().AddBroker(broker).SetClientID("moor").SetWill(availability, "offline", 1, true)
	opts.SetOnConnectHandler(func(c paho.Client) { c.Publish(availability, 1, true, "online") })
	client := paho.NewClient(opts)
	if t := client.Connect(); t.Wait() && t.Error() != nil {
		return fmt.Errorf("cannot connect to the broker at %s: %w", broker, t.Error())
	}
	defer client.Disconnect(250) // milliseconds for what is under way
	defer func() { client.Publish(availability, 1, true, "offline").WaitTimeout(time.Second) }()
	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	known := map[string]bool{} // the sensors that Home Assistant knows of
	for r, err := range m.Scan(ctx, nil) {
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			fmt.Fprintln(os.Stderr, "mqtt:", lost)
		} else if ctx.Err() != nil {
			return nil // Ctrl-C
		} else if err != nil {
			return err
		}
		device := strings.ToLower(strings.ReplaceAll(r.Addr.MAC.String(), ":", ""))
		for _, f := range r.Payloads(nil) {
			for _, v := range f.Readings {
				state := fmt.Sprintf("moor/%s/%s", device, v.Kind)
				if !known[state] && len(known) == most {
					continue // devices that change their address would fill the broker
				}
				if !known[state] {
					topic := fmt.Sprintf("homeassistant/sensor/moor_%s/%s/config", device, v.Kind)
					client.Publish(topic, 1, true, describe(device, r.Name(), state, v))
					known[state] = true
				}
				client.Publish(state, 0, false, fmt.Sprint(v.Value))
			}
		}
	}
	return nil
}

// describe returns the description that Home Assistant expects of a sensor.
func describe(device, name, state string, v payload.Reading) []byte {
	b, _ := json.Marshal(map[string]any{ // strings and numbers: never fails
		"name": v.Kind, "unique_id": "moor_" + device + "_" + string(v.Kind), "state_topic": state,
		"unit_of_measurement": v.Unit, "state_class": "measurement", "expire_after": expiry.Seconds(),
		"availability_topic": availability,
		"device":             map[string]any{"identifiers": []string{"moor_" + device}, "name": cmp.Or(name, device)},
	})
	return b
}
