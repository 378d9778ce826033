package connmgr_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// named returns a Kind that opens controllers of an air, and the addresses that
// it was asked to open.
func named(air *sim.Air, prefix string) (connmgr.Kind, *[]string) {
	var mu sync.Mutex // adapters are opened side by side
	var opened []string
	return connmgr.Kind{Prefix: prefix, Open: func(ctx context.Context, address string) (hci.Transport, error) {
		mu.Lock()
		opened = append(opened, address)
		mu.Unlock()
		return air.OpenTransport(ctx, address)
	}}, &opened
}

// The kind with the longest prefix opens an adapter, in whichever order they
// are given.
func TestKindByPrefix(t *testing.T) { inBubble(t, testKindByPrefix) }

func testKindByPrefix(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		air := sim.New(nil)
		any, byAny := named(air, "")
		special, bySpecial := named(air, "x:")
		kinds := []connmgr.Kind{any, special}
		if reversed {
			slices.Reverse(kinds)
		}
		m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"x:1", "hci0"}, Kinds: kinds})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(second)
		m.Close()
		wantStrings(t, "opened by the kind of all addresses", *byAny, "hci0")
		wantStrings(t, "opened by the kind x:", *bySpecial, "x:1")
		air.Close()
	}
}

// The kinds list the adapters where the Config names none.
func TestKindLists(t *testing.T) { inBubble(t, testKindLists) }

func testKindLists(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	a, openedA := named(air, "a:")
	b, openedB := named(air, "b:")
	broken := errors.New("broken")
	a.List = func(context.Context) ([]string, error) { return nil, broken }
	b.List = func(context.Context) ([]string, error) { return []string{"b:1", "a:2"}, nil }
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Kinds: []connmgr.Kind{a, b}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(second)
	m.Close()
	wantStrings(t, "a", *openedA, "a:2")
	wantStrings(t, "b", *openedB, "b:1")
	if _, err := connmgr.Open(t.Context(), &connmgr.Config{Kinds: []connmgr.Kind{a}}); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the list", err)
	}
}

// A kind is asked to recover an adapter from the fourth try on, and where to
// find it again.
func TestKindRecovers(t *testing.T) { inBubble(t, testKindRecovers) }

func testKindRecovers(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	adapter := air.NewController(&sim.ControllerConfig{Name: "hci0"})
	begin := time.Now()
	var opened []string
	var recovered []time.Duration
	failing := false
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{
		Open: func(_ context.Context, address string) (hci.Transport, error) {
			opened = append(opened, address)
			if failing {
				return nil, errAbsent
			}
			return adapter.Plug(), nil
		},
		Recoverer: func() connmgr.Recoverer {
			return recoverFunc(func(address string, rung connmgr.Rung) error {
				opened = append(opened, rung.String()+" "+address)
				recovered = append(recovered, time.Since(begin))
				failing = false
				return errAbsent // only logged
			})
		},
		Follow: func(address string, own hci.MAC) string { return address + "@" + own.String()[:2] },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	begin, failing = time.Now(), true
	adapter.Unplug()
	time.Sleep(10 * second)
	own := m.Adapter("hci0").Controller().Info().Public.String()[:2]
	m.Close()
	wantStrings(t, "opened", opened, "hci0", "hci0@"+own, "hci0@"+own, "hci0@"+own, "power cycle hci0@"+own, "hci0@"+own)
	if len(recovered) != 1 || recovered[0] != 1250*time.Millisecond {
		t.Errorf("recovered after %v, want once after 1.25 s", recovered)
	}
}

func TestKindThatIsMissing(t *testing.T) {
	for want, kinds := range map[string][]connmgr.Kind{
		`connmgr: adapter "hci0" is of no kind in Config.Kinds, whose addresses begin with "a:", "sim:"`: {{Prefix: "a:"}, {Prefix: "sim:"}},
		`connmgr: the kind "hci" in Config.Kinds has no Open`:                                            {{Prefix: "hci"}},
	} {
		_, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: kinds})
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// A Manager ends links that others hold on adapters of the kinds that it uses,
// and leaves the other kinds alone.
func TestKindClosesLinks(t *testing.T) { inBubble(t, testKindClosesLinks) }

func testKindClosesLinks(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	var closed []string
	a, _ := named(air, "a:")
	a.CloseLinks = func(_ context.Context, address, keep string) error {
		closed = append(closed, address+" but on "+keep)
		return errAbsent
	}
	b, _ := named(air, "b:")
	b.CloseLinks = func(context.Context, string, string) error {
		t.Error("a kind of which no adapter is in use")
		return nil
	}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"a:1", "a:2"}, Kinds: []connmgr.Kind{a, b}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.RestoreDiscoveries([]connmgr.Device{{Addr: address(1), Adapter: "a:2", RSSI: -50, Smoothed: -50, Seen: time.Now()}})
	if err := m.CloseStale(t.Context(), address(1).MAC.String(), true); !errors.Is(err, errAbsent) {
		t.Errorf("error %v, want that of the kind", err)
	}
	wantStrings(t, "closed", closed, address(1).MAC.String()+" but on a:2")
}
