package peripheral

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

// handleOf returns the value handle of a characteristic in the present table, and the
// server; 0 if the table has changed.
func (e *Engine) handleOf(c *Characteristic) (*gatt.Server, att.Handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server, e.handles[c]
}

// placeHandles finds the handles of the characteristics in the server's table, in which
// the services of d come last.
func placeHandles(s *gatt.Server, d *Description) map[*Characteristic]att.Handle {
	handles := map[*Characteristic]att.Handle{}
	services := s.Profile().Services
	services = services[len(services)-len(d.Services):]
	for i := range d.Services {
		for j := range d.Services[i].Characteristics {
			handles[&d.Services[i].Characteristics[j]] = services[i].Characteristics[j].Value
		}
	}
	return handles
}

// publish sets a value and sends it to the centrals that have subscribed. The error of
// a link that has ended is no error.
func (e *Engine) publish(ctx context.Context, c *Characteristic, value []byte) error {
	s, h := e.handleOf(c)
	if h == att.HandleNone {
		return nil
	}
	if err := s.SetValue(h, value); err != nil {
		return err
	}
	e.keepValue(c, value)
	e.reportEvent(Event{Kind: EventValue, Characteristic: c.label(), Value: slices.Clone(value)})
	p := c.properties()
	if p.Has(gatt.PropNotify) {
		_, _ = s.Notify(ctx, h, value)
	}
	if p.Has(gatt.PropIndicate) {
		_, _ = s.Indicate(ctx, h, value)
	}
	return nil
}

// keepValue remembers the value for writes of a part of it.
func (e *Engine) keepValue(c *Characteristic, value []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.values[c] = slices.Clone(value)
}

// SetValue sets the value of the characteristic of a name or UUID, in its format, and
// sends it to the centrals that have subscribed. A name of the form SERVICE/CHARACTERISTIC
// with two UUIDs selects one of several. It returns once the links have accepted the value.
// The error wraps ErrNoCharacteristic if there is none.
func (e *Engine) SetValue(ctx context.Context, name, text string) error {
	e.mu.Lock()
	d, serving := e.d, e.host != nil
	e.mu.Unlock()
	c, err := d.Find(name)
	if err != nil {
		return err
	}
	value, err := c.Encode(text)
	if err != nil {
		return fmt.Errorf("peripheral: %s: %w", c.label(), err)
	}
	if n := len(value); n < c.minLength() || n > c.maxLength() {
		return fmt.Errorf("peripheral: %s: %d octets: the length must be %d to %d", c.label(), n, c.minLength(), c.maxLength())
	}
	if !serving {
		return errors.New("peripheral: the engine does not serve: values are set while Serve runs")
	}
	return e.publish(ctx, c, value)
}

// Find returns the characteristic of a name or UUID, as Engine.SetValue does. The error
// wraps ErrNoCharacteristic and names those that there are.
func (d *Description) Find(name string) (*Characteristic, error) {
	service, chr, both := strings.Cut(name, "/")
	var labels []string
	for i := range d.Services {
		s := &d.Services[i]
		for j := range s.Characteristics {
			c := &s.Characteristics[j]
			if c.matchesName(name) || both && isUUID(service, s.UUID) && c.matchesName(chr) {
				return c, nil
			}
			labels = append(labels, c.label())
		}
	}
	return nil, fmt.Errorf("peripheral: %w as %q: there are %s", ErrNoCharacteristic, name, strings.Join(labels, ", "))
}

func isUUID(text string, u uuid.UUID) bool {
	got, err := uuid.Parse(text)
	return err == nil && got == u
}

// handleWrite takes a value that a central has written.
func (e *Engine) handleWrite(ctx context.Context, c *Characteristic, r *gatt.WriteRequest) error {
	value := r.Value
	e.mu.Lock()
	old := e.values[c]
	e.mu.Unlock()
	if r.Offset > 0 {
		if r.Offset > len(old) {
			return att.CodeInvalidOffset
		}
		joined := append(slices.Clone(old[:r.Offset]), value...)
		if c.minLength() == c.maxLength() && len(joined) < len(old) {
			joined = append(joined, old[len(joined):]...)
		}
		value = joined
	}
	if n := len(value); n < c.minLength() || n > c.maxLength() {
		return att.CodeInvalidAttributeValueLength
	}
	s, h := e.handleOf(c)
	if h == att.HandleNone {
		return att.CodeUnlikelyError
	}
	if err := s.SetValue(h, value); err != nil {
		return err
	}
	e.keepValue(c, value)
	e.reportEvent(Event{Kind: EventWritten, Peer: e.peerOf(r.Session), Characteristic: c.label(), Value: slices.Clone(value)})
	if c.Behavior.Kind == Echo {
		return e.publish(ctx, c, value)
	}
	return nil
}

// startValues starts the behaviors of d.
func (e *Engine) startValues(ctx context.Context, d *Description) {
	run, stop := context.WithCancel(ctx)
	moving := &sync.WaitGroup{}
	n := uint64(0)
	for i := range d.Services {
		for j := range d.Services[i].Characteristics {
			c := &d.Services[i].Characteristics[j]
			n++
			if k := c.Behavior.Kind; k == Constant || k == Echo {
				continue
			}
			rng := rand.New(rand.NewPCG(e.opts.Seed, n))
			moving.Go(func() { e.moveValue(run, c, rng) })
		}
	}
	e.mu.Lock()
	e.stop, e.moving = stop, moving
	e.mu.Unlock()
}

// stopValues ends the behaviors and waits for them.
func (e *Engine) stopValues() {
	e.mu.Lock()
	stop, moving := e.stop, e.moving
	e.stop, e.moving = nil, nil
	e.mu.Unlock()
	if stop != nil {
		stop()
		moving.Wait()
	}
}

// moveValue runs the behavior of a characteristic until ctx ends.
func (e *Engine) moveValue(ctx context.Context, c *Characteristic, rng *rand.Rand) {
	m := &mover{c: c, rng: rng}
	for {
		wait, ok := m.wait()
		if !ok || !pause(ctx, wait) {
			return
		}
		value, err := m.next(ctx, e.opts.Run)
		if err == nil {
			err = e.publish(ctx, c, value)
		}
		if err != nil && ctx.Err() == nil {
			e.reportEvent(Event{Kind: EventFailed, Characteristic: c.label(), Err: err})
		}
	}
}

// pause waits, and reports false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Reload replaces the description while Serve runs: the table, with Service Changed for
// the centrals that have subscribed to it, the values, their behavior and the
// advertising. Links stay. The address and the pairing cannot change.
func (e *Engine) Reload(ctx context.Context, d *Description) error {
	if err := e.check(d); err != nil {
		return err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	e.mu.Lock()
	old, h, s, run := e.d, e.host, e.server, e.run
	e.mu.Unlock()
	switch {
	case h == nil:
		return errors.New("peripheral: the engine does not serve: the description is replaced while Serve runs")
	case old.Own() != d.Own() || old.Address.Resolvable != d.Address.Resolvable || old.Rotation != d.Rotation:
		return fieldErrorf("address", "it changes only when the peripheral starts: start it again")
	case old.Pairing != d.Pairing:
		return fieldErrorf("pairing", "it changes only when the peripheral starts: start it again")
	case old.NoGATT != d.NoGATT:
		return fieldErrorf("no-gatt", "it changes only when the peripheral starts: start it again")
	}
	e.stopValues()
	if err := s.SetServices(ctx, d.serviceDefs(e)); err != nil {
		e.startValues(run, old)
		return err
	}
	n := e.adopt(s, d)
	if d.Name != old.Name {
		if name, ok := s.Handle(uuid.From16(0x1800), uuid.From16(0x2A00)); ok {
			_ = s.SetValue(name, []byte(d.Name)) // is kept in the table
		}
	}
	e.reportEvent(Event{Kind: EventReloaded, Characteristics: n})
	err := e.advertise(ctx, h, d)
	e.startValues(run, d)
	return err
}

// adopt makes d, whose table the server has, the present description. It returns the
// number of characteristics.
func (e *Engine) adopt(s *gatt.Server, d *Description) int {
	handles := placeHandles(s, d)
	values := map[*Characteristic][]byte{}
	for c := range handles {
		values[c], _ = c.Encode(c.Value) // is valid
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.d, e.server, e.handles, e.values = d, s, handles, values
	return len(handles)
}
