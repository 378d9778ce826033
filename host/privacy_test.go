package host_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// withPrivacy runs a test of private addresses on controllers with the legacy and with
// the extended commands, on one that cannot resolve addresses, and on one of Core 4.2 that
// can, but has no privacy modes.
func withPrivacy(t *testing.T, test func(t *testing.T, cc *sim.ControllerConfig, hc controller.Config)) {
	for name, x := range map[string]struct {
		cc *sim.ControllerConfig
		hc controller.Config
	}{
		"legacy":          {nil, controller.Config{DisableExtended: true}},
		"extended":        {nil, controller.Config{}},
		"no resolution":   {&sim.ControllerConfig{ResolvingListSize: -1}, controller.Config{}},
		"no privacy mode": {&sim.ControllerConfig{Disable: []hci.Opcode{hci.OpLESetPrivacyMode}}, controller.Config{}},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, x.cc, x.hc) }) })
	}
}

func TestOwnPrivacyAsCentral(t *testing.T) { withPrivacy(t, testOwnPrivacyAsCentral) }

// testOwnPrivacyAsCentral bonds under a private address, and comes back under others
// during a scan.
func testOwnPrivacyAsCentral(t *testing.T, cc *sim.ControllerConfig, hc controller.Config) {
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	c := openHost(t, air.NewController(cc), &host.Config{HCI: hc, SMP: &smp.Config{Privacy: true, AddressLifetime: time.Minute}})
	p := openHost(t, air.NewController(cc), &host.Config{HCI: hc, SMP: &smp.Config{}})
	if err := p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	sc, err := c.Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	identity, seen := c.Controller().Info().Address, map[hci.Addr]bool{}
	for i := range 4 {
		cl, err := c.Connect(t.Context(), p.Controller().Info().Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		pl, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if pl.SMP().Peer() == identity {
				t.Error("a stranger was told the identity address")
			}
			if _, err := cl.SMP().Pair(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		own, _ := cl.Link().OnAir()
		_, heard := pl.Link().OnAir()
		if own != heard || !own.IsResolvable() || seen[own] || !smp.Resolves(c.SMP().Identity().IRK, own) {
			t.Errorf("link %d was made as %v and heard as %v; want a new resolvable address; known: %v", i, own, heard, seen)
		}
		seen[own] = true
		if got := pl.SMP().Peer(); got != identity || !pl.SMP().Security().Encrypted {
			t.Errorf("link %d is from %v, %+v; want the bonded %v", i, got, pl.SMP().Security(), identity)
		}
		if err := cl.Close(); err != nil {
			t.Fatal(err)
		}
		<-pl.Done()
		time.Sleep(time.Minute)
	}
}

func TestOwnPrivacyAsPeripheral(t *testing.T) { withPrivacy(t, testOwnPrivacyAsPeripheral) }

// testOwnPrivacyAsPeripheral advertises under changing addresses. A bonded central finds
// it under its identity; other centrals see each address alone.
func testOwnPrivacyAsPeripheral(t *testing.T, cc *sim.ControllerConfig, hc controller.Config) {
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	c := openHost(t, air.NewController(cc), &host.Config{HCI: hc, SMP: &smp.Config{}})
	stranger := openHost(t, air.NewController(cc), &host.Config{HCI: hc})
	p := openHost(t, air.NewController(cc), &host.Config{HCI: hc, SMP: &smp.Config{Privacy: true, AddressLifetime: time.Minute}})
	if err := p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	heard := func(h *host.Host) hci.Addr {
		t.Helper()
		sc, err := h.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		r, err := sc.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.Addr
	}
	first := heard(c)
	if own, err := p.Controller().OwnAddress(t.Context()); err != nil || own != first || !own.IsResolvable() {
		t.Fatalf("heard as %v, want %v, %v", first, own, err)
	}
	cl, err := c.Connect(t.Context(), first, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	pl, err := p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.Close(); err != nil {
		t.Fatal(err)
	}
	<-pl.Done()
	seen := map[hci.Addr]bool{first: true}
	for range 3 {
		time.Sleep(time.Minute)
		s := heard(stranger)
		if !s.IsResolvable() || seen[s] {
			t.Errorf("others hear %v, want a new resolvable address; known: %v", s, seen)
		}
		seen[s] = true
		a := heard(c)
		if cc != nil {
			a, _ = c.SMP().Resolve(a)
		}
		if want := p.Controller().Info().Address; a.Identity() != want {
			t.Errorf("the bonded central hears %v, want %v", a, want)
		}
		dial := a
		if cc != nil {
			dial = s
		}
		cl, err := c.Connect(t.Context(), dial, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !cl.SMP().Security().Encrypted {
			t.Error("a link to the bonded peripheral is not encrypted")
		}
		pl, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.Close(); err != nil {
			t.Fatal(err)
		}
		<-pl.Done()
	}
	if err := c.SMP().Store().Remove(p.Controller().Info().Address); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if a := heard(c); !a.IsResolvable() || a.Identity() != a {
		t.Errorf("after the end of the bond it is heard as %v, want a private address", a)
	}
}
