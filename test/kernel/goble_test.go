//go:build kernel

package kernel

import (
	"os/exec"
	"strings"
	"testing"
)

// TestGoBLE runs programs for go-ble, those of the tests of package goble, on an adapter of
// the kernel whose controller is on simulated air: with the device that they were written
// for, and by one changed line with package goble. All work with the latter. Where go-ble's
// own device fails, breaks has what it reports.
func TestGoBLE(t *testing.T) {
	eventually(t, "no adapter is left", func() bool { return len(adapters()) == 0 })
	for _, program := range []struct{ name, breaks string }{
		{"VehicleKey", "?"},
		{"Printer", "?"},
		{"GrillThermometer", "?"},
		{"Exporter", "?"},
		{"Provisioning", "?"},
	} {
		t.Run(program.name, func(t *testing.T) {
			if out, err := runGoBLE(program.name, "kernel"); err != nil {
				t.Errorf("with package goble: %v: %s", err, out)
			}
			out, err := runGoBLE(program.name, "go-ble")
			t.Log(out)
			switch {
			case program.breaks == "" && err != nil:
				t.Errorf("with go-ble: %v: %s", err, out)
			case program.breaks != "" && (err == nil || !strings.Contains(out, program.breaks)):
				t.Errorf("with go-ble: %v, want %q: %s", err, program.breaks, out)
			}
		})
	}
}

// runGoBLE runs a program on a device, in a process of its own: go-ble waits without end, or
// ends the process.
func runGoBLE(program, device string) (string, error) {
	out, err := exec.Command("/share/goble.test", "-test.v", "-test.timeout", "60s", "-test.run", "^Test"+program+"$/^"+device+"$").CombinedOutput()
	return string(out), err
}
