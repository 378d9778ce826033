package gatt_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

func TestServiceChanged(t *testing.T) { bubble(testServiceChanged)(t) }

func testServiceChanged(t *testing.T) {
	c, ch := newBattery(t)
	wantNoError(t, script(t, ch, c.EnableServiceChanged, "12 1000 0200", "13"))
	wantNoError(t, script(t, ch, c.EnableServiceChanged)) // done already
	inside := char(t, c, 0x2A19)
	s := subscribe(t, ch, inside, nil, "12 0400 0100", "13")
	ch.Receive("1b 0300 01")
	generic, err := c.Char(t.Context(), u16(0x1801), u16(0x2A05))
	wantNoError(t, err)
	told := make(chan att.HandleRange, 2)
	go func() {
		for {
			r, err := c.ServiceChanged(t.Context())
			if err != nil {
				return
			}
			told <- r
		}
	}()

	ch.Receive("1d 0f00 0500 0600") // touches the service, though not all of it
	ch.Want("1e")
	if r := <-told; r != (att.HandleRange{Start: 5, End: 6}) {
		t.Errorf("told %s", r)
	}
	_, err = inside.Read(t.Context())
	wantIs(t, err, gatt.ErrStale)
	wantIs(t, inside.Write(t.Context(), nil), gatt.ErrStale)
	wantIs(t, inside.WriteNoResponse(t.Context(), nil), gatt.ErrStale)
	_, err = inside.Subscribe(t.Context(), nil)
	wantIs(t, err, gatt.ErrStale)
	_, err = inside.Descriptors(t.Context())
	wantIs(t, err, gatt.ErrStale)
	wantNext(t, s, "01", 0)
	_, err = s.Next(t.Context())
	wantIs(t, err, gatt.ErrStale)
	wantNoError(t, s.Close()) // there is nothing to tell the peer
	ch.WantIdle()
	// The other service has not changed.
	wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := generic.Read(ctx); return err }, "0a 0f00", "0b"))
	// A Char that is requested now is discovered anew, in the current table.
	wantNoError(t, script(t, ch, func(ctx context.Context) error {
		inside, err = c.Char(ctx, u16(0x180F), u16(0x2A19))
		return err
	}, "06 0100 ffff 0028 0f18", "07 0100 ffff", "08 0200 ffff 0328", "09 07 0200 12 0300 192a", "08 0400 ffff 0328", "01 08 0400 0a"))
	wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := inside.Read(ctx); return err }, "0a 0300", "0b 01"))
}

func TestMalformedServiceChanged(t *testing.T) { bubble(testMalformedServiceChanged)(t) }

// The range is ignored, the indication confirmed.
func testMalformedServiceChanged(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	for _, value := range []string{"", "0100", "0100 ff", "0600 0500", "0000 ffff", "0100 ffff 00"} {
		ch.Receive("1d 0f00" + value)
		ch.Want("1e")
		ch.WantIdle()
	}
	wantNoError(t, chr.Check())
	ch.Receive("1d 0e00 0100 ffff") // another attribute
	ch.Want("1e")
	wantNoError(t, chr.Check())
	ch.Receive("1d 0f00 0100 ffff")
	ch.Want("1e")
	wantIs(t, chr.Check(), gatt.ErrStale)
}

func TestQueuedRequestsDoNotHitAnotherAttribute(t *testing.T) {
	bubble(testQueuedRequestsDoNotHitAnotherAttribute)(t)
}

func testQueuedRequestsDoNotHitAnotherAttribute(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	out := call(func() error { _, err := chr.Read(t.Context()); return err })
	queued := call(func() error { return chr.Write(t.Context(), []byte{1}) })
	ch.SetFull(true)
	command := call(func() error { return chr.WriteNoResponse(t.Context(), []byte{1}) })
	ch.Want("0a 0300")
	ch.Receive("1d 0f00 0100 0b00")
	ch.Want("1e")
	ch.SetFull(false)
	wantIs(t, returned(t, command), gatt.ErrStale)
	ch.Receive("0b 77") // may be another attribute's value
	wantIs(t, returned(t, out), gatt.ErrStale)
	wantIs(t, returned(t, queued), gatt.ErrStale)
	ch.WantIdle()
}

func TestServiceChangedTellsTheUnionOfWhatNobodyAskedFor(t *testing.T) {
	bubble(testServiceChangedUnion)(t)
}

func testServiceChangedUnion(t *testing.T) {
	c, ch := newBattery(t)
	for range 40 { // more than the log of changes holds
		ch.Receive("1d 0f00 0100 0300", "1d 0f00 0800 0900")
		ch.Want("1e", "1e")
	}
	r, err := c.ServiceChanged(t.Context())
	if err != nil || r != (att.HandleRange{Start: 1, End: 9}) {
		t.Errorf("told %s, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.ServiceChanged(ctx)
	wantIs(t, err, context.Canceled)
}

func TestOldHandlesStayStaleForEver(t *testing.T) { bubble(testOldHandlesStayStaleForEver)(t) }

// Also after the log of changes was shortened.
func testOldHandlesStayStaleForEver(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	ch.Receive("1d 0f00 0300 0300")
	ch.Want("1e")
	for range 100 {
		ch.Receive("1d 0f00 2000 3000")
		ch.Want("1e")
	}
	wantIs(t, chr.Check(), gatt.ErrStale)
	c.SetProfile(battery())
	wantNoError(t, char(t, c, 0x2A19).Check())
}

func TestServiceChangedBeforeItsHandleIsKnown(t *testing.T) {
	bubble(testServiceChangedBeforeItsHandleIsKnown)(t)
}

// A bonded peer indicates a change from before the connection at once: a cached
// profile is invalid then.
func testServiceChangedBeforeItsHandleIsKnown(t *testing.T) {
	c, ch := newClient(t)
	ch.Receive("1d 0f00 0100 ffff")
	ch.Want("1e")
	c.SetProfile(battery())
	wantNoError(t, script(t, ch, func(ctx context.Context) error {
		p, err := c.Discover(ctx)
		if err == nil && len(p.Services) != 0 {
			err = errors.New("the cached profile was used")
		}
		return err
	}, "10 0100 ffff 0028", "01 10 0100 0a"))
}

func TestServiceChangedDuringDiscovery(t *testing.T) { bubble(testServiceChangedDuringDiscovery)(t) }

func testServiceChangedDuringDiscovery(t *testing.T) {
	p := newPeer(referenceTable(), 247)
	changes := 1
	p.answerFirst = func(pdu []byte) [][]byte {
		if att.Opcode(pdu[0]) == att.OpReadByTypeReq && changes > 0 {
			changes--
			req, _ := att.Parse(pdu)
			return [][]byte{
				att.HandleValueIndication{Handle: 10, Value: []byte{1, 0, 0xFF, 0xFF}}.AppendPDU(nil),
				p.respond(req).AppendPDU(nil),
			}
		}
		return nil
	}
	c, _ := p.start(t, nil)
	_, err := c.Char(t.Context(), u16(0x1801), u16(0x2A05))
	wantNoError(t, err)
	changes = 1
	before := p.requests
	got, err := c.Discover(t.Context())
	wantNoError(t, err)
	if diff := cmp.Diff(&p.profile, got); diff != "" {
		t.Error(diff)
	}
	if n := p.requests - before; n != 12 {
		t.Errorf("%d requests, want 12: the first round ends with the change", n)
	}
	// A peer whose table never stops changing.
	changes = 1000
	_, err = c.Rediscover(t.Context())
	wantIs(t, err, gatt.ErrStale)
}

func TestDatabaseOutOfSync(t *testing.T) { bubble(testDatabaseOutOfSync)(t) }

func testDatabaseOutOfSync(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	err := script(t, ch, func(ctx context.Context) error { _, err := chr.Read(ctx); return err }, "0a 0300", "01 0a 0300 12")
	wantIs(t, err, gatt.ErrStale, att.CodeDatabaseOutOfSync)
	var ae *att.Error
	if !errors.As(err, &ae) || ae.Handle != 3 {
		t.Errorf("%v does not say which request", err)
	}
	wantIs(t, chr.Check(), gatt.ErrStale)
	_, err = s.Next(t.Context())
	wantIs(t, err, gatt.ErrStale)
	r, err := c.ServiceChanged(t.Context())
	if err != nil || r != (att.HandleRange{Start: 1, End: 0xFFFF}) {
		t.Errorf("told %s, %v", r, err)
	}
	// The layer above finds the same hash and sets the table again. Values for a
	// subscription that the peer still remembers are early again.
	ch.Receive("1b 0300 01")
	c.SetProfile(battery())
	s = subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	ch.Receive("1b 0300 02")
	wantNext(t, s, "01", 0)
	wantNext(t, s, "02", 0)
}

func TestClientSupportedFeatures(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []string
	}{
		{"not yet", []string{"0a 0300", "0b 00", "12 0300 05", "13"}},
		{"empty", []string{"0a 0300", "0b", "12 0300 05", "13"}},
		{"others are never cleared", []string{"0a 0300", "0b 0a80", "12 0300 0f80", "13"}},
		{"all there", []string{"0a 0300", "0b 07"}},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			b := newTable()
			b.service(u16(0x1801)).char(u16(0x2B29), propR|propW, nil)
			c.SetProfile(&b.profile)
			wantNoError(t, script(t, ch, c.WriteClientSupportedFeatures, test.steps...))
		}))
	}
	t.Run("none", bubble(func(t *testing.T) {
		c, _ := newBattery(t)
		wantIs(t, c.WriteClientSupportedFeatures(t.Context()), gatt.ErrNotFound)
	}))
}

// TestServiceChangedIsEnabledOnce: a peer that indicates Service Changed at each
// write of its configuration gets one write: after a change, the client reads
// whether the configuration still stands.
func TestServiceChangedIsEnabledOnce(t *testing.T) { bubble(testServiceChangedIsEnabledOnce)(t) }

func testServiceChangedIsEnabledOnce(t *testing.T) {
	c, ch := newBattery(t)
	wantNoError(t, script(t, ch, c.EnableServiceChanged, "12 1000 0200", "1d 0f00 0100 ffff", "1e", "13"))
	for _, test := range []struct{ name, answer, write string }{
		{"still enabled", "0b 0200", ""},
		{"still enabled, with another bit", "0b 0300", ""},
		{"forgotten", "0b 0000", "12 1000 0200"},
		{"not to be read", "01 0a 1000 02", "12 1000 0200"},
		{"of another length", "0b 02", "12 1000 0200"},
	} {
		c.SetProfile(battery())
		steps := []string{"0a 1000", test.answer}
		if test.write != "" {
			steps = append(steps, test.write, "13")
		}
		t.Log(test.name)
		wantNoError(t, script(t, ch, c.EnableServiceChanged, steps...))
		wantNoError(t, script(t, ch, c.EnableServiceChanged)) // done already
		ch.Receive("1d 0f00 0e00 1000")
		ch.Want("1e")
	}
}

// TestServiceChangedComesToRest: a peer whose table never stops changing is
// reported at growing intervals, up to a minute, and at once again after a rest.
func TestServiceChangedComesToRest(t *testing.T) { bubble(testServiceChangedComesToRest)(t) }

func testServiceChangedComesToRest(t *testing.T) {
	c, ch := newBattery(t)
	began := time.Now()
	var waits []time.Duration
	storm := func() {
		ch.Receive("1d 0f00 0100 0300")
		ch.Want("1e")
	}
	for last := began; len(waits) < 10; {
		storm()
		_, err := c.ServiceChanged(t.Context())
		wantNoError(t, err)
		waits = append(waits, time.Since(last))
		last = time.Now()
	}
	s := time.Second
	if diff := cmp.Diff([]time.Duration{0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	// The wait ends with ctx, and keeps the change.
	storm()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.ServiceChanged(ctx)
	wantIs(t, err, context.DeadlineExceeded)
	time.Sleep(3 * time.Minute)
	began = time.Now()
	_, err = c.ServiceChanged(t.Context())
	wantNoError(t, err)
	storm()
	_, err = c.ServiceChanged(t.Context())
	wantNoError(t, err)
	if took := time.Since(began); took != 0 {
		t.Errorf("two changes after a rest took %v, want none", took)
	}
	// It ends with the link, too.
	storm()
	done := call(func() error { _, err := c.ServiceChanged(t.Context()); return err })
	pending(t, done)
	ch.Disconnect(nil)
	if err := returned(t, done); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want the end of the link", err)
	}
}
