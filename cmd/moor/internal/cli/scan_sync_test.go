package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// broadcaster advertises two periodic sets. The data of the first changes after a second,
// and the set stops after three.
func broadcaster(t *testing.T, air *sim.Air) {
	t.Helper()
	ctl, err := controller.Open(t.Context(), air.NewController(&sim.ControllerConfig{Name: "sender", Address: hci.MAC{1, 2, 3, 4, 5, 6}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctl.Close() })
	add := func(data []byte) *controller.AdvertisingSet {
		s, err := ctl.AddAdvertising(t.Context(), &controller.AdvertiseOptions{
			NonConnectable: true, Extended: true, Periodic: &controller.PeriodicOptions{Data: data, Interval: 50 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := add([]byte{2, 0x7F, 1})
	// Environment service data of the format of ATC, which the decoders know.
	add([]byte{0x10, 0x16, 0x1A, 0x18, 0xA4, 0xC1, 0x38, 1, 2, 3, 0x00, 0xD7, 0x2D, 0x55, 0x0B, 0xB8, 0x07})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	after := func(d time.Duration, f func(ctx context.Context) error) {
		running.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(d):
				if err := f(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	after(time.Second, func(ctx context.Context) error { return first.SetPeriodicData(ctx, []byte{2, 0x7F, 2}) })
	after(3*time.Second, first.Stop)
}

func runSync(t *testing.T, cfg *sim.ControllerConfig, args ...string) result {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	broadcaster(t, air)
	tr := air.NewController(cfg)
	var stdout, stderr bytes.Buffer
	start := time.Now()
	code := runChecked(t.Context(), append([]string{"-a", "hci0"}, args...), &Env{
		Stdout: &stdout, Stderr: &stderr, Open: func(context.Context, string) (hci.Transport, error) { return tr, nil },
	})
	return result{code, stdout.String(), stderr.String(), time.Since(start)}
}

// withoutTimes drops the first column.
func withoutTimes(s string) (lines []string) {
	for line := range strings.Lines(s) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, strings.TrimSpace(rest))
	}
	return lines
}

func TestScanSync(t *testing.T) {
	inAir(t, "lines", func(t *testing.T) {
		r := runSync(t, nil, "scan", "--sync", "06:05:04:03:02:01", "--duration", "20s")
		const addr = "06:05:04:03:02:01/public  "
		for _, want := range []string{
			addr + "set 1  synchronized, every 50ms on 1M", addr + "set 2  synchronized, every 50ms on 1M",
			addr + "set 1  -50 dBm   027f01", addr + "set 1  -50 dBm   027f02", addr + "set 1  lost: not heard any more",
			addr + "set 2  -50 dBm   10161a18a4c1380102030" + "0d72d550bb807  21.5 °C  45 %  battery 85 %  3 V",
		} {
			if n := strings.Count(strings.Join(withoutTimes(r.stdout), "\n")+"\n", want+"\n"); n != 1 {
				t.Errorf("%q is there %d times in:\n%s", want, n, r.stdout)
			}
		}
		if lines := strings.Count(r.stdout, "\n"); r.code != 0 || r.stderr != "" || lines != 6 || r.took < 20*time.Second {
			t.Errorf("exit code %d after %v, %d lines, stderr %q", r.code, r.took, lines, r.stderr)
		}
	})
	inAir(t, "JSON", func(t *testing.T) {
		r := runSync(t, nil, "--json", "scan", "--sync", "--duration", "2s", "--duplicates")
		events := map[string]int{}
		for line := range strings.Lines(r.stdout) {
			var j struct {
				Event, Adapter, Address, Data string
				SID                           int
				IntervalMS                    float64 `json:"interval_ms"`
			}
			if err := json.Unmarshal([]byte(line), &j); err != nil || j.Adapter != "hci0" || j.Address != "06:05:04:03:02:01/public" || j.Event == "synchronized" && j.IntervalMS != 50 {
				t.Fatalf("%q: %v", line, err)
			}
			events[j.Event+" "+j.Data]++
		}
		if r.code != 0 || events["synchronized "] != 2 || events["periodic 027f01"] < 10 || events["periodic 027f02"] < 10 {
			t.Errorf("exit code %d, %v, stderr %q", r.code, events, r.stderr)
		}
	})
	inAir(t, "another device", func(t *testing.T) {
		runSync(t, nil, "scan", "--sync", "00:00:00:00:00:01", "--duration", "2s").want(t, 0, "", "")
	})
	inAir(t, "a controller without it", func(t *testing.T) {
		r := runSync(t, &sim.ControllerConfig{Features: sim.DefaultFeatures &^ hci.FeaturePeriodicAdvertising}, "scan", "--sync", "--duration", "2s")
		if r.code != 0 || r.stdout != "" || strings.Count(r.stderr, "the controller does not follow periodic advertising: use an adapter of Bluetooth 5") != 2 {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
	for args, want := range map[string]string{
		"scan 06:05:04:03:02:01": `unexpected argument "06:05:04:03:02:01": only --sync takes an address`,
		"scan --sync kettle":     `"kettle" is not an address`,
	} {
		if r := moor(t.Context(), split(args)...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
}
