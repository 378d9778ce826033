//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
)

// startEnhanced starts eatt.py.
func startEnhanced(t *testing.T) *mate {
	t.Helper()
	b := &mate{events: make(chan mateEvent, 1024)}
	b.in = startScript(t, "eatt.py", b, func(line []byte) {
		var e mateEvent
		if err := json.Unmarshal(line, &e); err == nil {
			b.events <- e
		}
	}, func() { close(b.events) })
	if b.Port == 0 {
		t.Fatal("eatt.py did not report its port")
	}
	return b
}

// TestEATTToBumble opens enhanced bearers to Bumble's server and reads on all of them.
func TestEATTToBumble(t *testing.T) {
	b := startEnhanced(t)
	tr, err := hcisock.Open(conntest.Within(t), fmt.Sprintf("tcp:127.0.0.1:%d", b.Port), nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(conntest.Within(t), tr, &host.Config{SMP: &smp.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	peer, err := hci.ParseAddr(mateAddress)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Connect(conntest.Within(t), peer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SMP().Pair(conntest.Within(t), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GATT().ExchangeMTU(conntest.Within(t)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.GATT().Enhance(conntest.Within(t), 5); n != 5 || err != nil {
		t.Fatalf("%d enhanced bearers, %v", n, err)
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for range 5 {
				v, err := c.GATT().Read(conntest.Within(t), conntest.UUID(t, custom(1)), conntest.UUID(t, custom(2)))
				if err != nil || fmt.Sprintf("%x", v) != "01020304" {
					t.Errorf("read %x, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	if n := c.GATT().Bearer().EnhancedBearers(); n != 5 {
		t.Errorf("%d enhanced bearers are left: %v", n, c.Bearer().EnhancedErr())
	}
}

// TestEATTFromBumble lets Bumble open enhanced bearers to this side's server.
func TestEATTFromBumble(t *testing.T) {
	b := startEnhanced(t)
	(&conntest.Lock{
		Service: conntest.UUID(t, custom(1)), Guarded: conntest.UUID(t, custom(2)), Value: []byte{1, 2, 3, 4},
		SMP: &smp.Config{},
	}).Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Port))
	b.order(t, map[string]any{"do": "enhance", "address": ourAddress})
	for range 3 {
		if e := b.next(t, "read"); e.Value != "01020304" {
			t.Errorf("read %+v", e)
		}
	}
}
