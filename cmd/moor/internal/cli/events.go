package cli

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/internal/text"
)

// eventText describes an event of the manager in one line; "" if the event means
// nothing to a user.
func eventText(ev connmgr.Event) string { return text.DropPackages(describeEvent(ev)) }

func describeEvent(ev connmgr.Event) string {
	switch ev := ev.(type) {
	case connmgr.AttemptStarted:
		line := fmt.Sprintf("%s: attempt %d on %s", deviceText(ev.Name, ev.Address.MAC), ev.Attempt, ev.Adapter)
		if ev.Dial > 1 {
			line += fmt.Sprintf(", dial %d", ev.Dial)
		}
		return line
	case connmgr.AttemptFailed:
		line := fmt.Sprintf("%s: attempt %d failed", deviceText(ev.Name, ev.Address.MAC), ev.Attempt)
		if ev.Adapter != "" {
			line += " on " + ev.Adapter
		}
		line += fmt.Sprintf(" (%s): %v", ev.Phase, ev.Err)
		if !ev.Last {
			line += ", next one in " + ev.Backoff.String()
		}
		return line
	case connmgr.Connected:
		how := "table read from the device"
		switch {
		case ev.Shared:
			how = "over the existing link"
		case ev.Cached:
			how = "table from the cache"
		}
		return fmt.Sprintf("%s: connected on %s in %v, %s", deviceText(ev.Name, ev.Address.MAC), ev.Adapter, ev.Duration.Round(time.Millisecond), how)
	case connmgr.Disconnected:
		if _, ended := errors.AsType[*controller.Error](ev.Err); ended { // the event of the adapter tells how
			return fmt.Sprintf("%s: disconnected on %s: the adapter went down", ev.Address.MAC, ev.Adapter)
		}
		return fmt.Sprintf("%s: disconnected on %s: %v", ev.Address.MAC, ev.Adapter, ev.Err)
	case connmgr.ParamsChanged:
		return fmt.Sprintf("%s: %s", ev.Address.MAC, paramsText(ev.Params))
	case connmgr.AdapterChanged:
		switch {
		case errors.Is(ev.Err, net.ErrClosed):
			return "" // the command is over
		case ev.State == connmgr.AdapterOpening:
			return "" // the next event has the outcome
		case ev.Err != nil:
			return fmt.Sprintf("adapter %s is %v: %v", ev.Adapter, ev.State, ev.Err)
		}
		return fmt.Sprintf("adapter %s is %v", ev.Adapter, ev.State)
	case connmgr.ScanChanged:
		if ev.Err != nil {
			return fmt.Sprintf("adapter %s does not scan: %v", ev.Adapter, ev.Err)
		}
		return fmt.Sprintf("adapter %s scans again", ev.Adapter)
	case connmgr.RungTaken:
		if ev.Err != nil {
			return fmt.Sprintf("adapter %s: %v failed: %v", ev.Adapter, ev.Rung, ev.Err)
		}
		return fmt.Sprintf("adapter %s: %v, to bring it back", ev.Adapter, ev.Rung)
	}
	return ""
}

// jsonEvent is the output of connect --json for each event.
type jsonEvent struct {
	Time time.Time `json:"time"`
	// Event is attempt, failed, connected, status, disconnected, params, adapter, scan, recovery or end.
	Event    string   `json:"event"`
	Address  string   `json:"address,omitempty"`
	Name     string   `json:"name,omitempty"`
	Adapter  string   `json:"adapter,omitempty"`
	Attempt  int      `json:"attempt,omitempty"`
	Dial     int      `json:"dial,omitempty"` // of the attempt, from 2 on
	Phase    string   `json:"phase,omitempty"`
	Category string   `json:"category,omitempty"`
	Error    string   `json:"error,omitempty"`
	Backoff  *float64 `json:"backoff_ms,omitempty"` // nil if no attempt follows
	Took     float64  `json:"took_ms,omitempty"`
	Cached   bool     `json:"cached,omitempty"`
	State    string   `json:"state,omitempty"`
	Rung     string   `json:"rung,omitempty"` // of a recovery
	RSSI     *int     `json:"rssi,omitempty"` // dBm
	MTU      int      `json:"mtu,omitempty"`
	// Connections is the number of all connections, in the event end.
	Connections *int `json:"connections,omitempty"`
	// The connection parameters in use.
	Interval float64 `json:"interval_ms,omitempty"`
	Latency  *uint16 `json:"latency,omitempty"`
	Timeout  float64 `json:"timeout_ms,omitempty"` // of supervision
}

// millis returns d in milliseconds, the unit of all durations in JSON. It is exact
// for connection parameters, which have steps of 1.25 and 10 ms.
func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// newJSONEvent returns nil for an event that means nothing to a user.
func newJSONEvent(ev connmgr.Event) *jsonEvent {
	switch ev := ev.(type) {
	case connmgr.AttemptStarted:
		j := &jsonEvent{Time: ev.Time, Event: "attempt", Address: ev.Address.MAC.String(), Name: ev.Name, Adapter: ev.Adapter, Attempt: ev.Attempt}
		if ev.Dial > 1 {
			j.Dial = ev.Dial
		}
		return j
	case connmgr.AttemptFailed:
		j := &jsonEvent{
			Time: ev.Time, Event: "failed", Address: ev.Address.MAC.String(), Name: ev.Name, Adapter: ev.Adapter, Attempt: ev.Attempt,
			Phase: string(ev.Phase), Error: ev.Err.Error(),
		}
		if ev.Class.Category != errclass.None {
			j.Category = ev.Class.Category.String()
		}
		if !ev.Last {
			j.Backoff = new(millis(ev.Backoff))
		}
		return j
	case connmgr.Connected:
		return &jsonEvent{
			Time: ev.Time, Event: "connected", Address: ev.Address.MAC.String(), Name: ev.Name, Adapter: ev.Adapter, Attempt: ev.Attempts,
			Took: millis(ev.Duration), Cached: ev.Cached,
		}
	case connmgr.Disconnected:
		return &jsonEvent{Time: ev.Time, Event: "disconnected", Address: ev.Address.MAC.String(), Adapter: ev.Adapter, Error: ev.Err.Error()}
	case connmgr.ParamsChanged:
		p := ev.Params
		return &jsonEvent{
			Time: ev.Time, Event: "params", Address: ev.Address.MAC.String(), Adapter: ev.Adapter,
			Interval: millis(p.Interval), Latency: &p.Latency, Timeout: millis(p.Timeout),
		}
	case connmgr.AdapterChanged:
		j := &jsonEvent{Time: ev.Time, Event: "adapter", Adapter: ev.Adapter, State: ev.State.String()}
		if ev.Err != nil {
			j.Error = ev.Err.Error()
		}
		return j
	case connmgr.ScanChanged:
		j := &jsonEvent{Time: ev.Time, Event: "scan", Adapter: ev.Adapter}
		if ev.Err != nil {
			j.Error = ev.Err.Error()
		}
		return j
	case connmgr.RungTaken:
		j := &jsonEvent{Time: ev.Time, Event: "recovery", Adapter: ev.Adapter, Rung: ev.Rung.String()}
		if ev.Err != nil {
			j.Error = ev.Err.Error()
		}
		return j
	}
	return nil
}
