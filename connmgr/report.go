package connmgr

import (
	"fmt"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// Report is one advertisement that an adapter has heard: the data, the signal
// strength and the time of a controller.Report, with the adapter and the device. Its
// slices are valid for good, and shared with nobody.
type Report struct {
	controller.Report
	// Adapter is the name of the adapter that heard the advertisement.
	Adapter string
	// Addr is the address of the device: its identity, if the device is bonded and
	// the bond resolves the private address on air. That is Report.Addr.
	Addr hci.Addr
	// Dropped is the number of items that were lost immediately before this one,
	// because the loop over the scan was slower than the devices.
	Dropped uint64
}

// AdapterError reports that an adapter does not take part in a scan, or takes
// part again. It does not end the scan.
type AdapterError struct {
	Adapter string
	// State is AdapterDown if the adapter failed or is gone, and AdapterUp if it
	// works but its controller refuses to scan.
	State AdapterState
	// Err is the reason. Nil means that the adapter scans again.
	Err error
}

// Error returns the adapter, its state, and the reason.
func (e *AdapterError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("connmgr: adapter %s scans again", e.Adapter)
	case e.State == AdapterUp:
		return fmt.Sprintf("connmgr: adapter %s does not scan: %v", e.Adapter, e.Err)
	}
	return fmt.Sprintf("connmgr: adapter %s is %v: %v", e.Adapter, e.State, e.Err)
}

// Unwrap returns Err.
func (e *AdapterError) Unwrap() error { return e.Err }
