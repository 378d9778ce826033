package connmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// AdapterState is the state of an adapter.
type AdapterState uint8

// The states of an adapter.
const (
	AdapterOpening AdapterState = iota // being opened, for the first time or again
	AdapterUp                          // ready
	AdapterDown                        // failed or gone; the Manager keeps trying to open it
)

// String returns the state in lower case.
func (s AdapterState) String() string {
	switch s {
	case AdapterOpening:
		return "opening"
	case AdapterUp:
		return "up"
	case AdapterDown:
		return "down"
	}
	return fmt.Sprintf("state 0x%02x", uint8(s))
}

// Adapter is one adapter of a Manager.
type Adapter struct {
	m                  *Manager
	name               string // as given in Config.Adapters, or listed by the kind
	kind               Kind
	static             hci.MAC // for a controller without an address of its own
	dials, discoveries limit
	recoverer          Recoverer   // nil if its kind has none
	hears              atomic.Bool // a report has come
	pace               controller.Pace

	mu       sync.Mutex
	state    AdapterState // guarded by mu, as all below
	err      error
	host     *host.Host
	proxy    Proxy   // the transport of host; nil unless it is a proxy
	own      hci.MAC // the public address of its controller; zero until that was up once
	climb    climb
	recovery Recovery        // without Tries
	refusals map[string]bool // the errors of rungs that have been logged
	changed  chan struct{}   // closed and replaced when state changes
	dialing  int
	faults   faults
	stalled  stalls
	failed   map[hci.MAC]failure
	reset    chan resetRequest // one slot
	bonds    smp.Store         // the bonds of the controller; nil until it was up once
	deaf     deafness
}

// failure is the weight of the failed dials to one device, which fades.
type failure struct {
	weight float64
	at     time.Time
}

// failureHalfLife is the time after which a failed dial has half its weight.
const failureHalfLife = time.Minute

func (f failure) weightAt(t time.Time) float64 {
	w := f.weight
	for d := t.Sub(f.at); d >= failureHalfLife && w > 0.05; d -= failureHalfLife {
		w /= 2
	}
	return w
}

// newAdapters makes the adapters that the Config names, or else those that its kinds
// list.
func (m *Manager) newAdapters(ctx context.Context) ([]*Adapter, error) {
	kinds, names := m.cfg.kinds(), m.cfg.Adapters
	if names == nil {
		var err error
		if names, err = listAdapters(ctx, kinds); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("connmgr: %w: Config.Adapters is empty: name one, or leave it nil", ErrNoAdapter)
	}
	var as []*Adapter
	for _, name := range names {
		k, err := KindOf(kinds, name)
		if err != nil {
			return nil, err
		}
		a := &Adapter{
			m: m, name: name, kind: k, changed: make(chan struct{}),
			failed: map[hci.MAC]failure{}, stalled: stalls{}, reset: make(chan resetRequest, 1), refusals: map[string]bool{},
			dials: newLimit(m.cfg.MaxDials), discoveries: newLimit(m.cfg.maxDiscoveries()),
		}
		if k.Recoverer != nil {
			a.recoverer = k.Recoverer()
		}
		as = append(as, a)
	}
	return as, nil
}

// Name returns the name of the adapter, as in Config.Adapters.
func (a *Adapter) Name() string { return a.name }

// State returns the state of the adapter, and the reason for it unless the adapter
// is up.
func (a *Adapter) State() (AdapterState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state, a.err
}

// Controller returns the controller of the adapter; nil while it is not up.
func (a *Adapter) Controller() *controller.Controller {
	if h := a.up(); h != nil {
		return h.Controller()
	}
	return nil
}

// adapterView is the state of an adapter at one moment.
type adapterView struct {
	host    *host.Host      // nil while the adapter is not up
	err     error           // why the adapter is not up, if known
	changed <-chan struct{} // closed when the state changes
}

// view returns the present state.
func (a *Adapter) view() adapterView {
	a.mu.Lock()
	defer a.mu.Unlock()
	return adapterView{a.host, a.err, a.changed}
}

// up returns the host of the adapter; nil while it is not up.
func (a *Adapter) up() *host.Host {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != AdapterUp {
		return nil
	}
	return a.host
}

func (a *Adapter) setState(s AdapterState, h *host.Host, err error) {
	a.mu.Lock()
	a.state, a.host, a.err = s, h, err
	close(a.changed)
	a.changed = make(chan struct{})
	a.mu.Unlock()
	a.m.log.Debug("adapter "+s.String(), "adapter", a.name, "error", err)
	a.m.bus.emitEvent(AdapterChanged{time.Now(), a.name, s, err})
	a.m.wake.signal(news{adapterChanged, a})
	if s == AdapterUp {
		a.m.wake.signal(news{adapterUp, a})
	}
}

// keepOpen keeps the adapter open until ctx ends, on the adapter's goroutine.
func (a *Adapter) keepOpen(ctx context.Context) {
	for ctx.Err() == nil {
		if sleep(ctx, a.place().pause()) != nil {
			return
		}
		a.takeRungs(ctx)
		h, err := a.openHost(ctx)
		switch {
		case err == nil:
			if !a.serveHost(ctx, h) {
				a.countTry()
			}
		case ctx.Err() == nil:
			a.countTry()
			a.setState(AdapterDown, nil, err)
		}
	}
}

// startsAgain reports whether the first try to open the adapter has failed in a way that
// another one may not: the controller answered, and failed during its start-up.
func (a *Adapter) startsAgain() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ended := errors.AsType[*controller.Error](a.err)
	return a.climb.tries < 2 && ended && !errors.Is(a.err, controller.ErrNoAnswer)
}

// findAddress returns where to open the adapter now, see Kind.Follow. Cheap controllers
// of one kind may all have the same public address: it tells none of them apart.
func (a *Adapter) findAddress() string {
	own := a.publicAddress()
	if own == (hci.MAC{}) || a.kind.Follow == nil {
		return a.name
	}
	for _, o := range a.m.Adapters() {
		if o != a && o.publicAddress() == own {
			return a.name
		}
	}
	return a.kind.Follow(a.name, own)
}

func (a *Adapter) publicAddress() hci.MAC {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own
}

// openHost opens the transport and starts the host on it.
func (a *Adapter) openHost(ctx context.Context) (*host.Host, error) {
	_, before := a.State() // the reason stays known during the next try
	a.setState(AdapterOpening, nil, before)
	tr, err := a.kind.Open(ctx, a.findAddress())
	if err != nil {
		return nil, err
	}
	hc := a.m.cfg.Host
	hc.HCI.Name, hc.HCI.Pace = a.name, &a.pace
	hc.SMP = a.pairingConfig()
	p := proxyOf(tr)
	if p != nil { // which keeps the bonds: several programs may use it at a time
		hc.SMP.Store = smp.Memory()
	}
	hc.L2CAP.Params.Ask = a.askParams(hc.L2CAP.Params.Ask)
	if hc.HCI.StaticAddress == (hci.MAC{}) {
		hc.HCI.StaticAddress = a.static
	}
	if hc.HCI.Logger == nil {
		hc.HCI.Logger = a.m.cfg.Logger
	}
	h, err := host.Open(ctx, tr, &hc)
	if err == nil {
		a.mu.Lock()
		a.proxy = p
		a.mu.Unlock()
		a.m.tasks.Go(func() { a.watchDrops(ctx, tr, h) })
	}
	return h, err
}

// serveHost keeps an adapter in the state AdapterUp until its host ends, a reset is
// requested, or ctx ends. It reports whether the adapter has worked meanwhile.
func (a *Adapter) serveHost(ctx context.Context, h *host.Host) (worked bool) {
	if p := a.proxy; p != nil {
		n, _ := a.proxySlots(p)
		a.m.slots.Register(a.name, n)
		a.m.slots.SetLimit(a.name, n) // none is not unknown
		a.m.tasks.Go(func() { a.followSlots(ctx, h, p) })
	} else {
		a.m.slots.Register(a.name, a.m.cfg.Slots[a.name])
	}
	a.mu.Lock()
	if own := h.Controller().KnownInfo().Public; own != (hci.MAC{}) {
		a.own = own
	}
	a.faults.events, a.faults.last = nil, 0
	a.mu.Unlock()
	select {
	case <-a.reset: // a request from before the controller was opened anew
	default:
	}
	a.m.duty.noteAdapter()
	a.setState(AdapterUp, h, nil)
	if a.recoverer != nil {
		a.recoverer.NoteOpened(a.findAddress())
	}
	reports, stop := context.WithCancel(ctx)
	scanned := make(chan struct{})
	go func() {
		defer close(scanned)
		a.listenAlways(reports, h)
	}()
	worked, err := a.awaitReset(h, ctx.Done())
	stop()
	a.setState(AdapterDown, nil, err)
	_ = h.Close()
	<-scanned
	a.m.slots.Remove(a.name)
	return worked
}

// clearFailures forgets the failed dials to peer and a stall of its data: a Client for it
// is ready, so that peer has taken data.
func (a *Adapter) clearFailures(peer hci.MAC) {
	a.prove(proofData)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failed, peer)
	delete(a.stalled, peer)
}

// recordFailedDial adds a failed dial to peer.
func (a *Adapter) recordFailedDial(peer hci.MAC) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.failed) >= maxDevices {
		clear(a.failed)
	}
	a.failed[peer] = failure{a.failed[peer].weightAt(now) + 1, now}
}

// Adapters returns the Manager's adapters, in the order of Config.Adapters.
func (m *Manager) Adapters() []*Adapter { return slices.Clone(m.adapters) }

// Adapter returns the adapter with a name; nil if there is none.
func (m *Manager) Adapter(name string) *Adapter {
	for _, a := range m.adapters {
		if a.name == name {
			return a
		}
	}
	return nil
}
