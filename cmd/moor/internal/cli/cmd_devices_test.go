package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestDeafAdapters has a controller refuse to scan: devices says so and does not
// count as a success if no adapter has scanned; read does not search for a device.
func TestDeafAdapters(t *testing.T) {
	refuse := sim.CommandFault{Opcode: hci.OpLESetExtendedScanEnable, Times: sim.Always, Status: hci.StatusHardwareFailure}
	const refused = "moor: adapter deaf does not scan: LE Set Extended Scan Enable: hardware failure (0x03)\n" +
		"      the adapter does not work properly: replug or reset it, or use another one\n"
	for _, c := range []struct {
		name, args, stdout, stderr string
		code                       int
	}{
		{"no adapter", "-a deaf devices", "", refused, 1},
		{"one of two", "-a deaf,hci0 devices", "Thermometer", refused, 0},
		{"search", "-a deaf read " + thermometer + " 2a19", "", refused, 1},
		{"no search", "-a deaf read " + thermometer + "/random 2a19", "%", "", 0},
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
			begin := time.Now()
			code := runChecked(t.Context(), split(c.args), &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
			if code != c.code || stderr.String() != c.stderr || !strings.Contains(stdout.String(), c.stdout) || time.Since(begin) > 4*time.Second {
				t.Errorf("exit code %d after %v, stdout %q, stderr %q", code, time.Since(begin), stdout.String(), stderr.String())
			}
		})
	}
}

// TestDevicesShowWhatWasHeard has a device take turns between an advertisement with a
// name and one without: the last one does not hide the name, nor that the device is
// scannable.
func TestDevicesShowWhatWasHeard(t *testing.T) {
	all := []connmgr.Device{{
		Addr: hci.Addr{MAC: hci.MAC{1}}, Name: "Kettle\x1b[31m", Adapter: "hci0", RSSI: -50, Smoothed: -51, Scannable: true, Seen: time.Now(),
		Data: hci.AppendAD(nil, hci.ADFlags, []byte{6}), Response: hci.AppendAD(nil, hci.ADShortName, []byte("Ket")),
	}}
	for _, json := range []bool{false, true} {
		var stdout bytes.Buffer
		a := &app{env: &Env{}, out: &output{w: &stdout}, globals: globals{JSON: json, State: "none"}}
		a.printDevices(all, nil)
		want := "00:00:00:00:00:01/public  -50 dBm  Kettle\uFFFD[31m  hci0  0s ago  not connectable\n"
		if json {
			want = `"name":"Kettle\u001b[31m","connectable":false,"scannable":true`
		}
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("output %q, want %q", stdout.String(), want)
		}
	}
}

func TestDevices(t *testing.T) {
	dir := t.TempDir()
	moor(t.Context(), "devices", "--duration", "0").want(t, 1, "", "moor: there is no state directory: this user has no home directory\n      name one with --state DIR\n")
	inAir(t, "heard", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--state", dir, "devices")
		if r.took < 3*time.Second || r.took > 3500*time.Millisecond || strings.Count(r.stdout, "\n") != 3 ||
			!strings.Contains(r.stdout, belt+"  -50 dBm  Heart rate belt  sim:  0s ago  ") {
			t.Errorf("after %v, exit code %d, stderr %q:\n%s", r.took, r.code, r.stderr, r.stdout)
		}
	})
	type device struct {
		Address, Name, Adapter string
		RSSI                   int
		Average                int `json:"rssi_average"`
	}
	// Without an adapter.
	all := objects[device](t, moor(t.Context(), "--json", "--state", dir, "devices", "--duration", "0"))
	if len(all) != 3 || all[1] != (device{belt, "Heart rate belt", "sim:", -50, -50}) {
		t.Errorf("%+v", all)
	}
	inAir(t, "kept", func(t *testing.T) {
		if r := moor(t.Context(), "-a", "sim:empty", "--state", dir, "devices", "--duration", "100ms"); strings.Count(r.stdout, "\n") != 3 {
			t.Errorf("exit code %d, stderr %q:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "long ago", func(t *testing.T) {
		for _, ago := range []struct {
			more time.Duration
			want string
		}{{90 * time.Second, "  1m ago  "}, {3 * time.Hour, "  3h ago  "}, {72 * time.Hour, "  3 days ago  "}} {
			other := t.TempDir()
			moor(t.Context(), "-a", "sim:", "--state", other, "devices", "--duration", "1s")
			time.Sleep(ago.more)
			if r := moor(t.Context(), "--state", other, "devices", "--duration", "0"); strings.Count(r.stdout, ago.want) != 3 {
				t.Errorf("after %v, exit code %d, stderr %q:\n%swant %q thrice", ago.more, r.code, r.stderr, r.stdout, ago.want)
			}
		}
	})
	inAir(t, "scan keeps too", func(t *testing.T) {
		other := t.TempDir()
		moor(t.Context(), "-a", "sim:", "--state", other, "scan", "--duration", "2s", "--passive")
		if r := moor(t.Context(), "--state", other, "devices", "--duration", "0"); strings.Count(r.stdout, "\n") != 3 {
			t.Errorf("exit code %d, stderr %q:\n%s", r.code, r.stderr, r.stdout)
		}
	})
}
