package connmgr_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// situations are the situations that an Explanation tells apart. Each returns after the
// situation has come about.
var situations = []struct {
	name     string
	verdict  connmgr.Verdict
	adapters int
	cfg      connmgr.Config
	make     func(l *lab)
}{
	{"never-heard", connmgr.VerdictNeverHeard, 1, connmgr.Config{}, func(*lab) { time.Sleep(5 * second) }},
	{"not-connectable", connmgr.VerdictNotConnectable, 1, connmgr.Config{}, func(l *lab) {
		d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
		d.Peer().SetConnectable(false)
		time.Sleep(20 * second)
	}},
	{"heard-by-the-full-adapter", connmgr.VerdictNoSlot, 2, connmgr.Config{Slots: map[string]int{"hci0": 1}}, func(l *lab) {
		d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
		l.air.SetPath(l.adapters[1], d, sim.Path{Loss: 1})
		l.sensorAt(2, 100*time.Millisecond, sim.Temper{})
		time.Sleep(5 * second)
		l.establish(2, &connmgr.Options{Adapter: "hci0"})
	}},
	{"bonded-on-another", connmgr.VerdictBondElsewhere, 2, connmgr.Config{}, func(l *lab) {
		p := l.guarded(&smp.Config{})
		c := l.establish(1, &connmgr.Options{Adapter: "hci1", Pair: true})
		if !c.Security().Bonded {
			l.t.Error("the device is not bonded")
		}
		c.Close()
		l.air.SetPath(l.adapters[1], p, sim.Path{Loss: 1})
		time.Sleep(time.Minute)
	}},
	{"resting", connmgr.VerdictResting, 1, connmgr.Config{}, func(l *lab) {
		l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour))
		time.Sleep(5 * second)
		l.begin(1, nil)
		time.Sleep(10 * second)
	}},
	{"security-refused", connmgr.VerdictSecurity, 1, connmgr.Config{}, func(l *lab) {
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{
			SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
			Rules:            []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: 0x05}},
		})
		l.failToEstablish(nil)
		time.Sleep(second)
	}},
	{"away", connmgr.VerdictAway, 2, connmgr.Config{}, func(l *lab) {
		p := l.device(1)
		time.Sleep(5 * second)
		l.establish(1, nil).Close()
		l.air.SetAway(p, true)
		time.Sleep(5 * time.Minute)
	}},
	{"away-since-a-failure", connmgr.VerdictAway, 1, connmgr.Config{}, func(l *lab) {
		d := l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour))
		l.failToEstablish(nil)
		l.air.SetAway(d, true)
		time.Sleep(10 * time.Minute)
	}},
	{"rested-hours-ago", connmgr.VerdictConnectable, 1, connmgr.Config{}, func(l *lab) {
		d := l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour))
		l.failToEstablish(nil)
		l.awayFor(d, 5*time.Hour)
	}},
	{"refused-hours-ago", connmgr.VerdictSecurity, 1, connmgr.Config{}, func(l *lab) {
		d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{
			SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
			Rules:            []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: 0x05}},
		})
		l.failToEstablish(nil)
		l.failToEstablish(nil)
		l.awayFor(d, 5*time.Hour)
	}},
	{"slot-queue", connmgr.VerdictSlotQueue, 1, connmgr.Config{Slots: map[string]int{"hci0": 1}}, func(l *lab) {
		for n := range 3 {
			l.sensorAt(n+1, 100*time.Millisecond, sim.Temper{})
		}
		l.establish(2, nil)
		l.begin(3, nil)
		time.Sleep(2 * second)
		l.begin(1, nil)
		time.Sleep(3 * second)
	}},
	{"adapter-down", connmgr.VerdictAdapterDown, 2, connmgr.Config{}, func(l *lab) {
		l.device(1)
		time.Sleep(5 * second)
		l.unplug(0)
		l.unplug(1)
		time.Sleep(3 * second)
	}},
	{"table-changed", connmgr.VerdictTableChanged, 1, connmgr.Config{}, func(l *lab) {
		d := l.air.NewDevice(&sim.DeviceConfig{Name: "uart", Address: address(1), Table: uart(), Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond}})
		l.establish(1, nil).Close()
		time.Sleep(3 * time.Hour)
		d.SetTable(sim.NewTable(sim.GenericAccess("uart"), gatt.ServiceDef{UUID: gatt.UUID16(0xFE59)}), false)
		l.establish(1, nil).Close()
		time.Sleep(5 * second)
	}},
	{"kept", connmgr.VerdictResting, 1, connmgr.Config{}, func(l *lab) {
		l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour))
		if _, err := l.m.Keep(l.t.Context(), address(1).String(), nil); err != nil {
			l.t.Fatal(err)
		}
		time.Sleep(99 * second)
	}},
	{"other-kind", connmgr.VerdictOtherKind, 1, connmgr.Config{}, func(l *lab) {
		l.air.NewDevice(&sim.DeviceConfig{Name: "uart", Address: hci.Addr{MAC: address(1).MAC}, Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond}})
		time.Sleep(5 * second)
	}},
	{"connected", connmgr.VerdictConnected, 2, connmgr.Config{}, func(l *lab) {
		l.device(1)
		l.establish(1, nil)
		time.Sleep(70 * second)
	}},
	{"nothing", connmgr.VerdictConnectable, 2, connmgr.Config{}, func(l *lab) {
		l.device(1)
		time.Sleep(5 * second)
	}},
}

// awayFor takes a device away for a time, and returns when it has been heard again.
func (l *lab) awayFor(d *sim.Device, t time.Duration) {
	l.air.SetAway(d, true)
	time.Sleep(t)
	l.air.SetAway(d, false)
	time.Sleep(10 * second)
}

// TestExplain compares the Explanation in each situation, as text and as JSON, with
// golden files.
func TestExplain(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l := newLab(t, s.cfg, make([]*sim.ControllerConfig, s.adapters)...)
				s.make(l)
				e, err := l.m.Explain(address(1).String())
				if err != nil {
					t.Fatal(err)
				}
				if e.Verdict != s.verdict || e.Reason == "" || e.Next == "" {
					t.Errorf("verdict %q, %q, next %q; want %q", e.Verdict, e.Reason, e.Next, s.verdict)
				}
				j, err := json.MarshalIndent(e, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				wantGolden(t, filepath.Join("testdata", "explain", s.name+".txt"), e.String()+"\n")
				wantGolden(t, filepath.Join("testdata", "explain", s.name+".json"), string(j)+"\n")
				l.m.Close()
			})
		})
	}
}

// wantGolden compares text with a golden file.
func wantGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// The error of an Establish has the Explanation of its end, and stays short.
func TestEstablishErrorExplains(t *testing.T) { inBubble(t, testEstablishErrorExplains) }

func testEstablishErrorExplains(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	e := l.failToEstablish(single())
	x := e.Explanation
	if x == nil || x.Verdict != connmgr.VerdictNeverHeard || len(x.Calls) != 0 || x.Failure == nil || x.Failure.Attempts != 1 {
		t.Errorf("explanation %+v", x)
	}
	if strings.Contains(e.Error(), "\n") {
		t.Errorf("the text of the error is %q", e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), second)
	defer cancel()
	if _, err := l.m.Establish(ctx, address(1).String(), nil); err.(*connmgr.EstablishError).Explanation == nil {
		t.Error("a canceled call has no explanation")
	}
	if _, err := l.m.Explain("nonsense"); err == nil {
		t.Error("an invalid address is explained")
	}
}

// TestExplanationJSON: the JSON invents no kind of address, has times in milliseconds, and
// can be read back.
func TestExplanationJSON(t *testing.T) { inBubble(t, testExplanationJSON) }

func testExplanationJSON(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	e, err := l.m.Explain(address(2).MAC.String())
	if err != nil {
		t.Fatal(err)
	}
	e.Reached = &connmgr.ReachedExplanation{Time: time.Now().UTC(), Adapter: "hci0", Took: 1500 * time.Microsecond}
	e.Params = &hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 30 * time.Millisecond, Latency: 2, Timeout: 5 * second}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"address":"C0:FE:00:00:00:02",`, `"took_ms":1.5}`, `"params":{"interval_min_ms":7.5,"interval_max_ms":30,"latency":2,"timeout_ms":5000}`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	var back connmgr.Explanation
	if err := json.Unmarshal(b, &back); err != nil || back.String() != e.String() || *back.Params != *e.Params || back.Reached.Took != e.Reached.Took {
		t.Errorf("read back: %v, %v, want %v", &back, err, e)
	}
	if err := json.Unmarshal([]byte(`{"address":"x"}`), &back); err == nil {
		t.Error("an address of no device is read")
	}
}

// A failure is the reason for ten minutes. After that, the verdict is the one that there
// would be without it, whether the adapters listen or not; the failure is still told.
func TestExplainFailureEnds(t *testing.T) { inBubble(t, testExplainFailureEnds) }

func testExplainFailureEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   connmgr.Config
		rule  sim.Rule
		first connmgr.Verdict
		later connmgr.Verdict
	}{
		{"resting", connmgr.Config{}, sim.Rule{On: sim.OnLink, Do: sim.HangUp, Status: 0x13}, connmgr.VerdictResting, connmgr.VerdictConnectable},
		{"failed", connmgr.Config{}, sim.Rule{On: sim.OnRequest, Do: sim.HangUp, Status: 0x08}, connmgr.VerdictFailed, connmgr.VerdictConnectable},
		{"without a scan", connmgr.Config{DisableScan: true}, sim.Rule{On: sim.OnLink, Do: sim.HangUp, Status: 0x13}, connmgr.VerdictResting, connmgr.VerdictNeverHeard},
	} {
		l := newLab(t, c.cfg)
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{Rules: []sim.Rule{c.rule}})
		attempts := len(l.failToEstablish(&connmgr.Options{MaxAttempts: 2}).Attempts)
		failed := time.Now()
		for _, at := range []struct {
			age  time.Duration
			want connmgr.Verdict
		}{{10*time.Minute - time.Millisecond, c.first}, {10 * time.Minute, c.later}} {
			time.Sleep(time.Until(failed.Add(at.age)))
			e, err := l.m.Explain(address(1).String())
			if err != nil || e.Verdict != at.want || e.Failure == nil || e.Failure.Attempts != attempts {
				t.Errorf("%s, %v after the failure: %s, %v; want %s and the failure\n%v", c.name, at.age, e.Verdict, err, at.want, e)
			}
		}
		l.m.Close()
	}
}

// A link that a call has given up, and that is still ending, is not a connection, and its
// slot is not the reason for the failure.
func TestExplainLinkThatEnds(t *testing.T) { inBubble(t, testExplainLinkThatEnds) }

func testExplainLinkThatEnds(t *testing.T) {
	for _, cfg := range []connmgr.Config{{}, {Slots: map[string]int{"hci0": 1}}} {
		l := newLab(t, cfg)
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Do: sim.Ignore}}})
		e := l.failToEstablish(&connmgr.Options{Timeout: 10 * second})
		x := e.Explanation
		if x.Adapters[0].Slots.Used != 1 {
			t.Fatalf("%d slots in use, want that of the link that ends", x.Adapters[0].Slots.Used)
		}
		if x.Verdict != connmgr.VerdictFailed || x.Adapters[0].Linked || !strings.Contains(x.Reason, "not connected within 10s") {
			t.Errorf("verdict %q, linked %v, %q; want the failure", x.Verdict, x.Adapters[0].Linked, x.Reason)
		}
		if want := "a new attempt waits for the end of the last link, and then dials on hci0"; x.Next != want {
			t.Errorf("next: %q, want %q", x.Next, want)
		}
		time.Sleep(5 * second)
		later, err := l.m.Explain(address(1).String())
		if want := "a new attempt dials at once on hci0"; err != nil || later.Verdict != connmgr.VerdictFailed || later.Next != want {
			t.Errorf("later: verdict %q, next %q, %v; want %q", later.Verdict, later.Next, err, want)
		}
		l.m.Close()
	}
}

// A link that goes on for another Client is a connection, also after a call that shared it
// has failed.
func TestExplainLinkThatIsShared(t *testing.T) { inBubble(t, testExplainLinkThatIsShared) }

func testExplainLinkThatIsShared(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	c := l.establish(1, nil)
	e := l.failToEstablish(&connmgr.Options{Timeout: second, Ready: func(ctx context.Context, _ *connmgr.Client) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	if x := e.Explanation; x.Verdict != connmgr.VerdictConnected || !x.Adapters[0].Linked || x.Next != "a new attempt shares the link" {
		t.Errorf("verdict %q, linked %v, next %q", x.Verdict, x.Adapters[0].Linked, x.Next)
	}
	l.wantLevel(c, 1)
}

// A table that is discovered again, and is the same, has not changed.
func TestSameTableHasNotChanged(t *testing.T) { inBubble(t, testSameTableHasNotChanged) }

func testSameTableHasNotChanged(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l := newLab(t, connmgr.Config{StateDir: dir})
		l.device(1)
		for range 2 {
			l.establish(1, &connmgr.Options{DisableCache: true}).Close()
			e, err := l.m.Explain(address(1).String())
			if err != nil || e.Table == nil || e.Table.Discovered == nil || e.Table.Changed != nil {
				t.Errorf("table %+v, %v", e.Table, err)
			}
		}
		l.m.Close()
	}
}
