package hci

import (
	"time"
)

// The functions below check times before they are put into a command. The command
// refuses the same values.

// CheckAdvertisingInterval returns a *ParamError unless d is a legal
// advertising interval: 20 ms to 10.24 s in steps of 0.625 ms
// (Vol 4, Part E, 7.8.5).
func CheckAdvertisingInterval(d time.Duration) error {
	return advInterval.check(0, "advertising interval", d)
}

// CheckPrivateAddressTimeout returns a *ParamError unless d is a legal lifetime
// of a private address: 1 s to 1 h in whole seconds (Vol 4, Part E, 7.8.45).
func CheckPrivateAddressTimeout(d time.Duration) error {
	return rpaTimeout.check(0, "lifetime of a private address", d)
}

// CheckScanTiming returns a *ParamError unless interval and window are legal
// for a scan: each is 2.5 ms to 10.24 s in steps of 0.625 ms, and the window is
// not longer than the interval (Vol 4, Part E, 7.8.10).
func CheckScanTiming(interval, window time.Duration) error {
	if err := scanTime.check(0, "scan interval", interval); err != nil {
		return err
	}
	within := scanTime
	within.high = interval
	return within.check(0, "scan window", window)
}
