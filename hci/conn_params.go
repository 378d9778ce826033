package hci

import (
	"fmt"
	"time"
)

// ConnParams are the connection parameters that a host requests
// (Vol 4, Part E, 7.8.12 and 7.8.18).
type ConnParams struct {
	IntervalMin, IntervalMax time.Duration // 7.5 ms to 4 s in steps of 1.25 ms
	Latency                  uint16        // connection events that the peripheral may skip, 0 to 499
	Timeout                  time.Duration // supervision timeout, 100 ms to 32 s in steps of 10 ms
}

// ConnParamsInUse are the connection parameters of a link.
type ConnParamsInUse struct {
	Interval time.Duration // in steps of 1.25 ms
	Latency  uint16        // connection events that the peripheral may skip
	Timeout  time.Duration // supervision timeout, in steps of 10 ms
}

// maxLatency is the largest Max_Latency.
const maxLatency = 499

// Validate returns a *ParamError for the first value that a controller would
// refuse: a value out of range or between two steps, a minimum above its maximum,
// or a timeout that is not longer than (1 + Latency) * IntervalMax * 2.
func (p ConnParams) Validate() error { return p.validateFor(0) }

// validateFor is Validate with the command op in its error.
func (p ConnParams) validateFor(op Opcode) error {
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
