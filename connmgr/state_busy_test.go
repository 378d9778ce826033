//go:build unix

package connmgr_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// holdLocks takes the locks of a state directory, as another process does that has
// stopped, until free is called.
func holdLocks(t *testing.T, dir string) (free func()) {
	t.Helper()
	var held []*os.File
	free = func() {
		for _, f := range held {
			f.Close()
		}
		held = nil
	}
	t.Cleanup(free)
	for _, name := range []string{"lock", filepath.Join("tables", "lock")} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	return free
}

// A state directory whose locks another process holds delays neither an Establish nor
// the end of a link. What the Manager has learned meanwhile counts at once, and is
// written when the lock is free.
func TestLockedStateDelaysNothing(t *testing.T) { inBubble(t, testLockedStateDelaysNothing) }

func testLockedStateDelaysNothing(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.picky(
		uart(),
		sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp},
		sim.Rule{On: sim.OnParams, Do: sim.HangUp},
	)
	l.device(2)
	time.Sleep(second)
	free := holdLocks(t, dir)

	told, hungUp := make(chan time.Time, 1), make(chan time.Time, 9)
	begin := time.Now()
	c := l.establish(1, &connmgr.Options{Disconnected: func(*connmgr.Client, error) { told <- time.Now() }})
	if took := time.Since(begin); took > second {
		t.Errorf("connected after %v", took)
	}
	l.wantTraits("mtu 1")
	step := func(e sim.Entry) {
		if e.Kind == sim.LogLinkDown && e.Node == "hci0" {
			hungUp <- e.Time
		}
	}
	l.step.Store(&step)
	<-c.Done()
	if ended, called := time.Since(<-hungUp), time.Since(<-told); ended > 10*time.Millisecond || called > 10*time.Millisecond {
		t.Errorf("the link ended %v ago, the callback was called %v ago", ended, called)
	}
	l.wantTraits("mtu 1", "settled-parameters 1")
	for range 2 { // the table, too, counts at once
		begin = time.Now()
		c = l.establish(2, nil)
		if took := time.Since(begin); took > second {
			t.Errorf("another device connected after %v", took)
		}
		l.wantLevel(c, 2)
		c.Close()
	}
	if !c.Cached() {
		t.Error("the table was discovered again")
	}
	begin = time.Now()
	c = l.establish(2, &connmgr.Options{RememberParams: true})
	set := hci.ConnParams{IntervalMin: 200 * time.Millisecond, IntervalMax: 200 * time.Millisecond, Timeout: 6 * second}
	if _, err := c.UpdateParams(t.Context(), set); err != nil {
		t.Error(err)
	}
	c.Close()
	if p, ok := l.m.RememberedParams(address(2).String()); !ok || p != set {
		t.Errorf("remembered %+v, %v", p, ok)
	}
	if e, err := l.m.Explain(address(2).String()); err != nil || e.Table == nil {
		t.Errorf("explained as %+v, %v", e, err)
	}
	if took := time.Since(begin); took > second {
		t.Errorf("parameters and explanation took %v", took)
	}
	if kept, err := connmgr.KeptTraits(dir); err != nil || len(kept) != 0 {
		t.Errorf("written in spite of the lock: %v, %v", kept, err)
	}
	free()
	l.m.Close()
	kept, err := connmgr.KeptTraits(dir)
	if err != nil || len(kept) != 1 || len(kept[0].Traits) != 2 {
		t.Errorf("kept at the end: %+v, %v; want two traits", kept, err)
	}
	cache, err := connmgr.OpenCache(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	if all, err := cache.List(); err != nil || len(all) != 2 {
		t.Errorf("tables kept at the end: %v, %v; want two", all, err)
	}
}

// about returns the warnings that contain a text.
func (w *warnings) about(text string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.list {
		if strings.Contains(s, text) {
			found = append(found, s)
		}
	}
	return found
}

// A disk that fails is said once, and again after it has worked. The changes are not
// lost meanwhile.
func TestFailingDiskIsSaidOnce(t *testing.T) { inBubble(t, testFailingDiskIsSaidOnce) }

func testFailingDiskIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	w := &warnings{}
	l := newLab(t, connmgr.Config{StateDir: dir, Logger: slog.New(w), DisableScan: true})
	file := filepath.Join(dir, "traits.json")
	rule := sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp}
	for n := range 4 {
		l.air.NewDevice(&sim.DeviceConfig{Address: address(n), Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{rule}}})
	}
	for round := range 2 {
		if err := os.Mkdir(file, 0o700); err != nil { // no file can be written there
			t.Fatal(err)
		}
		for n := range 2 {
			l.establish(2*round+n, nil).Close()
		}
		time.Sleep(second)
		if got := w.about("traits"); len(got) != round+1 {
			t.Errorf("warnings %q in round %d", got, round)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // it is tried again
		if kept, err := connmgr.KeptTraits(dir); err != nil || len(kept) != 2 {
			t.Errorf("kept after round %d: %v, %v", round, kept, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}
