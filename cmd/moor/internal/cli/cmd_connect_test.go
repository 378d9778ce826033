package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// room is an air with adapters and one thermometer for a command line.
type room struct {
	t        *testing.T
	air      *sim.Air
	adapters []*sim.Controller
	device   *sim.Peripheral
}

func newRoom(t *testing.T, adapters int) *room {
	t.Helper()
	return newRoomWith(t, adapters, sim.Thermometer())
}

func newRoomWith(t *testing.T, adapters int, device *sim.PeripheralConfig) *room {
	t.Helper()
	r := &room{t: t, air: sim.New(&sim.Config{Seed: 1})}
	for range adapters {
		r.adapters = append(r.adapters, r.air.NewController(nil))
	}
	p, err := r.air.NewPeripheral(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	r.device = p
	t.Cleanup(func() {
		for i, a := range r.adapters {
			if s := a.Stats(); s.Links != 0 {
				t.Errorf("adapter %d has %d links left", i, s.Links)
			}
		}
		p.Close()
		r.air.Close()
	})
	return r
}

// run runs a command line on the room's adapters, which are called a0, a1, ...
func (r *room) run(ctx context.Context, out *printed, args ...string) int {
	for i := range r.adapters {
		args = append([]string{"-a", fmt.Sprintf("a%d", i)}, args...)
	}
	return runChecked(ctx, args, &Env{Stdout: &out.stdout, Stderr: &out.stderr, Open: func(_ context.Context, name string) (hci.Transport, error) {
		var i int
		if _, err := fmt.Sscanf(name, "a%d", &i); err != nil {
			return nil, err
		}
		return r.adapters[i].Plug(), nil
	}})
}

// printed is the output of a running command.
type printed struct{ stdout, stderr lockedBuffer }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault sim.Fault
		code  int
		want  string // in stderr
	}{
		{"out of slots", sim.ConnectFault{Times: sim.Always, Refuse: true, Status: hci.StatusConnectionLimit}, 4, "end other connections or add an adapter"},
		{"aborted", sim.ConnectFault{Times: sim.Always}, 5, "radio contact broke"},
		{"connection", sim.ConnectFault{Times: sim.Always, Status: hci.StatusLLResponseTimeout}, 6, "LL response timeout"},
		{"no key without a bond", sim.ConnectFault{Times: sim.Always, Status: hci.StatusKeyMissing}, 6, "the device refuses this host: pair with it first"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			r := newRoom(t, 1)
			r.adapters[0].Fault(c.fault)
			var out printed
			code := r.run(t.Context(), &out, "read", thermometer, "2a19")
			if stderr := out.stderr.String(); code != c.code || out.stdout.String() != "" ||
				!strings.HasPrefix(stderr, "moor: "+thermometer+" (Thermometer): no connection after ") || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, want %d; stderr %q", code, c.code, stderr)
			}
		})
	}
	inAir(t, "not found, attempts", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "read", belt, "2a38", "--attempts", "2")
		if r.code != 3 || !strings.Contains(r.stderr, "no connection after 2 attempts: ") || r.took < 40*time.Second || r.took > 41*time.Second {
			t.Errorf("after %v: exit code %d, stderr %q", r.took, r.code, r.stderr)
		}
	})
	inAir(t, "not found, timeout", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "read", belt, "2a38", "--timeout", "30s")
		if r.code != 3 || !strings.Contains(r.stderr, "not connected within") || r.took < 30*time.Second || r.took > 30100*time.Millisecond {
			t.Errorf("after %v: exit code %d, stderr %q", r.took, r.code, r.stderr)
		}
	})
	inAir(t, "not seen, timeout", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "params", thermometer, "--interval", "30ms", "--connect-timeout", "5s")
		if r.code != 3 || !strings.Contains(r.stderr, "was not seen on air within 5s") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
}

func TestSeveralAdapters(t *testing.T) {
	inAir(t, "the one that hears the device", func(t *testing.T) {
		r := newRoom(t, 2)
		r.air.SetPath(r.adapters[0], r.device.Controller(), sim.Path{Loss: 1})
		var out printed
		code := r.run(t.Context(), &out, "-v", "read", thermometer+"/random", "2a19")
		if code != 0 || out.stdout.String() != "57  87 %\n" || !strings.Contains(out.stderr.String(), "connected on a1 in ") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, out.stdout.String(), out.stderr.String())
		}
	})
	inAir(t, "capture", func(t *testing.T) {
		r := newRoom(t, 2)
		var out printed
		code := r.run(t.Context(), &out, "--snoop", t.TempDir()+"/capture", "read", thermometer, "2a19")
		if code != 2 || !strings.Contains(out.stderr.String(), "--snoop captures the packets of one adapter") {
			t.Errorf("exit code %d, stderr %q", code, out.stderr.String())
		}
	})
}

func TestConnect(t *testing.T) {
	inAir(t, "reconnects", func(t *testing.T) {
		r := newRoom(t, 1)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out printed
		ended := make(chan int)
		go func() { ended <- r.run(ctx, &out, "--json", "connect", thermometer) }()
		time.Sleep(15 * time.Second)
		// It is carried away for longer than all attempts together take.
		r.air.SetAway(r.device.Controller(), true)
		time.Sleep(5 * time.Minute)
		r.air.SetAway(r.device.Controller(), false)
		time.Sleep(2 * time.Minute)
		stop()
		if code := <-ended; code != 0 || out.stderr.String() != "" {
			t.Fatalf("exit code %d, stderr %q", code, out.stderr.String())
		}
		var names []string
		for _, e := range objects[jsonEvent](t, result{stdout: out.stdout.String()}) {
			if e.Event == "end" && (e.Connections == nil || *e.Connections != 2 || e.Error != "") {
				t.Errorf("end %+v, want 2 connections", e)
			}
			if names = append(names, e.Event); e.Event == "status" && (e.RSSI == nil || *e.RSSI != -50 || e.MTU != 517 || e.Interval != 7.5 && e.Interval != 50 || e.Timeout == 0) {
				t.Errorf("status %+v", e)
			}
			if e.Address != thermometer+"/random" || e.Event == "connected" && e.Took == 0 || e.Event == "failed" && e.Category == "" {
				t.Errorf("%+v: want the kind of address, and how it went", e)
			}
		}
		compact := slices.Compact(slices.DeleteFunc(names, func(s string) bool { return s == "attempt" }))
		if got := strings.Join(compact, " "); got != "connected status params status disconnected failed connected status params status end" {
			t.Errorf("events: %s", got)
		}
	})
	inAir(t, "paces a device that hangs up", func(t *testing.T) {
		r := newRoom(t, 1)
		r.air.SetTemper(r.device, sim.Temper{Rules: []sim.Rule{{On: sim.OnLink, Do: sim.HangUp, Delay: 2 * time.Second}}})
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		var out printed
		code := r.run(ctx, &out, "connect", thermometer, "--every", "0")
		// The waits are 1, 2, 4, 8, 16, 32 and then 60 s.
		if s := out.stdout.String(); code != 0 || strings.Count(s, ": connected on a0 in ") != 15 || !strings.HasSuffix(s, "ended, after 15 connections\n") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, out.stderr.String(), s)
		}
	})
	inAir(t, "bond lost later", func(t *testing.T) {
		r := newRoom(t, 1)
		var out printed
		ended := make(chan int)
		go func() { ended <- r.run(t.Context(), &out, "connect", thermometer, "--every", "0") }()
		time.Sleep(40 * time.Second)
		r.adapters[0].Fault(sim.ConnectFault{Times: sim.Always, Status: hci.StatusKeyMissing})
		r.air.SetAway(r.device, true)
		time.Sleep(6 * time.Second)
		r.air.SetAway(r.device, false)
		if code := <-ended; code != 6 || !strings.Contains(out.stderr.String(), "the device refuses this host") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, out.stderr.String(), out.stdout.String())
		}
	})
	inAir(t, "for people", func(t *testing.T) {
		r := newRoom(t, 1)
		ctx, stop := context.WithTimeout(t.Context(), 12*time.Second)
		defer stop()
		var out printed
		code := r.run(ctx, &out, "connect", thermometer+"/random")
		lines := strings.Split(strings.TrimSpace(out.stdout.String()), "\n")
		for i, want := range []string{
			": attempt 1 on a0", "connected on a0 in ", "-50 dBm, interval 7.5ms, latency 0, supervision timeout 2s", ": interval 50ms, latency 0, supervision timeout 5s", "+10.000s  -50 dBm, interval 50ms, ", "ended, after 1 connection",
		} {
			if i >= len(lines) || !strings.Contains(lines[i], want) {
				t.Errorf("line %d is not %q:\n%s", i+1, want, out.stdout.String())
				break
			}
		}
		if code != 0 || len(lines) != 6 {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, out.stderr.String(), out.stdout.String())
		}
	})
	inAir(t, "on a terminal", func(t *testing.T) {
		r := newRoom(t, 1)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		var stdout, stderr bytes.Buffer
		code := runChecked(ctx, []string{"-a", "x", "connect", thermometer + "/random"}, &Env{
			Stdout: &stdout, Stderr: &stderr, Terminal: func() (int, int) { return 60, 24 },
			Open: func(context.Context, string) (hci.Transport, error) { return r.adapters[0].Plug(), nil },
		})
		if code != 0 || stderr.String() != "" || !strings.Contains(stdout.String(), "\r\x1b[Kconnected for 3s on x: -50 dBm, interval 7.5ms, latency 0,…") {
			t.Errorf("exit code %d, stderr %q, stdout %q", code, stderr.String(), stdout.String())
		}
	})
	inAir(t, "not at first", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "connect", thermometer)
		if r.code != 3 || !strings.Contains(r.stderr, "was not seen on air within 10s") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	for _, args := range []string{thermometer, thermometer + "/random"} { // it searches, or dials
		inAir(t, "interrupted before the first connection to "+args, func(t *testing.T) {
			interrupted := func(words ...string) result {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(errStopped) })
				return moor(ctx, append([]string{"-a", "sim:empty", "connect", args}, words...)...)
			}
			if r := interrupted(); r.code != 1 || r.stderr != "moor: interrupted\n" || strings.Contains(r.stdout, "ended") || r.took.Round(100*time.Millisecond) != 5*time.Second {
				t.Errorf("after %v: exit code %d, stderr %q, stdout:\n%s", r.took, r.code, r.stderr, r.stdout)
			}
			r := interrupted("--json")
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			var e jsonEvent
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil || e.Event != "end" || e.Address != args || *e.Connections != 0 || e.Error != "interrupted" || r.code != 1 {
				t.Errorf("exit code %d, %v, stdout:\n%s", r.code, err, r.stdout)
			}
		})
	}
	inAir(t, "adapter comes back", func(t *testing.T) {
		r := newRoom(t, 1)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		time.AfterFunc(20*time.Second, func() { r.adapters[0].Unplug() })
		var out printed
		code := r.run(ctx, &out, "connect", thermometer, "--every", "0")
		if s := out.stdout.String(); code != 0 || strings.Count(s, ": connected on a0 in ") != 2 || !strings.Contains(s, "adapter a0 is down: ") || !strings.HasSuffix(s, "ended, after 2 connections\n") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", code, out.stderr.String(), s)
		}
	})
}
