package hci

import (
	"fmt"
	"strings"
	"time"
)

// Handle names a link between host and controller, 0x0000 to 0x0EFF
// (Vol 4, Part E, 5.3.1).
type Handle uint16

// maxHandle is the largest connection handle; handleMask covers the bits of
// the field that handles are carried in.
const (
	maxHandle  Handle = 0x0EFF
	handleMask uint16 = 0x0FFF
)

// Role is a device's role on a link.
type Role uint8

// The two roles.
const (
	RoleCentral    Role = 0x00
	RolePeripheral Role = 0x01
)

// String returns "central", "peripheral" or the hexadecimal form.
func (r Role) String() string {
	switch r {
	case RoleCentral:
		return "central"
	case RolePeripheral:
		return "peripheral"
	}
	return fmt.Sprintf("0x%02x", uint8(r))
}

// PHY is one of the physical layers (Vol 6, Part A, 1.1). Zero stands for none
// where an event has no secondary PHY.
type PHY uint8

// The physical layers.
const (
	PHY1M    PHY = 0x01 // 1 Mb/s
	PHY2M    PHY = 0x02 // 2 Mb/s
	PHYCoded PHY = 0x03 // 125 or 500 kb/s with forward error correction
)

// String returns "1M", "2M", "coded", "none" or the hexadecimal form.
func (p PHY) String() string {
	switch p {
	case 0:
		return "none"
	case PHY1M:
		return "1M"
	case PHY2M:
		return "2M"
	case PHYCoded:
		return "coded"
	}
	return fmt.Sprintf("0x%02x", uint8(p))
}

// PHYs is a set of physical layers.
type PHYs uint8

// The elements of PHYs.
const (
	PHYs1M    PHYs = 1 << 0
	PHYs2M    PHYs = 1 << 1
	PHYsCoded PHYs = 1 << 2
)

// Has reports whether all of want are in p.
func (p PHYs) Has(want PHYs) bool { return p&want == want }

// String lists the elements: "1M+2M"; the empty set is "none".
func (p PHYs) String() string {
	var s []string
	for i, phy := range [...]PHY{PHY1M, PHY2M, PHYCoded} {
		if p>>i&1 != 0 {
			s = append(s, phy.String())
		}
	}
	if rest := p &^ (PHYs1M | PHYs2M | PHYsCoded); rest != 0 {
		s = append(s, fmt.Sprintf("0x%02x", uint8(rest)))
	}
	if s == nil {
		return "none"
	}
	return strings.Join(s, "+")
}

// ConnParams are the connection parameters that a host asks for
// (Vol 4, Part E, 7.8.12 and 7.8.18).
type ConnParams struct {
	IntervalMin, IntervalMax time.Duration // 7.5 ms to 4 s in steps of 1.25 ms
	Latency                  uint16        // connection events that the peripheral may skip, 0 to 499
	Timeout                  time.Duration // supervision timeout, 100 ms to 32 s in steps of 10 ms
}

// ConnParamsInUse are the connection parameters that a link has.
type ConnParamsInUse struct {
	Interval time.Duration // in steps of 1.25 ms
	Latency  uint16        // connection events that the peripheral may skip
	Timeout  time.Duration // supervision timeout, in steps of 10 ms
}

// maxLatency is the largest Max_Latency.
const maxLatency = 499

// Validate returns a *ParamError for the first value that a controller would
// refuse: one out of its range or between two steps, a minimum above its
// maximum, or a timeout that is not longer than the time in which two
// connection events must happen, (1 + Latency) * IntervalMax * 2.
func (p ConnParams) Validate() error { return p.validate(0) }

// validate names op in its error.
func (p ConnParams) validate(op Opcode) error {
	if err := connInterval.check(op, "Connection_Interval_Min", p.IntervalMin); err != nil {
		return err
	}
	if err := connInterval.check(op, "Connection_Interval_Max", p.IntervalMax); err != nil {
		return err
	}
	if p.IntervalMin > p.IntervalMax {
		return &ParamError{op, "Connection_Interval_Min", p.IntervalMin.String(), "at most Connection_Interval_Max, " + p.IntervalMax.String()}
	}
	if p.Latency > maxLatency {
		return &ParamError{op, "Max_Latency", fmt.Sprint(p.Latency), fmt.Sprintf("0 to %d connection events", maxLatency)}
	}
	if err := supervisionTimeout.check(op, "Supervision_Timeout", p.Timeout); err != nil {
		return err
	}
	if floor := time.Duration(1+p.Latency) * p.IntervalMax * 2; p.Timeout <= floor {
		return &ParamError{op, "Supervision_Timeout", p.Timeout.String(), fmt.Sprintf("more than %v, (1 + Max_Latency) * Connection_Interval_Max * 2", floor)}
	}
	return nil
}
