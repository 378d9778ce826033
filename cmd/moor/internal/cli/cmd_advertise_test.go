package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/sim"
)

// advertising is a run of moor advertise on simulated air, and a scan of the same air.
type advertising struct {
	result
	heard map[string]heardSet // by data and scan response, in hexadecimal
}

// heardSet is an advertising set as the scan has heard it.
type heardSet struct {
	report   controller.Report
	payloads string
}

// advertise runs a command line until Ctrl-C after 5 s, and listens meanwhile.
func advertise(t *testing.T, cfg *sim.ControllerConfig, args ...string) advertising {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	tr := air.NewController(cfg)
	observer, err := controller.Open(t.Context(), air.NewController(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer observer.Close()
	sc, err := observer.Scan(t.Context(), &controller.ScanOptions{PHYs: hci.PHYs1M | hci.PHYsCoded})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	code := runChecked(ctx, args, &Env{
		Stdout: &stdout, Stderr: &stderr,
		Open: func(context.Context, string) (hci.Transport, error) { return tr, nil },
	})
	a := advertising{result{code, stdout.String(), stderr.String(), time.Since(start)}, map[string]heardSet{}}
	synctest.Wait()
	sc.Close()
	for {
		r, err := sc.Next(t.Context())
		if err != nil {
			return a
		}
		texts := payloadTexts(payload.Decode(r.Addr, r.Data, r.Response, nil))
		if r.Scannable && len(r.Response) == 0 {
			continue // not whole yet
		}
		a.heard[hex.EncodeToString(r.Data)+"|"+hex.EncodeToString(r.Response)] = heardSet{r.Clone(), strings.Join(texts, ", ")}
	}
}

const beaconUUID = "e2c56db5-dffb-48d2-b060-d0f5a71096e0"

// TestAdvertiseBeacons hears each kind of beacon, by the decoders of moor scan.
func TestAdvertiseBeacons(t *testing.T) {
	const iBeacon = "020106" + "1aff4c000215e2c56db5dffb48d2b060d0f5a71096e00064000"
	for _, c := range []struct {
		name, args string
		text       string            // after the address
		heard      map[string]string // payloads by data and scan response
	}{
		{"iBeacon", "ibeacon " + beaconUUID + " 100 1", "iBeacon " + beaconUUID + "/100/1",
			map[string]string{iBeacon + "1c5|": "iBeacon " + beaconUUID + "/100/1"}},
		{"power and name", "ibeacon " + beaconUUID + " 100 0x2 --power -70 --name moor", "iBeacon " + beaconUUID + "/100/2",
			map[string]string{iBeacon + "2ba|05096d6f6f72": "iBeacon " + beaconUUID + "/100/2"}},
		{"several", "eddystone-url https://goo.gl/Aq18zF + eddystone-uid 8b0ca750095477cb3e77 000000000001 + raw 0201040302aafe",
			"https://goo.gl/Aq18zF + Eddystone 8b0ca750095477cb3e77/000000000001 + 7 octets",
			map[string]string{
				"0201060303aafe1316aafe10ee03676f6f2e676c2f417131387a46|":         "https://goo.gl/Aq18zF",
				"0201060303aafe1716aafe00ee8b0ca750095477cb3e770000000000010000|": "Eddystone 8b0ca750095477cb3e77/000000000001",
				"0201040302aafe|": "",
			}},
		{"fields", "--name kitchen --service 180f --service 181a --manufacturer 0xffff=0102", `"kitchen", service 180f, service 181a, company 0xffff`,
			map[string]string{"02010605030f181a1805ffffff010208096b69746368656e|": ""}},
	} {
		inAir(t, c.name, func(t *testing.T) {
			a := advertise(t, nil, append([]string{"-a", "hci0", "advertise"}, split(c.args)...)...)
			want := "advertising on hci0 as 00:4F:52:00:00:00/public: " + c.text + "; Ctrl-C ends\n"
			if a.code != 0 || a.stdout != want || a.stderr != "" || a.took < 5*time.Second {
				t.Errorf("exit code %d after %v, stdout %q, want %q, stderr %q", a.code, a.took, a.stdout, want, a.stderr)
			}
			if len(a.heard) != len(c.heard) {
				t.Errorf("heard %v, want %v", a.heard, c.heard)
			}
			for data, payloads := range c.heard {
				if got, ok := a.heard[data]; !ok || got.payloads != payloads || got.report.Connectable || got.report.Extended {
					t.Errorf("%s: %+v, want %q", data, got, payloads)
				}
			}
		})
	}
}

// TestAdvertiseExtended sends more than 31 octets, on the coded PHY.
func TestAdvertiseExtended(t *testing.T) {
	inAir(t, "coded", func(t *testing.T) {
		long := "3cff" + strings.Repeat("ff", 59)
		a := advertise(t, nil, "-a", "hci0", "--json", "advertise", "raw", long, "--coded", "--interval", "500ms", "--name", "moor")
		var j struct {
			Event, Adapter, Address, Data string
			Extended, Coded               bool
			IntervalMS                    float64 `json:"interval_ms"`
		}
		if err := json.Unmarshal([]byte(a.stdout), &j); err != nil || a.code != 0 || a.stderr != "" {
			t.Fatalf("exit code %d, stdout %q, stderr %q, %v", a.code, a.stdout, a.stderr, err)
		}
		data := long + "05096d6f6f72"
		if j.Event != "advertising" || j.Adapter != "hci0" || !j.Extended || !j.Coded || j.IntervalMS != 500 || j.Data != data {
			t.Errorf("%+v", j)
		}
		got, ok := a.heard[data+"|"]
		if !ok || len(a.heard) != 1 || !got.report.Extended || got.report.PrimaryPHY != hci.PHYCoded || got.report.SecondaryPHY != hci.PHYCoded || got.report.Name() != "moor" {
			t.Errorf("heard %+v", a.heard)
		}
	})
}

// TestAdvertiseEnds: by itself after --duration, and with the reason if the controller
// refuses.
func TestAdvertiseEnds(t *testing.T) {
	inAir(t, "duration", func(t *testing.T) {
		if a := advertise(t, nil, "-a", "hci0", "advertise", "--name", "moor", "--duration", "2s"); a.code != 0 || a.took < 2*time.Second || a.took > 3*time.Second {
			t.Errorf("exit code %d after %v, stderr %q", a.code, a.took, a.stderr)
		}
	})
	inAir(t, "legacy controller", func(t *testing.T) {
		a := advertise(t, &sim.ControllerConfig{Legacy: true}, "-a", "hci0", "advertise", "--name", "moor")
		if a.code != 0 || len(a.heard) != 1 {
			t.Errorf("one set: exit code %d, stderr %q, heard %v", a.code, a.stderr, a.heard)
		}
	})
	inAir(t, "two sets on a legacy controller", func(t *testing.T) {
		a := advertise(t, &sim.ControllerConfig{Legacy: true}, "-a", "hci0", "advertise", "raw", "020106", "+", "raw", "020104")
		if a.code != 1 || !strings.Contains(a.stderr, "the controller has no extended advertising, so it has one set: stop the other one first") {
			t.Errorf("exit code %d, stderr %q", a.code, a.stderr)
		}
	})
	inAir(t, "too many sets", func(t *testing.T) {
		a := advertise(t, &sim.ControllerConfig{AdvertisingSets: 1}, "-a", "hci0", "advertise", "raw", "020106", "+", "raw", "020104")
		if a.code != 1 || !strings.Contains(a.stderr, "memory capacity exceeded") {
			t.Errorf("exit code %d, stderr %q", a.code, a.stderr)
		}
	})
	inAir(t, "privacy", func(t *testing.T) {
		a := advertise(t, nil, "-a", "hci0", "--privacy", "advertise", "--name", "moor")
		for _, h := range a.heard {
			if !h.report.Addr.IsNonResolvable() || !strings.Contains(a.stdout, " as "+h.report.Addr.String()+": ") {
				t.Errorf("heard %v, stdout %q", h.report.Addr, a.stdout)
			}
		}
		if len(a.heard) != 1 {
			t.Errorf("heard %v", a.heard)
		}
	})
}

func TestAdvertiseMistakes(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"advertise", "nothing to advertise: write a set, such as ibeacon UUID MAJOR MINOR"},
		{"advertise lighthouse", `"lighthouse" is no kind of set: write ibeacon, eddystone-url, eddystone-uid or raw`},
		{"advertise ibeacon " + beaconUUID, "write ibeacon UUID MAJOR MINOR"},
		{"advertise ibeacon kettle 1 2", `"kettle" is not a UUID`},
		{"advertise ibeacon " + beaconUUID + " 1 65536", `"65536": write a number from 0 to 65535`},
		{"advertise eddystone-url ftp://a", "does not begin with http:// or https://"},
		{"advertise eddystone-url https://aaaaaaaaaaaaaaaaaa.com", "an advertisement has 17"},
		{"advertise eddystone-uid 00 000000000001", `"00": write 20 hexadecimal digits`},
		{"advertise raw 020106 +", "there is no set beside a plus sign"},
		{"advertise raw", "write raw HEX"},
		{"advertise raw 0201", "the octets are no whole AD structures"},
		{"advertise raw 20ff" + strings.Repeat("00", 31), "33 octets, and 31 fit: shorten them, or add --extended"},
		{"advertise raw 020106 --name abcdefghijklmnopqrstuvwxyzabcdefgh", "--name, --service and --manufacturer: hci: advertising data needs 36 octets"},
		{"advertise --name abcdefghijklmnopqrstuvwxyzabcdefgh", `no room for name "abcdefghijklmnopqrstuvwxyzabcdefgh", cut to "abcdefghijklmnopqrstuvwxyzabc"`},
		{"advertise --manufacturer 0x4c", `"0x4c" has no data: write ID=HEX`},
		{"advertise --manufacturer kettle=00", `"kettle" is no company identifier`},
		{"advertise --periodic ''", "has no octets"},
		{"-a sim:,sim:empty advertise --name moor", "advertise uses one adapter"},
	} {
		r := moor(t.Context(), split(c.args)...)
		if c.want = strings.ReplaceAll(c.want, "hci: ", ""); r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want 2 and %q", c.args, r.code, r.stdout, r.stderr, c.want)
		}
	}
}
