package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestScanLines(t *testing.T) {
	inAir(t, "pipe", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "scan", "--duration", "3s")
		if r.code != 0 || r.stderr != "" || r.took < 3*time.Second || r.took > 4*time.Second {
			t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
		}
		for _, want := range []string{
			"C0:FF:EE:00:00:01/random  -50 dBm   Thermometer           ", "  Heart rate belt       ", "  Lamp                  ",
		} {
			if strings.Count(r.stdout, want) != 1 {
				t.Errorf("%q is not there once in:\n%s", want, r.stdout)
			}
		}
	})
	inAir(t, "duplicates", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "scan", "--duration", "3s", "--duplicates", "--name", "lamp")
		if n := strings.Count(r.stdout, "\n"); r.code != 0 || n < 10 || n != strings.Count(r.stdout, " Lamp ") {
			t.Errorf("exit code %d, %d lines:\n%s", r.code, n, r.stdout)
		}
	})
}

func TestScanFilters(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want []string // names, in any order
	}{
		{"service", []string{"--service", "181a"}, []string{"Thermometer"}},
		// The belt has no room for its name but in its scan response.
		{"last service", []string{"--service", "180d"}, []string{"", "Heart rate belt"}},
		{"two services", []string{"--service", "180F", "--service", "181a"}, []string{"", "Heart rate belt", "Thermometer"}},
		{"name", []string{"--name", "THERMO"}, []string{"Thermometer"}},
		{"weak", []string{"--rssi", "-40"}, nil},
		{"strong", []string{"--rssi", "-60", "--passive"}, []string{"", "Thermometer", "Lamp"}},
		{"company", []string{"--manufacturer", "0x004c"}, nil},
	} {
		inAir(t, c.name, func(t *testing.T) {
			r := moor(t.Context(), append([]string{"-a", "sim:", "--json", "scan", "--duration", "2s"}, c.args...)...)
			got := map[string]bool{}
			for line := range strings.Lines(r.stdout) {
				var v struct{ Name string }
				if err := json.Unmarshal([]byte(line), &v); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				got[v.Name] = true
			}
			if r.code != 0 || r.stderr != "" || len(got) != len(c.want) {
				t.Errorf("exit code %d, stderr %q, devices %v, want %v", r.code, r.stderr, got, c.want)
			}
			for _, name := range c.want {
				if !got[name] {
					t.Errorf("%q is missing", name)
				}
			}
		})
	}
}

// TestScanAllAdapters wants the devices of every adapter that is named.
func TestScanAllAdapters(t *testing.T) {
	inAir(t, "two airs", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:sensors", "-a", "sim:flaky", "--state", t.TempDir(), "--json", "scan", "--duration", "3s")
		got := map[string]int{}
		for line := range strings.Lines(r.stdout) {
			var v struct{ Adapter, Address, Data string }
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.Data == "" {
				t.Fatalf("%q: %v", line, err)
			}
			got[v.Adapter+" "+v.Address]++
		}
		for _, adapter := range []string{"sim:sensors", "sim:flaky"} {
			for n := 1; n <= 3; n++ {
				if device := fmt.Sprintf("%s C0:FF:EE:00:00:%02X/random", adapter, n); got[device] == 0 {
					t.Errorf("%s is missing in %v", device, got)
				}
			}
		}
		if r.code != 0 || r.stderr != "" || len(got) != 6 {
			t.Errorf("exit code %d, stderr %q, devices %v", r.code, r.stderr, got)
		}
		r = moor(t.Context(), "-a", "sim:sensors", "-a", "sim:flaky", "scan", "--duration", "3s")
		for line := range strings.Lines(r.stdout) {
			if f := strings.Fields(line); len(f) < 3 || f[1] != "sim:sensors" && f[1] != "sim:flaky" {
				t.Errorf("%q does not name the adapter", line)
			}
		}
	})
}

// TestScanLosesAdapters ends a scan with the reason if no adapter can scan, and
// goes on without those that cannot otherwise.
func TestScanLosesAdapters(t *testing.T) {
	refuse := sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusHardwareFailure}
	const refused = "LE Set Extended Scan Enable: hardware failure (0x03)\n" +
		"      the adapter does not work properly: replug or reset it, or use another one\n"
	for _, c := range []struct {
		name, adapters, stderr string
		code                   int
	}{
		{"all", "deaf", "moor: adapter deaf does not scan: " + refused, 1},
		{"one", "deaf,hci0", "moor: adapter deaf does not scan: " + refused, 0},
	} {
		inAir(t, c.name, func(t *testing.T) {
			air := sim.New(nil)
			defer air.Close()
			air.NewController(&sim.ControllerConfig{Name: "deaf"}).Fault(refuse)
			p, err := air.NewPeripheral(t.Context(), sim.Thermometer())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var stdout, stderr bytes.Buffer
			code := runChecked(t.Context(), []string{"-a", c.adapters, "scan", "--duration", "5s"},
				&Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
			if heard := strings.Contains(stdout.String(), "Thermometer"); code != c.code || stderr.String() != c.stderr || heard != (code == 0) {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestScanUntilInterrupted(t *testing.T) {
	inAir(t, "Ctrl-C", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := moor(ctx, "-a", "sim:", "scan", "--duration", "0")
		if r.code != 0 || r.stderr != "" || r.took < time.Hour {
			t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
		}
	})
}

// TestScanLive plays the terminal: it keeps what a screen would show after all
// the escape sequences.
func TestScanLive(t *testing.T) {
	inAir(t, "terminal", func(t *testing.T) {
		screen := &screen{}
		var stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"-a", "sim:crowd", "scan", "--duration", "5s"},
			&Env{Stdout: screen, Stderr: &stderr, Terminal: func() (int, int) { return 80, 24 }})
		if code != 0 || stderr.Len() > 0 {
			t.Fatalf("exit code %d, stderr %q", code, stderr.String())
		}
		if screen.highest > 23 {
			t.Errorf("%d lines were drawn over, which a terminal of 24 lines does not keep", screen.highest)
		}
		if n := len(screen.lines); n < 104 || n > 106 {
			t.Errorf("%d lines at the end, want a head, 103 devices and the totals:\n%s", n, strings.Join(screen.lines, "\n"))
		}
		for i, line := range screen.lines {
			if width(line) > 80 {
				t.Errorf("line %d is wider than the terminal: %q", i, line)
			}
		}
		if head := screen.lines[0]; !strings.HasPrefix(head, "ADDRESS                     SIGNAL  NAME             COUNT   AGE  ABOUT") {
			t.Errorf("head %q", head)
		}
		if last := screen.lines[len(screen.lines)-1]; !strings.HasPrefix(last, "103 devices, ") || !strings.HasSuffix(last, " reports in 5s") {
			t.Errorf("totals %q", last)
		}
	})
}

// TestScanNarrow wants names rather than units where there is room for one of
// them only.
func TestScanNarrow(t *testing.T) {
	for _, c := range []struct {
		columns    int
		head, line string
	}{
		{40, "ADDRESS             dBm  NAME", "C0:FF:EE:00:00:02   -50  Heart rate belt"},
		{55, "ADDRESS             dBm  NAME", "C0:FF:EE:00:00:01   -50  Thermometer"},
		{56, "ADDRESS                     SIGNAL  NAME             AB…", "C0:FF:EE:00:00:02/random   -50 dBm  Heart rate belt  He…"},
	} {
		inAir(t, fmt.Sprint(c.columns), func(t *testing.T) {
			screen := &screen{}
			runChecked(t.Context(), []string{"-a", "sim:", "scan", "--duration", "1s"},
				&Env{Stdout: screen, Stderr: io.Discard, Terminal: func() (int, int) { return c.columns, 24 }})
			if len(screen.lines) == 0 || screen.lines[0] != c.head || !slices.Contains(screen.lines, c.line) {
				t.Errorf("want the head %q and the line %q in:\n%s", c.head, c.line, strings.Join(screen.lines, "\n"))
			}
		})
	}
}

// screen is a terminal that knows the sequences of the live table.
type screen struct {
	lines   []string
	highest int // most lines that were drawn over
}

func (s *screen) Write(b []byte) (int, error) {
	text := string(b)
	if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
		n, after, _ := strings.Cut(rest, "A")
		up := 0
		for _, d := range n {
			up = up*10 + int(d-'0')
		}
		s.highest = max(s.highest, up)
		s.lines = s.lines[:len(s.lines)-up]
		text = after
	}
	text = strings.TrimPrefix(text, "\r\x1b[J")
	s.lines = append(s.lines, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	return len(b), nil
}

// brokenPipe takes n writes.
type brokenPipe struct {
	n   int
	err error
}

func (p *brokenPipe) Write(b []byte) (int, error) {
	if p.n--; p.n < 0 {
		return 0, p.err
	}
	return len(b), nil
}

func TestOutputFails(t *testing.T) {
	for _, c := range []struct {
		name, stderr string
		err          error
	}{
		{"head", "", syscall.EPIPE},
		{"disk full", "moor: write the output: no space left on device\n", syscall.ENOSPC},
		{"other", "moor: write the output: cannot\n", errors.New("cannot")},
	} {
		for _, args := range []string{"scan --duration 0", "scan --duration 0 --json", "notify " + belt + " 2a37", "services " + belt, "demo", "help"} {
			inAir(t, c.name+" "+args, func(t *testing.T) {
				var stderr bytes.Buffer
				start := time.Now()
				code := runChecked(t.Context(), append([]string{"-a", "sim:"}, strings.Fields(args)...), &Env{Stdout: &brokenPipe{1, c.err}, Stderr: &stderr})
				said := strings.TrimPrefix(textOf(t, &stderr), subscribed)
				if took := time.Since(start); code != 1 || said != c.stderr || took > time.Minute {
					t.Errorf("exit code %d after %v, stderr %q", code, took, said)
				}
			})
		}
	}
}

// TestScanSaysWhatIsLost ends a scan of which reports were dropped.
func TestScanSaysWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		dropped uint64
		want    string
	}{
		{0, ""},
		{1, "moor: 1 report lost: it came faster than moor could show it\n"},
		{30, "moor: 30 reports lost: they came faster than moor could show them\n"},
	} {
		var stdout, stderr bytes.Buffer
		a := &app{env: &Env{Stderr: &stderr}, out: &output{w: &stdout}}
		for _, v := range []view{newLineView(a, nil), &jsonView{a, nil}} {
			stderr.Reset()
			v.endView(c.dropped)
			if stderr.String() != c.want || stdout.Len() != 0 {
				t.Errorf("%T says %q and %q about %d lost reports, want %q", v, stdout.String(), stderr.String(), c.dropped, c.want)
			}
		}
	}
}

// TestScanCodedPHY hears a device on the coded PHY if asked to, and says which
// controller cannot.
func TestScanCodedPHY(t *testing.T) {
	for _, c := range []struct {
		args           string
		features       hci.Features
		stdout, stderr string
		code           int
	}{
		{"", 0, "", "", 0},
		{"--phy coded", 0, "00:00:5E:00:53:01", "", 0},
		{"--phy 1m,coded", 0, "00:00:5E:00:53:01", "", 0},
		{"--phy coded", sim.DefaultFeatures &^ hci.FeatureCodedPHY, "",
			"moor: adapter hci0 does not scan: scan: the controller does not support the coded PHY: use 1M alone\n" +
				"      leave the coded PHY out, or use an adapter that has it\n", 1},
	} {
		inAir(t, c.args, func(t *testing.T) {
			air := sim.New(nil)
			defer air.Close()
			air.NewController(&sim.ControllerConfig{Name: "hci0", Features: c.features})
			far := air.NewController(&sim.ControllerConfig{Address: hci.MAC{1, 0x53, 0, 0x5E}})
			for _, p := range []hci.Params{
				hci.Reset{},
				hci.LESetExtendedAdvertisingParameters{
					IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond,
					PrimaryPHY: hci.PHYCoded, SecondaryPHY: hci.PHYCoded, TxPower: 127, ChannelMap: 7,
				},
				hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{}}},
			} {
				b, err := hci.AppendCommand(nil, p)
				if err != nil {
					t.Fatal(err)
				}
				if err := far.WritePacket(b); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			var stdout, stderr bytes.Buffer
			start := time.Now()
			code := runChecked(t.Context(), append([]string{"-a", "hci0", "scan", "--duration", "5s"}, strings.Fields(c.args)...),
				&Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
			if took := time.Since(start); code != 0 && took > time.Second {
				t.Errorf("it fails after %v, want at once: another try would fail too", took)
			}
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || c.stdout == "" && stdout.Len() > 0 || stderr.String() != c.stderr {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

// TestScanWithoutScan scans on an adapter that never begins to: the command fails at the
// end of the duration, or after recoverTime.
func TestScanWithoutScan(t *testing.T) {
	unanswered := sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, NoAnswer: true, Ignore: true}
	refused := sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusHardwareFailure}
	const silent = "moor: nothing was scanned: no adapter has begun to scan\n      give it more time with --duration, or see moor doctor\n"
	for _, c := range []struct {
		name, duration string
		fault          sim.CommandFault
		stderr         string // its beginning
		from, to       time.Duration
	}{
		{"unanswered", "1s", unanswered, silent, time.Second, 4 * time.Second},
		{"unanswered for long", "1m", unanswered, "moor: adapter hci0 ", 10 * time.Second, 15 * time.Second},
		{"refused", "1s", refused, "moor: adapter hci0 does not scan: LE Set Extended Scan Enable: hardware failure (0x03)\n", time.Second, 2 * time.Second},
		{"refused for long", "0", refused, "moor: adapter hci0 does not scan: LE Set Extended Scan Enable: hardware failure (0x03)\n", 10 * time.Second, 13 * time.Second},
	} {
		for _, flag := range []string{"--json", "--json=false"} {
			inAir(t, c.name+" "+flag, func(t *testing.T) {
				air := sim.New(nil)
				defer air.Close()
				air.NewController(&sim.ControllerConfig{Name: "hci0"}).Fault(c.fault)
				var stdout, stderr bytes.Buffer
				start := time.Now()
				code := runChecked(t.Context(), []string{"-a", "hci0", flag, "scan", "--duration", c.duration},
					&Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
				took := time.Since(start)
				said := textOf(t, &stderr)
				if code != 1 || stdout.Len() != 0 || !strings.HasPrefix(said, c.stderr) || strings.Count(said, "moor: ") != 1 || took < c.from || took > c.to {
					t.Errorf("exit code %d after %v, stdout %q, stderr %q", code, took, stdout.String(), stderr.String())
				}
			})
		}
	}
}

// TestScanRecovers scans on an adapter that refuses to scan at first.
func TestScanRecovers(t *testing.T) {
	inAir(t, "refused once", func(t *testing.T) {
		air := sim.New(nil)
		defer air.Close()
		air.NewController(&sim.ControllerConfig{Name: "hci0"}).Fault(
			sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: 1, Status: hci.StatusHardwareFailure})
		p, err := air.NewPeripheral(t.Context(), sim.Thermometer())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"-a", "hci0", "scan"}, &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
		if code != 0 || stderr.Len() != 0 || !strings.Contains(stdout.String(), "Thermometer") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
		}
	})
}
