package connmgr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// Kind is one kind of adapter: it opens the adapters whose addresses begin with
// its Prefix. Config.Kinds lists the kinds that a Manager knows; there is no
// registry. Functions that are nil do nothing. Those that are set may be called
// from several goroutines at a time.
//
// An air of package sim is a Kind of its own:
//
//	connmgr.Kind{Open: air.OpenTransport}
type Kind struct {
	// Prefix begins the addresses of this kind, such as "sim:". Of several kinds
	// whose Prefix fits an address, the one with the longest opens it; the empty
	// Prefix fits every address.
	Prefix string
	// Open opens the transport of the adapter at an address; the Manager closes
	// it. It must be set.
	Open func(ctx context.Context, address string) (hci.Transport, error)
	// List returns the addresses of the adapters to use if Config.Adapters is nil.
	List func(ctx context.Context) ([]string, error)
	// Recoverer makes the Recoverer of one adapter, which takes the rungs above
	// RungReopen. Without it, an adapter that does not work is only opened again.
	Recoverer func() Recoverer
	// Follow returns where the Manager finds an adapter again after it was
	// unplugged, given the public address of its controller. Without it, or if
	// several adapters have that address, that is the address that it had before.
	Follow func(address string, own hci.MAC) string
	// CloseLinks ends links to the device with an address that other programs
	// hold on adapters of this kind, except those on the adapter that keep names;
	// see Manager.CloseStale.
	CloseLinks func(ctx context.Context, address, keep string) error
}

// KindOf returns the element of kinds that opens the adapter at address.
func KindOf(kinds []Kind, address string) (Kind, error) {
	var best *Kind
	var prefixes []string
	for i := range kinds {
		k := &kinds[i]
		prefixes = append(prefixes, fmt.Sprintf("%q", k.Prefix))
		if strings.HasPrefix(address, k.Prefix) && (best == nil || len(k.Prefix) > len(best.Prefix)) {
			best = k
		}
	}
	switch {
	case best == nil:
		return Kind{}, fmt.Errorf("connmgr: adapter %q is of no kind in Config.Kinds, whose addresses begin with %s",
			address, strings.Join(prefixes, ", "))
	case best.Open == nil:
		return Kind{}, fmt.Errorf("connmgr: the kind %q in Config.Kinds has no Open", best.Prefix)
	}
	return *best, nil
}

// listAdapters returns the adapters of all kinds that list any. The error is
// that of the kinds that failed, if there is no adapter at all.
func listAdapters(ctx context.Context, kinds []Kind) ([]string, error) {
	var names []string
	var errs []error
	for i := range kinds {
		if kinds[i].List == nil {
			continue
		}
		ns, err := kinds[i].List(ctx)
		names, errs = append(names, ns...), append(errs, err)
	}
	if len(names) > 0 {
		return names, nil
	}
	return nil, errors.Join(errs...)
}
