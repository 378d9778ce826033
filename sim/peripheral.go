package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// PeripheralConfig says what a Peripheral is. Zero fields have the stated
// defaults.
type PeripheralConfig struct {
	// Name is the device's name, advertised and in its table. Default: the name
	// of its controller.
	Name       string
	Appearance uint16
	// Address is a random address for it. Default: its controller's public
	// address.
	Address hci.Addr
	// Services stand in its table, behind Generic Access and Generic Attribute.
	Services []gatt.ServiceDef
	// Advertise says how it advertises. Default: the flags, the services with
	// 16-bit UUIDs, the appearance and the name, every 100 ms. A name for which
	// the 31 octets have no room is in the scan response instead, cut to 29
	// octets; of services that have no room even so, the last ones are left out
	// (from the twelfth on, with an appearance). With Silent it does not advertise.
	Advertise *controller.AdvertiseOptions
	Silent    bool
	// Controller is its controller. Default: the zero ControllerConfig.
	Controller *ControllerConfig
	// Host holds the options of its host; Server, and the address, are the
	// Peripheral's.
	Host host.Config
	// Run, if set, is what the device does by itself, on a goroutine of its own,
	// until ctx is over.
	Run func(ctx context.Context, p *Peripheral)
}

// Peripheral is a device with the whole stack over a simulated controller: it
// advertises, takes links and serves its table.
type Peripheral struct {
	ctl    *Controller
	host   *host.Host
	server *gatt.Server
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewPeripheral puts a device on the air. It returns when that advertises;
// ctx bounds the start only.
func (a *Air) NewPeripheral(ctx context.Context, cfg *PeripheralConfig) (*Peripheral, error) {
	var c PeripheralConfig
	if cfg != nil {
		c = *cfg
	}
	cc := ControllerConfig{}
	if c.Controller != nil {
		cc = *c.Controller
	}
	cc.Name = or(cc.Name, c.Name)
	p := &Peripheral{ctl: a.newController(&cc, true)}
	c.Name = or(c.Name, p.ctl.node.name)
	if err := p.start(ctx, &c); err != nil {
		return nil, errors.Join(fmt.Errorf("sim: peripheral %q: %w", c.Name, err), p.Close())
	}
	run, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if c.Run != nil {
		p.wg.Go(func() { c.Run(run, p) })
	}
	return p, nil
}

func (p *Peripheral) start(ctx context.Context, c *PeripheralConfig) (err error) {
	p.server, err = gatt.NewServer(&gatt.ServerConfig{Name: c.Name, Appearance: c.Appearance, Services: c.Services, Logger: c.Host.HCI.Logger})
	if err != nil {
		return errors.Join(err, p.ctl.Close())
	}
	hc := c.Host
	hc.Server, hc.HCI.Address = p.server, c.Address
	if p.host, err = host.Open(ctx, p.ctl, &hc); err != nil {
		return err
	}
	if c.Silent {
		return nil
	}
	o := c.Advertise
	if o == nil {
		if o, err = advertised(c); err != nil {
			return err
		}
	}
	return p.host.Advertise(ctx, o)
}

// advertised is what a peripheral says if it is not told what to.
func advertised(c *PeripheralConfig) (*controller.AdvertiseOptions, error) {
	f := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, Name: c.Name, Appearance: c.Appearance}
	for _, s := range c.Services {
		if _, short := s.UUID.Short(); short {
			f.Services = append(f.Services, s.UUID)
		}
	}
	data, err := f.Append(nil, legacyData)
	if err == nil {
		return &controller.AdvertiseOptions{Data: data}, nil
	}
	response, err := nameAlone(c.Name)
	if err != nil {
		return nil, err
	}
	for f.Name = ""; ; f.Services = f.Services[:len(f.Services)-1] {
		if data, err = f.Append(nil, legacyData); err == nil || len(f.Services) == 0 {
			return &controller.AdvertiseOptions{Data: data, Response: response}, err
		}
	}
}

// nameAlone is a scan response with a name, or with as much of it as it has
// room for.
func nameAlone(name string) (hci.AdvData, error) {
	const room = legacyData - 2 // behind length and type
	f := hci.AdvFields{Name: name}
	if len(name) > room {
		n := room
		for n > 0 && !utf8.RuneStart(name[n]) {
			n-- // a character whole or not at all
		}
		f = hci.AdvFields{ShortName: name[:n]}
	}
	return f.Append(nil, legacyData)
}

// Address is what the peripheral is reached by.
func (p *Peripheral) Address() hci.Addr { return p.host.Controller().Info().Address }

// Host returns the peripheral's host, Server its table and Controller its
// controller, for faults.
func (p *Peripheral) Host() *host.Host { return p.host }

// Server returns the peripheral's table.
func (p *Peripheral) Server() *gatt.Server { return p.server }

// Controller returns the peripheral's controller.
func (p *Peripheral) Controller() *Controller { return p.ctl }

func (p *Peripheral) radio() *radio { return p.ctl.node }

// Close takes the peripheral off the air, ending its links. It returns when
// all its goroutines have ended.
func (p *Peripheral) Close() error {
	if p.cancel != nil {
		p.cancel()
	}
	p.wg.Wait()
	var err error
	if p.host != nil {
		err = p.host.Close()
	}
	if p.server != nil {
		p.server.Close()
	}
	return err
}
