package connmgr_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// warnings records warnings.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *warnings) WithGroup(string) slog.Handler                { return w }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, r.Message)
	return nil
}

// changes records what becomes of the scan of an adapter and of the adapter, with the
// second in which it happens.
func (l *lab) changes() func() []string {
	var mu sync.Mutex
	var got []string
	begin := time.Now()
	events := l.m.Events(l.t.Context())
	add := func(at time.Time, s string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			s += ": " + strings.TrimPrefix(err.Error(), "controller: ")
		}
		got = append(got, at.Sub(begin).Round(second).String()+" "+s)
	}
	go func() {
		for ev := range events {
			switch ev := ev.(type) {
			case connmgr.ScanChanged:
				add(ev.Time, "scan", ev.Err)
			case connmgr.AdapterChanged:
				if ev.State == connmgr.AdapterDown {
					add(ev.Time, "down", ev.Err)
				}
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// refuseScans makes adapter 0 refuse to scan from now on.
func (l *lab) refuseScans() {
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusHardwareFailure})
	l.adapters[0].Unplug()
	time.Sleep(100 * time.Millisecond)
}

const silentTogether = time.Minute // as in the package

const refusal = "LE Set Extended Scan Enable: hardware failure (0x03)"

// An adapter that refuses to scan says so once, is reset once, and goes on trying.
func TestAdapterThatDoesNotScan(t *testing.T) { inBubble(t, testAdapterThatDoesNotScan) }

func testAdapterThatDoesNotScan(t *testing.T) {
	var w warnings
	l := newLab(t, connmgr.Config{Logger: slog.New(&w)})
	time.Sleep(second)
	a := l.m.Adapter("hci0")
	if err := a.ScanErr(); err != nil {
		t.Errorf("an adapter that scans has the error %v", err)
	}
	changes := l.changes()
	l.refuseScans()
	state, err := a.State()
	if e := a.ScanErr(); state != connmgr.AdapterUp || err != nil || !errors.Is(e, hci.StatusHardwareFailure) {
		t.Errorf("state %v, %v; the scan fails with %v", state, err, e)
	}
	time.Sleep(5 * time.Minute)
	if e := a.ScanErr(); !errors.Is(e, hci.StatusHardwareFailure) {
		t.Errorf("after the reset the scan fails with %v", e)
	}
	l.adapters[0].ClearFaults()
	l.device(1)
	time.Sleep(6 * second)
	if _, ok := l.m.Device(address(1).String()); !ok || a.ScanErr() != nil {
		t.Errorf("the adapter hears the device: %v, and its scan fails with %v", ok, a.ScanErr())
	}
	wantStrings(t, "changes", changes(),
		"0s down: ended: transport read: sim: controller unplugged", "0s scan: "+refusal,
		"10s down: ended: reset: the scan is refused: controller: "+refusal, "5m0s scan")
	wantStrings(t, "warnings", w.list, "adapter does not scan", "adapter is reset: it does not scan")
}

// An adapter that refuses to scan still connects. As long as it has a link, it is not
// reset.
func TestAdapterThatDoesNotScanConnects(t *testing.T) {
	inBubble(t, testAdapterThatDoesNotScanConnects)
}

func testAdapterThatDoesNotScanConnects(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.Sleep(second)
	l.refuseScans()
	changes := l.changes()
	c := l.establish(1, nil)
	time.Sleep(time.Minute)
	l.wantLevel(c, 1)
	c.Close()
	time.Sleep(time.Minute)
	wantStrings(t, "changes", changes(), "1m5s down: ended: reset: the scan is refused: controller: "+refusal)
}

// WaitFor does not wait for adapters that do not scan.
func TestWaitForWithoutScan(t *testing.T) { inBubble(t, testWaitForWithoutScan) }

func testWaitForWithoutScan(t *testing.T) {
	const refused = "connmgr: adapter hci0 does not scan: controller: " + refusal
	for _, disabled := range []bool{false, true} {
		l := newLab(t, connmgr.Config{DisableScan: disabled})
		time.Sleep(second)
		l.refuseScans()
		begin := time.Now()
		_, err := l.m.WaitFor(t.Context(), address(1).String())
		if took := time.Since(begin).Truncate(10 * time.Millisecond); !errors.Is(err, hci.StatusHardwareFailure) || took != 0 || err.Error() != refused {
			t.Errorf("with DisableScan %v: WaitFor returned %v after %v", disabled, err, took)
		}
		l.m.Close()
	}

	l := newLab(t, connmgr.Config{}, nil, nil)
	time.Sleep(second)
	l.refuseScans()
	ctx, cancel := context.WithTimeout(t.Context(), 3*second)
	defer cancel()
	begin := time.Now()
	if _, err := l.m.WaitFor(ctx, address(1).String()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
		t.Errorf("another adapter scans: %v after %v", err, time.Since(begin))
	}
	time.AfterFunc(second, func() { l.unplug(1) })
	ctx, cancel = context.WithTimeout(t.Context(), 3*second)
	defer cancel()
	begin = time.Now()
	_, err := l.m.WaitFor(ctx, address(1).String()) // the other one may come back
	want := "context deadline exceeded: " + refused + "\nconnmgr: adapter hci1 is down: no such device"
	if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
		t.Errorf("got %q after %v, want %q", err, time.Since(begin), want)
	}
}

// Find returns once no adapter scans, and waits for one that may come back. The command
// that the end of a controller cuts short is no refusal to scan.
func TestFindWithoutScan(t *testing.T) { inBubble(t, testFindWithoutScan) }

func testFindWithoutScan(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		l := newLab(t, connmgr.Config{DisableScan: disabled}, nil, nil)
		time.Sleep(second)
		l.refuseScans()
		l.unplug(1)
		time.AfterFunc(2*second, func() {
			l.plug(1)
			l.adapters[1].Fault(sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusHardwareFailure})
		})
		begin := time.Now()
		_, err := l.m.Find(t.Context(), connmgr.Named("ghost"))
		want := "connmgr: device not found: no device was heard: no adapter scans; adapter hci0 does not scan: controller: " + refusal +
			"; adapter hci1 does not scan: controller: " + refusal
		if err == nil || err.Error() != want || !errors.Is(err, connmgr.ErrNotFound) || time.Since(begin).Round(second) != 5*second {
			t.Errorf("with DisableScan %v: got %q after %v, want %q", disabled, err, time.Since(begin), want)
		}
		l.m.Close()
	}
}

// awaitAbsent waits for a device that never comes, so that the adapters listen all the
// time until stop is called.
func (l *lab) awaitAbsent() (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = l.m.WaitFor(ctx, address(99).String())
	}()
	return func() { cancel(); <-done }
}

// An adapter whose scan goes silent and stays so is reset, unless it has a link, or has
// heard but a few devices, which may all have gone.
func TestFewSilentDevices(t *testing.T) { inBubble(t, testFewSilentDevices) }

func testFewSilentDevices(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	defer l.awaitAbsent()()
	changes := l.changes()
	one, two, three := l.device(1), l.device(2), l.device(3)
	time.Sleep(second)
	three.Close()
	time.Sleep(silentTogether + second)
	one.Close()
	two.Close()
	time.Sleep(time.Hour)
	wantStrings(t, "changes", changes())
	if s := l.m.Adapter("hci0").Controller().Stats(); s.QuietScans < 30 {
		t.Errorf("%d restarts of the scan in an hour of silence", s.QuietScans)
	}
}

func TestSilentAdapterIsReset(t *testing.T) { inBubble(t, testSilentAdapterIsReset) }

func testSilentAdapterIsReset(t *testing.T) {
	for _, linked := range []bool{false, true} {
		l := newLab(t, connmgr.Config{})
		stop := l.awaitAbsent()
		for n := range 4 {
			l.device(n)
		}
		var c *connmgr.Client
		if linked {
			c = l.establish(2, nil)
		}
		time.Sleep(10 * second)
		changes := l.changes()
		l.adapters[0].Fault(sim.EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEExtendedAdvertisingReport, Times: sim.Always, Drop: true})
		time.Sleep(179 * second)
		wantStrings(t, "changes", changes())
		want := "3m10s down: ended: reset: the scan reports nothing any more"
		if linked {
			time.Sleep(30 * second)
			wantStrings(t, "changes with a link", changes())
			c.Close()
			want = "4m40s down: ended: reset: the scan reports nothing any more"
			time.Sleep(80 * second)
		} else {
			time.Sleep(20 * second)
		}
		wantStrings(t, "changes", changes(), want)
		l.adapters[0].ClearFaults()
		left := time.Now()
		time.Sleep(time.Minute)
		if d, _ := l.m.Device(address(1).String()); !d.Seen.After(left) {
			t.Error("the device is not heard after the reset")
		}
		stop()
		l.m.Close()
	}
}
