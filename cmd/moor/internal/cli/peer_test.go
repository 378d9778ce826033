package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, args     string
		code           int
		stdout, stderr string
	}{
		{"by UUID", "read " + thermometer + " 2a19", 0, "57  87 %\n", ""},
		{"by handle", "read " + thermometer + " 0x0003", 0, "54 68 65 72 6d 6f 6d 65 74 65 72  \"Thermometer\"\n", ""},
		{"JSON", "--json read " + belt + " 2a38", 0,
			`{"address":"C0:FF:EE:00:00:02/random","handle":30,"uuid":"2a38","name":"Body Sensor Location","hex":"01","meaning":"chest"}` + "\n", ""},
		{"unknown UUID", "read " + belt + " 2a6e", 1, "",
			"moor: the device has no characteristic or descriptor 2a6e (Temperature)\n      moor services shows what it has\n"},
		{"several of a UUID", "read " + lamp + " 2902", 1, "",
			"moor: the device has 2 attributes with the UUID 2902 (Client Characteristic Configuration)\n" +
				"        0x0009 in service 1801 (Generic Attribute), characteristic 2a05 (Service Changed)\n" +
				"        0x0018 in service 6d6f6f72-0001-4c61-6d70-000000000000, characteristic 6d6f6f72-0002-4c61-6d70-000000000000\n" +
				"      name one of them by its handle\n"},
		{"not readable", "read " + belt + " 2a39", 1, "",
			"moor: read handle 0x0020, 2a39 (Heart Rate Control Point): att: read request of handle 0x0020: read not permitted (0x02)\n" +
				"      it cannot be read: moor services shows whether it can be written or subscribed to\n"},
		{"no such handle", "read " + belt + " 0x0fff", 1, "",
			"moor: read handle 0x0fff: att: read request of handle 0x0fff: invalid handle (0x01)\n" +
				"      the device has no attribute there: see moor services\n"},
		{"handle meant as UUID", "read " + belt + " 0x2a38", 1, "",
			"moor: read handle 0x2a38: att: read request of handle 0x2a38: invalid handle (0x01)\n" +
				"      0x2a38 is a handle; the UUID of Body Sensor Location is written 2a38, without 0x\n"},
		{"number meant as UUID", "read " + belt + " 10808", 1, "",
			"moor: read handle 0x2a38: att: read request of handle 0x2a38: invalid handle (0x01)\n" +
				"      0x2a38 is a handle; the UUID of Body Sensor Location is written 2a38, without 0x\n"},
		{"handle meant as UUID of a descriptor", "write " + belt + " 0x2902 0100", 1, "",
			"moor: write handle 0x2902: att: write request of handle 0x2902: invalid handle (0x01)\n" +
				"      0x2902 is a handle; the UUID of Client Characteristic Configuration is written 2902, without 0x\n"},
		{"handle meant as UUID, for notify", "notify " + belt + " 0x2a37", 1, "",
			"moor: 0x2a37 is not a characteristic of the device\n" +
				"      0x2a37 is a handle; the UUID of Heart Rate Measurement is written 2a37, without 0x\n"},
		{"no characteristic", "notify " + belt + " 0x0fff", 1, "",
			"moor: 0x0fff is not a characteristic of the device\n" +
				"      moor services shows what it has\n"},
		{"cannot notify", "notify " + belt + " 2a38", 1, "",
			"moor: subscribe to handle 0x001e, 2a38 (Body Sensor Location): gatt: characteristic 2a38 (read): neither notifies nor indicates\n" +
				"      moor services shows which do ([notify] or [indicate]); moor read reads it\n"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			moor(t.Context(), append([]string{"-a", "sim:"}, strings.Fields(c.args)...)...).want(t, c.code, c.stdout, c.stderr)
		})
	}
}

func TestReadLong(t *testing.T) {
	inAir(t, "long", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "read", lamp, lampText)
		want := strings.Repeat("This text is longer than one packet. ", 8)
		if r.code != 0 || !strings.HasSuffix(r.stdout, "  \""+want+"\"\n") {
			t.Errorf("exit code %d, stderr %q, stdout %q", r.code, r.stderr, r.stdout)
		}
	})
}

func TestWrite(t *testing.T) {
	long := strings.Repeat("x", 290)
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"hex", []string{lamp, lampSwitch, "0x01"}, 0,
			"handle 0x0017, " + lampSwitch + ": 1 octet written, confirmed by the device\n", ""},
		{"without response", []string{lamp, lampSwitch, "01", "--no-response"}, 0,
			"handle 0x0017, " + lampSwitch + ": 1 octet written, sent without response\n", ""},
		{"text", []string{lamp, lampText, "--text", long}, 0,
			"handle 0x001b, " + lampText + ": 290 octets written, confirmed by the device\n", ""},
		{"JSON", []string{lamp, lampSwitch, "00", "--json"}, 0,
			`{"address":"C0:FF:EE:00:00:03/random","handle":23,"uuid":"` + lampSwitch + `","octets":1,"response":true}` + "\n", ""},
		{"wrong length", []string{lamp, lampSwitch, "01:02"}, 1, "",
			"moor: write handle 0x0017, " + lampSwitch + ": att: write request of handle 0x0017: invalid attribute value length (0x0d)\n" +
				"      the value has the wrong length for this attribute\n"},
		{"not writable", []string{belt, "2a38", "00"}, 1, "",
			"moor: write handle 0x001e, 2a38 (Body Sensor Location): att: write request of handle 0x001e: write not permitted (0x03)\n" +
				"      it cannot be written; moor services shows what each characteristic takes\n"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			moor(t.Context(), append([]string{"-a", "sim:", "write"}, c.args...)...).want(t, c.code, c.stdout, c.stderr)
		})
	}
}

func TestWriteArrives(t *testing.T) {
	for _, args := range [][]string{{}, {"--no-response"}} {
		inAir(t, strings.Join(append([]string{"write"}, args...), " "), func(t *testing.T) {
			var got []string
			address, err := hci.ParseAddr(lock)
			if err != nil {
				t.Fatal(err)
			}
			r := newRoomWith(t, 1, &sim.PeripheralConfig{Name: "Box", Address: address, Services: []gatt.ServiceDef{{
				UUID: gatt.UUID16(0x1815), Characteristics: []gatt.CharDef{{
					UUID: gatt.UUID16(0x2A56), Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse,
					Write: func(_ context.Context, w *gatt.WriteRequest) error {
						got = append(got, fmt.Sprintf("%x", w.Value))
						return nil
					},
				}},
			}}})
			var out printed
			if code := r.run(t.Context(), &out, append([]string{"write", lock, "2a56", "c0ffee"}, args...)...); code != 0 {
				t.Errorf("exit code %d, stderr %q", code, out.stderr.String())
			}
			synctest.Wait()
			if len(got) != 1 || got[0] != "c0ffee" {
				t.Errorf("the device got %q, want c0ffee once", got)
			}
		})
	}
}

func TestNotify(t *testing.T) {
	inAir(t, "count", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "notify", belt, "2a37", "--count", "3")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.code != 0 || r.stderr != "" || len(lines) != 3 || !strings.HasSuffix(lines[0], " beats/min") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "duration", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--json", "notify", belt, "2a37", "--duration", "10s")
		if n := strings.Count(r.stdout, `"uuid":"2a37","name":"Heart Rate Measurement"`); r.code != 0 || r.stderr != "" || n < 9 || n > 10 {
			t.Errorf("exit code %d, stderr %q, %d values:\n%s", r.code, r.stderr, n, r.stdout)
		}
	})
	inAir(t, "Ctrl-C", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := moor(ctx, "-a", "sim:", "notify", belt, "2a37")
		if r.code != 0 || r.stderr != "" || r.took > 6*time.Second {
			t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
		}
	})
}

func TestParams(t *testing.T) {
	inAir(t, "params", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "params", belt, "--interval", "100ms-125ms", "--latency", "4", "--timeout", "6s").want(t, 0,
			"before  interval 15ms, latency 0, supervision timeout 2s\n"+
				"now     interval 125ms, latency 4, supervision timeout 6s\n", "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "params", belt, "--interval", "30ms").want(t, 0,
			`{"address":"C0:FF:EE:00:00:02/random","interval_ms":30,"latency":0,"timeout_ms":4200}`+"\n", "")
	})
}

func TestInfo(t *testing.T) {
	inAir(t, "info", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "info", belt)
		for _, want := range []string{
			"address      C0:FF:EE:00:00:02/random, static random address\n", "version      Bluetooth 5.3\n",
			"PHY          2M out, 2M in\n", "data length  251 octets out, 251 octets in\n", "MTU          517 octets\n",
			"RSSI         -50 dBm\n", "interval     15ms\n", "latency      0 intervals\n", "timeout      2s\n", "encrypted    no\n",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("no %q in:\n%s", want, r.stdout)
			}
		}
		if r.code != 0 || r.stderr != "" {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	inAir(t, "JSON", func(t *testing.T) {
		got := objects[jsonInfo](t, moor(t.Context(), "-a", "sim:", "--json", "info", belt))
		if len(got) != 1 || got[0].Address.String() != belt || got[0].Interval != 15 || got[0].Timeout != 2000 || !slices.Contains(got[0].Features, "LE 2M PHY") {
			t.Errorf("got %+v, want %s with an interval of 15 ms, a timeout of 2000 ms and LE 2M PHY among the features", got, belt)
		}
	})
}

func TestNotSeen(t *testing.T) {
	inAir(t, "empty air", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "read", thermometer, "2a19")
		r.want(t, 3, "", "moor: C0:FF:EE:00:00:01 was not seen on air within 10s\n"+
			"      switch it on, bring it closer, or wake it up; with /random or /public after the address, moor connects without having seen it\n")
		if r.took < findTime || r.took > findTime+time.Second {
			t.Errorf("it took %v, want the %v of the search", r.took, findTime)
		}
	})
	inAir(t, "wrong kind", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "read", thermometer+"/public", "2a19")
		if r.code != 3 || !strings.Contains(r.stderr, "the peer was not heard in time") || !strings.Contains(r.stderr, "/public or /random: moor scan shows it") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	inAir(t, "interrupted", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r := moor(ctx, "-a", "sim:empty", "read", thermometer, "2a19")
		r.want(t, 1, "", "moor: interrupted\n")
		if r.took > 4*time.Second {
			t.Errorf("it took %v after being interrupted at 3s", r.took)
		}
	})
}

// TestNotesOnLongAttempts: a terminal gets a note about an attempt of over a second.
func TestNotesOnLongAttempts(t *testing.T) {
	for _, c := range []struct {
		name, scenario, flag string
		terminal             bool
		want                 string // in stderr, at 1.5 s
	}{
		{"off", "sim:empty", "--json=false", true, "connecting to C0:FF:EE:00:00:02\n"},
		{"off, not on a terminal", "sim:empty", "--json=false", false, ""},
		{"off, JSON", "sim:empty", "--json", true, ""},
		{"there", "sim:", "--json=false", true, ""},
		{"there, at the third dial", "sim:flaky", "--json=false", true, ""},
	} {
		inAir(t, c.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			var out printed
			env := &Env{Stdout: &out.stdout, Stderr: &out.stderr}
			if c.terminal {
				env.Terminal = func() (int, int) { return 80, 24 }
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				Run(ctx, []string{"-a", c.scenario, c.flag, "notify", belt, "2a37"}, env)
			}()
			time.Sleep(900 * time.Millisecond)
			before := out.stderr.String()
			time.Sleep(600 * time.Millisecond)
			after := strings.ReplaceAll(out.stderr.String(), "handle 0x001b, 2a37 (Heart Rate Measurement): subscribed, Ctrl-C ends\n", "")
			if c.scenario == "sim:empty" && before != "" || after != c.want {
				t.Errorf("after 0.9s %q, after 1.5s %q, want %q", before, after, c.want)
			}
			<-ended
		})
	}
}

func TestFailsToEstablishTwice(t *testing.T) {
	inAir(t, "flaky", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:flaky", "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
}

func TestSnoop(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture")
	inAir(t, "capture", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", file, "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 1000 || string(b[:8]) != "btsnoop\x00" {
		t.Errorf("%d octets, %v", len(b), err)
	}
	r := moor(t.Context(), "-a", "sim:", "--snoop", "/does/not/exist", "scan")
	r.want(t, 1, "", "moor: capture: open /does/not/exist: no such file or directory\n")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	const full = "moor: capture: write /dev/full: no space left on device\n"
	inAir(t, "disk full", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", "/dev/full", "read", belt, "2a38").want(t, 1, "01  chest\n", full)
	})
	inAir(t, "disk full, and another error", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--snoop", "/dev/full", "read", belt, "2a6e").want(t, 1, "", full+
			"moor: the device has no characteristic or descriptor 2a6e (Temperature)\n      moor services shows what it has\n")
	})
	inAir(t, "disk full in the demo", func(t *testing.T) {
		if r := moor(t.Context(), "--snoop", "/dev/full", "demo"); r.code != 1 || r.stderr != full {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
}

func TestServices(t *testing.T) {
	inAir(t, "text", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "services", belt).want(t, 0, `0x0001  service 1800  Generic Access
0x0003    2a00        Device Name  [read]
0x0005    2a01        Appearance  [read]
0x0006  service 1801  Generic Attribute
0x0008    2a05        Service Changed  [indicate]
0x0009      2902      Client Characteristic Configuration
0x000b    2b29        Client Supported Features  [read,write]
0x000d    2b2a        Database Hash  [read]
0x000f    2b3a        Server Supported Features  [read]
0x0010  service 180a  Device Information
0x0012    2a29        Manufacturer Name String  [read]
0x0014    2a24        Model Number String  [read]
0x0015  service 180f  Battery
0x0017    2a19        Battery Level  [read,notify]
0x0018      2902      Client Characteristic Configuration
0x0019  service 180d  Heart Rate
0x001b    2a37        Heart Rate Measurement  [notify]
0x001c      2902      Client Characteristic Configuration
0x001e    2a38        Body Sensor Location  [read]
0x0020    2a39        Heart Rate Control Point  [write]
`, "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--json", "services", belt)
		want := `{"handle":21,"end":24,"uuid":"180f","name":"Battery","primary":true,"characteristics":[` +
			`{"handle":23,"declaration":22,"uuid":"2a19","name":"Battery Level","properties":["read","notify"],"descriptors":[` +
			`{"handle":24,"uuid":"2902","name":"Client Characteristic Configuration"}]}]}` + "\n"
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, stderr %q, no %s in:\n%s", r.code, r.stderr, want, r.stdout)
		}
	})
}

func TestDoctorOnSimulatedAir(t *testing.T) {
	inAir(t, "works", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "doctor").want(t, 0, "ok   sim: open: it can be opened and answers\n\nBluetooth works here.\n", "")
	})
	inAir(t, "no such thing", func(t *testing.T) {
		r := moor(t.Context(), "-a", "unix:/does/not/exist", "doctor")
		if r.code != 1 || !strings.Contains(r.stdout, `BAD  `) || !strings.Contains(r.stdout, `/does/not/exist`) || r.stderr != "moor: no adapter can be opened here\n" {
			t.Errorf("exit code %d, stderr %q, stdout %q", r.code, r.stderr, r.stdout)
		}
	})
}
