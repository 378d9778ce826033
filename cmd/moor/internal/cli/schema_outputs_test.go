//go:build !minimal

package cli

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/servicecache"
	"github.com/moor-ble/moor/slots"
)

// outputs lists the objects that each command writes with --json.
var outputs = map[string][]any{
	"adapters":   {jsonAdapter{}, jsonProxy{}},
	"doctor":     {jsonFinding{}},
	"slots":      {jsonSlots{}},
	"bridge":     {jsonLab{}},
	"scan":       {jsonHeard{}, jsonSync{}},
	"advertise":  {jsonAdvertised{}, jsonAdapterState{}},
	"devices":    {jsonDevice{}},
	"peripheral": {jsonPeripheral{}, jsonAdapterState{}},
	"lab":        {jsonLab{}},
	"proxy":      {jsonListening{}, jsonProxyKey{}},
	"connect":    {jsonEvent{}},
	"why":        {connmgr.Explanation{}},
	"info":       {jsonInfo{}},
	"services":   {jsonService{}},
	"read":       {jsonValue{}},
	"write":      {jsonWrite{}},
	"notify":     {jsonSubscribed{}, jsonNotification{}},
	"params":     {jsonParams{}},
	"pair":       {jsonPaired{}},
	"unpair":     {jsonUnpaired{}, jsonUnpairedByProxy{}},
	"stale":      {jsonStale{}},
	"cache":      {jsonTable{}, jsonTraits{}, jsonCleared{}},
	"bonds":      {jsonBond{}, jsonExported{}, jsonImported{}},
	"version":    {jsonVersion{}},
}

// noJSON lists the commands without --json.
var noJSON = []string{"demo", "completion"}

// ownForms has a schema, or a type with the same JSON, for each type that has a MarshalJSON
// of its own.
var ownForms = map[reflect.Type]any{
	reflect.TypeFor[json.Number](): schema{"type": "number"},
	reflect.TypeFor[time.Time]():   schema{"type": "string", "format": "date-time"},
	// A Count is null if it is not known.
	reflect.TypeFor[slots.Count](): schema{"type": []string{"integer", "null"}},
	reflect.TypeFor[slots.SlotStatus](): struct {
		Address   string  `json:"address"`
		Connected bool    `json:"connected"`
		Handle    uint16  `json:"handle"` // if connected
		Priority  int     `json:"priority"`
		Age       float64 `json:"age_ms"`
		Idle      float64 `json:"idle_ms"`
	}{},
	reflect.TypeFor[servicecache.Hash](): schema{"type": "string"},
	reflect.TypeFor[payload.Frame](): struct {
		Format    string            `json:"format"`
		Model     string            `json:"model,omitempty"`
		Device    string            `json:"device,omitempty"`
		Counter   *uint32           `json:"counter,omitempty"`
		Encrypted bool              `json:"encrypted,omitempty"`
		Authentic bool              `json:"authentic,omitempty"` // the sender has the key
		Readings  []payload.Reading `json:"readings,omitempty"`
		ID        payload.ID        `json:"id,omitempty"`
		Problem   string            `json:"problem,omitempty"`
	}{},
	reflect.TypeFor[payload.Reading](): struct {
		Kind  string `json:"kind"`
		Index int    `json:"index,omitempty"`
		Value any    `json:"value"` // a number, true or false for a state, or text
		Unit  string `json:"unit"`
	}{},
	// The identity of a beacon has the fields of one of the kinds.
	reflect.TypeFor[payload.ID](): struct {
		UUID      string `json:"uuid,omitempty"`
		Major     *int   `json:"major,omitempty"`
		Minor     *int   `json:"minor,omitempty"`
		Power1    *int   `json:"power_1m,omitempty"` // dBm
		Namespace string `json:"namespace,omitempty"`
		Instance  string `json:"instance,omitempty"`
		URL       string `json:"url,omitempty"`
		EID       string `json:"eid,omitempty"`
		Power0    *int   `json:"power_0m,omitempty"` // dBm
	}{},
	reflect.TypeFor[connmgr.ReachedExplanation](): struct {
		Time    time.Time `json:"time"`
		Adapter string    `json:"adapter"`
		Took    float64   `json:"took_ms"`
	}{},
	reflect.TypeFor[connmgr.KeepStatus](): struct {
		Address       string     `json:"address"`
		State         string     `json:"state"`
		Since         time.Time  `json:"since"`
		Until         *time.Time `json:"until,omitempty"`
		Adapter       string     `json:"adapter,omitempty"`
		Attempts      int        `json:"attempts"`
		Establishes   int        `json:"establishes"`
		Failures      int        `json:"failures"`
		Drops         int        `json:"drops"`
		Rests         int        `json:"rests"`
		Subscriptions int        `json:"subscriptions"`
		Subscribed    int        `json:"subscribed"`
		Err           string     `json:"error,omitempty"`
		ErrTime       *time.Time `json:"error_time,omitempty"`
	}{},
	reflect.TypeFor[connmgr.Explanation](): struct {
		Time    time.Time `json:"time"`
		Address string    `json:"address"` // without its kind if that is not known
		*explanation
		Params *struct {
			IntervalMin float64 `json:"interval_min_ms"`
			IntervalMax float64 `json:"interval_max_ms"`
			Latency     uint16  `json:"latency"`
			Timeout     float64 `json:"timeout_ms"`
		} `json:"params,omitempty"` // remembered for the device
	}{},
}

// explanation has the fields of an Explanation, without its MarshalJSON.
type explanation connmgr.Explanation
