package controller

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// retryStart reports whether a refused start of the scan on phys is tried again. A scan
// that the controller still runs, for another program or from before, is stopped first.
// Then the coded PHY is left out, and then the legacy commands are tried.
func (s *scanning) retryStart(phys hci.PHYs, err error) bool {
	if statusOf(err) == hci.StatusCommandDisallowed && !s.cleared && s.c.dial.state == dialIdle {
		s.cleared = true
		s.set = scanSettings{} // no settings that any Scanner wants
		s.setRunning(true)
		return true
	}
	s.cleared = false
	return s.c.dropCoded(kindScan, phys, err) || s.c.fallBackToLegacy(err)
}

// checkScanners ends the Scanners on PHYs that the controller does not listen on any
// more.
func (s *scanning) checkScanners() {
	for _, sc := range s.scanners {
		if err := s.c.info.checkPHYs(kindScan, sc.opts.PHYs); err != nil {
			s.endScanners(fmt.Errorf("controller: scan: %w", err), func(o *Scanner) bool { return o == sc })
		}
	}
}
