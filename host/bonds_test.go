package host_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// slowStore is a FileStore whose Save takes a second.
type slowStore struct{ *smp.FileStore }

func (s slowStore) Save(b *smp.Bond) error {
	time.Sleep(time.Second)
	return s.FileStore.Save(b)
}

func TestCloseReleasesBonds(t *testing.T) { synctest.Test(t, testCloseReleasesBonds) }

// testCloseReleasesBonds opens the bonds of a controller with a second host while the
// first one runs, and after its end. Close waits for the bond that is being saved.
func testCloseReleasesBonds(t *testing.T) {
	dir := t.TempDir()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	cfg := &host.Config{SMP: &smp.Config{Store: func(l smp.Local) (smp.Store, error) {
		s, err := smp.OpenFileStore(dir, l)
		return slowStore{s}, err
	}}}
	ctl := air.NewController(nil)
	c := openHost(t, ctl, cfg)
	p := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	if err := p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	identity := c.SMP().Identity().Addr
	if _, err := smp.OpenFileStore(dir, smp.Local{Addr: identity}); !errors.Is(err, smp.ErrInUse) {
		t.Errorf("opened beside the host: %v", err)
	}
	conn, err := c.Connect(t.Context(), p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	go conn.SMP().Pair(t.Context(), nil) //nolint:errcheck // ends with the link
	time.Sleep(900 * time.Millisecond)
	if _, ok := c.SMP().Find(p.Controller().Info().Address); !ok || len(c.SMP().Store().All()) != 0 {
		t.Fatal("no bond is being saved: this tests nothing")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	again := openHost(t, ctl.Plug(), cfg)
	if n := len(again.SMP().Store().All()); n != 1 {
		t.Errorf("%d bonds after the restart, want the one that was being saved", n)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestFailedOpenReleasesBonds(t *testing.T) { synctest.Test(t, testFailedOpenReleasesBonds) }

func testFailedOpenReleasesBonds(t *testing.T) {
	dir := t.TempDir()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	ctl := air.NewController(nil)
	bad := &host.Config{SMP: &smp.Config{Store: smp.Files(dir), Privacy: true, AddressLifetime: time.Millisecond}}
	if h, err := host.Open(t.Context(), ctl, bad); err == nil {
		h.Close()
		t.Fatal("a lifetime of 1 ms was accepted: this tests nothing")
	}
	openHost(t, ctl.Plug(), &host.Config{SMP: &smp.Config{Store: smp.Files(dir)}})
}

func TestCloseByWhoHearsOfABond(t *testing.T) { synctest.Test(t, testCloseByWhoHearsOfABond) }

// testCloseByWhoHearsOfABond closes a host in Config.Changed, on the goroutine of the
// pairing whose bond was saved.
func testCloseByWhoHearsOfABond(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	var c *host.Host
	closed := make(chan error, 1)
	c = openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{Changed: func(hci.Addr, *smp.Bond) { closed <- c.Close() }}})
	p := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	if err := p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	conn, err := c.Connect(t.Context(), p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	go conn.SMP().Pair(t.Context(), nil) //nolint:errcheck // ends with the link
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Hour):
		t.Fatal("Close does not return")
	}
}

func TestEndReleasesBonds(t *testing.T) { synctest.Test(t, testEndReleasesBonds) }

// testEndReleasesBonds opens the bonds of a controller that has ended by itself, and whose
// host is not closed.
func testEndReleasesBonds(t *testing.T) {
	dir := t.TempDir()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	ctl := air.NewController(nil)
	cfg := &host.Config{SMP: &smp.Config{Store: smp.Files(dir)}}
	h, err := host.Open(t.Context(), ctl, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctl.Unplug()
	<-h.Done()
	again := openHost(t, ctl.Plug(), cfg)
	if again.SMP().Identity() != h.SMP().Identity() {
		t.Error("the identity is another one")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := smp.OpenFileStore(dir, smp.Local{Addr: h.SMP().Identity().Addr}); !errors.Is(err, smp.ErrInUse) {
		t.Errorf("after the Close of the first host: %v, want that the second one has the bonds", err)
	}
}
