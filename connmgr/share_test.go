package connmgr_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestFailureOnASharedLinkLeavesItToTheOthers(t *testing.T) {
	inBubble(t, testFailureOnASharedLinkLeavesItToTheOthers)
}

func testFailureOnASharedLinkLeavesItToTheOthers(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	c := l.establish(1, nil)
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{
		Require: []connmgr.Requirement{{Service: gatt.UUID16(0x1234)}},
	})
	if !errors.As(err, new(*connmgr.MissingError)) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.m.Establish(ctx, address(1).String(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	l.wantLevel(c, 1)
	c.Close()
	l.wantNoSlots()
}

func TestEviction(t *testing.T) { inBubble(t, testEviction) }

func testEviction(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 2}})
	for n := range 3 {
		l.device(n)
	}
	idle := l.establish(0, nil)
	time.Sleep(second)
	busy := l.establish(1, nil)
	begin := time.Now()
	c := l.establish(2, &connmgr.Options{Priority: 1, Evict: true})
	if d := time.Since(begin); d > 2*second {
		t.Errorf("took %v", d)
	}
	if !errors.Is(idle.Err(), hci.StatusLocalHostTerminated) || busy.Err() != nil {
		t.Errorf("idle one %v, busy one %v", idle.Err(), busy.Err())
	}
	l.wantLevel(c, 2)
	c.Close()
	busy.Close()
	l.wantNoSlots()
}

func TestOpenSaysWhyEachAdapterFailed(t *testing.T) { inBubble(t, testOpenSaysWhyEachAdapterFailed) }

func testOpenSaysWhyEachAdapterFailed(t *testing.T) {
	broken := errors.New("broken")
	_, err := connmgr.Open(t.Context(), &connmgr.Config{
		Adapters: []string{"hci0", "hci1"},
		Kinds:    []connmgr.Kind{{Open: func(context.Context, string) (hci.Transport, error) { return nil, broken }}},
	})
	want := "connmgr: no adapter is ready: hci0: broken\nhci1: broken"
	if !errors.Is(err, connmgr.ErrNoAdapter) || !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestSickAdapterIsReset(t *testing.T) { inBubble(t, testSickAdapterIsReset) }

func testSickAdapterIsReset(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	// The adapter scans, but every connect fails for its own fault until it is reset.
	l.adapters[0].Fault(sim.ConnectFault{Times: sim.Always, Status: hci.StatusHardwareFailure})
	go func() {
		for ev := range l.m.Events(t.Context()) {
			if s, ok := ev.(connmgr.AdapterChanged); ok && s.State == connmgr.AdapterDown {
				l.adapters[0].ClearFaults()
				return
			}
		}
	}()
	c := l.establish(1, nil)
	l.wantLevel(c, 1)
	c.Close()
}

func TestStateDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, StateDir: filepath.Join(file, "state")})
	if e, ok := errors.AsType[*connmgr.StateError](err); !ok || e.Dir != filepath.Join(file, "state") {
		t.Errorf("got %v", err)
	}
}
