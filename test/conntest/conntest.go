// Package conntest runs the connection manager in the process of the test, on a
// peer of another make whose attribute table can change: BlueZ on a real kernel
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
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// Limit is how long one step may take; software emulation is slow.
const Limit = 60 * time.Second

// Peer is a peripheral that the manager is tried on.
type Peer struct {
	Address string // with the kind
	Service gatt.UUID
	Scratch gatt.UUID // a characteristic of Service to read
	Initial []byte    // its value
	Values  gatt.UUID // one that notifies
	// Notify makes the peer send a notification of Values; nil if it does so by
	// itself.
	Notify func(t *testing.T)
	// Restart changes the table while nobody is connected, and Change under a link
	// that is up. Both move the handles of Service.
	Restart, Change func(t *testing.T)
}

// Session is a Manager with one Client.
type Session struct {
	*connmgr.Client
	M       *connmgr.Manager
	Capture *Capture
	peer    *Peer
}

// Open opens a Manager on one adapter, with what it keeps in dir.
func Open(t *testing.T, adapter, dir string) (*connmgr.Manager, *Capture) {
	t.Helper()
	c := &Capture{}
	m, err := connmgr.Open(within(t), &connmgr.Config{
		Adapters: []string{adapter}, StateDir: dir, Host: host.Config{HCI: hci.Config{Snoop: c}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, c
}

// connect opens a Manager and connects to the peer.
func (p *Peer) connect(t *testing.T, adapter, dir string) *Session {
	t.Helper()
	m, capture := Open(t, adapter, dir)
	begin := time.Now()
	c, err := m.Establish(within(t), p.Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %v, with the requests %v", time.Since(begin).Round(time.Millisecond), capture.Requests(t))
	return &Session{c, m, capture, p}
}

// wantValue reads the characteristic, whatever has become of its handle.
func (s *Session) wantValue(t *testing.T) {
	t.Helper()
	if v, err := s.Read(within(t), s.peer.Service, s.peer.Scratch); err != nil || !bytes.Equal(v, s.peer.Initial) {
		t.Fatalf("read % x, %v; want % x", v, err, s.peer.Initial)
	}
}

// awaitGuard waits until the peer has been told that this client understands
// robust caching, and asked for Service Changed.
func (s *Session) awaitGuard(t *testing.T) {
	t.Helper()
	for ctx := within(t); ; time.Sleep(10 * time.Millisecond) {
		writes := 0
		for _, op := range s.Capture.Requests(t) {
			if op == att.OpWriteReq {
				writes++
			}
		}
		if writes == 2 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the table is not guarded, after the requests %v", s.Capture.Requests(t))
		}
	}
}

// handle is where the characteristic is in the table that the client goes by.
func (s *Session) handle(t *testing.T) att.Handle {
	t.Helper()
	_, chr := s.Profile().Characteristic(s.peer.Service, s.peer.Scratch)
	if chr == nil {
		t.Fatalf("the table lacks %v: %+v", s.peer.Scratch, s.Profile())
	}
	return chr.Value
}

// end closes the client and wants nothing left.
func (s *Session) end(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// Bumble's controller reports the reason that it was to send.
	if err := s.Err(); !errors.Is(err, hci.StatusLocalHostTerminated) && !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("the link ended for %v, want by this host", err)
	}
	for _, a := range s.M.Adapters() {
		if used := s.M.Slots().Allocations(a.Name()).Allocated; len(used) > 0 {
			t.Errorf("%s still has slots taken by %v", a.Name(), used)
		}
		if links := a.HCI().Links(); len(links) > 0 {
			t.Errorf("%s still has %d links", a.Name(), len(links))
		}
	}
	if err := s.M.Close(); err != nil {
		t.Error(err)
	}
}

// Run connects to the peer for the first time and again, before and after its
// table has changed.
func Run(t *testing.T, adapter string, p *Peer) {
	dir := t.TempDir()
	var was att.Handle

	t.Run("the first time", func(t *testing.T) {
		s := p.connect(t, adapter, dir)
		if s.Cached() {
			t.Error("the table is said to come from an empty cache")
		}
		s.wantValue(t)
		was = s.handle(t)
		sub, err := s.Subscribe(within(t), p.Service, p.Values, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if p.Notify != nil {
				p.Notify(t)
			}
			if v, err := sub.Next(within(t)); err != nil || len(v.Data) == 0 || v.Indication {
				t.Fatalf("got %+v, %v; want a notification", v, err)
			}
		}
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
		s.end(t)
	})

	warm := []att.Opcode{att.OpExchangeMTUReq, att.OpReadByTypeReq}
	t.Run("from the cache", func(t *testing.T) {
		s := p.connect(t, adapter, dir)
		if got := s.Capture.Requests(t); !s.Cached() || !slices.Equal(got, warm) {
			t.Errorf("from the cache: %v, after the requests %v; want %v", s.Cached(), got, warm)
		}
		s.wantValue(t)
		s.end(t)
	})

	t.Run("changed while away", func(t *testing.T) {
		p.Restart(t)
		s := p.connect(t, adapter, dir)
		if s.Cached() {
			t.Error("the table is from the cache, although it has changed")
		}
		if got := s.Capture.Requests(t); len(got) <= len(warm) || !slices.Equal(got[:len(warm)], warm) {
			t.Errorf("requests %v, want the hash read and then a discovery", got)
		}
		s.wantValue(t)
		if now := s.handle(t); now == was {
			t.Errorf("the handle is 0x%04x as before: nothing has been tried", uint16(was))
		}
		s.end(t)
	})

	t.Run("changed while connected", func(t *testing.T) {
		s := p.connect(t, adapter, dir)
		if !s.Cached() {
			t.Error("the table found after the change is not from the cache")
		}
		s.wantValue(t)
		was = s.handle(t)
		s.awaitGuard(t)
		before := len(s.Capture.Requests(t))
		p.Change(t)
		s.wantValue(t)
		t.Logf("read with the requests %v", s.Capture.Requests(t)[before:])
		if now := s.handle(t); now == was || s.Cached() {
			t.Errorf("handle 0x%04x after 0x%04x, cached: %v; want it discovered anew", uint16(now), uint16(was), s.Cached())
		}
		s.end(t)
	})
}

// within returns a context for one step.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	t.Cleanup(cancel)
	return ctx
}
