package hci

import (
	"fmt"
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

// CheckExtendedAdvertisingInterval is CheckAdvertisingInterval for extended
// advertising: 20 ms to 10,485.759375 s in steps of 0.625 ms (Vol 4, Part E, 7.8.53).
func CheckExtendedAdvertisingInterval(d time.Duration) error {
	return extAdvInterval.check(0, "advertising interval", d)
}

// CheckAdvertisingDuration returns a *ParamError unless d is a legal duration of
// advertising: 10 ms to 655.35 s in steps of 10 ms, or 0 for no limit
// (Vol 4, Part E, 7.8.56).
func CheckAdvertisingDuration(d time.Duration) error {
	return advDuration.check(0, "advertising duration", d)
}

// CheckPeriodicInterval returns a *ParamError unless d is a legal interval of periodic
// advertising: 7.5 ms to 81.91875 s in steps of 1.25 ms (Vol 4, Part E, 7.8.61).
func CheckPeriodicInterval(d time.Duration) error {
	return periodicInterval.check(0, "interval of periodic advertising", d)
}

// CheckSyncTiming returns a *ParamError unless skip and timeout are legal for a
// synchronization with periodic advertising: 0 to 499 packets, and 100 ms to 163.84 s
// in steps of 10 ms (Vol 4, Part E, 7.8.67).
func CheckSyncTiming(skip int, timeout time.Duration) error {
	if skip < 0 || skip > 0x1F3 {
		return &ParamError{0, "number of skipped packets", fmt.Sprint(skip), "0 to 499"}
	}
	return syncTimeout.check(0, "timeout of the synchronization", timeout)
}
