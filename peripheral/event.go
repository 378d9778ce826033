package peripheral

import (
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	EventAdvertising  EventKind = "advertising"  // with Own and Data
	EventConnected    EventKind = "connected"    // with Peer
	EventDisconnected EventKind = "disconnected" // with Peer and Reason
	EventPaired       EventKind = "paired"       // with Peer and Authenticated
	EventSubscribed   EventKind = "subscribed"   // with Peer, Characteristic, Notify and Indicate
	EventWritten      EventKind = "written"      // with Peer, Characteristic and Value
	EventValue        EventKind = "value"        // with Characteristic and Value: it has moved, or was set
	EventReloaded     EventKind = "reloaded"     // with Characteristics: Reload has replaced the table
	EventFailed       EventKind = "failed"       // with Characteristic and Err: a command of the description
)

// Event is an action of a peripheral or of one of its centrals. The fields that its
// Kind does not have are zero.
type Event struct {
	Time time.Time
	Kind EventKind
	// Peer is the central: its identity address if it is known.
	Peer hci.Addr
	// Characteristic is the name of the characteristic, or else its UUID.
	Characteristic string
	// Value is a value; it belongs to the receiver.
	Value []byte
	// Notify and Indicate are the subscriptions of the central from now on.
	Notify, Indicate bool
	// Authenticated reports that the pairing was protected by a passkey.
	Authenticated bool
	// Reason is the reason for the end of a link, zero without one.
	Reason hci.Status
	// Own is the own address, Data the advertising options.
	Own  hci.Addr
	Data *controller.AdvertiseOptions
	// Characteristics is the number of characteristics of the new table.
	Characteristics int
	Err             error
}

// reportEvent calls Options.Event.
func (e *Engine) reportEvent(ev Event) {
	if e.opts.Event == nil {
		return
	}
	e.eventMu.Lock()
	defer e.eventMu.Unlock()
	ev.Time = time.Now()
	e.opts.Event(ev)
}
