package host

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// Config holds the options of a Host. The zero value of each field is its
// default; a nil *Config is the same as an empty one.
type Config struct {
	// HCI holds the options of the controller. The Host sets NewLink itself. Its Logger
	// is that of the other layers too, unless they have one.
	HCI controller.Config
	// L2CAP holds the options of the links' multiplexers. The Host sets ATT itself, and
	// with Config.SMP also SMP and Security.
	L2CAP l2cap.Config
	// SMP holds the options of the Security Manager. nil means that this host neither
	// pairs nor encrypts.
	SMP *smp.Config
	// Server is the attribute table that peers read on every link. nil means one with
	// the GAP and GATT services alone, and Central Address Resolution among them if
	// the controller resolves private addresses and SMP.Privacy is not set.
	Server *gatt.Server
	// MTU is the ATT_MTU that this host offers, 23 to 517 octets; default 517.
	// Enhanced bearers have at least 64.
	MTU int
	// DisableEATT neither accepts nor opens enhanced ATT bearers. They need
	// Config.SMP, since they need encryption.
	DisableEATT bool
}

// Host is one controller with the protocols of its links. Any goroutine may call its
// methods.
type Host struct {
	ctl      *controller.Controller
	cfg      Config
	log      *slog.Logger
	smp      *smp.Manager  // nil without Config.SMP
	done     chan struct{} // closed when the controller has ended and smp is closed
	closeErr error         // of smp; valid once done is closed
	// server is the attribute table that peers read. Without Config.Server it is made when
	// it is first used: the controller tells only behind the start of the first scan whether it has a
	// resolving list.
	server atomic.Pointer[gatt.Server]
	// bondChanges counts the changes of bonds since the resolving list was last loaded.
	bondChanges atomic.Int32
}

// Open starts the controller behind tr. It owns tr from then on, and closes it if it
// fails.
func Open(ctx context.Context, tr hci.Transport, cfg *Config) (*Host, error) {
	h := &Host{done: make(chan struct{})}
	if cfg != nil {
		h.cfg = *cfg
	}
	if err := h.cfg.L2CAP.Validate(); err != nil {
		return nil, errors.Join(err, tr.Close())
	}
	h.log = h.cfg.HCI.Logger
	hc := h.cfg.HCI
	hc.NewLink = h.newLink
	h.cfg.L2CAP.Lacks = cmp.Or(h.cfg.L2CAP.Lacks, controller.Lacks(tr))
	ctl, err := controller.Open(ctx, tr, &hc)
	if err != nil {
		return nil, err
	}
	h.ctl = ctl
	h.server.Store(h.cfg.Server)
	if h.cfg.SMP != nil {
		err = h.openSMP(ctx)
	}
	go h.releaseBonds()
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// newLink makes the protocols of one link. It must run on the loop.
func (h *Host) newLink(now time.Time, l *controller.Link) controller.LinkHandler {
	c := &Conn{link: l}
	lc := h.cfg.L2CAP
	if lc.Logger == nil {
		lc.Logger = h.log
	}
	var peer gatt.PeerInfo
	if a := l.Peer().Identity(); !a.IsResolvable() && !a.IsNonResolvable() {
		peer.Key = a.String() // a private address identifies nobody later
	}
	if h.smp != nil {
		h.secureLink(c, &lc, &peer)
	}
	gc := gatt.ClientConfig{Logger: h.log}
	if h.smp != nil && !h.cfg.DisableEATT {
		h.serveEATT(c, &lc)
		peer.Enhanced, gc.OpenBearers = true, c.openBearers
	}
	lc.ATT = func(now time.Time, ch *l2cap.Channel) l2cap.Handler {
		c.session = h.makeServer().NewSession(peer)
		c.bearer = att.NewBearer(ch, &att.Config{MTU: h.cfg.MTU, Requests: c.session, Logger: h.log})
		c.session.Bind(now, c.bearer)
		c.client = gatt.NewClient(c.bearer, &gc)
		return c.bearer
	}
	c.mux = l2cap.NewMux(now, l, &lc)
	return (*handler)(c)
}

// Controller returns the controller, for operations that Host does not have.
func (h *Host) Controller() *controller.Controller { return h.ctl }

// Server returns the attribute table that peers read. Without Config.Server, it waits for
// the end of the start-up of the controller, and must not be called on the loop.
func (h *Host) Server() *gatt.Server {
	if s := h.server.Load(); s != nil {
		return s
	}
	_ = h.ctl.Info() // waits
	return h.makeServer()
}

// makeServer returns the attribute table that peers read, and makes it if there is none.
// The start-up of the controller must have ended, as it has before the first link.
func (h *Host) makeServer() *gatt.Server {
	if s := h.server.Load(); s != nil {
		return s
	}
	// A table of the generic services alone is always valid.
	s, _ := gatt.NewServer(&gatt.ServerConfig{Logger: h.log, AddressResolution: h.resolvesAddresses()})
	h.server.CompareAndSwap(nil, s)
	return h.server.Load()
}

// Connect makes a link to peer as central; see controller.Controller.Connect. If there is
// a bond, Connect returns once the link is encrypted: no data is exchanged with a device
// that only uses the peer's address. If the encryption fails, Connect closes the link
// and returns an error of smp.Machine.Encrypt, such as smp.ErrBondLost. Use ConnectPlain
// to pair with such a peer again.
func (h *Host) Connect(ctx context.Context, peer hci.Addr, o *controller.ConnectOptions) (*Conn, error) {
	c, err := h.ConnectPlain(ctx, peer, o)
	if err != nil {
		return nil, err
	}
	return c.encryptLink(ctx)
}

// ConnectPlain is like Connect, but does not wait for encryption, which still begins by
// itself if there is a bond. Use it to pair again with a peer that has lost the bond,
// before anything else on the link.
func (h *Host) ConnectPlain(ctx context.Context, peer hci.Addr, o *controller.ConnectOptions) (*Conn, error) {
	l, err := h.ctl.Connect(ctx, peer, o)
	if err != nil {
		return nil, err
	}
	return connOf(l), nil
}

// ConnectAny is like Connect, to the first of peers that advertises; see
// controller.Controller.ConnectAny.
func (h *Host) ConnectAny(ctx context.Context, peers []hci.Addr, o *controller.ConnectOptions) (*Conn, error) {
	c, err := h.ConnectAnyPlain(ctx, peers, o)
	if err != nil {
		return nil, err
	}
	return c.encryptLink(ctx)
}

// ConnectAnyPlain is like ConnectAny, but does not wait for encryption; see ConnectPlain.
func (h *Host) ConnectAnyPlain(ctx context.Context, peers []hci.Addr, o *controller.ConnectOptions) (*Conn, error) {
	l, err := h.ctl.ConnectAny(ctx, peers, o)
	if err != nil {
		return nil, err
	}
	return connOf(l), nil
}

// Accept waits for a link that a central makes to this host, which must advertise.
func (h *Host) Accept(ctx context.Context) (*Conn, error) {
	l, err := h.ctl.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return connOf(l), nil
}

// Conns returns the links that are up, made by either end. It does not wait.
func (h *Host) Conns() []*Conn {
	links := h.ctl.Links()
	conns := make([]*Conn, len(links))
	for i, l := range links {
		conns[i] = connOf(l)
	}
	return conns
}

// Scan starts a scan; see controller.Controller.Scan.
func (h *Host) Scan(ctx context.Context, o *controller.ScanOptions) (*controller.Scanner, error) {
	return h.ctl.Scan(ctx, o)
}

// Advertise starts to advertise; see controller.Controller.Advertise.
func (h *Host) Advertise(ctx context.Context, o *controller.AdvertiseOptions) error {
	return h.ctl.Advertise(ctx, o)
}

// AdvertiseNameAndServices is Advertise of a connectable peripheral with a name and
// services. Fields without room in the advertising data go into the scan response. If
// a field has no room there either, nothing is advertised, and the error is an
// *hci.AdvSplitError that names it.
func (h *Host) AdvertiseNameAndServices(ctx context.Context, name string, services ...uuid.UUID) error {
	const legacy = 31
	data, response, err := hci.NameAndServices(name, services...).Split(legacy)
	if err != nil {
		return err
	}
	return h.Advertise(ctx, &controller.AdvertiseOptions{Data: data, Response: response})
}

// AddAdvertising starts another advertising set; see controller.Controller.AddAdvertising.
func (h *Host) AddAdvertising(ctx context.Context, o *controller.AdvertiseOptions) (*controller.AdvertisingSet, error) {
	return h.ctl.AddAdvertising(ctx, o)
}

// StopAdvertising stops what Advertise started.
func (h *Host) StopAdvertising(ctx context.Context) error { return h.ctl.StopAdvertising(ctx) }

// Done is closed when the controller has ended, whatever ended it, and the Store of the
// bonds is closed.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err returns why the controller has ended; nil while it runs.
func (h *Host) Err() error { return h.ctl.Err() }

// Close disconnects all links and closes the transport; see controller.Controller.Close.
// It then closes the Security Manager, and with it the Store of the bonds.
func (h *Host) Close() error {
	err := h.ctl.Close()
	<-h.done
	return cmp.Or(err, h.closeErr)
}

// releaseBonds closes the Security Manager once the controller has ended: another host
// may then have its bonds, even if nobody closes this one.
func (h *Host) releaseBonds() {
	<-h.ctl.Done()
	if h.smp != nil {
		h.closeErr = h.smp.Close()
	}
	close(h.done)
}
