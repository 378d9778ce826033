package simreport

import (
	"context"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// createTimeout is how long Linux leaves a create command pending for a device
// that it has just heard (HCI_LE_AUTOCONN_TIMEOUT).
const createTimeout = 4 * time.Second

// workDelay is how long Linux takes to begin work that it has queued, such as to resume
// the discovery after a connect. Without it, chance would decide about the order of such
// work and of what the program does at that instant.
const workDelay = time.Millisecond

// linuxParams are the connection parameters that Linux uses for a device without
// stored parameters.
func linuxParams() hci.ConnParams {
	return hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 420 * time.Millisecond}
}

// kernelConfig is the use that the programs above a kernel make of it.
type kernelConfig struct {
	Params hci.ConnParams // of all links
	// Hears, if set, takes the connectable reports of a discovery that never ends: an
	// active scan, which is interrupted while a create command is pending.
	Hears func(r *controller.Report)
}

// kernel dials on one adapter as Linux does for BlueZ: it scans for all wanted
// devices. When it hears one of them, it ends the scan and dials that device
// alone.
type kernel struct {
	cfg  kernelConfig
	host *host.Host
	stop context.CancelFunc
	done chan struct{}
	wake chan struct{} // one slot: a device is wanted

	mu       sync.Mutex
	wanted   map[hci.Addr]*want // guarded by mu, as all below
	stopScan context.CancelFunc // of the running scan; nil if there is none
}

// want is one pending connect.
type want struct {
	ctx  context.Context
	peer hci.Addr
	done chan dialed // one slot
}

type dialed struct {
	conn *host.Conn
	err  error
}

func newKernel(ctx context.Context, c *sim.Controller, cfg kernelConfig) (*kernel, error) {
	h, err := host.Open(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	k := &kernel{cfg: cfg, host: h, done: make(chan struct{}), wake: make(chan struct{}, 1), wanted: map[hci.Addr]*want{}}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.serveWants(run)
	return k, nil
}

func (k *kernel) closeKernel() error {
	k.stop()
	<-k.done
	return k.host.Close()
}

// connectPeer makes a link to a peer. It fails when ctx ends or a dial fails.
func (k *kernel) connectPeer(ctx context.Context, peer hci.Addr) (*host.Conn, error) {
	w := &want{ctx: ctx, peer: peer, done: make(chan dialed, 1)}
	k.mu.Lock()
	k.wanted[peer] = w
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
	stop := context.AfterFunc(ctx, func() {
		if k.takeWant(peer) != nil {
			w.done <- dialed{nil, context.Cause(ctx)}
		}
	})
	defer stop()
	d := <-w.done
	return d.conn, d.err
}

// takeWant removes and returns the want for a peer; nil if there is none.
func (k *kernel) takeWant(peer hci.Addr) *want {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.wanted[peer]
	delete(k.wanted, peer)
	if len(k.wanted) == 0 && k.stopScan != nil && k.cfg.Hears == nil {
		k.stopScan()
	}
	return w
}

// serveWants serves the wants until ctx ends.
func (k *kernel) serveWants(ctx context.Context) {
	defer close(k.done)
	for {
		if k.cfg.Hears == nil {
			select {
			case <-k.wake:
			case <-ctx.Done():
				return
			}
		}
		for w := k.awaitWanted(ctx); w != nil; w = k.awaitWanted(ctx) {
			conn, err := k.host.Connect(w.ctx, w.peer, &controller.ConnectOptions{Timeout: createTimeout, Params: k.cfg.Params})
			w.done <- dialed{conn, err}
			if k.cfg.Hears != nil {
				time.Sleep(workDelay)
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// awaitWanted scans until it hears a wanted device, and removes and returns the
// want for it. It returns nil once no device is wanted, or with a discovery at the end
// of ctx.
func (k *kernel) awaitWanted(ctx context.Context) *want {
	k.mu.Lock()
	if len(k.wanted) == 0 && k.cfg.Hears == nil {
		k.mu.Unlock()
		return nil
	}
	scan, stop := context.WithCancel(ctx)
	k.stopScan = stop
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.stopScan = nil
		k.mu.Unlock()
		stop()
	}()
	sc, err := k.host.Scan(scan, &controller.ScanOptions{Passive: k.cfg.Hears == nil, Duplicates: true})
	if err != nil {
		return nil
	}
	defer sc.Close()
	for r, err := range sc.All(scan) {
		if err != nil {
			return nil
		}
		if !r.Connectable {
			continue
		}
		if k.cfg.Hears != nil {
			k.cfg.Hears(&r)
		}
		if w := k.takeWant(r.Addr); w != nil {
			return w
		}
	}
	return nil
}
