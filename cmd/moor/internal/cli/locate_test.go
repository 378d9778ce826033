package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestNotSeen(t *testing.T) {
	inAir(t, "empty air", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "read", thermometer, "2a19")
		r.want(t, 3, "", "moor: C0:FF:EE:00:00:01 was not seen on air within 10s\n"+
			"      switch it on, bring it closer, or wake it up; with /random or /public after the address, moor connects without having seen it\n")
		if r.took < findTime || r.took > findTime+time.Second {
			t.Errorf("it took %v, want the %v of the search", r.took, findTime)
		}
	})
	inAir(t, "not connectable", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:crowd", "read", "CD:4F:52:00:00:17", "2a19")
		r.want(t, 3, "", "moor: CD:4F:52:00:00:17 is on air, but did not advertise as connectable within 10s\n"+
			"      put it into its connectable or pairing mode, or end its connection to another host\n")
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

func TestFailsToEstablishTwice(t *testing.T) {
	inAir(t, "flaky", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:flaky", "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
}

// TestTimeoutIsNamed: an error names the time that --timeout has, also where a search has
// used a part of it.
func TestTimeoutIsNamed(t *testing.T) {
	for _, args := range []string{"-a sim:empty", "-a sim:empty -a sim:full"} {
		inAir(t, args, func(t *testing.T) {
			r := moor(t.Context(), append(strings.Fields(args), "read", thermometer+"/random", "2a19", "--timeout", "12s")...)
			if r.code != 3 && r.code != 6 || !strings.Contains(r.stderr, "not connected within 12s\n") || r.took > 14*time.Second {
				t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
			}
		})
	}
}

// TestHyphens takes an address as other systems write it.
func TestHyphens(t *testing.T) {
	inAir(t, "hyphens", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "read", "c0-ff-ee-00-00-02/random", "2a38").want(t, 0, "01  chest\n", "")
	})
}

// TestPrivateAddressOfABond reads by an address that the device had before, and that the
// bond resolves.
func TestPrivateAddressOfABond(t *testing.T) {
	inAir(t, "resolved by the controller", func(t *testing.T) { testPrivateAddress(t, nil) })
	inAir(t, "resolved by the host", func(t *testing.T) { testPrivateAddress(t, &sim.ControllerConfig{Legacy: true}) })
}

func testPrivateAddress(t *testing.T, adapter *sim.ControllerConfig) {
	h := newHouse(t, t.TempDir(), &smp.Config{Privacy: true, AddressLifetime: time.Minute})
	h.adapters[0] = h.air.NewController(adapter)
	heard := objects[jsonReport](t, h.moor(nil, "scan", "--duration", "3s", "--json"))
	if len(heard) == 0 || !heard[0].Address.IsResolvable() {
		t.Fatalf("heard %+v", heard)
	}
	onAir := heard[0].Address
	if r := h.moor(nil, "pair", onAir.String()); r.code != 0 {
		t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
	}
	for _, address := range []string{onAir.String(), onAir.MAC.String(), lock} {
		time.Sleep(2 * time.Minute)
		h.moor(nil, "read", address, "2a19").want(t, 0, "57  87 %\n", "")
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var out printed
		if code := h.run(ctx, &out, "--state", h.state, "connect", address); code != 0 || !strings.Contains(out.stdout.String(), "(Lock): connected on a0 in ") {
			t.Errorf("connect %s: exit code %d, stdout %q, stderr %q", address, code, out.stdout.String(), out.stderr.String())
		}
		cancel()
	}
}

// TestInterruptedStartUp interrupts the start-up of a controller that leaves a command
// unanswered: a log that the start-up goes on would be false.
func TestInterruptedStartUp(t *testing.T) {
	inAir(t, "start-up", func(t *testing.T) {
		r := newRoom(t, 1)
		r.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLEReadLocalSupportedFeatures, Times: sim.Always, NoAnswer: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var out printed
		if code := r.run(ctx, &out, "-v", "scan"); code != 1 || out.stdout.String() != "" || out.stderr.String() != "moor: interrupted\n" {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, out.stdout.String(), out.stderr.String())
		}
	})
}
