package controller

import "github.com/moor-ble/moor/hci"

// retryStart reports whether a refused start of the scan is tried again. A scan that
// the controller still runs, for another program or from before, is stopped first. Then
// the legacy commands are tried.
func (s *scanning) retryStart(err error) bool {
	if statusOf(err) == hci.StatusCommandDisallowed && !s.cleared && s.c.dial.state == dialIdle {
		s.cleared = true
		s.running, s.set = true, scanSettings{} // no settings that any Scanner wants
		return true
	}
	s.cleared = false
	return s.c.fallBackToLegacy(err)
}
