//go:build kernel

package kernel

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestGoBLE runs programs for go-ble, those of the tests of package goble, on an adapter of
// the kernel whose controller is on simulated air: by one changed line with package goble,
// where all work, and with the device that they were written for. Where that fails, breaks
// is in the output.
func TestGoBLE(t *testing.T) {
	onNewest(t)
	eventually(t, "no adapter is left", func() bool { return len(adapters()) == 0 })
	for _, program := range []struct{ name, breaks string }{
		// It takes the peer's MTU for that of the link: its long write has two octets too many.
		{"VehicleKey", "answer of 0 octets, invalid PDU"},
		// Its Client reads from the Conn as well, so the program's response is lost.
		{"Printer", "test timed out"},
		{"GrillThermometer", ""},
		{"Exporter", ""},
		// It does not advertise to a second central.
		{"Provisioning", "no device advertises"},
	} {
		t.Run(program.name, func(t *testing.T) {
			if out, err := runGoBLE(program.name, "kernel", time.Minute); err != nil {
				t.Errorf("with package goble: %v: %s", err, out)
			}
			out, err := runGoBLE(program.name, "go-ble", 20*time.Second)
			if fails := err != nil; fails != (program.breaks != "") || !strings.Contains(out, program.breaks) {
				t.Errorf("with go-ble: %v, want %q: %s", err, program.breaks, out)
			}
		})
	}
}

// runGoBLE runs a program with a device, in a process of its own: go-ble may wait without
// end, or end the process.
func runGoBLE(program, device string, limit time.Duration) (string, error) {
	out, err := exec.Command("/share/goble.test", "-test.v", "-test.timeout", limit.String(), "-test.run", "^Test"+program+"$/^"+device+"$").CombinedOutput()
	return string(out), err
}
