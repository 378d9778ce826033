package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// isSimulated reports whether the command line names adapters, all of them on
// simulated air.
func (a *app) isSimulated() bool {
	for _, name := range a.Adapters {
		if !strings.HasPrefix(name, "sim:") {
			return false
		}
	}
	return len(a.Adapters) > 0
}

// simulatedFile returns the directory for the state of the scenario file that is the air; ""
// if there is none. The controller of a file is another one than that of a scenario of the
// program, so its bonds are as well.
func (a *app) simulatedFile() string {
	for _, name := range a.Adapters {
		if file, _, _ := strings.Cut(strings.TrimPrefix(name, "sim:"), "?"); sim.IsFile(file) {
			return filepath.Join("files", strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
		}
	}
	return ""
}

// openSimulated makes the simulated air at an address such as sim:crowd. Its devices
// keep their bonds in the state directory as well, so that both sides of a bond stay
// together, and show their passkeys on standard error.
func (a *app) openSimulated(_ context.Context, address string) (hci.Transport, error) {
	s, err := sim.ParseScenario(strings.TrimPrefix(address, "sim:"))
	if err != nil {
		return nil, err
	}
	o := sim.ScenarioOptions{Passkey: func(device string, p smp.Passkey) {
		fmt.Fprintf(a.env.Stderr, "The simulated %s shows %v.\n", device, p)
	}}
	if a.stateDir() != "" {
		o.Bonds = a.simulatedBonds()
	}
	return s.Open(&o)
}
