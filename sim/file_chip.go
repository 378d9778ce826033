package sim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// chip is the name of a known kind of controller; empty for none.
type chip string

// chips are the properties of known kinds of controllers.
var chips = map[chip]ControllerConfig{
	// Clones of the CSR8510: Bluetooth 4.0 whatever they claim, short packets, few buffers,
	// and room for one command.
	"csr8510-clone": {
		Version: 6, Manufacturer: 0x000A, Features: hci.FeatureEncryption, Legacy: true, ACLLen: 27, ACLNum: 4, MaxOctets: 27,
		CommandBuffers: 1, AcceptListSize: 8, ResolvingListSize: -1, MaxLinks: 5, NoScanWhileInitiating: true,
	},
	// Realtek's RTL8761B in USB dongles: 5.1, with a late answer to a connect too many.
	"rtl8761": {
		Version: 10, Manufacturer: 0x005D, Subversion: 0x8761, MaxLinks: 7, FullLate: true, Completed: CompletedAtEventEnd,
	},
	// Zephyr's controller on Nordic's nRF52840: no public address, few buffers and links.
	"nrf52840-zephyr": {
		Version: 13, Manufacturer: 0x05F1, NoAddress: true, ACLNum: 3, MaxLinks: 4, Completed: CompletedOneByOne,
	},
}

// UnmarshalText reads the name of a chip.
func (c *chip) UnmarshalText(b []byte) error {
	if _, ok := chips[chip(b)]; !ok {
		return fmt.Errorf("no chip %q: there are %s", b, strings.Join(c.Choices(), ", "))
	}
	*c = chip(b)
	return nil
}

// Choices returns the names of the chips.
func (chip) Choices() (names []string) {
	for _, c := range slices.Sorted(maps.Keys(chips)) {
		names = append(names, string(c))
	}
	return names
}

// config returns the properties of the controller: those of its chip, but for the fields
// that the file sets.
func (c *fileController) config() *ControllerConfig {
	cfg := chips[c.Chip]
	to, from := reflect.ValueOf(&cfg).Elem(), reflect.ValueOf(c.ControllerConfig)
	for i := range from.NumField() {
		if f := from.Field(i); !f.IsZero() {
			to.Field(i).Set(f)
		}
	}
	cfg.Name = c.Name
	if c.Version != 0 {
		cfg.Version = uint8(c.Version)
	}
	if cfg.Address != (hci.MAC{}) {
		cfg.NoAddress = false
	}
	return &cfg
}

// FaultSpec is a fault of a controller in a scenario file: exactly one of its fields is
// set.
type FaultSpec struct {
	Command *CommandFault
	Event   *EventFault
	Credits *CreditFault
	Connect *ConnectFault
	Link    *LinkFault
}

// fault returns the fault.
func (s *FaultSpec) fault() (f Fault, err error) {
	n := 0
	set := func(is bool, v func() Fault) {
		if is {
			f = v()
			n++
		}
	}
	set(s.Command != nil, func() Fault { return *s.Command })
	set(s.Event != nil, func() Fault { return *s.Event })
	set(s.Credits != nil, func() Fault { return *s.Credits })
	set(s.Connect != nil, func() Fault { return *s.Connect })
	set(s.Link != nil, func() Fault { return *s.Link })
	if n != 1 {
		return nil, fmt.Errorf("a fault has one of the keys command, event, credits, connect and link, not %d: write several entries", n)
	}
	return f, nil
}
