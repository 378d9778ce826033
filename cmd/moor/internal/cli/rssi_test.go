package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// mute is the transport of a controller that reports this octet as the signal strength of
// every advertisement.
type mute struct {
	hci.Transport
	rssi byte
}

func (m mute) ReadPacket(b []byte) (int, error) {
	n, err := m.Transport.ReadPacket(b)
	const event, meta, report = 0x04, 0x3E, 0x02
	if n > 4 && b[0] == event && b[1] == meta && b[3] == report {
		b[n-1] = m.rssi
	}
	return n, err
}

// TestUnknownSignalStrength has controllers that report 127, which means that they do not
// know, and values that no receiver has (Vol 4, Part E, 7.7.65.2): people read a question
// mark, and programs no number.
func TestUnknownSignalStrength(t *testing.T) {
	for _, rssi := range []int8{127, 21, -128} {
		inAir(t, fmt.Sprint(rssi), func(t *testing.T) {
			air := sim.New(nil)
			defer air.Close()
			adapter := air.NewController(&sim.ControllerConfig{Legacy: true})
			p, err := air.NewPeripheral(t.Context(), sim.Thermometer())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			run := func(args string) string {
				var out printed
				code := runChecked(t.Context(), strings.Fields("-a hci0 --state none "+args), &Env{
					Stdout: &out.stdout, Stderr: &out.stderr,
					Open: func(context.Context, string) (hci.Transport, error) { return mute{adapter.Plug(), byte(rssi)}, nil },
				})
				if code != 0 || out.stderr.String() != "" {
					t.Errorf("%s: exit code %d, stderr %q", args, code, out.stderr.String())
				}
				return out.stdout.String()
			}
			for args, want := range map[string]string{
				"scan --duration 1s":    "  " + thermometer + "/random  ? dBm     Thermometer ",
				"devices --duration 1s": thermometer + "/random  ? dBm  Thermometer  hci0  0s ago ",
			} {
				if got := run(args); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
					t.Errorf("%s: %q, want a line with %q", args, got, want)
				}
				if got := run("--json " + args); !strings.Contains(got, `"name":"Thermometer"`) || strings.Contains(got, "rssi") {
					t.Errorf("--json %s: %q, want no signal strength", args, got)
				}
			}
		})
	}
}
