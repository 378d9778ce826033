//go:build kernel || peers

// Package conntest runs the connection manager in the process of the test against a peer
// with another Bluetooth stack, whose attribute table can change: BlueZ on a real kernel
// (test/kernel) and Bumble over TCP (test/peers).
package conntest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/uuid"
)

// Limit bounds the time of one step. Software emulation is slow.
const Limit = 5 * time.Minute

// Manager is a connection manager on one adapter, with a capture of its packets.
type Manager struct {
	*connmgr.Manager
	Capture *Capture
}

// Open opens a Manager that ends with the test.
func Open(t *testing.T, adapter string) *Manager {
	t.Helper()
	c := &Capture{}
	m, err := connmgr.Open(Within(t), &connmgr.Config{
		Adapters: []string{adapter}, StateDir: t.TempDir(), Host: host.Config{HCI: controller.Config{Snoop: c}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Manager{m, c}
}

// Peer is a peripheral for the tests of the manager.
type Peer struct {
	Address string // with the kind
	Service gatt.UUID
	Scratch gatt.UUID // a characteristic of Service to read
	Initial []byte    // its value
	Values  gatt.UUID // one that notifies
	// Ready waits until the peer accepts connections again; nil means at once.
	Ready func(t *testing.T)
	// Notify makes the peer send a notification of Values; nil if it sends
	// notifications by itself.
	Notify func(t *testing.T)
	// Restart changes the table without a link, Change during a link. Both move the
	// handles of Service.
	Restart, Change func(t *testing.T)
}

// Run connects to a peer that is new to the manager, then again before and after its
// table has changed.
func (m *Manager) Run(t *testing.T, p *Peer) {
	var was att.Handle
	t.Run("the first time", func(t *testing.T) {
		s := m.connectPeer(t, p)
		if s.Cached() {
			t.Error("the table is said to come from an empty cache")
		}
		s.wantValue(t)
		was = s.scratchHandle(t)
		sub, err := s.Subscribe(Within(t), p.Service, p.Values, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if p.Notify != nil {
				p.Notify(t)
			}
			if v, err := sub.Next(Within(t)); err != nil || len(v.Data) == 0 || v.Indication {
				t.Fatalf("got %+v, %v; want a notification", v, err)
			}
		}
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
		s.closeSession(t)
	})

	warm := []att.Opcode{att.OpReadByTypeReq}
	t.Run("from the cache", func(t *testing.T) {
		s := m.connectPeer(t, p)
		if !s.Cached() || !slices.Equal(s.cost, warm) {
			t.Errorf("from the cache: %v, after the requests %v; want %v", s.Cached(), s.cost, warm)
		}
		s.wantValue(t)
		s.closeSession(t)
	})

	t.Run("changed while away", func(t *testing.T) {
		p.Restart(t)
		s := m.connectPeer(t, p)
		if s.Cached() {
			t.Error("the table is from the cache, although it has changed")
		}
		if len(s.cost) <= len(warm) || !slices.Equal(s.cost[:len(warm)], warm) {
			t.Errorf("requests %v, want the hash read and then a discovery", s.cost)
		}
		s.wantValue(t)
		if now := s.scratchHandle(t); now == was {
			t.Errorf("the handle is 0x%04x as before: nothing has been tried", uint16(was))
		}
		s.closeSession(t)
	})

	t.Run("changed while connected", func(t *testing.T) {
		s := m.connectPeer(t, p)
		if !s.Cached() {
			t.Error("the table found after the change is not from the cache")
		}
		s.wantValue(t)
		was = s.scratchHandle(t)
		s.awaitGuard(t)
		before := len(s.requests(t))
		p.Change(t)
		s.awaitChange(t, was)
		t.Logf("read with the requests %v", s.requests(t)[before:])
		s.closeSession(t)
	})
}

// session is one connection.
type session struct {
	*connmgr.Client
	m        *Manager
	peer     *Peer
	begin    int          // number of requests before the session
	answered int          // number of responses before the session
	cost     []att.Opcode // requests until the session was ready, but for that of the MTU
}

// connectPeer connects to a peer.
func (m *Manager) connectPeer(t *testing.T, p *Peer) *session {
	t.Helper()
	if p.Ready != nil {
		p.Ready(t)
	}
	s := &session{m: m, peer: p, begin: len(m.Capture.Requests(t)), answered: len(m.Capture.Responses(t))}
	begin := time.Now()
	var err error
	if s.Client, err = m.Establish(Within(t), p.Address, nil); err != nil {
		t.Fatal(err)
	}
	s.cost = s.requests(t)
	s.wantOneMTUExchange(t)
	t.Logf("ready after %v, with the requests %v", time.Since(begin).Round(time.Millisecond), s.cost)
	return s
}

// requests returns the requests since the beginning of the session.
func (s *session) requests(t *testing.T) []att.Opcode {
	t.Helper()
	return s.m.Capture.Requests(t)[s.begin:]
}

// wantOneMTUExchange checks that the session has exchanged the MTU, once, and takes the
// request out of the cost. The peer may have been the first to ask: bluetoothd does so
// if it gets to it before the host, which then only answers.
func (s *session) wantOneMTUExchange(t *testing.T) {
	t.Helper()
	all := len(s.cost)
	s.cost = slices.DeleteFunc(s.cost, func(op att.Opcode) bool { return op == att.OpExchangeMTUReq })
	if asked := all - len(s.cost); asked > 1 || asked == 0 && s.GATT().MTU() == att.DefaultMTU {
		t.Errorf("%d requests for the MTU, which is %d", asked, s.GATT().MTU())
	}
}

// wantValue reads the characteristic, whatever its handle is.
func (s *session) wantValue(t *testing.T) {
	t.Helper()
	if v, err := s.Read(Within(t), s.peer.Service, s.peer.Scratch); err != nil || !bytes.Equal(v, s.peer.Initial) {
		t.Fatalf("read % x, %v; want % x", v, err, s.peer.Initial)
	}
}

// awaitChange reads the characteristic until it is found, and the manager's table,
// discovered anew, has it at another handle than was. A peer may announce a change in
// two steps: the service is gone in between.
func (s *session) awaitChange(t *testing.T, was att.Handle) {
	t.Helper()
	for ctx := Within(t); ; time.Sleep(10 * time.Millisecond) {
		v, err := s.Read(ctx, s.peer.Service, s.peer.Scratch)
		if errors.Is(err, gatt.ErrNotFound) {
			continue
		}
		if err != nil || !bytes.Equal(v, s.peer.Initial) {
			t.Fatalf("read % x, %v; want % x", v, err, s.peer.Initial)
		}
		if table := s.Profile(); table != nil && !s.Cached() {
			if _, chr := table.Characteristic(s.peer.Service, s.peer.Scratch); chr != nil && chr.Value != was {
				return
			}
		}
	}
}

// awaitGuard waits until the peer has accepted two writes: that this client supports
// robust caching, and its subscription to Service Changed.
func (s *session) awaitGuard(t *testing.T) {
	t.Helper()
	for ctx := Within(t); ; time.Sleep(10 * time.Millisecond) {
		writes := 0
		for _, op := range s.m.Capture.Responses(t)[s.answered:] {
			if op == att.OpWriteRsp {
				writes++
			}
		}
		if writes == 2 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the table is not guarded, after the requests %v", s.requests(t))
		}
	}
}

// scratchHandle returns the handle of the characteristic in the client's table.
func (s *session) scratchHandle(t *testing.T) att.Handle {
	t.Helper()
	table := s.Profile()
	if table == nil {
		t.Fatal("the client has no table")
	}
	_, chr := table.Characteristic(s.peer.Service, s.peer.Scratch)
	if chr == nil {
		t.Fatalf("the table lacks %v: %+v", s.peer.Scratch, table)
	}
	return chr.Value
}

// closeSession closes the client and checks that no slot and no link is left.
func (s *session) closeSession(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// The controllers of btvirt and Bumble report the reason that the host has passed
	// to them.
	if err := s.Err(); !errors.Is(err, hci.StatusLocalHostTerminated) && !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("the link ended for %v, want by this host", err)
	}
	for _, a := range s.m.Adapters() {
		if used := s.m.Slots().Allocations(a.Name()).Allocated; len(used) > 0 {
			t.Errorf("%s still has slots taken by %v", a.Name(), used)
		}
		if links := a.Controller().Links(); len(links) > 0 {
			t.Errorf("%s still has %d links", a.Name(), len(links))
		}
	}
}

// Within returns a context for one step.
func Within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	t.Cleanup(cancel)
	return ctx
}

// UUID parses a UUID.
func UUID(t *testing.T, s string) gatt.UUID {
	t.Helper()
	u, err := uuid.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
