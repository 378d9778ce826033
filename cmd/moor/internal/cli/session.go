package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// findTime is how long a device is searched for on air to learn the kind of its
// address. Advertising intervals go up to 10.24 s; few devices use more than 2 s.
const findTime = 10 * time.Second

// kinds returns the kinds of adapters that the command line can name: those that
// the environment opens, or else HCI controllers and simulated air.
func (a *app) kinds() []connmgr.Kind {
	if a.env.Open != nil {
		return []connmgr.Kind{{Open: a.env.Open}}
	}
	return []connmgr.Kind{
		connmgr.HCI(&hcisock.Config{Logger: a.log}),
		{Prefix: "sim:", Open: a.openSimulated},
	}
}

// open opens the controller at an address.
func (a *app) open(ctx context.Context, address string) (hci.Transport, error) {
	k, err := connmgr.KindOf(a.kinds(), address)
	if err != nil {
		return nil, err
	}
	return k.Open(ctx, address)
}

// adapters returns the controllers to use: those asked for, or else those of the
// kernel's that nobody loses. If there is none, the error says why.
func (a *app) adapters() (names []string, err error) {
	if len(a.Adapters) > 0 {
		return a.Adapters, nil
	}
	list, err := a.env.adapters()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNoAdapter
	}
	free, err := hcisock.Unclaimed(list, hcisock.Links)
	for i := range free {
		names = append(names, free[i].Name)
	}
	return names, err
}

var errNoAdapter = errors.New("there is no Bluetooth adapter on this machine")

// stateDir returns the directory for what is kept from one command to the next;
// "" is none. The one that nobody asked for by name is done without if it cannot
// be written to; what is heard on simulated air has a place of its own in it.
func (a *app) stateDir() string {
	switch a.State {
	case "none":
		return ""
	case "":
	default:
		return a.State
	}
	dir := a.env.State
	if dir == "" {
		return ""
	}
	if a.simulated() {
		dir = filepath.Join(dir, "sim")
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".probe"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		a.log.Info("nothing is kept", "error", err)
		return ""
	}
	return dir
}

// air says how a command listens.
type air struct {
	adapters []string // other than the command line says; nil is as that says
	listen   bool     // listen all the time; otherwise only for a device to connect to
	passive  bool
	silent   bool // the command itself tells what the manager does
	pairing  smp.Config
}

// withManager runs f with a connection manager and closes that afterwards.
func (a *app) withManager(ctx context.Context, on air, f func(m *connmgr.Manager) error) error {
	names := on.adapters
	if names == nil {
		var err error
		if names, err = a.adapters(); err != nil {
			return err
		}
	}
	// A capture is of one controller.
	if a.Snoop != "" && len(a.Adapters) == 0 {
		names = names[:1]
	}
	if a.Snoop != "" && len(names) > 1 {
		return usagef("--snoop captures the packets of one adapter: name one with --adapter")
	}
	on.pairing.DisableIncoming, on.pairing.Logger, on.pairing.Privacy = true, a.log, a.Privacy
	return a.withCapture(func(capture io.Writer) error {
		cfg := &connmgr.Config{
			Adapters: names, Kinds: a.kinds(), StateDir: a.stateDir(), Logger: a.log,
			DisableScan: !on.listen, PassiveScan: on.passive, Pairing: &on.pairing,
			Host: host.Config{HCI: controller.Config{Logger: a.log, Snoop: capture}},
		}
		m, err := connmgr.Open(ctx, cfg)
		if err != nil {
			return err
		}
		told := a.tell(m, on.silent)
		err = f(m)
		if e := m.Close(); err == nil {
			err = e
		}
		<-told
		return err
	})
}

// briefly are the options of commands that end soon: they stay with the fast
// parameters that a link starts with.
func briefly() connmgr.Options { return connmgr.Options{KeepParams: true} }

// untabled is briefly for commands that need no attribute.
func untabled() connmgr.Options {
	return connmgr.Options{KeepParams: true, DisableDiscovery: true}
}

// withClient runs f with a connection to the device at p, which ends afterwards.
// What o does not say is as the command line wants it.
func (a *app) withClient(ctx context.Context, p *peer, o connmgr.Options, f func(c *connmgr.Client) error) error {
	return a.withManager(ctx, air{}, func(m *connmgr.Manager) error {
		c, err := a.establish(ctx, m, p, o)
		if err != nil {
			return err
		}
		err = f(c)
		if e := c.Close(); err == nil {
			err = e
		}
		return err
	})
}

// establish connects to the device at p.
func (a *app) establish(ctx context.Context, m *connmgr.Manager, p *peer, o connmgr.Options) (*connmgr.Client, error) {
	start := time.Now()
	address, err := a.locate(ctx, m, p)
	if err != nil {
		return nil, err
	}
	o.MaxAttempts, o.DisableCache = int(p.Attempts), o.DisableCache || p.NoCache
	a.secured(p, &o)
	if p.Within > 0 {
		o.Timeout = max(time.Duration(p.Within)-time.Since(start), time.Millisecond)
	}
	return m.Establish(ctx, address, &o)
}

// locate returns the address of p with its kind. If that was not written, it is
// the kind heard before, or else the one that is heard now. Where there is a
// choice of adapters, it also listens for the one that hears the device.
func (a *app) locate(ctx context.Context, m *connmgr.Manager, p *peer) (string, error) {
	address := p.Addr.String()
	known := p.Addr.Known
	if d, ok := m.Device(address); ok && !known {
		address, known = d.Addr.String(), true
	}
	if known && len(m.Adapters()) == 1 {
		return address, nil
	}
	a.note("searching for %s", p.Addr.Addr.MAC)
	limit := findTime
	if p.Within > 0 {
		limit = min(limit, time.Duration(p.Within))
	}
	within, cancel := context.WithTimeoutCause(ctx, limit, errNotSeen)
	defer cancel()
	d, err := m.WaitFor(within, address)
	switch {
	case err == nil:
		return d.Addr.String(), nil
	case !errors.Is(err, errNotSeen):
		return "", err
	case known: // it is dialed unseen
		return address, nil
	}
	return "", &notSeenError{p.Addr.Addr.MAC, limit}
}

var errNotSeen = errors.New("not seen")

// notSeenError says that a device did not advertise.
type notSeenError struct {
	mac  hci.MAC
	time time.Duration
}

func (e *notSeenError) Error() string {
	return fmt.Sprintf("%v was not seen on air within %v", e.mac, e.time)
}

// tell shows the manager's progress with -v, and that it takes longer to a
// person at a terminal. It ends with the manager; the result is closed then.
func (a *app) tell(m *connmgr.Manager, silent bool) <-chan struct{} {
	done := make(chan struct{})
	if silent {
		close(done)
		return done
	}
	events := m.Events(context.Background())
	go func() {
		defer close(done)
		over := func() {}
		for ev := range events {
			text := eventText(ev)
			started, begins := ev.(connmgr.AttemptStarted)
			failed, ends := ev.(connmgr.AttemptFailed)
			if _, connected := ev.(connmgr.Connected); connected || ends {
				over()
				over = func() {}
			}
			switch {
			case text == "":
			case a.Verbose > 0:
				fmt.Fprintln(a.env.Stderr, text)
			case begins && started.Attempt == 1:
				over() // it dials again
				over = later(patience, func() { a.note("connecting to %s", deviceText(started.Name, started.Address.MAC)) })
			case ends && !failed.Last:
				a.note("%s", text)
			}
		}
		over()
	}()
	return done
}

// patience is how long somebody at a terminal waits before being told for what.
const patience = time.Second

// later calls f after d, unless the result is called before, which waits for f
// otherwise. It may be called once.
func later(d time.Duration, f func()) (stop func()) {
	ran := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(ran)
		f()
	})
	return func() {
		if !t.Stop() {
			<-ran
		}
	}
}
