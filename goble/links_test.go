package goble_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/evt"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// TestLinkHandlersOnManager: the handlers are called once for each link, with its handle and
// the reason of its end, however many Clients share it.
func TestLinkHandlersOnManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRadio(t)
		events := make(chan string, 10)
		d := r.manager(t, connmgr.Config{}, ble.OptConnectHandler(func(e evt.LEConnectionComplete) {
			events <- fmt.Sprintf("up %d as %d", e.ConnectionHandle(), e.Role())
		}), ble.OptDisconnectHandler(func(e evt.DisconnectionComplete) {
			events <- fmt.Sprintf("down %d for %#x", e.ConnectionHandle(), e.Reason())
		}))
		a, b := dial(t, d), dial(t, d)
		handle := d.Manager().Adapter("hci0").Controller().Links()[0].Handle()
		for _, c := range []ble.Client{a, b} {
			if err := c.CancelConnection(); err != nil {
				t.Error(err)
			}
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		close(events)
		var got []string
		for e := range events {
			got = append(got, e)
		}
		want := []string{fmt.Sprintf("up %d as 0", handle), fmt.Sprintf("down %d for 0x16", handle)}
		if !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// TestLinkHandlerBlocks: while the handler of a new link blocks, requests are answered, and
// the notifiers end with the link.
func TestLinkHandlerBlocks(t *testing.T) { synctest.Test(t, testLinkHandlerBlocks) }

func testLinkHandlerBlocks(t *testing.T) {
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	release := make(chan struct{})
	events := make(chan string, 4)
	server := newDevice(t, air, ble.OptConnectHandler(func(evt.LEConnectionComplete) {
		<-release
		events <- "up"
	}), ble.OptDisconnectHandler(func(evt.DisconnectionComplete) { events <- "down" }))
	svc := ble.NewService(provisioning)
	svc.NewCharacteristic(ble.UUID16(0xFF21)).HandleNotify(ble.NotifyHandlerFunc(func(_ ble.Request, n ble.Notifier) {
		<-n.Context().Done()
		events <- "notifier ended"
	}))
	if err := server.AddService(svc); err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) error { return server.AdvertiseNameAndServices(ctx, "x", provisioning) })
	c, p := dialService(t, newDevice(t, air), provisioning)
	if err := c.Subscribe(find(t, p, 0xFF21), false, func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	if err := c.CancelConnection(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	close(release)
	for _, want := range []string{"notifier ended", "up", "down"} {
		if got := <-events; got != want {
			t.Errorf("event %q, want %q", got, want)
		}
	}
}
