package cli

import (
	"bytes"
	"sync"
	"time"

	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/sim"
)

// labView shows the events of a lab or of a bridge. Its methods may be called from any
// goroutine, and do not wait for the reader of the output: events that its queue has no room
// for are dropped, and their number is shown.
type labView struct {
	a       *app
	ends    bool // it has said how to end
	mu      sync.Mutex
	told    func(*jsonLab) // also gets each event; may be nil
	queue   chan labOutput
	dropped int // guarded by mu: since the last item of the queue
}

// labQueue bounds the events that wait for the reader of the output.
const labQueue = 1024

// labOutput is the output of an event.
type labOutput struct {
	stdout, stderr bytes.Buffer
	dropped        int // the events that were dropped before it
}

// newLabView returns a view of a, and the function that ends it, once the output of its
// events is written, and no method is called any more.
func newLabView(a *app, ends bool) (v *labView, end func()) {
	v = &labView{a: a, ends: ends, queue: make(chan labOutput, labQueue)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for o := range v.queue {
			v.writeEvent(&o)
		}
	}()
	return v, func() {
		v.mu.Lock()
		last := labOutput{dropped: v.dropped}
		v.mu.Unlock()
		if last.dropped > 0 {
			v.queue <- last
		}
		close(v.queue)
		<-done
	}
}

// writeEvent writes the output of an event.
func (v *labView) writeEvent(o *labOutput) {
	switch {
	case o.dropped == 0:
	case v.a.JSON:
		j := &jsonLab{Dropped: o.dropped}
		j.Time, j.Event = time.Now(), "dropped"
		v.a.out.json(j)
	default:
		v.a.out.printf("%s dropped: the output was not read\n", plural(o.dropped, "event"))
	}
	v.a.out.writeBytes(o.stdout.Bytes())
	if o.stderr.Len() > 0 {
		_, _ = v.a.env.Stderr.Write(o.stderr.Bytes()) // nowhere else to tell
	}
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
	// Dropped is the number of events that are missing, as the output was not read.
	Dropped int `json:"dropped,omitempty"`
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
	v.show(j, func(a *app) {
		switch e.Kind {
		case lab.EventListening:
			if v.ends {
				a.out.printf("%s listens at %s; Ctrl-C ends\n", controller, e.Address)
			} else {
				a.out.printf("%s listens at %s\n", controller, e.Address)
			}
		case lab.EventClient:
			a.out.printf("%s: %s has come\n", controller, client)
		case lab.EventLeft:
			a.out.printf("%s: the session of %s has ended: %s\n", controller, client, j.Reason)
		case lab.EventRefused:
			a.out.printf("%s: %s is refused: %s\n", controller, client, j.Reason)
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
	v.show(j, func(a *app) {
		switch e.Event.Kind {
		case peripheral.EventAdvertising:
			a.out.printf("%s advertises as %v\n", e.Device, e.Event.Own)
		case peripheral.EventConnected, peripheral.EventDisconnected, peripheral.EventPaired, peripheral.EventSubscribed, peripheral.EventWritten:
			a.out.printf("%s: ", e.Device)
			p.a = a
			p.showEvent(e.Event)
		default:
			p.a = a
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
	v.show(j, func(a *app) {
		a.out.printf("%s\n", summary)
		if j.Error != "" {
			a.printError(j.Error, "")
		}
	})
}

// show queues an event, as JSON or as asText writes it with an app whose output is the queue.
func (v *labView) show(j *jsonLab, asText func(*app)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.told != nil {
		v.told(j)
	}
	if len(v.queue) == cap(v.queue) { // only this goroutine adds to it
		v.dropped++
		return
	}
	o := labOutput{dropped: v.dropped}
	v.dropped = 0
	queued, env := *v.a, *v.a.env
	env.Stdout, env.Stderr = &o.stdout, &o.stderr
	queued.env, queued.out = &env, &output{w: &o.stdout, cancel: v.a.out.cancel}
	if v.a.JSON {
		queued.out.json(j)
	} else {
		asText(&queued)
	}
	v.queue <- o
}
