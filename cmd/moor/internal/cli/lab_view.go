package cli

import (
	"sync"

	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/sim"
)

// labView shows the events of a lab or of a bridge. Its methods may be called from any
// goroutine.
type labView struct {
	a    *app
	ends bool // it has said how to end
	mu   sync.Mutex
	told func(*jsonLab) // also gets each event; may be nil
}

// jsonLab is the output of lab --json and of bridge --json for each event.
type jsonLab struct {
	jsonPeripheral
	Controller string `json:"controller,omitempty"`
	// Place is where clients find the controller, Client the address of one.
	Place  string `json:"place,omitempty"`
	Client string `json:"client,omitempty"`
	Device string `json:"device,omitempty"`
	Action string `json:"action,omitempty"`
}

// showClient shows an event of the place of a controller.
func (v *labView) showClient(controller string, e lab.Event) {
	j := &jsonLab{Controller: controller, Place: e.Address, Client: e.Client}
	j.Time, j.Event = e.Time, peripheral.EventKind(e.Kind)
	if e.Err != nil {
		j.Reason = text.DropPackages(e.Err.Error())
	}
	client := "a client"
	if e.Client != "" {
		client = e.Client
	}
	v.show(j, func(out *output) {
		switch e.Kind {
		case lab.EventListening:
			if v.ends {
				out.printf("%s listens at %s; Ctrl-C ends\n", controller, e.Address)
			} else {
				out.printf("%s listens at %s\n", controller, e.Address)
			}
		case lab.EventClient:
			out.printf("%s: %s has come\n", controller, client)
		case lab.EventLeft:
			out.printf("%s: the session of %s has ended: %s\n", controller, client, j.Reason)
		case lab.EventRefused:
			out.printf("%s: %s is refused: %s\n", controller, client, j.Reason)
		}
	})
}

// showWorld shows an event of a device or of the timeline.
func (v *labView) showWorld(e sim.WorldEvent) {
	if e.Action != nil {
		v.showAction(e.Action.Summary(), e)
		return
	}
	p := &peripheralView{a: v.a, adapter: "the air", name: e.Device}
	j := &jsonLab{jsonPeripheral: *p.toJSON(&e.Event), Device: e.Device}
	j.Adapter = ""
	v.show(j, func(out *output) {
		switch e.Event.Kind {
		case peripheral.EventAdvertising:
			out.printf("%s advertises as %v\n", e.Device, e.Event.Own)
		case peripheral.EventConnected, peripheral.EventDisconnected, peripheral.EventPaired, peripheral.EventSubscribed, peripheral.EventWritten:
			out.printf("%s: ", e.Device)
			p.showEvent(e.Event)
		default:
			p.showEvent(e.Event)
		}
	})
}

func (v *labView) showAction(summary string, e sim.WorldEvent) {
	j := &jsonLab{Action: summary}
	j.Time, j.Event = e.Time, "action"
	if e.Err != nil {
		j.Error = text.DropPackages(e.Err.Error())
	}
	v.show(j, func(out *output) {
		out.printf("%s\n", summary)
		if j.Error != "" {
			v.a.printError(j.Error, "")
		}
	})
}

// show writes an event as JSON, or has asText write it.
func (v *labView) show(j *jsonLab, asText func(*output)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.told != nil {
		v.told(j)
	}
	if v.a.JSON {
		v.a.out.json(j)
		return
	}
	asText(v.a.out)
}
