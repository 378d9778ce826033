package connmgr_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
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

// slowly is a device that takes 8 s to answer what a rule matches.
func slowly(r sim.Rule) *sim.DeviceConfig {
	r.On, r.Do, r.Delay = sim.OnRequest, sim.Answer, 8*second
	return &sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{r}}}
}

// A request that the device answers after 8 s is life: a second Establish shares the
// link at once, asks nothing, and leaves the request alone.
func TestSlowRequestKeepsTheLink(t *testing.T) { inBubble(t, testSlowRequestKeepsTheLink) }

func testSlowRequestKeepsTheLink(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(slowly(sim.Rule{Opcode: att.OpWriteReq}))
	first := l.establish(1, nil)
	time.Sleep(second)
	begin := time.Now()
	wrote := make(chan error)
	go func() { wrote <- first.Write(t.Context(), serial, serialData, []byte{1}) }()
	for _, after := range []time.Duration{time.Millisecond, 6 * second} {
		time.Sleep(after)
		l.trace.reset()
		before := time.Now()
		other := l.establish(1, nil)
		if took := time.Since(before); took != 0 {
			t.Errorf("shared after %v", took)
		}
		if got := l.trace.requests(); after > time.Second && len(got) != 0 {
			t.Errorf("requests %q on a busy bearer", got)
		}
		other.Close()
	}
	if err := <-wrote; err != nil || time.Since(begin) < 8*second || time.Since(begin) > 8*second+100*time.Millisecond {
		t.Errorf("write: %v after %v", err, time.Since(begin))
	}
	if err := first.Err(); err != nil {
		t.Errorf("the link has ended: %v", err)
	}
	first.Close()
}

// The device of an idle link is asked, and has as long as ATT allows: its link is not
// ended before. A caller that does not wait so long leaves the link to the others.
func TestSlowDeviceIsAlive(t *testing.T) { inBubble(t, testSlowDeviceIsAlive) }

func testSlowDeviceIsAlive(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(slowly(sim.Rule{Opcode: att.OpReadByTypeReq, From: 10 * second}))
	first := l.establish(1, &connmgr.Options{KeepParams: true})
	time.Sleep(20 * second)
	l.trace.reset()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*second)
	defer cancel()
	if _, err := l.m.Establish(ctx, address(1).String(), nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
		t.Errorf("%v after %v, want the deadline after 3 s", err, time.Since(begin))
	}
	time.Sleep(20 * second)
	begin = time.Now()
	other := l.establish(1, nil)
	if took := time.Since(begin).Truncate(100 * time.Millisecond); took != 8*second {
		t.Errorf("shared after %v, want the answer after 8 s", took)
	}
	if got, want := l.trace.requests(), []string{"080100ffff002a", "080100ffff002a"}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	if err := first.Err(); err != nil || l.trace.countLinks() != 0 {
		t.Errorf("%d new links, the first one: %v", l.trace.countLinks(), err)
	}
	first.Close()
	other.Close()
}

// A device that does not answer at all for 30 s is not alive: ATT ends its link, and
// the second Establish makes another one.
func TestDeadLinkIsReplaced(t *testing.T) { inBubble(t, testDeadLinkIsReplaced) }

func testDeadLinkIsReplaced(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{
		{On: sim.OnRequest, Opcode: att.OpReadByTypeReq, Do: sim.Ignore, From: 10 * second, Times: 1},
	}}})
	first := l.establish(1, nil)
	time.Sleep(20 * second)
	begin := time.Now()
	other := l.establish(1, nil)
	if took := time.Since(begin).Truncate(second); took != 30*second || first.Err() == nil || other.Err() != nil {
		t.Errorf("after %v: first %v, other %v", took, first.Err(), other.Err())
	}
	other.Close()
}

// A device that sends values unasked is alive: it is not asked, so that a question that it
// does not answer ends its link for nobody. A value that comes while the device owes an
// answer shows the same, though ATT then ends the link for want of the answer.
func TestNotifyingDeviceIsAlive(t *testing.T) { inBubble(t, testNotifyingDeviceIsAlive) }

func testNotifyingDeviceIsAlive(t *testing.T) {
	for _, c := range []struct {
		every, within time.Duration
		questions     int
	}{
		{100 * time.Millisecond, 200 * time.Millisecond, 0},
		{second, 1100 * time.Millisecond, 0},
		{5 * second, 5100 * time.Millisecond, 1},
	} {
		l := newLab(t, connmgr.Config{})
		l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{
			Rules:         []sim.Rule{{On: sim.OnRequest, Opcode: att.OpReadByTypeReq, Do: sim.Ignore, From: 5 * second}},
			Notifications: []sim.Notification{{After: second, Every: c.every, Handle: 9, Value: []byte{1}}},
		}})
		first := l.establish(1, nil)
		time.Sleep(19500 * time.Millisecond)
		l.trace.reset()
		other, took := l.begin(1, nil)()
		if took > c.within {
			t.Errorf("a value every %v: shared after %v", c.every, took)
		}
		if got := l.trace.requests(); len(got) != c.questions {
			t.Errorf("a value every %v: requests %q, want %d", c.every, got, c.questions)
		}
		time.Sleep(20 * second)
		if err := first.Err(); err != nil {
			t.Errorf("a value every %v: the link has ended: %v", c.every, err)
		}
		other.Close()
		l.m.Close()
	}
}
