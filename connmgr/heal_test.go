package connmgr_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestHealRepeatsWhatStaleHandlesFailed(t *testing.T) { inBubble(t, testHealRepeats) }

func testHealRepeats(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.establish(1, nil).Close()
	c := l.establish(1, nil)
	defer c.Close()
	if !c.Cached() {
		t.Fatal("second table is not from the cache")
	}
	stale := &att.Error{Req: att.OpReadReq, Handle: 3, Code: att.CodeInvalidHandle}
	calls := 0
	err := c.Heal(t.Context(), func(context.Context) error {
		calls++
		if c.Cached() {
			return stale
		}
		return nil
	})
	if err != nil || calls != 2 || c.Cached() {
		t.Errorf("%v after %d calls, cached %v; want success at the second, on a new table", err, calls, c.Cached())
	}
	// A table just discovered is not discovered again for what it lacks.
	calls = 0
	err = c.Heal(t.Context(), func(context.Context) error { calls++; return stale })
	if !errors.Is(err, att.CodeInvalidHandle) || calls != 1 {
		t.Errorf("%v after %d calls, want the error of the only one", err, calls)
	}
}

func TestWaitForListensWhereNobodyDoes(t *testing.T) { inBubble(t, testWaitForListens) }

func testWaitForListens(t *testing.T) {
	l := newLab(t, connmgr.Config{DisableScan: true})
	time.Sleep(second)
	if n := l.adapters[0].Stats().Radio.Listening; n != 0 {
		t.Errorf("listened for %v without need", n)
	}
	late, cancel := context.WithTimeout(t.Context(), 2*second)
	defer cancel()
	if _, err := l.m.WaitFor(late, address(1).MAC.String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for nobody: %v", err)
	}
	l.device(1)
	d, err := l.m.WaitFor(t.Context(), address(1).MAC.String())
	if err != nil || d.Addr != address(1) || d.Adapter != "hci0" {
		t.Errorf("%v, %v", d, err)
	}
	before := l.adapters[0].Stats().Radio.Listening
	time.Sleep(10 * second)
	if n := l.adapters[0].Stats().Radio.Listening - before; n > second {
		t.Errorf("went on to listen for %v", n)
	}
}

func TestWhatIsKeptCanBeReadWithoutManager(t *testing.T) { inBubble(t, testKept) }

func testKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if kept, err := connmgr.KeptDevices(dir); err != nil || kept != nil {
		t.Errorf("of no directory: %v, %v", kept, err)
	}
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.device(1)
	l.establish(1, nil).Close()
	// Another program is heard by meanwhile, and writes first.
	other := newLab(t, connmgr.Config{StateDir: dir}, &sim.ControllerConfig{Address: hci.MAC{9}})
	other.device(2)
	if _, err := other.m.WaitFor(t.Context(), address(2).String()); err != nil {
		t.Fatal(err)
	}
	other.m.Close()
	l.m.Close()
	kept, err := connmgr.KeptDevices(dir)
	if err != nil || len(kept) != 2 || kept[0].Addr != address(1) || kept[1].Addr != address(2) {
		t.Errorf("kept %v, %v; want what both have heard", kept, err)
	}
	cache, err := connmgr.OpenCache(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if items, err := cache.List(); err != nil || len(items) != 1 || items[0].Addr != address(1) {
		t.Errorf("tables %v, %v", items, err)
	}
}
