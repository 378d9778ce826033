package host_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// TestAdvertiseNameAndServices puts the name where it has room, and names what has none.
func TestAdvertiseNameAndServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(nil)
		t.Cleanup(func() { air.Close() })
		own := []uuid.UUID{
			uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000"), uuid.MustParse("6d6f6f72-0002-4c61-6d70-000000000000"),
			uuid.MustParse("6d6f6f72-0003-4c61-6d70-000000000000"),
		}
		h, observer := openHost(t, air.NewController(nil), nil), openHost(t, air.NewController(nil), nil)
		if err := h.AdvertiseNameAndServices(t.Context(), "a kitchen thermometer", own[0], service); err != nil {
			t.Fatal(err)
		}
		sc, err := observer.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		for {
			r, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Response) == 0 {
				continue // not heard yet
			}
			flags, _ := r.Data.Flags()
			if r.Name() != "a kitchen thermometer" || !r.HasService(own[0]) || !r.HasService(service) || !r.Connectable || flags != hci.FlagGeneralDiscoverable|hci.FlagNoBREDR {
				t.Errorf("heard %q, services %v, flags %#x", r.Name(), r.Services(), flags)
			}
			break
		}
		err = h.AdvertiseNameAndServices(t.Context(), "thermometer", own...)
		left, ok := errors.AsType[*hci.AdvSplitError](err)
		if !ok || !slices.Contains(left.Left.Services, own[2]) {
			t.Errorf("too much: %v", err)
		}
		set, err := h.AddAdvertising(t.Context(), &controller.AdvertiseOptions{NonConnectable: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
