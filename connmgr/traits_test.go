package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// picky puts a device with a table and rules on air.
func (l *lab) picky(t sim.Table, rules ...sim.Rule) *sim.Device {
	return l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: t, Temper: sim.Temper{Rules: rules}})
}

// wantTraits checks what the Manager has learned of device 1, as "step times".
func (l *lab) wantTraits(want ...string) {
	l.t.Helper()
	var got []string
	for _, tr := range l.m.Traits(address(1).String()) {
		got = append(got, fmt.Sprintf("%s %d", tr.Step, tr.Times))
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("traits %q, want %q", got, want)
	}
}

// wantConnect connects, and checks the number of links and the time that it takes.
func (l *lab) wantConnect(links int, least, most time.Duration) *connmgr.Client {
	l.t.Helper()
	l.trace.reset()
	begin := time.Now()
	c := l.establish(1, nil)
	if n, took := l.trace.countLinks(), time.Since(begin); n != links || took < least || took > most {
		l.t.Errorf("%d links in %v, want %d in %v to %v: requests %q", n, took, links, least, most, l.trace.requests())
	}
	return c
}

// A device that hangs up at the MTU request is connected on the second link, and from
// then on at once. After an hour the request is tried again: the device may have been
// busy. After the second failure it is left out for seven days.
func TestMTURequestEndsTheLink(t *testing.T) { inBubble(t, testMTURequestEndsTheLink) }

func testMTURequestEndsTheLink(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	day := 24 * time.Hour
	var onAir []sim.AdvChange // only while it is wanted
	for _, at := range []time.Duration{0, time.Hour, 6 * day, 7*day + time.Hour} {
		onAir = append(onAir, sim.AdvChange{At: at}, sim.AdvChange{At: at + time.Minute, Off: true})
	}
	begin := time.Now()
	l.air.NewDevice(&sim.DeviceConfig{Address: address(1), Table: uart(), Temper: sim.Temper{
		Rules:       []sim.Rule{{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp}},
		Advertising: onAir,
	}})
	l.wantConnect(2, 0, second).Close()
	l.wantTraits("mtu 1")
	l.wantConnect(1, 0, 200*time.Millisecond).Close()
	if r := l.trace.requests()[0]; r[:2] == "02" {
		t.Errorf("first request %s, want no MTU request", r)
	}
	time.Sleep(time.Until(begin.Add(time.Hour + 10*second)))
	l.wantConnect(2, 0, second).Close()
	l.wantTraits("mtu 2")
	time.Sleep(time.Until(begin.Add(6*day + 10*second)))
	l.wantConnect(1, 0, 200*time.Millisecond).Close()
	time.Sleep(time.Until(begin.Add(7*day + time.Hour + 20*second)))
	l.wantTraits()
	l.wantConnect(2, 0, second).Close()
	l.wantTraits("mtu 1")
}

// The MTU request is not answered: after its 30 s, the next link does without.
func TestMTURequestIsNotAnswered(t *testing.T) { inBubble(t, testMTURequestIsNotAnswered) }

func testMTURequestIsNotAnswered(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.Ignore})
	l.wantConnect(2, 30*second, 31*second).Close()
	l.wantConnect(1, 0, 200*time.Millisecond).Close()
}

// A link that is lost is dialed again with longer parameters.
func TestLostLinkRelaxesParameters(t *testing.T) { inBubble(t, testLostLinkRelaxesParameters) }

func testLostLinkRelaxesParameters(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), sim.Rule{On: sim.OnLink, Do: sim.HangUp, Status: hci.StatusConnectionTimeout, Times: 1})
	c := l.wantConnect(2, 0, 2*second)
	// Intervals, latency and supervision timeout: 7.5 ms, 0, 2 s; then 30 to 50 ms, 0, 5 s.
	want := []string{"060006000000c800", "180028000000f401"}
	for i, d := range l.trace.dials() {
		if !strings.Contains(d, want[i]) {
			t.Errorf("dial %d: %s, want %s in it", i+1, d, want[i])
		}
	}
	if len(l.trace.dials()) != 2 || c.Params().Interval < 30*time.Millisecond {
		t.Errorf("%d dials, interval %v", len(l.trace.dials()), c.Params().Interval)
	}
	c.Close()
	l.wantTraits("initial-parameters 1")
	time.Sleep(time.Hour)
	l.wantConnect(1, 0, second).Close() // it takes them now
	l.wantTraits()
}

// A device that a step of settling silences, or that hangs up at it, is connected
// without that step the next time, and stays.
func TestSettlingEndsTheLink(t *testing.T) {
	for _, test := range []struct {
		rule sim.Rule
		want string
	}{
		{sim.Rule{On: sim.OnPHY, Do: sim.FallSilent}, "phy-2m 1"},
		{sim.Rule{On: sim.OnPHY, Do: sim.Ignore}, "phy-2m 1"},
		{sim.Rule{On: sim.OnParams, Do: sim.HangUp}, "settled-parameters 1"},
		{sim.Rule{On: sim.OnParams, Do: sim.FallSilent}, "settled-parameters 1"},
	} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.picky(uart(), test.rule)
			c := l.establish(1, nil)
			<-c.Done()
			l.wantTraits(test.want)
			c = l.wantConnect(1, 0, 3*second) // the device may miss the end of a silent link
			time.Sleep(5 * time.Minute)
			if c.Err() != nil {
				t.Errorf("%v %v: the second link ended: %v", test.rule.On, test.rule.Do, c.Err())
			}
			if p := c.Params(); p.Interval != 50*time.Millisecond {
				t.Errorf("%v %v: interval %v, want the settled one", test.rule.On, test.rule.Do, p.Interval)
			}
			c.Close()
			l.wantTraits(test.want)
		})
	}
}

// A device that refuses a step of discovery, or hangs up at it, is connected without
// its whole table.
func TestDiscoveryRefused(t *testing.T) {
	for _, test := range []struct {
		rule  sim.Rule
		links int
	}{
		{sim.Rule{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.HangUp}, 2},
		{sim.Rule{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.Refuse, Code: att.CodeRequestNotSupported}, 1},
		{sim.Rule{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.Refuse, Code: att.CodeUnlikelyError}, 1},
	} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.picky(uart(), test.rule)
			for _, links := range []int{test.links, 1} {
				c := l.wantConnect(links, 0, second)
				if v, err := c.Read(t.Context(), serial, serialData); err != nil || v[0] != 0x11 {
					t.Errorf("read % x, %v", v, err)
				}
				c.Close()
				l.wantTraits("discovery 1")
			}
			if got := l.trace.requests(); slices.Contains(got, "100100ffff0028") {
				t.Errorf("requests %q, want no discovery", got)
			}
		})
	}
}

// A device that refuses to indicate changes of its table, or hangs up at the request, is
// not asked again.
func TestServiceChangedRefused(t *testing.T) {
	for _, rule := range []sim.Rule{
		{On: sim.OnSubscribe, Do: sim.HangUp},
		{On: sim.OnSubscribe, Do: sim.Refuse, Code: att.CodeRequestNotSupported},
	} {
		inBubble(t, func(t *testing.T) {
			l := newLab(t, connmgr.Config{})
			l.picky(lampTable(nil, battery8(42)), rule)
			c := l.establish(1, nil)
			time.Sleep(3 * second)
			if up := c.Err() == nil; up != (rule.Do == sim.Refuse) {
				t.Fatalf("%v: first link: %v", rule.Do, c.Err())
			}
			c.Close()
			l.wantTraits("service-changed 1")
			l.trace.reset()
			c = l.establish(1, nil)
			time.Sleep(time.Minute)
			if c.Err() != nil || slices.ContainsFunc(l.trace.requests(), func(r string) bool { return r[:2] == "12" }) {
				t.Errorf("%v: second link: %v, requests %q", rule.Do, c.Err(), l.trace.requests())
			}
			c.Close()
		})
	}
}

// A device that is busy and hangs up whatever comes first is not taken for one that
// cannot take the MTU request.
func TestBusyDeviceIsNotBlamed(t *testing.T) { inBubble(t, testBusyDeviceIsNotBlamed) }

func testBusyDeviceIsNotBlamed(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), sim.Rule{On: sim.OnLink, Do: sim.HangUp, Times: 3})
	c := l.establish(1, nil)
	if c.GATT().MTU() != 247 || c.Profile() == nil {
		t.Errorf("MTU %d, profile %v", c.GATT().MTU(), c.Profile())
	}
	c.Close()
	l.wantTraits()
}

// Nor is one that does so for so long that its step has been left out again.
func TestRestingDeviceIsNotBlamed(t *testing.T) { inBubble(t, testRestingDeviceIsNotBlamed) }

func testRestingDeviceIsNotBlamed(t *testing.T) {
	for n := range 12 {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnLink, Do: sim.HangUp, Times: n + 2})
		l.establish(1, nil).Close()
		l.wantTraits()
		l.m.Close()
	}
}

// Traits are kept in the state directory, and go with the cache, with a new table, and
// by ClearTraits.
func TestTraitsAreKept(t *testing.T) { inBubble(t, testTraitsAreKept) }

func testTraitsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l := newLab(t, connmgr.Config{StateDir: dir})
	rule := sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp}
	d := l.picky(uart(), rule)
	l.wantConnect(2, 0, second).Close()
	path := filepath.Join(dir, "traits.json")
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Fatalf("%v, %v; want mode 0600", fi, err)
	}
	kept, err := connmgr.KeptTraits(dir)
	if err != nil || len(kept) != 1 || kept[0].Address != address(1) || len(kept[0].Traits) != 1 || len(kept[0].Table) != 32 {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	tr := kept[0].Traits[0]
	if tr.Step != connmgr.StepMTU || tr.Times != 1 || !strings.Contains(tr.Why, "(0x13)") || tr.Until().Sub(tr.Seen) != time.Hour {
		t.Errorf("trait %+v", tr)
	}
	l.m.Close()

	second := newLab(t, connmgr.Config{StateDir: dir})
	second.picky(uart(), rule)
	second.wantConnect(1, 0, 200*time.Millisecond).Close()
	second.wantTraits("mtu 1")
	second.m.ClearCache(address(1).MAC.String())
	second.wantTraits()
	if kept, err := connmgr.KeptTraits(dir); err != nil || len(kept) != 0 {
		t.Errorf("after ClearCache: %+v, %v", kept, err)
	}
	second.wantConnect(2, 0, time.Second).Close()
	if had, err := connmgr.ClearTraits(dir, address(1).String()); !had || err != nil {
		t.Errorf("ClearTraits: %v, %v", had, err)
	}
	if had, err := connmgr.ClearTraits(dir, ""); had || err != nil {
		t.Errorf("ClearTraits again: %v, %v", had, err)
	}
	_ = d
}

// A device whose random address has not the two bits of a static one may keep it all the
// same. Its traits are in memory alone: another device may have the address later.
func TestTraitsOfAnIllFormedAddress(t *testing.T) { inBubble(t, testTraitsOfAnIllFormedAddress) }

func testTraitsOfAnIllFormedAddress(t *testing.T) {
	for _, top := range []byte{0x2A, 0x6A} { // the bits of a non-resolvable and of a resolvable private address
		dir := filepath.Join(t.TempDir(), "state")
		l := newLab(t, connmgr.Config{StateDir: dir})
		a := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, top}, Kind: hci.AddrRandom}
		l.air.NewDevice(&sim.DeviceConfig{Address: a, Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{{On: sim.OnParams, Do: sim.HangUp}}}})
		lost := 0
		for range 5 {
			c, err := l.m.Establish(t.Context(), a.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Done():
				lost++
			case <-time.After(time.Minute):
			}
			c.Close()
		}
		if tr := l.m.Traits(a.String()); lost != 1 || len(tr) != 1 || tr[0].Step != connmgr.StepSettledParams {
			t.Errorf("%v: %d of 5 links lost to the settled parameters, want 1; traits %+v", a, lost, tr)
		}
		l.picky(uart(), noMTU())
		l.establish(1, nil).Close() // its traits are written
		l.m.Close()
		if kept, err := connmgr.KeptTraits(dir); err != nil || len(kept) != 1 || kept[0].Address != address(1) {
			t.Errorf("kept %+v, %v; want those of the static address alone", kept, err)
		}
		if len(l.m.Traits(a.String())) != 1 {
			t.Error("the traits in memory went with the write of the others")
		}
	}
}

// New firmware may take what the old one could not.
func TestNewTableForgetsTraits(t *testing.T) { inBubble(t, testNewTableForgetsTraits) }

func testNewTableForgetsTraits(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	d := l.picky(lampTable(nil, battery8(42)), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp})
	l.wantConnect(2, 0, second).Close()
	l.wantTraits("mtu 1")
	d.SetTable(lampTable(nil, gatt.ServiceDef{UUID: serial}, battery8(42)), false)
	l.wantConnect(1, 0, 300*time.Millisecond).Close()
	l.wantTraits()
}

// A file of a later version is neither used nor replaced, steps that are not known stay,
// and the number of devices is bounded.
func TestTraitsFile(t *testing.T) { inBubble(t, testTraitsFile) }

func testTraitsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "traits.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	later := `{"version":2,"devices":"other"}`
	write(later)
	if _, err := connmgr.KeptTraits(dir); !errors.As(err, new(*connmgr.StateError)) {
		t.Errorf("a later version: %v", err)
	}
	rule := sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp}
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.picky(uart(), rule)
	l.wantConnect(2, 0, second).Close()
	l.wantTraits("mtu 1")
	if b, err := os.ReadFile(path); err != nil || string(b) != later {
		t.Errorf("the later version's file is now %s, %v", b, err)
	}
	l.m.Close()

	var all []string
	for n := range 1100 {
		all = append(all, fmt.Sprintf(`{"address":%q,"more":1,"traits":[{"step":"dance","seen":%q,"times":1}]}`,
			address(n+10), time.Now().Add(-time.Duration(n)*time.Minute).Format(time.RFC3339)))
	}
	write(`{"version":1,"devices":[` + strings.Join(all, ",") + `]}`)
	l = newLab(t, connmgr.Config{StateDir: dir})
	l.picky(uart(), rule)
	l.establish(1, nil).Close()
	kept, err := connmgr.KeptTraits(dir)
	if err != nil || len(kept) != 1024 || kept[0].Address != address(1) || kept[1].Address != address(10) || kept[1].Traits[0].Step != "dance" {
		t.Errorf("%d devices, %v; want 1024, the latest first", len(kept), err)
	}
}

// The context counts in the midst of a step.
func TestContextEndsAStep(t *testing.T) { inBubble(t, testContextEndsAStep) }

func testContextEndsAStep(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.Stall})
	ctx, cancel := context.WithTimeout(t.Context(), 3*second)
	defer cancel()
	begin := time.Now()
	if _, err := l.m.Establish(ctx, address(1).String(), nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*second {
		t.Errorf("%v after %v, want the deadline after 3 s", err, time.Since(begin))
	}
	l.wantTraits()
	time.Sleep(10 * second)
	l.wantNoSlots()
}

// A device gives any reason of a hang-up at the step that it dislikes.
func TestReasonsOfHangUps(t *testing.T) { inBubble(t, testReasonsOfHangUps) }

func testReasonsOfHangUps(t *testing.T) {
	for _, st := range []hci.Status{0x13, 0x14, 0x15} {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp, Status: st})
		begin := time.Now()
		if c, err := l.m.Establish(t.Context(), address(1).String(), nil); err != nil {
			t.Errorf("MTU request, 0x%02x: %v after %v", uint8(st), err, time.Since(begin))
		} else {
			c.Close()
		}
		l.m.Close()
		l = newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnParams, Do: sim.HangUp, Status: st})
		lost := 0
		for range 5 {
			c := l.establish(1, nil)
			select {
			case <-c.Done():
				lost++
			case <-time.After(time.Minute):
			}
			c.Close()
			time.Sleep(second)
		}
		if lost > 1 {
			t.Errorf("settled parameters, 0x%02x: %d of 5 links lost", uint8(st), lost)
		}
		l.m.Close()
	}
}
