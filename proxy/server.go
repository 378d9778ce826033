package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// DefaultSlots is the number of slots of an adapter whose limit is not known: connmgr
// dials no more devices at a time over such an adapter.
const DefaultSlots = 8

// MaxClients is how many clients a Server has at a time. Further ones are closed.
const MaxClients = 64

// acceptPause is how long a Server without descriptors waits until it accepts again.
const acceptPause = 100 * time.Millisecond

// apiVersion is the version of ESPHome whose API the Server has. Home Assistant asks for
// an update of older ones.
const apiVersion = "2026.11.0"

// project names the program to Home Assistant, which asks for no updates of it then.
const project = "moor.proxy"

// Config describes a Server.
type Config struct {
	// Name is its name on the network: lower-case letters, digits and hyphens, at most 31.
	Name string
	// FriendlyName is the name for people; default Name.
	FriendlyName string
	// MAC is its address, by which clients know it again. It should be locally
	// administered, and must stay the same when an adapter is replaced.
	MAC hci.MAC
	// Key encrypts the connections. Nil means plain text.
	Key *esphome.Key
	// Version is the version of the program.
	Version string
	// MaxConnections bounds the links of all clients; 0 means as many as the adapters
	// carry.
	MaxConnections int
	// Allow, if not empty, lists the devices whose advertisements are sent and that may be
	// connected to. Deny lists those that are not, even if Allow has them.
	Allow, Deny []hci.MAC
	// PassiveScan begins with passive scanning. A client may change the mode.
	PassiveScan bool
	// Logger receives what clients do; nil logs nothing.
	Logger *slog.Logger
}

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?$`)

// CheckName returns an error for a name that no Server can have.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("proxy: the name %q is no host name: use up to 31 lower-case letters, digits and hyphens", name)
	}
	return nil
}

func (c *Config) validate() error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	switch {
	case c.MAC == hci.MAC{}:
		return errors.New("proxy: the MAC is zero: give the proxy an address of its own, made once and kept")
	case c.MaxConnections < 0:
		return fmt.Errorf("proxy: MaxConnections is %d: use 0 for as many as the adapters carry", c.MaxConnections)
	}
	return nil
}

// Server is a Bluetooth proxy. Its methods may be called from any goroutine.
type Server struct {
	m        *connmgr.Manager
	cfg      Config
	log      *slog.Logger
	info     esphome.DeviceInfoResponse
	identity esphome.Identity

	background sync.WaitGroup // of the links
	rescan     chan struct{}  // has a value when the scan must be started, stopped or changed

	mu       sync.Mutex // guards what follows
	ctx      context.Context
	arrivals []*arrival // the oldest first
	clients  []*client
	links    map[hci.MAC]*link
	mode     esphome.ScanMode
	lost     uint64 // messages with reports, of clients that have left

	// See Stats.
	heard, sent, lostValues atomic.Uint64
}

// New returns a Server over the adapters of m, which stays the caller's.
func New(m *connmgr.Manager, cfg *Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{m: m, cfg: *cfg, log: cfg.Logger, links: map[hci.MAC]*link{}, rescan: make(chan struct{}, 1), mode: esphome.ScanActive}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.PassiveScan {
		s.mode = esphome.ScanPassive
	}
	if s.cfg.FriendlyName == "" {
		s.cfg.FriendlyName = cfg.Name
	}
	mac := cfg.MAC.String()
	s.identity = esphome.Identity{Name: cfg.Name, MAC: shortMAC(cfg.MAC)}
	s.info = esphome.DeviceInfoResponse{
		Name: cfg.Name, FriendlyName: s.cfg.FriendlyName, MAC: mac, BluetoothMAC: mac,
		Version: apiVersion, Model: "moor", Manufacturer: "moor", Project: project, ProjectVersion: cfg.Version,
		Proxy: esphome.AllFlags, Encryption: cfg.Key != nil,
	}
	return s, nil
}

// Serve serves the clients that l accepts until ctx ends, and then takes leave of them,
// ends their links and closes l. It returns nil then, and the error of l otherwise. A
// Server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() { s.runScan(ctx) })
	all.Go(func() { s.watchManager(ctx) })
	stop := context.AfterFunc(ctx, func() { l.Close() })
	err := s.accept(ctx, l, &all)
	stopped := ctx.Err() != nil
	stop()
	cancel()
	l.Close()
	all.Wait()
	s.background.Wait()
	if stopped {
		return nil
	}
	return err
}

// accept accepts clients until l is closed.
func (s *Server) accept(ctx context.Context, l net.Listener, all *sync.WaitGroup) error {
	for {
		c, err := l.Accept()
		if passes(err) && ctx.Err() == nil {
			s.log.Warn("no client can be accepted for now", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("proxy: listener: %w", err)
		}
		all.Go(func() { s.serveConn(ctx, c) })
	}
}

// passes reports whether an error of Accept passes: clients that leave give descriptors
// and memory back.
func passes(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || slices.ContainsFunc([]error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	}, func(e error) bool { return errors.Is(err, e) })
}

// removeClient ends the links of a client that has left.
func (s *Server) removeClient(cl *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += cl.session.Dropped()
	s.clients = slices.DeleteFunc(s.clients, func(c *client) bool { return c == cl })
	for _, l := range s.links {
		if l.owner == cl {
			l.next = nil // nobody would end that link
			l.end(errClientLeft)
		}
	}
	s.wakeScan()
}

// allows reports whether clients may see and use a device.
func (s *Server) allows(a hci.MAC) bool {
	return (len(s.cfg.Allow) == 0 || slices.Contains(s.cfg.Allow, a)) && !slices.Contains(s.cfg.Deny, a)
}

// watchManager tells clients of slots and of the scanner until ctx ends.
func (s *Server) watchManager(ctx context.Context) {
	for e := range s.m.Events(ctx) {
		switch e.(type) {
		case connmgr.SlotsChanged:
			s.mu.Lock()
			s.tellSlotsLocked()
			s.mu.Unlock()
		case connmgr.AdapterChanged, connmgr.ScanChanged:
			s.mu.Lock()
			s.tellScanLocked()
			s.tellSlotsLocked()
			s.mu.Unlock()
		}
	}
}
