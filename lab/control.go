//go:build !minimal

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownweb"
	"github.com/moor-ble/moor/sim"
)

// Bounds of the control interface.
const (
	maxOrder    = 1 << 20          // octets of an order
	maxReaders  = 64               // of the events
	readerQueue = 256              // events that wait for a reader
	orderTime   = 10 * time.Second // of an order in the world
)

// Control serves the state and the events of a world over HTTP, and takes orders:
//
//   - GET /state is the state, see State.
//   - GET /events is a line of JSON for each event from now on, without an end. A reader that
//     is slow is dropped.
//   - POST /set carries out an action in the syntax of the events of scenario files, YAML or
//     JSON. The answer is 204, or 400 with the reason in the field error.
//
// There is no password: it is for a Unix socket or loopback. Requests of web pages are
// refused.
type Control struct {
	cfg ControlConfig

	mu      sync.Mutex // leaf; guards the rest
	readers map[chan []byte]struct{}
}

// ControlConfig holds the properties of a Control. World must be set.
type ControlConfig struct {
	World *sim.World
	// Ports are the places of its controllers, by name.
	Ports map[string]*Port
	// Ordered is called after each order that was understood, with its outcome. Default: no call.
	Ordered func(sim.Action, error)
}

// State is the state of a world, as GET /state shows it.
type State struct {
	Controllers []ControllerState `json:"controllers"`
	Devices     []DeviceState     `json:"devices"`
}

// ControllerState is the state of a controller.
type ControllerState struct {
	Name    string   `json:"name"`
	Address hci.Addr `json:"address"`
	// Place is where clients find it; empty if it is not attached.
	Place      string `json:"place,omitempty"`
	Client     bool   `json:"client"` // it has one
	Links      int    `json:"links"`
	Commands   int64  `json:"commands"`
	BadPackets int64  `json:"bad_packets"` // of its clients
}

// DeviceState is the state of a device.
type DeviceState struct {
	Name       string   `json:"name"`
	Address    hci.Addr `json:"address"`
	Advertised int64    `json:"advertised"` // advertising events
	Sent       int64    `json:"sent"`       // packets on links
	Received   int64    `json:"received"`
}

// NewControl returns a Control, which serves once Serve is called.
func NewControl(cfg *ControlConfig) *Control {
	return &Control{cfg: *cfg, readers: map[chan []byte]struct{}{}}
}

// Publish sends an event, as JSON, to the readers of /events. It does not block, and any
// goroutine may call it.
func (c *Control) Publish(event any) error {
	b, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("lab: event: %w", err)
	}
	b = append(b, '\n')
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.readers {
		select {
		case r <- b:
		default:
			delete(c.readers, r)
			close(r)
		}
	}
	return nil
}

// ListenControl opens a place for a Control: a Unix socket, or a TCP port of loopback.
func ListenControl(ctx context.Context, p Place) (net.Listener, error) {
	if p.Kind != PlaceUnix && p.Kind != PlaceTCP || !p.IsLocal() {
		return nil, &ListenError{p, errors.New("everybody who reaches it could change the lab"), "write unix:PATH or tcp:127.0.0.1:PORT"}
	}
	return listenSocket(ctx, p)
}

// Serve serves requests until ctx ends, which is no error. It closes l.
func (c *Control) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", c.serveState)
	mux.HandleFunc("GET /events", c.serveEvents)
	mux.HandleFunc("POST /set", c.serveOrder)
	if err := ownweb.Serve(ctx, l, mux, controlHost); err != nil {
		return fmt.Errorf("lab: control: %w", err)
	}
	return nil
}

func (c *Control) serveState(w http.ResponseWriter, _ *http.Request) {
	s, err := c.state()
	if err != nil {
		ownweb.AnswerError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // the client may have gone
}

func (c *Control) state() (*State, error) {
	world := c.cfg.World
	s := &State{Devices: []DeviceState{}}
	for _, a := range world.Attachments() {
		stats := a.Controller.Stats()
		st := ControllerState{Name: a.Name, Address: a.Controller.Address(), Links: stats.Links, Commands: stats.Commands, BadPackets: stats.BadPackets}
		if p := c.cfg.Ports[a.Name]; p != nil {
			st.Place, st.Client = p.Address(), p.HasClient()
		}
		s.Controllers = append(s.Controllers, st)
	}
	for _, name := range world.Devices() {
		node, err := world.Device(name)
		if err != nil {
			return nil, err
		}
		address, err := world.Address(name)
		if err != nil {
			return nil, err
		}
		u := world.Air().Usage(node)
		s.Devices = append(s.Devices, DeviceState{Name: name, Address: address, Advertised: u.Advertised, Sent: u.Sent, Received: u.Received})
	}
	return s, nil
}

func (c *Control) serveEvents(w http.ResponseWriter, r *http.Request) {
	events := make(chan []byte, readerQueue)
	c.mu.Lock()
	full := len(c.readers) >= maxReaders
	if !full {
		c.readers[events] = struct{}{}
	}
	c.mu.Unlock()
	if full {
		ownweb.AnswerError(w, http.StatusServiceUnavailable, fmt.Errorf("there are %d readers already: end one", maxReaders))
		return
	}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.readers, events)
	}()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/jsonl")
	w.WriteHeader(http.StatusOK)
	if out.Flush() != nil {
		return
	}
	for {
		select {
		case b, ok := <-events:
			if !ok {
				return // it was slow
			}
			_ = out.SetWriteDeadline(time.Now().Add(Patience))
			if _, err := w.Write(b); err != nil || out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (c *Control) serveOrder(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if err != nil {
		ownweb.AnswerError(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	a, err := c.cfg.World.ParseAction(b)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), orderTime)
		err = c.cfg.World.Do(ctx, a)
		cancel()
		if c.cfg.Ordered != nil {
			c.cfg.Ordered(a, err)
		}
	}
	if err != nil {
		ownweb.AnswerError(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// controlHost is the host in the requests of SendOrder.
const controlHost = "lab"

// SendOrder gives an order to the Control at a place: an action in the syntax of the events
// of scenario files.
func SendOrder(ctx context.Context, p Place, order []byte) error {
	network := "tcp"
	if p.Kind == PlaceUnix {
		network = "unix"
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, p.Name)
		},
		DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+controlHost+"/set", bytes.NewReader(order))
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		if number, ok := errors.AsType[syscall.Errno](err); ok {
			return fmt.Errorf("lab: no lab at %v: %w: start one with moor lab FILE --control %v", p, number, p)
		}
		return fmt.Errorf("lab: %v: %w", p, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return nil
	}
	var refusal struct{ Error string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxOrder)).Decode(&refusal); err != nil || refusal.Error == "" {
		return fmt.Errorf("lab: %v is not the control interface of a lab: it answers %s", p, answer.Status)
	}
	return errors.New(refusal.Error)
}
