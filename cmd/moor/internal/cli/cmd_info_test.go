package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestInfo(t *testing.T) {
	inAir(t, "info", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "info", belt)
		for _, want := range []string{
			"address      C0:FF:EE:00:00:02/random, static random address\n", "version      Bluetooth 5.3\n",
			"PHY          2M out, 2M in\n", "data length  251 octets out, 251 octets in\n", "MTU          517 octets\n",
			"RSSI         -50 dBm\n", "interval     7.5ms\n", "latency      0 intervals\n", "timeout      2s\n", "encrypted    no\n",
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
		if len(got) != 1 || got[0].Address.String() != belt || got[0].Interval != 7.5 || got[0].Timeout != 2000 || !slices.Contains(got[0].Features, "LE 2M PHY") {
			t.Errorf("got %+v, want %s with an interval of 7.5 ms, a timeout of 2000 ms and LE 2M PHY among the features", got, belt)
		}
	})
}

// TestInfoBehindALegacyController connects by a controller that refuses the extended
// command to connect, and shows that.
func TestInfoBehindALegacyController(t *testing.T) {
	inAir(t, "legacy", func(t *testing.T) {
		air := sim.New(nil)
		defer air.Close()
		ctl := air.NewController(nil)
		ctl.Fault(sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Times: sim.Always, Status: hci.StatusUnknownCommand})
		p, err := air.NewPeripheral(t.Context(), sim.Thermometer())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"-a", "hci0", "info", p.Address().String()}, &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
		const want = "commands     legacy, because the extended ones were refused: LE Extended Create Connection: unknown HCI command (0x01)\n"
		if code != 0 || stderr.String() != "" || !strings.Contains(stdout.String(), want) {
			t.Errorf("exit code %d, stdout %q, stderr %q, want %q", code, stdout.String(), stderr.String(), want)
		}
	})
}
