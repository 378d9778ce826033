// Package demo is "moor demo": a scan, a connection, reads and notifications on
// simulated air, step by step, with the HCI packets of each. It runs in real time and
// needs no Bluetooth.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// Config holds the options that the demo gets from the command line.
type Config struct {
	// Out takes the output, which is 80 columns wide.
	Out io.Writer
	// Tree formats a table and Value a value, as the other commands do.
	Tree  func(*gatt.Profile) []string
	Value func(uuid.UUID, []byte) string
	// HCI holds options of the controller: log and capture.
	HCI controller.Config
}

// timeout bounds the whole demo, which takes a few seconds.
const timeout = time.Minute

// listenTime is the duration of the scan.
const listenTime = 800 * time.Millisecond

var errListened = errors.New("demo: listened long enough")

// failures is how many connections to the kettle fail before one is established.
const failures = 2

// story is the state of a running demo.
type story struct {
	*printer
	cfg    *Config
	tap    *tap
	m      *connmgr.Manager
	kettle hci.Addr
	client *connmgr.Client
	start  time.Time     // when connecting began
	cold   time.Duration // the duration of the first connecting
}

// Run runs the demo to its end, to the first error, or until ctx ends.
func Run(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("demo: the simulated air took longer than a minute"))
	defer cancel()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	p := &printer{w: cfg.Out, pending: map[hci.Opcode]string{}}
	p.printLines([]string{"Scan, connect and read on simulated air. On HCI: -> command, <- event."})

	central := air.NewController(&sim.ControllerConfig{Name: "central"})
	k, err := air.NewPeripheral(ctx, kettle())
	if err != nil {
		return err
	}
	defer k.Close()
	if err := startCrowd(air); err != nil {
		return err
	}
	central.Fault(sim.ConnectFault{Peer: k.Address(), Times: failures})

	s := &story{printer: p, cfg: cfg, tap: &tap{Transport: central, p: p}}
	err = s.runStory(ctx)
	if s.m != nil {
		err = errors.Join(err, s.m.Close())
	}
	return errors.Join(err, p.firstError())
}

// runStory runs the steps of the demo.
func (s *story) runStory(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		s.openController, s.scanDevices, s.connectKettle, s.showTable, s.readValues, s.watchTemperature, s.changeParams, s.disconnectKettle, s.connectAgain,
	} {
		if err := part(ctx); err != nil {
			return err
		}
		if err := s.firstError(); err != nil {
			return err
		}
	}
	s.printLines([]string{"", "That is all. With an adapter: moor scan, then moor services ADDR."})
	return nil
}

func (s *story) openController(ctx context.Context) (err error) {
	s.beginStep("Open the controller: reset it, read its version and its features.")
	s.tap.muted.Store(true)
	s.m, err = connmgr.Open(ctx, &connmgr.Config{
		Adapters: []string{s.cfg.HCI.Name}, Host: host.Config{HCI: s.cfg.HCI}, Logger: s.cfg.HCI.Logger,
		Kinds:       []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return s.tap, nil }}},
		DisableScan: true, // scanDevices scans
	})
	if err != nil {
		return err
	}
	i := s.controller().Info() // waits for the end of the start-up
	s.tap.muted.Store(false)
	s.printOutcome("Controller %v: Bluetooth %s, %d buffers of %d octets, accept list of %d.",
		i.Address, assigned.Version(i.Version.HCIVersion), i.ACLNum, i.ACLLen, i.AcceptListSize)
	return nil
}

// controller returns the controller of the only adapter.
func (s *story) controller() *controller.Controller { return s.m.Adapters()[0].Controller() }

func (s *story) scanDevices(ctx context.Context) error {
	s.beginStep("Scan.")
	sc, err := s.controller().Scan(ctx, nil)
	if err != nil {
		return err
	}
	defer sc.Close()
	within, cancel := context.WithTimeoutCause(ctx, listenTime, errListened)
	defer cancel()
	for r, err := range sc.All(within) {
		switch {
		case errors.Is(err, errListened):
		case err != nil:
			return err
		default:
			s.printLines([]string{fmt.Sprintf("heard %v  %d dBm  %s", r.Addr, r.RSSI, r.Name())})
			if r.Name() == kettleName {
				s.kettle = r.Addr
			}
		}
	}
	if s.kettle == (hci.Addr{}) {
		return fmt.Errorf("demo: %s was not heard within %v", kettleName, listenTime)
	}
	s.printOutcome("The kettle is %v.", s.kettle)
	return nil
}

func (s *story) connectKettle(ctx context.Context) error {
	s.beginStep("Connect. The kettle's radio misses the first packets, twice.")
	if err := s.establishKettle(ctx); err != nil {
		return err
	}
	s.cold = s.timeTaken()
	s.printOutcome("A connection that fails to be established says nothing about the device, so it was dialed again at once. Ready after %v, with an MTU of %d octets: the table was read at a short interval, and a longer one is agreed on once the link is idle.", s.cold, s.client.GATT().MTU())
	return nil
}

func (s *story) establishKettle(ctx context.Context) (err error) {
	s.start = time.Now()
	s.client, err = s.m.Establish(ctx, s.kettle.String(), &connmgr.Options{Name: kettleName})
	return err
}

func (s *story) showTable(context.Context) error {
	s.beginStep("Show its attribute table.")
	s.printLines(s.cfg.Tree(s.client.Profile()))
	return nil
}

func (s *story) readValues(ctx context.Context) error {
	s.beginStep("Read.")
	for _, what := range []struct{ svc, chr uuid.UUID }{
		{uuid.From16(deviceInformation), uuid.From16(manufacturerName)},
		{uuid.From16(batteryService), uuid.From16(batteryLevel)},
		{uuid.From16(environmentalSensing), uuid.From16(temperature)},
	} {
		v, err := s.client.Read(ctx, what.svc, what.chr)
		if err != nil {
			return err
		}
		s.printOutcome("%s: %s", assigned.Characteristic(what.chr), s.cfg.Value(what.chr, v))
	}
	return nil
}

func (s *story) watchTemperature(ctx context.Context) error {
	s.beginStep("Subscribe to the temperature while the kettle heats.")
	sub, err := s.client.Subscribe(ctx, uuid.From16(environmentalSensing), uuid.From16(temperature), nil)
	if err != nil {
		return err
	}
	for range 4 {
		v, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		s.printOutcome("notification: %s", s.cfg.Value(uuid.From16(temperature), v.Data))
	}
	return sub.Close()
}

func (s *story) changeParams(ctx context.Context) error {
	s.beginStep("Save the kettle's battery: a longer interval, and it may sleep.")
	got, err := s.client.UpdateParams(ctx, hci.ConnParams{
		IntervalMin: 100 * time.Millisecond, IntervalMax: 125 * time.Millisecond, Latency: 4, Timeout: 6 * time.Second,
	})
	if err != nil {
		return err
	}
	s.printOutcome("Agreed: interval %v, latency %d, timeout %v.", got.Interval, got.Latency, got.Timeout)
	return nil
}

func (s *story) disconnectKettle(context.Context) error {
	s.beginStep("Disconnect.")
	if err := s.client.Close(); err != nil {
		return err
	}
	s.printOutcome("The link ended: %v.", s.client.Err())
	return nil
}

func (s *story) connectAgain(ctx context.Context) error {
	s.beginStep("Connect again. The table is kept, and a hash proves that it is still true.")
	if err := s.establishKettle(ctx); err != nil {
		return err
	}
	s.printOutcome("Ready after %v instead of %v.", s.timeTaken(), s.cold)
	level, err := s.client.Read(ctx, uuid.From16(batteryService), uuid.From16(batteryLevel))
	if err != nil {
		return err
	}
	s.printOutcome("%s: %s", assigned.Characteristic(uuid.From16(batteryLevel)), s.cfg.Value(uuid.From16(batteryLevel), level))
	err = s.client.Close()
	s.tap.muted.Store(true)
	return err
}

// timeTaken returns the time since start, rounded for a person.
func (s *story) timeTaken() time.Duration {
	return time.Since(s.start).Round(10 * time.Millisecond)
}
