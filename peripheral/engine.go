package peripheral

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// Options are the options of an Engine. The zero value of each field is its default.
type Options struct {
	// Seed is the seed of all chance.
	Seed uint64
	// Event is called for each action of the peripheral and of its centrals, one after
	// the other, on goroutines of the Engine. It must not block for long, and must not call
	// methods of the Engine.
	Event func(Event)
	// Run returns the output of a command of a Behavior. Default: descriptions with
	// commands are refused.
	Run func(ctx context.Context, command string) (string, error)
	// Passkey is called with a passkey that the peripheral displays.
	Passkey func(p smp.Passkey)
	// Bonds is the store of the bonds; default in memory.
	Bonds smp.OpenStore
	// Logger gets the log of all layers; nil means no log.
	Logger *slog.Logger
}

// Engine is a running peripheral. Any goroutine may call its methods, except a loop of
// a controller.
type Engine struct {
	opts  Options
	ready chan struct{} // closed once Serve advertises
	begun sync.Once     // closes ready

	eventMu sync.Mutex // held while Options.Event runs

	changing sync.Mutex                   // held by Serve and Reload while they change the peripheral
	sets     []*controller.AdvertisingSet // guarded by changing: beside the first one

	mu     sync.Mutex // leaf; guards the rest
	d      *Description
	server *gatt.Server
	host   *host.Host // while Serve runs
	// handles are those of the characteristics of d, values the latest values.
	handles map[*Characteristic]att.Handle
	values  map[*Characteristic][]byte
	peers   map[*gatt.Session]hci.Addr
	stop    context.CancelFunc // ends the behaviors
	moving  *sync.WaitGroup
	run     context.Context // of Serve
}

// New returns the engine of a description, or the first mistake in it as a *FieldError.
// The Engine keeps d, which must not change any more. nil options are the defaults.
func New(d *Description, o *Options) (*Engine, error) {
	e := &Engine{ready: make(chan struct{}), peers: map[*gatt.Session]hci.Addr{}}
	if o != nil {
		e.opts = *o
	}
	if err := e.check(d); err != nil {
		return nil, err
	}
	e.d = d
	return e, nil
}

func (e *Engine) check(d *Description) error {
	if err := d.Validate(); err != nil {
		return err
	}
	for i := range d.Services {
		for j := range d.Services[i].Characteristics {
			if d.Services[i].Characteristics[j].Behavior.Kind == Command && e.opts.Run == nil {
				return fieldErrorf(fmt.Sprintf("services[%d].characteristics[%d].behavior", i, j), "exec runs commands only in moor peripheral: choose another kind")
			}
		}
	}
	return nil
}

// Services returns the table with the handlers of the Engine.
func (e *Engine) Services() []gatt.ServiceDef {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.d.serviceDefs(e)
}

// HostConfig returns the configuration of a host for Serve, but for its Server: address,
// pairing and log. The caller may add to it.
func (e *Engine) HostConfig() *host.Config {
	e.mu.Lock()
	d := e.d
	e.mu.Unlock()
	c := &host.Config{}
	c.HCI.Logger = e.opts.Logger
	if own := d.Own(); own.Kind == hci.AddrRandom {
		c.HCI.Address = own
	}
	if d.Pairing.Method == NoPairing {
		return c
	}
	c.SMP = &smp.Config{
		Store: e.opts.Bonds, AllowLegacy: d.Pairing.Legacy, AllowRepair: true, Privacy: d.Address.Resolvable,
		AddressLifetime: d.Rotation, Logger: e.opts.Logger,
		Changed: func(peer hci.Addr, b *smp.Bond) {
			if b != nil {
				e.reportEvent(Event{Kind: EventPaired, Peer: peer, Authenticated: b.Authenticated})
			}
		},
	}
	if d.Pairing.Method == Passkey {
		c.SMP.Delegate = display{show: e.opts.Passkey}
		if p, err := smp.ParsePasskey(d.Pairing.Passkey); err == nil {
			c.SMP.FixedPasskey = &p
		}
	}
	return c
}

// NewServer returns a server of the table, for host.Config.Server.
func (e *Engine) NewServer() (*gatt.Server, error) {
	e.mu.Lock()
	d := e.d
	e.mu.Unlock()
	return gatt.NewServer(&gatt.ServerConfig{
		Name: d.Name, Appearance: d.Appearance, Services: e.Services(), DisableGATT: d.NoGATT, Logger: e.opts.Logger,
	})
}

// display is the user interface of a peripheral with a display and no input.
type display struct {
	smp.NoInput
	show func(smp.Passkey) // may be nil
}

// IO returns DisplayOnly.
func (display) IO() smp.IOCapability { return smp.DisplayOnly }

// Display shows a passkey.
func (d display) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	if d.show != nil {
		d.show(p)
	}
	return nil
}

// Ready returns a channel that is closed once the peripheral advertises, or would.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// errServing means that Serve runs already.
var errServing = errors.New("peripheral: the engine serves another host already")

// Serve advertises on h, whose Server must have the table of Services, accepts centrals
// and moves the values until ctx ends or the controller does. It returns nil at the end of
// ctx, and leaves the host open, without advertising. It may be called again then; on a host
// with the same Server, the values are those of before.
func (e *Engine) Serve(ctx context.Context, h *host.Host) error {
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	e.mu.Lock()
	if e.host != nil {
		e.mu.Unlock()
		return errServing
	}
	e.host, e.run = h, run
	d, known := e.d, e.server
	e.mu.Unlock()
	defer e.endServing()
	if own := d.Own(); own.Kind == hci.AddrPublic && own != (hci.Addr{}) && own != h.Controller().Info().Address {
		return fieldErrorf("address", "the controller has the address %v, not %v: write address: public", h.Controller().Info().Address, own)
	}
	if h.Server() != known { // another one has the first values
		e.adopt(h.Server(), d)
	}
	e.changing.Lock()
	err := e.advertise(run, h, d)
	e.changing.Unlock()
	if err != nil {
		return endOf(ctx, err)
	}
	e.startValues(run, d)
	e.begun.Do(func() { close(e.ready) })
	var links sync.WaitGroup
	defer links.Wait()
	defer cancel()
	for {
		c, err := h.Accept(run)
		if err != nil {
			return endOf(ctx, err)
		}
		links.Go(func() { e.follow(run, c) })
	}
}

// endOf returns nil if ctx has ended, otherwise err.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stopTime bounds the end of the advertising.
const stopTime = 5 * time.Second

func (e *Engine) endServing() {
	e.changing.Lock()
	defer e.changing.Unlock()
	e.stopValues()
	e.mu.Lock()
	h := e.host
	e.host, e.run = nil, nil
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	// These fail if the controller has ended, which stops the advertising too.
	_ = e.stopSets(ctx)
	_ = h.StopAdvertising(ctx)
}

// advertise begins the advertising of d in place of the present one. Must be called with
// changing locked.
func (e *Engine) advertise(ctx context.Context, h *host.Host, d *Description) error {
	o, err := d.Advertisement()
	if err != nil {
		return err
	}
	further, err := d.FurtherSets()
	if err != nil {
		return err
	}
	if err := e.stopSets(ctx); err != nil {
		return err
	}
	if o == nil {
		err = h.StopAdvertising(ctx)
	} else {
		err = h.Advertise(ctx, o)
	}
	if err != nil {
		return err
	}
	for i, options := range further {
		set, err := h.AddAdvertising(ctx, options)
		if err != nil {
			return &FieldError{Path: fmt.Sprintf("advertising.sets[%d]", i), Err: err}
		}
		e.sets = append(e.sets, set)
	}
	if o != nil {
		e.reportEvent(Event{Kind: EventAdvertising, Own: h.Controller().Info().Address, Data: o})
	}
	return nil
}

// stopSets ends the sets beside the first one. Must be called with changing locked.
func (e *Engine) stopSets(ctx context.Context) error {
	var failed []error
	for _, set := range e.sets {
		failed = append(failed, set.Stop(ctx))
	}
	e.sets = nil
	return errors.Join(failed...)
}

// follow reports the begin and the end of a link.
func (e *Engine) follow(ctx context.Context, c *host.Conn) {
	e.mu.Lock()
	e.peers[c.Session()] = c.Peer()
	e.mu.Unlock()
	e.reportEvent(Event{Kind: EventConnected, Peer: c.Peer()})
	select {
	case <-c.Done():
	case <-ctx.Done():
		_ = c.Close()
	}
	e.mu.Lock()
	delete(e.peers, c.Session())
	e.mu.Unlock()
	e.reportEvent(Event{Kind: EventDisconnected, Peer: c.Peer(), Reason: reasonOf(c.Err())})
}

func reasonOf(err error) hci.Status {
	if d, ok := errors.AsType[*controller.DisconnectError](err); ok {
		return d.Reason
	}
	return hci.StatusSuccess
}

// peerOf returns the address of the central of a session.
func (e *Engine) peerOf(s *gatt.Session) hci.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a, ok := e.peers[s]; ok {
		return a
	}
	a, _ := hci.ParseAddr(s.Peer().Key) // Accept has not returned yet
	return a
}
