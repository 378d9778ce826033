package controller

import "github.com/moor-ble/moor/hci"

// Bits of the event masks: events that this package understands
// (Vol 4, Part E, 7.3.1 and 7.8.1).
const (
	eventMask = 1<<4 | // Disconnection Complete
		1<<7 | // Encryption Change
		1<<11 | // Read Remote Version Information Complete
		1<<15 | // Hardware Error
		1<<25 | // Data Buffer Overflow
		1<<47 | // Encryption Key Refresh Complete
		1<<61 // LE Meta

	leEventMaskAlways = 1<<0 | // Connection Complete
		1<<1 | // Advertising Report
		1<<2 | // Connection Update Complete
		1<<3 | // Read Remote Features Complete
		1<<4 // Long Term Key Request
)

// leEventMask returns the LE events to ask for. A controller may refuse bits
// that it does not know, so they go with the features that bring them.
func (i *Info) leEventMask() uint64 {
	m := uint64(leEventMaskAlways)
	for _, b := range []struct {
		with bool
		bit  uint
	}{
		{i.Features.Has(hci.FeatureConnParamRequest), 5},
		{i.Features.Has(hci.FeatureDataLength), 6},
		{i.Commands.Has(hci.OpLEReadLocalP256PublicKey), 7},
		{i.Commands.Has(hci.OpLEGenerateDHKey), 8},
		{i.Features.Has(hci.FeaturePrivacy), 9}, // Enhanced Connection Complete
		{i.Commands.Has(hci.OpLESetPHY), 11},
		{i.Extended, 12}, // Extended Advertising Report
		{i.Extended, 16}, // Scan Timeout
		{i.Extended, 17}, // Advertising Set Terminated
	} {
		if b.with {
			m |= 1 << b.bit
		}
	}
	return m
}
