package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// bench is an air with two adapters, whose devices a test makes.
type bench struct {
	t        *testing.T
	air      *sim.Air
	adapters []*sim.Controller
	absent   []int // the adapters that cannot be opened
	state    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, air: sim.New(&sim.Config{Seed: 1}), state: t.TempDir()}
	t.Cleanup(func() { b.air.Close() })
	for range 2 {
		b.adapters = append(b.adapters, b.air.NewController(nil))
	}
	return b
}

// moor runs a command line and returns its standard output.
func (b *bench) moor(args ...string) string {
	b.t.Helper()
	var out printed
	code := runChecked(b.t.Context(), append([]string{"--state", b.state}, args...), &Env{
		Stdout: &out.stdout, Stderr: &out.stderr,
		Open: func(_ context.Context, name string) (hci.Transport, error) {
			var i int
			if _, err := fmt.Sscanf(name, "a%d", &i); err != nil {
				return nil, err
			}
			if slices.Contains(b.absent, i) {
				return nil, errors.New("no such device")
			}
			return b.adapters[i].Plug(), nil
		},
	})
	if stderr := out.stderr.String(); code != 0 || stderr != "" {
		b.t.Errorf("moor %s: exit code %d, stderr %q", strings.Join(args, " "), code, stderr)
	}
	return out.stdout.String()
}

const sensorAddr = "C0:FE:00:00:00:01"

// sensor puts a device on air.
func (b *bench) sensor(temper sim.Temper) *sim.Device {
	addr, _, err := hci.ParseAddrKind(sensorAddr + "/random")
	if err != nil {
		b.t.Fatal(err)
	}
	return b.air.NewDevice(&sim.DeviceConfig{
		Name: "sensor", Address: addr, Temper: temper, Table: sim.NewTable(sim.GenericAccess("sensor")),
		Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond},
	})
}

// TestWhy compares the output of moor why in each situation with a golden file. The
// situations that need a second program on the adapters are in package connmgr.
func TestWhy(t *testing.T) {
	both := []string{"-a", "a0", "-a", "a1", "why", sensorAddr}
	one := []string{"-a", "a0", "why", sensorAddr}
	for _, c := range []struct {
		name    string
		verdict connmgr.Verdict
		args    []string
		make    func(b *bench)
	}{
		{"nothing", connmgr.VerdictConnectable, both, func(b *bench) { b.sensor(sim.Temper{}) }},
		{"never-heard", connmgr.VerdictNeverHeard, both, func(*bench) {}},
		{"not-connectable", connmgr.VerdictNotConnectable, one, func(b *bench) { b.sensor(sim.Temper{}).Peer().SetConnectable(false) }},
		{"heard-by-the-full-adapter", connmgr.VerdictNoSlot, one, func(b *bench) {
			b.sensor(sim.Temper{})
			b.adapters[0].Fault(sim.ConnectFault{Times: sim.Always, Refuse: true, Status: hci.StatusConnectionLimit})
		}},
		{"bonded-on-another", connmgr.VerdictBondElsewhere, both, func(b *bench) {
			addr, _, _ := hci.ParseAddrKind(sensorAddr + "/random")
			p, err := b.air.NewPeripheral(b.t.Context(), &sim.PeripheralConfig{
				Name: "lock", Address: addr, Host: host.Config{SMP: &smp.Config{}}, Services: []gatt.ServiceDef{sim.GenericAccess("lock")},
			})
			if err != nil {
				b.t.Fatal(err)
			}
			b.t.Cleanup(func() { p.Close() })
			b.moor("-a", "a1", "pair", sensorAddr, "--just-works")
			b.air.SetPath(b.adapters[1], p, sim.Path{Loss: 1})
			time.Sleep(time.Minute)
		}},
		{"resting", connmgr.VerdictResting, one, func(b *bench) {
			b.sensor(sim.Temper{Rules: []sim.Rule{{On: sim.OnLink, Do: sim.HangUp}}})
		}},
		{"security-refused", connmgr.VerdictSecurity, one, func(b *bench) {
			b.sensor(sim.Temper{
				SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
				Rules:            []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: 0x05}},
			})
		}},
		{"away", connmgr.VerdictAway, both, func(b *bench) {
			d := b.sensor(sim.Temper{})
			b.moor("-a", "a0", "-a", "a1", "devices")
			b.air.SetAway(d, true)
			time.Sleep(3 * time.Hour)
		}},
		{"one-adapter-down", connmgr.VerdictConnectable, both, func(b *bench) {
			b.sensor(sim.Temper{})
			b.absent = []int{1}
		}},
		{"table-changed", connmgr.VerdictTableChanged, one, func(b *bench) {
			d := b.sensor(sim.Temper{})
			b.moor("-a", "a0", "services", sensorAddr)
			d.SetTable(sim.NewTable(sim.GenericAccess("sensor"), gatt.ServiceDef{UUID: gatt.UUID16(0xFE59)}), false)
		}},
		{"other-kind", connmgr.VerdictOtherKind, []string{"-a", "a0", "why", sensorAddr + "/public"}, func(b *bench) { b.sensor(sim.Temper{}) }},
		{"no-connect", connmgr.VerdictConnectable, append(both, "--no-connect"), func(b *bench) { b.sensor(sim.Temper{}) }},
	} {
		inAir(t, c.name, func(t *testing.T) {
			b := newBench(t)
			c.make(b)
			wantGolden(t, c.name, b.moor(c.args...))
			b.moor("-a", "a0", "bonds") // the adapter is free
		})
		inAir(t, c.name+" as JSON", func(t *testing.T) {
			b := newBench(t)
			c.make(b)
			var e connmgr.Explanation
			if out := b.moor(append([]string{"--json"}, c.args...)...); json.Unmarshal([]byte(out), &e) != nil || e.Verdict != c.verdict || strings.Count(out, "\n") != 1 {
				t.Errorf("verdict %q, want %q: %s", e.Verdict, c.verdict, out)
			}
		})
	}
}

// TestWhyElsewhere asks about a device that only another adapter has heard: the adapters
// that are named listen.
func TestWhyElsewhere(t *testing.T) {
	inAir(t, "elsewhere", func(t *testing.T) {
		b := newBench(t)
		d := b.sensor(sim.Temper{})
		b.moor("-a", "a0", "scan", "--duration", "2s")
		b.air.SetPath(b.adapters[1], d, sim.Path{Loss: 1})
		begin := time.Now()
		wantGolden(t, "elsewhere", b.moor("-a", "a1", "why", sensorAddr))
		if took := time.Since(begin).Round(100 * time.Millisecond); took != findTime {
			t.Errorf("it listened for %v, want %v", took, findTime)
		}
	})
}

// TestWhyTimeout: --timeout bounds listening and connecting together.
func TestWhyTimeout(t *testing.T) {
	for _, c := range []struct {
		name, args string
		make       func(b *bench)
	}{
		{"silent", "-a a0 why " + sensorAddr + " --timeout 2s", func(*bench) {}},
		{"heard at the end", "-a a0 -a a1 why " + sensorAddr + " --timeout 2s", func(b *bench) { time.AfterFunc(time.Second, func() { b.sensor(sim.Temper{}) }) }},
		{"no connection", "-a a0 why " + sensorAddr + " --timeout 5s", func(b *bench) {
			b.sensor(sim.Temper{})
			b.adapters[0].Fault(sim.ConnectFault{Times: sim.Always})
		}},
	} {
		inAir(t, c.name, func(t *testing.T) {
			b := newBench(t)
			c.make(b)
			begin, limit := time.Now(), 2*time.Second
			if c.name == "no connection" {
				limit = 5 * time.Second
			}
			out := b.moor(strings.Fields(c.args)...)
			if took := time.Since(begin).Round(100 * time.Millisecond); took != limit {
				t.Errorf("it took %v, want %v:\n%s", took, limit, out)
			}
		})
	}
}

// wantGolden compares the output of moor why with a golden file.
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "why", name+".txt")
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
