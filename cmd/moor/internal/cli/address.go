package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// adapterFlag holds the adapters that the command line names, each once.
type adapterFlag []string

func (f *adapterFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *adapterFlag) Type() string { return "value" }

// Set adds adapters separated by commas.
func (f *adapterFlag) Set(s string) error {
	none := true
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if slices.Contains(*f, name) {
			return fmt.Errorf("%q is there twice: leave one of them out", name)
		}
		*f, none = append(*f, name), false
	}
	if none {
		return fmt.Errorf("there is no adapter in %q: write one, such as hci0, or leave the flag out", s)
	}
	return nil
}

// applyEnvironment fills in flags from the environment that the command line leaves
// out, and checks how the adapters are written.
func (a *app) applyEnvironment() error {
	if a.State == "" {
		a.State = os.Getenv("MOOR_STATE")
	}
	from := "--adapter"
	if len(a.Adapters) == 0 {
		from = "$MOOR_ADAPTER"
		if names := os.Getenv(from[1:]); strings.Trim(names, ", ") != "" {
			if err := (*adapterFlag)(&a.Adapters).Set(names); err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
		}
	}
	if a.env.Open != nil {
		return nil // the environment knows its own addresses
	}
	for _, name := range a.Adapters {
		if err := checkAdapter(name); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return nil
}

// checkAdapter returns an error if name cannot be the address of an adapter.
func checkAdapter(name string) error {
	if scenario, ok := strings.CutPrefix(name, "sim:"); ok {
		_, err := sim.ParseScenario(scenario)
		return err
	}
	if strings.HasPrefix(name, proxyPrefix) {
		return checkProxy(name)
	}
	_, err := hcisock.ParseAddress(name)
	if open, ok := errors.AsType[*hcisock.OpenError](err); ok {
		return fmt.Errorf("%s: %w; %s", open.Address, open.Err, open.Remedy)
	}
	return err
}
