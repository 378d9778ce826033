package replay

import "strings"

// Capture is a command line of moor whose packets are in testdata/btsnoop, in a file of its
// Name and .btsnoop. Its output is beside it, in one with .out.
type Capture struct {
	Name string
	// Made is the simulated adapter of the command line, or the kind of test that makes
	// the capture.
	Made string
	Line string // the words after moor and its flags
}

// The values of Made for captures that are not simulated.
const (
	MadeByBumble    = "Bumble"    // Bumble's controller, and Bumble as the device: test/peers
	MadeByRootCanal = "RootCanal" // RootCanal's controller, and Bumble as the device: test/peers
	MadeByKernel    = "BlueZ"     // a user channel of Linux, and BlueZ as the device: test/kernel
)

// Args returns the words of the command line.
func (c Capture) Args() []string { return strings.Fields(c.Line) }

// Captures lists the captures that can be played again, because no link in them is encrypted:
// captures have zeros for keys.
func Captures() []Capture {
	const (
		thermometer = "C0:FF:EE:00:00:01/random"
		lamp        = "C0:FF:EE:00:00:03/random"
		bumble      = "F0:0D:CA:FE:00:01/random"
		bluez       = "00:AA:01:01:00:01/public"
	)
	return []Capture{
		{"sim-scan", "sim:sensors", "scan --duration 300ms"},
		{"sim-read", "sim:sensors", "read " + thermometer + " 2a19"},
		{"sim-services", "sim:sensors", "services " + lamp},
		{"sim-notify", "sim:sensors", "notify " + thermometer + " 2a6e --count 3"},
		{"sim-flaky", "sim:flaky", "read " + thermometer + " 2a19"},
		{"sim-hangs-up", "sim:../../../../testdata/hangs-up.yaml", "read " + thermometer + " 2a19"},
		{"bumble-scan", MadeByBumble, "scan --duration 1s"},
		{"bumble-services", MadeByBumble, "services " + bumble},
		{"bumble-write", MadeByBumble, "write " + bumble + " 6d6f6f72-0002-4000-8000-0123456789ab 0102"},
		{"rootcanal-read", MadeByRootCanal, "read " + bumble + " 6d6f6f72-0002-4000-8000-0123456789ab"},
		{"rootcanal-notify", MadeByRootCanal, "notify " + bumble + " 6d6f6f72-0003-4000-8000-0123456789ab --count 2"},
		{"bluez-scan", MadeByKernel, "scan --duration 4s"},
		{"bluez-services", MadeByKernel, "services " + bluez},
		{"bluez-read", MadeByKernel, "read " + bluez + " 6d6f6f72-0002-4000-8000-0123456789ab"},
	}
}
