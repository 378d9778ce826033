package connmgr

import (
	"encoding/json"
	"time"

	"github.com/moor-ble/moor/hci"
)

// explanationJSON is the JSON of an Explanation: Address has no kind if that is neither
// given nor heard, and times are in milliseconds.
type explanationJSON struct {
	Time    time.Time `json:"time"`
	Address string    `json:"address"`
	*explanationFields
	Params *paramsJSON `json:"params,omitempty"`
}

type explanationFields Explanation

type paramsJSON struct {
	IntervalMin float64 `json:"interval_min_ms"`
	IntervalMax float64 `json:"interval_max_ms"`
	Latency     uint16  `json:"latency"`
	Timeout     float64 `json:"timeout_ms"`
}

// MarshalJSON encodes the Explanation for programs.
func (e Explanation) MarshalJSON() ([]byte, error) {
	j := explanationJSON{Time: e.Time, Address: e.Address.String(), explanationFields: (*explanationFields)(&e)}
	if e.unsure {
		j.Address = e.Address.MAC.String()
	}
	if p := e.Params; p != nil {
		j.Params = &paramsJSON{millis(p.IntervalMin), millis(p.IntervalMax), p.Latency, millis(p.Timeout)}
	}
	return json.Marshal(&j)
}

// UnmarshalJSON decodes the form of MarshalJSON, without the errors in Kept.
func (e *Explanation) UnmarshalJSON(b []byte) error {
	j := explanationJSON{explanationFields: (*explanationFields)(e)}
	err := json.Unmarshal(b, &j)
	if err != nil {
		return err
	}
	e.Time = j.Time
	known := false
	if e.Address, known, err = hci.ParseAddrKind(j.Address); err != nil {
		return err
	}
	e.unsure = !known
	if p := j.Params; p != nil {
		e.Params = &hci.ConnParams{IntervalMin: duration(p.IntervalMin), IntervalMax: duration(p.IntervalMax), Latency: p.Latency, Timeout: duration(p.Timeout)}
	}
	return nil
}

type reachedJSON struct {
	Time    time.Time `json:"time"`
	Adapter string    `json:"adapter"`
	Took    float64   `json:"took_ms"`
}

// MarshalJSON encodes Took in milliseconds, as took_ms.
func (r ReachedExplanation) MarshalJSON() ([]byte, error) {
	return json.Marshal(reachedJSON{r.Time, r.Adapter, millis(r.Took)})
}

// UnmarshalJSON decodes the form of MarshalJSON.
func (r *ReachedExplanation) UnmarshalJSON(b []byte) error {
	var j reachedJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = ReachedExplanation{j.Time, j.Adapter, duration(j.Took)}
	return nil
}

// millis returns d in milliseconds, to ten microseconds.
func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// duration returns a number of milliseconds as a duration.
func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
