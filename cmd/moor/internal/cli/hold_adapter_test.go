package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestPeripheralSurvivesAdapter pulls the adapter of a peripheral out, plugs it in again, and
// lets it report a hardware error. The peripheral is there each time after, with its values.
func TestPeripheralSurvivesAdapter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(&sim.Config{Seed: 1})
		defer air.Close()
		dongle := air.NewController(&sim.ControllerConfig{Name: "hci0"})
		air.NewController(&sim.ControllerConfig{Name: "hci1"})
		s := servePeripheral(t, air, gadget)
		level := func(want string) {
			t.Helper()
			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), []string{"-a", "hci1", "read", "C0:FF:EE:00:00:07/random", "2a19"}, &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
			if code != 0 || !strings.Contains(stdout.String(), want) {
				t.Errorf("exit code %d, %q, want %s; %s", code, stdout.String(), want, stderr.String())
			}
		}
		s.say(t, "Level = 55")
		level("55")
		dongle.Replug(10*time.Second, "")
		time.Sleep(5 * time.Second)
		time.Sleep(10 * time.Second)
		level("55")
		dongle.HardwareError(7, true)
		time.Sleep(10 * time.Second)
		s.say(t, "Level = 44")
		level("44")
		s.end(t)
		if n := strings.Count(s.stdout.String(), "hci0 is lost: ended: "); n != 2 {
			t.Errorf("the adapter was lost %d times, want 2", n)
		}
		if n := strings.Count(s.stdout.String(), "; waiting until it is back\nhci0 is back\nGadget advertises on hci0 as C0:FF:EE:00:00:07/random"); n != 2 || s.stderr.Len() > 0 {
			t.Errorf("the adapter was back %d times, want 2:\n%s%s", n, s.stdout.String(), s.stderr.String())
		}
	})
}

// TestAdvertiseSurvivesAdapter unplugs the adapter of a beacon. --duration counts on.
func TestAdvertiseSurvivesAdapter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(&sim.Config{Seed: 1})
		defer air.Close()
		dongle := air.NewController(&sim.ControllerConfig{Name: "hci0"})
		observer, err := controller.Open(t.Context(), air.NewController(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer observer.Close()
		var stdout, stderr bytes.Buffer
		done := make(chan int, 1)
		start := time.Now()
		go func() {
			done <- Run(t.Context(), []string{"-a", "hci0", "--json", "advertise", "--name", "x", "--duration", "1m"},
				&Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
		}()
		time.Sleep(5 * time.Second)
		dongle.Replug(10*time.Second, "")
		time.Sleep(20 * time.Second)
		sc, err := observer.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		within, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if r, err := sc.Next(within); err != nil || r.Name() != "x" {
			t.Errorf("%+v, %v; want the beacon", r, err)
		}
		sc.Close()
		code := <-done
		if took := time.Since(start); code != 0 || took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("exit code %d after %v, stderr %q", code, took, stderr.String())
		}
		events := []string{`"event":"advertising"`, `"event":"lost","adapter":"hci0","error":"ended: `, `"event":"back","adapter":"hci0"}`, `"event":"advertising"`}
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
		for i, want := range events {
			if len(lines) != len(events) || !strings.Contains(lines[i], want) {
				t.Fatalf("%q, want %q", lines, events)
			}
		}
	})
}

// TestAdvertiseAdapterStaysAway ends a beacon whose adapter does not come back.
func TestAdvertiseAdapterStaysAway(t *testing.T) {
	for _, duration := range []string{"0", "20s"} {
		synctest.Test(t, func(t *testing.T) {
			air := sim.New(nil)
			defer air.Close()
			dongle := air.NewController(&sim.ControllerConfig{Name: "hci0"})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			opens := 0
			env := &Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Open: func(ctx context.Context, name string) (hci.Transport, error) {
				opens++
				return air.OpenTransport(ctx, name)
			}}
			time.AfterFunc(5*time.Second, func() { dongle.Replug(-1, "") })
			start := time.Now()
			code := Run(ctx, []string{"-a", "hci0", "advertise", "--name", "x", "--duration", duration}, env)
			want := time.Minute
			if duration != "0" {
				want = 20 * time.Second
			}
			if took := time.Since(start); code != 0 || took != want || opens < 6 || opens > 25 {
				t.Errorf("%s: exit code %d after %v, want %v; opened %d times; %v", duration, code, took, want, opens, env.Stderr)
			}
		})
	}
}
