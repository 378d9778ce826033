//go:build kernel

// Package kernel runs the moor binary on a real kernel, against bluetoothd on
// another controller of the same air. It runs as root in the virtual machine
// that the script run boots, and uses every Bluetooth adapter there.
package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/test/moortest"
)

// TestDoctor puts the machine into each state in which Bluetooth does not work.
// moor has to name the state and a remedy.
func TestDoctor(t *testing.T) {
	m := moortest.New(t)
	t.Run("no adapter", func(t *testing.T) {
		if found := adapters(); len(found) > 0 {
			t.Fatalf("the machine has adapters already: %v", found)
		}
		m.Run(t, "doctor").Fails(t, "adapter", "there is none")
		m.Run(t, "scan").Fails(t, "no Bluetooth adapter")
		m.Run(t, "--adapter", "hci0", "scan").Fails(t, "hci0", "no such adapter")
		m.Run(t, "adapters").Fails(t, "no Bluetooth adapter")
	})

	startAir(t)
	m = m.With("--adapter", "hci0")
	t.Run("works", func(t *testing.T) {
		m.Run(t, "doctor").OK(t)
		m.With().Run(t, "doctor").OK(t)
	})
	t.Run("no capability", func(t *testing.T) {
		nobody := m.Under("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
		public(t, nobody)
		nobody.Run(t, "doctor").Fails(t, "CAP_NET_ADMIN", "setcap")
		nobody.Run(t, "scan").Fails(t, "CAP_NET_ADMIN")
		// The kernel gives this information to every user.
		nobody.Run(t, "adapters").OK(t).Says(t, "hci0", ourAddress)
	})
	t.Run("rfkill", func(t *testing.T) {
		files, err := filepath.Glob("/sys/class/bluetooth/hci0/rfkill*/soft")
		if err != nil || len(files) != 1 {
			t.Fatalf("hci0 has no rfkill switch: %v %v", files, err)
		}
		block := func(v string) {
			if err := os.WriteFile(files[0], []byte(v), 0); err != nil {
				t.Fatal(err)
			}
		}
		block("1")
		defer block("0")
		m.Run(t, "doctor").Fails(t, "rfkill", "rfkill unblock")
		m.Run(t, "scan").Fails(t, "rfkill")
		m.Run(t, "adapters").OK(t).Says(t, "hci0", "rfkill")
		block("0")
		m.Run(t, "doctor").OK(t)
	})
	t.Run("another network namespace", func(t *testing.T) {
		away := m.Under("unshare", "-n")
		away.Run(t, "doctor").Fails(t, "network namespace", "initial")
		away.Run(t, "scan").Fails(t, "network namespace")
	})
	t.Run("held by another process", func(t *testing.T) {
		run := m.Start(t, "scan", "--duration", "0")
		eventually(t, "the first process has hci0", func() bool {
			return strings.Contains(m.Run(t, "adapters").OK(t).Stdout, "moor")
		})
		m.Run(t, "scan").Fails(t, "hci0", "held by", "moor")
		m.Run(t, "doctor").Fails(t, "hci0", "moor", "stop that process")
		// Its address names the same adapter.
		m.With("--adapter", ourAddress).Run(t, "scan").Fails(t, "held by")
		// The other adapter is free.
		m.With("--adapter", "hci1").Run(t, "scan", "--duration", "4s").OK(t)
		if !run.Running() {
			t.Error("the first process lost its adapter to the others")
		}
		run.Interrupt(t)
		run.Wait(t).OK(t)
		m.Run(t, "scan", "--duration", "4s").OK(t)
	})
	t.Run("up in the kernel", func(t *testing.T) {
		if out, err := exec.Command("hciconfig", "hci0", "up").CombinedOutput(); err != nil {
			t.Fatalf("hciconfig hci0 up: %v: %s", err, out)
		}
		m.Run(t, "scan", "--duration", "4s").OK(t)
	})
}

// public copies the binary to a directory that every user can read, for its
// captures as well.
func public(t *testing.T, m *moortest.Moor) {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	m.Path, m.Dir, m.State = filepath.Join(dir, "moor"), dir, "none"
	if err := os.WriteFile(m.Path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBlueZ(t *testing.T) {
	stopAir := startAir(t)
	peer, table := startPeer(t)
	m := onHCI0(t, table.ready)
	full := peerAddress + "/public"

	t.Run("adapters", func(t *testing.T) {
		m.With().Run(t, "adapters").OK(t).Says(t, "hci0", ourAddress, "hci1", peerAddress, "bluetoothd")
	})
	moortest.Jobs(t, m, &moortest.Peer{
		Address: peerAddress, Kind: "public", Name: peerName,
		Service: serviceUUID, Custom: serviceUUID, Scratch: scratchUUID, Initial: "01020304",
		Long: longUUID, Values: valuesUUID,
		Notify:   table.notify,
		Interval: 30 * time.Millisecond, // btvirt takes the shortest
	})
	t.Run("adapter by its address", func(t *testing.T) {
		m.With("--adapter", ourAddress).Run(t, "read", full, scratchUUID).OK(t)
	})
	t.Run("bluetoothd saw the write", func(t *testing.T) {
		m.Run(t, "write", full, scratchUUID, "0a0b").OK(t)
		for table.await(t, "written").Value != "0a0b" {
		}
	})
	t.Run("bluetoothd saw a clean end", func(t *testing.T) {
		peer.expect(t, 0, "Connected: yes")
		eventually(t, "the last link ends", func() bool {
			said := peer.said()
			return strings.LastIndex(said, "Connected: no") > strings.LastIndex(said, "Connected: yes")
		})
	})
	t.Run("capture", func(t *testing.T) {
		// btmon 5.66 crashes on any request for characteristic declarations, so the
		// capture is of a command without one.
		short := m.Run(t, "params", full, "--interval", "30ms").OK(t).Capture
		reads(t, short, []string{"btmon", "-r"}, "Reset", "LE Set Scan Enable", "LE Create Connection", "LE Connection Update", "Disconnect")
	})
	t.Run("state", func(t *testing.T) {
		dir := t.TempDir()
		m.With("--adapter", "hci0", "--state", dir).Run(t, "scan", "--duration", "2s").OK(t)
		again := m.With("--adapter", "hci0", "--state", dir).Run(t, "read", peerAddress, scratchUUID).OK(t)
		t.Logf("with the address kind remembered: %v", again.Took)
	})
	t.Run("the adapter vanishes", func(t *testing.T) {
		run := m.With(slices.Concat(m.Args, []string{"--json"})...).Start(t, "notify", full, valuesUUID)
		run.Prompted(t, table.notify)
		begin := time.Now()
		stopAir()
		run.Wait(t).Fails(t, "hci0", "gone")
		if took := time.Since(begin); took > moortest.Soon {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("the adapter comes back", func(t *testing.T) {
		stopAir() // if the subtest before did not come to that
		startAir(t)
		m.With("--adapter", ourAddress).Run(t, "scan", "--duration", "4s").OK(t)
	})
}

// reads runs a program that decodes a capture. Its output has to contain all words.
func reads(t *testing.T, capture string, argv []string, words ...string) {
	t.Helper()
	out, err := exec.Command(argv[0], append(argv[1:], capture)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", argv[0], err, out)
	}
	for _, want := range words {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s shows no %q in the capture:\n%s", argv[0], want, out)
		}
	}
}
