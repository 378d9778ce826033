package connmgr_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// clones are cheap adapters that all have the same public address.
type clones struct {
	mu      sync.Mutex
	indexes []*sim.Controller // nil: unplugged; guarded by mu, as all below
	taken   map[*sim.Controller]bool
}

// ownTransport gives its controller back when it is closed.
type ownTransport struct {
	hci.Transport
	release func()
}

func (tr *ownTransport) Close() error {
	tr.release()
	return tr.Transport.Close()
}

// open opens an adapter by index or, as the kernel's list goes, the first with an
// address. A controller has one owner.
func (cs *clones) open(_ context.Context, name string) (hci.Transport, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i, c := range cs.indexes {
		if c == nil || name != fmt.Sprintf("hci%d", i) && name != c.Address().MAC.String() {
			continue
		}
		if cs.taken[c] {
			return nil, &hcisock.OpenError{Address: name, Op: "bind user channel", Err: errAbsent, Cause: hcisock.CauseBusy}
		}
		cs.taken[c] = true
		return &ownTransport{c.Plug(), func() {
			cs.mu.Lock()
			cs.taken[c] = false
			cs.mu.Unlock()
		}}, nil
	}
	return nil, errAbsent
}

func (cs *clones) set(i int, c *sim.Controller) {
	cs.mu.Lock()
	cs.indexes[i] = c
	cs.mu.Unlock()
}

// Two adapters with the same address are told apart by their index: each comes back after
// it was unplugged, and neither is taken for the other.
func TestAdaptersWithOneAddress(t *testing.T) { inBubble(t, testAdaptersWithOneAddress) }

func testAdaptersWithOneAddress(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	same := hci.MAC{0x71, 0x13, 0xDA, 0x7D, 0x1A, 0x00}
	both := []*sim.Controller{
		air.NewController(&sim.ControllerConfig{Address: same}), air.NewController(&sim.ControllerConfig{Address: same}),
	}
	cs := &clones{indexes: []*sim.Controller{both[0], both[1]}, taken: map[*sim.Controller]bool{}}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"hci0", "hci1"}, Kinds: []connmgr.Kind{{Open: cs.open, Follow: connmgr.HCI(nil).Follow}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l := &lab{t: t, air: air, m: m}
	l.device(1)
	time.Sleep(70 * second)
	for i, c := range both {
		cs.set(i, nil)
		c.Unplug()
		time.Sleep(5 * second)
		cs.set(i, c)
		time.Sleep(70 * second)
		for _, name := range []string{"hci0", "hci1"} {
			if s, err := m.Adapter(name).State(); s != connmgr.AdapterUp {
				t.Errorf("hci%d was unplugged; %s is %v: %v", i, name, s, err)
			}
		}
		c := l.establish(1, &connmgr.Options{Adapter: fmt.Sprintf("hci%d", i)})
		l.wantLevel(c, 1)
		c.Close()
	}
}

// An adapter whose controller leaves the question for its address unanswered, after a
// reset, is opened again: under another address it would have none of its bonds. One that
// never answers any more is used all the same.
func TestAdapterKeepsItsAddress(t *testing.T) { inBubble(t, testAdapterKeepsItsAddress) }

func testAdapterKeepsItsAddress(t *testing.T) {
	for times, keeps := range map[int]bool{1: true, sim.Always: false} {
		l := newLab(t, connmgr.Config{})
		l.guarded(&smp.Config{})
		l.establish(1, &connmgr.Options{Pair: true}).Close()
		time.Sleep(70 * second)
		own := l.adapters[0].Address()
		l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpReadBDADDR, NoAnswer: true, Times: times})
		l.adapters[0].Unplug()
		time.Sleep(20 * second)
		a := l.m.Adapter("hci0")
		if s, err := a.State(); s != connmgr.AdapterUp {
			t.Fatalf("the adapter is %v: %v", s, err)
		}
		if got := a.Controller().Info().Public; (got == own.MAC) != keeps {
			t.Errorf("unanswered %d times: the adapter is %v, want %v: %v", times, got, own, keeps)
		}
		if keeps {
			c := l.establish(1, nil)
			if s := c.Security(); !s.Bonded || !s.Encrypted {
				t.Errorf("security %+v, want that of the bond", s)
			}
			c.Close()
		}
		l.m.Close()
	}
}
