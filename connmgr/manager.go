package connmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/servicecache"
	"github.com/moor-ble/moor/slots"
	"github.com/moor-ble/moor/smp"
)

// Config holds the options of a Manager. The zero value of each field is its
// default; a nil *Config is the same as an empty one. Open keeps a copy.
type Config struct {
	// Adapters are the addresses of the adapters to use. Adapters named here are
	// opened even if bluetoothd uses them, which drops its links. Nil means all
	// adapters that the Kinds list: by default, every adapter of the system that
	// no other process uses.
	Adapters []string
	// Kinds are the kinds of adapters that Adapters may name. Nil means the kind
	// that HCI returns.
	Kinds []Kind
	// StateDir is the directory for bonds, attribute tables, devices heard, traits of
	// devices (see Trait), parameters (see Options.RememberParams), and the address for
	// controllers that have none of their own. Empty keeps all of them in memory: bonds then
	// end with the Manager while the devices still have theirs, unless Pairing.Store keeps
	// them. Tables, traits, parameters and devices are written in the background, at the latest by Close,
	// which waits up to five seconds for each of them if another process has locked the
	// directory.
	StateDir string
	// Slots is the number of links that each adapter carries, by the name of the
	// adapter. An adapter that is not listed has no limit until its controller
	// refuses a link. Until then, at most 8 devices at a time are dialed over it, or as many
	// as it has links.
	Slots map[string]int
	// MaxDials bounds how many dials are under way on one adapter at a time, for
	// controllers that fail otherwise. Zero means no limit: the initiator of a controller
	// waits for all devices at once, and with a limit, a device that does not advertise
	// holds a place for Policy.AttemptTimeout. The wait for a place is a part of the
	// attempt, and ends with Policy.SafetyTimeout.
	MaxDials int
	// MaxDiscoveries bounds how many attribute tables are discovered over one adapter at a
	// time, since all links share its radio. Default 8; negative means no limit.
	MaxDiscoveries int
	// MaxRung is the highest rung that the Manager takes to bring back an adapter which
	// does not work. Default RungUSBReset, where the adapter has a USB port and this
	// process the permission.
	MaxRung Rung
	// Policy is how Establish retries; nil is DefaultPolicy.
	Policy *Policy
	// Host holds the options of the stack on each adapter. Its SMP must be nil:
	// Pairing holds those options. Host.HCI.Name is the adapter's name, and Host.HCI.Pace
	// is kept for each adapter.
	Host host.Config
	// DisableScan scans only during connects, scans and searches. Otherwise the adapters
	// listen all the time while a call waits for a device, and a quarter of the time while
	// none does: see the package documentation. PassiveScan does not request scan responses.
	DisableScan, PassiveScan bool
	// Pairing holds the options of the Security Manager of each adapter. With nil,
	// the Manager uses bonds, pairs without a Delegate where Options.Pair asks for
	// it, and refuses devices that begin to pair. Bonds are kept where Store says,
	// else in StateDir, else in memory until the Manager is closed.
	Pairing *smp.Config
	// Logger receives the attempts at debug level, in the words of
	// bleak-retry-connector; nil logs nothing.
	Logger *slog.Logger
}

// checkConfig returns an error for options that are ignored or have no meaning.
func (c *Config) checkConfig() error {
	if c.MaxRung > RungUSBReset {
		return fmt.Errorf("connmgr: Config.MaxRung is %v: use RungReopen, RungPowerCycle or RungUSBReset", c.MaxRung)
	}
	if c.Host.SMP != nil {
		return errors.New("connmgr: Config.Host.SMP is set: put the options of the Security Manager into Config.Pairing")
	}
	return nil
}

func (c *Config) policy() Policy {
	if c.Policy != nil {
		return *c.Policy
	}
	return DefaultPolicy()
}

func (c *Config) kinds() []Kind {
	if c.Kinds != nil {
		return c.Kinds
	}
	return []Kind{HCI(&hcisock.Config{Logger: c.Logger})}
}

// Manager establishes connections over its adapters. Its methods may be called
// from any goroutine.
type Manager struct {
	cfg     Config
	log     *slog.Logger
	ctx     context.Context // ends with the Manager
	stop    context.CancelFunc
	done    chan struct{} // closed at the beginning of Close
	bus     *bus
	wake    *broadcast
	duty    *duty
	devices *devices
	links   *links
	slots   *slots.Manager
	account account
	places  *places
	cache   *servicecache.Cache
	tables  *tableStore
	traits  *traits
	params  *remembered
	keeps   keeps
	records *records
	writer  *stateWriter
	bonds   *bondStores
	static  hci.MAC // for controllers without an address of their own

	evidence evidences // from the failures of devices

	adapters []*Adapter // constant, as all above

	tasks     sync.WaitGroup // goroutines of the adapters and links
	callbacks sync.WaitGroup // callbacks of the program

	mu     sync.Mutex
	closed bool // guarded by mu
}

// Open makes a Manager and begins to open its adapters. It returns as soon as one of
// them is up. The others, and those that fail later, are opened in the background. If
// every adapter fails once, or ctx ends before one is up, Open closes the Manager and
// returns the error. A controller that answers, but fails during its start-up, gets a
// second try first.
func Open(ctx context.Context, cfg *Config) (*Manager, error) {
	m := &Manager{
		done: make(chan struct{}), bus: newBus(), wake: newBroadcast(), places: newPlaces(), records: newRecords(),
		duty: newDuty(), links: newLinks(), account: newAccount(),
	}
	m.devices = newDevices(m.duty)
	if cfg != nil {
		m.cfg = *cfg
	}
	if m.log = m.cfg.Logger; m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if err := m.cfg.checkConfig(); err != nil {
		return nil, err
	}
	policy := m.cfg.policy()
	if err := policy.check(); err != nil {
		return nil, err
	}
	adapters, err := m.newAdapters(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := OpenCache(m.cfg.StateDir, m.cfg.Logger)
	if err != nil {
		return nil, err
	}
	m.repairState()
	m.writer = &stateWriter{log: m.log}
	m.cache, m.tables = cache, newTableStore(cache, m.writer)
	m.bonds = newBondStores(m.cfg.StateDir)
	m.traits = loadTraits(m.cfg.StateDir, m.writer)
	m.params = loadParams(m.cfg.StateDir, m.writer)
	m.loadDevices()
	if m.static, err = loadStaticAddress(m.cfg.StateDir); err != nil {
		return nil, errors.Join(err, cache.Close())
	}
	m.slots = slots.New(&slots.Config{Logger: m.cfg.Logger})
	m.slots.Subscribe(m.slotChanged)
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.adapters = adapters
	for i, a := range m.adapters {
		a.static = m.static
		a.static[0] += byte(i) // each adapter has another address on air
		m.tasks.Go(func() { a.keepOpen(m.ctx) })
	}
	if m.cfg.StateDir != "" {
		m.tasks.Go(m.keepState)
	}
	if err := m.awaitAdapter(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// awaitAdapter waits until one adapter is up, or each has failed. An adapter fails with
// its first try, unless startsAgain.
func (m *Manager) awaitAdapter(ctx context.Context) error {
	adapters := m.Adapters()
	for {
		changed := m.wake.await(news{change: adapterChanged})
		var failed []error
		for _, a := range adapters {
			switch state, err := a.State(); state {
			case AdapterUp:
				return nil
			case AdapterDown, AdapterOpening: // opening with an error: the next try has begun
				if err != nil && !a.startsAgain() {
					failed = append(failed, fmt.Errorf("%s: %w", a.name, err))
				}
			}
		}
		if len(failed) == len(adapters) {
			return fmt.Errorf("connmgr: %w: %w", ErrNoAdapter, errors.Join(failed...))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("connmgr: no adapter was ready in time: %w", context.Cause(ctx))
		}
	}
}

// enterCall counts a call that Close has to wait for; false once Close has begun.
func (m *Manager) enterCall() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.tasks.Add(1)
	return true
}

// bindContext returns a context that ends with ctx, with the Manager, or after d, if d
// is positive.
func (m *Manager) bindContext(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(errManagerClosed) })
	end := func() { stop(); cancel(nil) }
	if d <= 0 {
		return ctx, end
	}
	ctx, expire := context.WithTimeoutCause(ctx, d, deadlineError{d})
	return ctx, func() { expire(); end() }
}

// Close ends all connections, dials, scans and adapters. It waits for them and for
// running callbacks, so that it must not be called from a callback. Closing again does
// nothing.
func (m *Manager) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	close(m.done)
	m.stop()
	m.tasks.Wait()
	m.slots.Close()
	m.bus.closeListeners(errManagerClosed)
	m.callbacks.Wait()
	m.writer.closeWriter()
	return errors.Join(m.saveDevices(), m.cache.Close())
}

// Slots returns the account of the connection slots, to read and to subscribe to. The
// Manager changes it.
func (m *Manager) Slots() *slots.Manager { return m.slots }
