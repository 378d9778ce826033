// Package demo is "moor demo": the stack's main job from beginning to end, on
// simulated air, told step by step with what happens on HCI. It runs in real
// time and needs no Bluetooth.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/assigned"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// Config is what the demo needs from the command line.
type Config struct {
	// Out takes the story, made for 80 columns.
	Out io.Writer
	// Tree shows a profile and Value a value, as the other commands do.
	Tree  func(*gatt.Profile) []string
	Value func(uuid.UUID, []byte) string
	// HCI holds options of the controller: log and capture.
	HCI hci.Config
}

// timeout bounds the whole demo, which takes a few seconds.
const timeout = time.Minute

// listenTime is how long the scan listens.
const listenTime = 800 * time.Millisecond

var errListened = errors.New("demo: listened long enough")

// failures is how many dials the kettle lets fail.
const failures = 2

// show is a demo under way.
type show struct {
	*printer
	cfg    *Config
	tap    *tap
	host   *host.Host
	kettle hci.Addr
	conn   *host.Conn
}

// Run tells the story. It returns why it could not be told to the end.
func Run(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("demo: the simulated air took longer than a minute"))
	defer cancel()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	p := &printer{w: cfg.Out, pending: map[hci.Opcode]string{}}
	p.list([]string{"The main job on simulated air. On HCI: -> command, <- event."})

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

	s := &show{printer: p, cfg: cfg, tap: &tap{Transport: central, p: p}}
	err = s.tell(ctx)
	if s.host != nil {
		err = errors.Join(err, s.host.Close())
	}
	return errors.Join(err, p.failed())
}

// tell is the story.
func (s *show) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		s.open, s.scan, s.connect, s.discover, s.read, s.subscribe, s.change, s.disconnect,
	} {
		if err := part(ctx); err != nil {
			return err
		}
		if err := s.failed(); err != nil {
			return err
		}
	}
	s.list([]string{"", "That was the whole way. With an adapter: moor scan, then moor services ADDR."})
	return nil
}

func (s *show) open(ctx context.Context) (err error) {
	s.step("Open the controller: reset it, ask what it is and can do.")
	s.tap.muted.Store(true)
	if s.host, err = host.Open(ctx, s.tap, &host.Config{HCI: s.cfg.HCI}); err != nil {
		return err
	}
	s.tap.muted.Store(false)
	i := s.host.Device().Info()
	s.say("Controller %v: Bluetooth %s, %d buffers of %d octets, accept list of %d.",
		i.Address, assigned.Version(i.Version.HCIVersion), i.ACLNum, i.ACLLen, i.AcceptListSize)
	return nil
}

func (s *show) scan(ctx context.Context) error {
	s.step("Scan.")
	sc, err := s.host.Scan(ctx, nil)
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
			s.list([]string{fmt.Sprintf("heard %v  %d dBm  %s", r.Addr, r.RSSI, r.Name())})
			if r.Name() == kettleName {
				s.kettle = r.Addr
			}
		}
	}
	if s.kettle == (hci.Addr{}) {
		return fmt.Errorf("demo: %s was not heard within %v", kettleName, listenTime)
	}
	s.say("The kettle is %v.", s.kettle)
	return nil
}

func (s *show) connect(ctx context.Context) error {
	s.step("Connect. The kettle's radio misses the first packets, twice.")
	for n := 1; ; n++ {
		start := time.Now()
		c, err := s.host.Connect(ctx, s.kettle, nil)
		mtu := 0
		if err == nil {
			// The controller calls a link made when it has sent the request for it.
			// That the peer has heard it shows with the first answer.
			mtu, err = c.GATT().ExchangeMTU(ctx)
		}
		switch {
		case err == nil:
			s.conn = c
			s.say("Attempt %d: connected after %v, with an MTU of %d octets.", n, roughly(start), mtu)
			return nil
		case !errors.Is(err, hci.StatusFailedToEstablish):
			return err
		}
		s.say("Attempt %d: %v after %v. That says nothing about the device: dial again at once.", n, hci.StatusFailedToEstablish, roughly(start))
	}
}

func (s *show) discover(ctx context.Context) error {
	s.step("Discover what it has.")
	start := time.Now()
	p, err := s.conn.GATT().Discover(ctx)
	if err != nil {
		return err
	}
	s.say("The whole table in %v:", roughly(start))
	s.list(s.cfg.Tree(p))
	return nil
}

func (s *show) read(ctx context.Context) error {
	s.step("Read.")
	for _, what := range []struct{ svc, chr uuid.UUID }{
		{uuid.From16(deviceInformation), uuid.From16(manufacturerName)},
		{uuid.From16(batteryService), uuid.From16(batteryLevel)},
		{uuid.From16(environmentalSensing), uuid.From16(temperature)},
	} {
		v, err := s.conn.GATT().Read(ctx, what.svc, what.chr)
		if err != nil {
			return err
		}
		s.say("%s: %s", assigned.Characteristic(what.chr), s.cfg.Value(what.chr, v))
	}
	return nil
}

func (s *show) subscribe(ctx context.Context) error {
	s.step("Subscribe to the temperature while the kettle heats.")
	c, err := s.conn.GATT().Char(ctx, uuid.From16(environmentalSensing), uuid.From16(temperature))
	if err != nil {
		return err
	}
	sub, err := c.Subscribe(ctx, nil)
	if err != nil {
		return err
	}
	for range 4 {
		v, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		s.say("notification: %s", s.cfg.Value(uuid.From16(temperature), v.Data))
	}
	return sub.Close()
}

func (s *show) change(ctx context.Context) error {
	s.step("Save the kettle's battery: a longer interval, and it may sleep.")
	got, err := s.conn.Link().Update(ctx, hci.ConnParams{
		IntervalMin: 100 * time.Millisecond, IntervalMax: 125 * time.Millisecond, Latency: 4, Timeout: 6 * time.Second,
	})
	if err != nil {
		return err
	}
	s.say("Agreed: interval %v, latency %d, timeout %v.", got.Interval, got.Latency, got.Timeout)
	return nil
}

func (s *show) disconnect(context.Context) error {
	s.step("Disconnect.")
	if err := s.conn.Close(); err != nil {
		return err
	}
	s.say("The link ended: %v.", s.conn.Err())
	s.tap.muted.Store(true)
	return nil
}

// roughly is the time since start, as a person would say it.
func roughly(start time.Time) time.Duration {
	return time.Since(start).Round(10 * time.Millisecond)
}
