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
			theirs := startGoBLE(program.name, "go-ble", 30*time.Second)
			if got := <-startGoBLE(program.name, "kernel", 2*time.Minute); got.err != nil {
				t.Errorf("with package goble: %v: %s", got.err, got.text)
			}
			got := <-theirs
			for n := 0; n < 2 && got.hungAtStart(); n++ {
				got = <-startGoBLE(program.name, "go-ble", 30*time.Second)
			}
			if fails := got.err != nil; fails != (program.breaks != "") || !strings.Contains(got.text, program.breaks) {
				t.Errorf("with go-ble: %v, want %q: %s", got.err, program.breaks, got.text)
			}
		})
	}
}

// output is that of a process that has ended.
type output struct {
	text string
	err  error
}

// hungAtStart reports whether go-ble's device has waited without end for the answer to one of
// its first commands, as it does once in a while.
func (o *output) hungAtStart() bool {
	return strings.Contains(o.text, "test timed out") && strings.Contains(o.text, "linux/hci.(*HCI).init(")
}

// startGoBLE runs a program with a device, in a process of its own: go-ble may wait without
// end, or end the process.
func startGoBLE(program, device string, limit time.Duration) <-chan output {
	done := make(chan output, 1)
	cmd := exec.Command("/share/goble.test", "-test.v", "-test.timeout", limit.String(), "-test.run", "^Test"+program+"$/^"+device+"$")
	go func() {
		b, err := cmd.CombinedOutput()
		done <- output{string(b), err}
	}()
	return done
}
