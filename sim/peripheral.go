package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// PeripheralConfig holds the properties of a Peripheral. Zero fields have the
// stated defaults.
type PeripheralConfig struct {
	// Name is the device's name, advertised and in its table. Default: the name
	// of its controller.
	Name       string
	Appearance uint16
	// Address is its static random address. Default: the public address of its
	// controller.
	Address hci.Addr
	// Services follow Generic Access and Generic Attribute in its table.
	Services []gatt.ServiceDef
	// DisableGATT leaves Generic Attribute out, so that the device has neither
	// Service Changed nor a Database Hash.
	DisableGATT bool
	// Advertise holds its advertising options. Default: flags, services with
	// 16-bit UUIDs, appearance and name, every 100 ms. A name that does not fit
	// the 31 octets moves to the scan response and is cut to 29 octets. Services
	// that still do not fit are left out, the last ones first. With Silent the
	// peripheral does not advertise.
	Advertise *controller.AdvertiseOptions
	Silent    bool
	// Controller configures its controller. Default: the zero ControllerConfig.
	Controller *ControllerConfig
	// Host holds the options of its host. NewPeripheral sets Server and the
	// address.
	Host host.Config
	// Temper is its misbehavior. Default: it is well behaved.
	Temper Temper
	// Run, if set, is the device's own activity. It runs on its own goroutine and
	// must return when ctx is done.
	Run func(ctx context.Context, p *Peripheral)
}

// Peripheral is a device with moor's whole stack over a simulated controller. It
// advertises, accepts links and serves its table.
type Peripheral struct {
	ctl     *Controller
	host    *host.Host
	server  *gatt.Server
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closing atomic.Bool   // Close has been called
	closed  chan struct{} // closed when it has returned
	ended   atomic.Bool
	err     error // of Close
}

// NewPeripheral adds a device to the air. It returns when the device advertises.
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
	p := &Peripheral{ctl: a.newController(&cc, true), closed: make(chan struct{})}
	a.post(func() { p.ctl.node.setTemper(c.Temper) })
	c.Name = or(c.Name, p.ctl.node.name)
	if err := p.start(ctx, &c); err != nil {
		return nil, errors.Join(fmt.Errorf("sim: peripheral %q: %w", c.Name, err), p.Close())
	}
	run, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if c.Run != nil {
		p.wg.Go(func() { c.Run(run, p) })
	}
	if !a.adopt(p) {
		return nil, errors.Join(errClosed, p.Close())
	}
	return p, nil
}

func (p *Peripheral) start(ctx context.Context, c *PeripheralConfig) (err error) {
	p.server, err = gatt.NewServer(&gatt.ServerConfig{
		Name: c.Name, Appearance: c.Appearance, Services: c.Services, DisableGATT: c.DisableGATT,
		Logger: c.Host.HCI.Logger,
	})
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

// advertised returns the default advertising options.
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

// nameAlone returns a scan response with as much of the name as fits.
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

// Address returns the peripheral's address.
func (p *Peripheral) Address() hci.Addr { return p.host.Controller().Info().Address }

// Host returns the peripheral's host.
func (p *Peripheral) Host() *host.Host { return p.host }

// Server returns the server of the peripheral's table.
func (p *Peripheral) Server() *gatt.Server { return p.server }

// Controller returns the peripheral's controller, for faults.
func (p *Peripheral) Controller() *Controller { return p.ctl }

// ForgetBonds removes all bonds of the peripheral, as a factory reset does. The
// bonded centrals keep theirs. Links stay encrypted until they end.
func (p *Peripheral) ForgetBonds() error {
	m := p.host.SMP()
	if m == nil {
		return nil
	}
	var err error
	for _, b := range m.Store().All() {
		err = errors.Join(err, m.Store().Remove(b.Peer))
	}
	return err
}

func (p *Peripheral) radio() *radio { return p.ctl.node }

// Close ends the peripheral's advertising and its links. It returns when all its
// goroutines have ended. Later calls return the same error. Air.Close closes it
// too.
func (p *Peripheral) Close() error {
	if p.closing.CompareAndSwap(false, true) {
		p.closeStack()
		close(p.closed)
	}
	<-p.closed // a mutex would stop the clock of a bubble
	return p.err
}

func (p *Peripheral) closeStack() {
	defer p.ended.Store(true)
	if p.cancel != nil {
		p.cancel()
	}
	p.wg.Wait()
	if p.host != nil {
		p.err = p.host.Close()
	}
	if p.server != nil {
		p.server.Close()
	}
}

func (p *Peripheral) isClosed() bool { return p.ended.Load() }
