package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// battery is a profile with a characteristic that notifies (value 0x0003, CCCD
// 0x0004), one that indicates (0x0006, 0x0007), one that does both (0x0009,
// 0x000a), one that does neither (0x000c), and Service Changed (0x000f, 0x0010).
func battery() *gatt.Profile {
	b := newTable()
	b.service(u16(0x180F)).
		char(u16(0x2A19), propRN, nil).desc(0x2902).
		char(u16(0x2A1A), propI, nil).desc(0x2902).
		char(u16(0x2A1B), propN|propI, nil).desc(0x2902).
		char(u16(0x2A1C), propR, nil)
	b.service(u16(0x1801)).char(u16(0x2A05), propI, nil).desc(0x2902)
	return &b.profile
}

// newBattery returns a client with that profile.
func newBattery(t *testing.T) (*gatt.Client, *atttest.Channel) {
	c, ch := newClient(t)
	c.SetProfile(battery())
	return c, ch
}

func char(t *testing.T, c *gatt.Client, u uint16) *gatt.Char {
	t.Helper()
	ch, err := c.Char(t.Context(), u16(0x180F), u16(u))
	wantNoError(t, err)
	return ch
}

// subscribe subscribes while the test accepts the CCCD write as the peer.
func subscribe(t *testing.T, ch *atttest.Channel, chr *gatt.Char, opts *gatt.SubscribeOptions, steps ...string) *gatt.Subscription {
	t.Helper()
	var s *gatt.Subscription
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		s, err = chr.Subscribe(ctx, opts)
		return err
	}, steps...))
	return s
}

// wantNext takes a value that must be there.
func wantNext(t *testing.T, s *gatt.Subscription, want string, dropped uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	v, err := s.Next(ctx)
	if err != nil || !bytes.Equal(v.Data, atttest.Hex(t, want)) || v.Dropped != dropped {
		t.Fatalf("got %x, %d dropped, %v; want %s, %d dropped", v.Data, v.Dropped, err, want, dropped)
	}
}

func wantEmpty(t *testing.T, s *gatt.Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if v, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %+v, %v; want nothing", v, err)
	}
}

// next calls Next in a goroutine.
func next(t *testing.T, s *gatt.Subscription) <-chan error {
	return call(func() error { _, err := s.Next(t.Context()); return err })
}

func TestSubscribe(t *testing.T) { bubble(testSubscribe)(t) }

func testSubscribe(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	wantEmpty(t, s)
	arrived := time.Now()
	ch.Receive("1b 0300 63", "1b 0300 62", "23 0300 0100 61 0300 0200 6060", "1b 0900 ff")
	v, err := s.Next(t.Context())
	wantNoError(t, err)
	if !bytes.Equal(v.Data, []byte{0x63}) || v.Indication || !v.Time.Equal(arrived) || v.Dropped != 0 {
		t.Errorf("got %+v", v)
	}
	for _, want := range []string{"62", "61", "6060"} {
		wantNext(t, s, want, 0)
	}
	wantEmpty(t, s)
	waiting := next(t, s)
	pending(t, waiting)
	ch.Receive("1b 0300 59")
	wantNoError(t, returned(t, waiting))
	wantNoError(t, script(t, ch, func(context.Context) error { return s.Close() }, "12 0400 0000", "13"))
	wantNoError(t, s.Close())
	_, err = s.Next(t.Context())
	wantIs(t, err, net.ErrClosed)
	ch.Receive("1b 0300 58") // nobody wants it
	ch.WantIdle()
}

func TestNothingIsMissedWhileSubscribing(t *testing.T) {
	bubble(testNothingIsMissedWhileSubscribing)(t)
}

// The peer may send as soon as it knows, before its response.
func testNothingIsMissedWhileSubscribing(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "1b 0300 01", "", "13")
	wantNext(t, s, "01", 0)
}

func TestEarlyValues(t *testing.T) { bubble(testEarlyValues)(t) }

// A bonded peer remembers its subscribers and sends before the client
// subscribes.
func testEarlyValues(t *testing.T) {
	c, ch := newClient(t)
	ch.Receive("1b 0300 01", "1d 0600 02")
	ch.Want("1e")
	for i := range 14 {
		ch.Receive(fmt.Sprintf("1b 0500 %02x", i))
	}
	ch.Receive("1b 0300 03") // the first has to make room
	c.SetProfile(battery())
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	wantNext(t, s, "03", 0)
	wantEmpty(t, s)
	s = subscribe(t, ch, char(t, c, 0x2A1A), nil, "12 0700 0200", "13")
	wantNext(t, s, "02", 0)
	ch.WantIdle() // confirmed long ago
}

func TestOldEarlyValues(t *testing.T) { bubble(testOldEarlyValues)(t) }

// A value that came at the start of the link is no news to a program that subscribes
// later.
func testOldEarlyValues(t *testing.T) {
	c, ch := newClient(t)
	ch.Receive("1b 0300 01", "1b 0600 02")
	time.Sleep(time.Second)
	ch.Receive("1b 0300 03")
	c.SetProfile(battery())
	time.Sleep(59 * time.Second)
	s := subscribe(t, ch, char(t, c, 0x2A1A), nil, "12 0700 0200", "13")
	wantNext(t, s, "02", 0)
	time.Sleep(time.Millisecond)
	s = subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	wantNext(t, s, "03", 0)
	wantEmpty(t, s)
}

func TestSubscribeKinds(t *testing.T) { bubble(testSubscribeKinds)(t) }

func testSubscribeKinds(t *testing.T) {
	c, ch := newBattery(t)
	both := char(t, c, 0x2A1B)
	subscribe(t, ch, char(t, c, 0x2A1A), nil, "12 0700 0200", "13")
	n := subscribe(t, ch, both, nil, "12 0a00 0100", "13")
	i := subscribe(t, ch, both, &gatt.SubscribeOptions{Indicate: true}, "12 0a00 0300", "13")
	wantNoError(t, script(t, ch, func(context.Context) error { return n.Close() }, "12 0a00 0200", "13"))
	ch.Receive("1d 0900 01")
	ch.Want("1e")
	wantNext(t, i, "01", 0)
	_, err := char(t, c, 0x2A1C).Subscribe(t.Context(), nil)
	wantIs(t, err, gatt.ErrNotSubscribable)
	ch.WantIdle()
}

func TestSubscribeWithoutCCCD(t *testing.T) { bubble(testSubscribeWithoutCCCD)(t) }

func testSubscribeWithoutCCCD(t *testing.T) {
	c, ch := newClient(t)
	b := newTable()
	b.service(u16(0x180F)).char(u16(0x2A19), propRN, nil)
	c.SetProfile(&b.profile)
	_, err := char(t, c, 0x2A19).Subscribe(t.Context(), nil)
	wantIs(t, err, gatt.ErrNoCCCD)
	ch.WantIdle()
}

func TestSecondSubscribeDoesNotStealTheFirst(t *testing.T) {
	bubble(testSecondSubscribeDoesNotStealTheFirst)(t)
}

// go-ble keeps the old handler of a second Subscribe.
func testSecondSubscribeDoesNotStealTheFirst(t *testing.T) {
	c, ch := newBattery(t)
	first := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	ch.Receive("1b 0300 01")
	second := subscribe(t, ch, char(t, c, 0x2A19), nil) // the peer knows already
	ch.Receive("1b 0300 02")
	wantNext(t, first, "01", 0)
	wantNext(t, first, "02", 0)
	wantNext(t, second, "02", 0)
	wantNoError(t, script(t, ch, func(context.Context) error { return first.Close() })) // not the last
	ch.Receive("1b 0300 03")
	wantNext(t, second, "03", 0)
	wantNoError(t, script(t, ch, func(context.Context) error { return second.Close() }, "12 0400 0000", "13"))
	// And from the start again.
	third := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	ch.Receive("1b 0300 04")
	wantNext(t, third, "04", 0)
}

func TestValuesAreNotShared(t *testing.T) { bubble(testValuesAreNotShared)(t) }

func testValuesAreNotShared(t *testing.T) {
	c, ch := newBattery(t)
	first := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	second := subscribe(t, ch, char(t, c, 0x2A19), nil)
	ch.Receive("1b 0300 01")
	v, err := first.Next(t.Context())
	wantNoError(t, err)
	v.Data[0] = 0xFF
	wantNext(t, second, "01", 0)
}

func TestFailedCCCDWriteIsNotASuccess(t *testing.T) { bubble(testFailedCCCDWriteIsNotASuccess)(t) }

// go-ble records it as subscribed, and the retry sends nothing.
func testFailedCCCDWriteIsNotASuccess(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	err := script(t, ch, func(ctx context.Context) error { _, err := chr.Subscribe(ctx, nil); return err },
		"12 0400 0100", "01 12 0400 0f")
	if err == nil {
		t.Fatal("no error")
	}
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	// A second subscription that fails leaves the first as it was.
	ch.Receive("1b 0300 01")
	wantNext(t, s, "01", 0)
	wantNoError(t, script(t, ch, func(context.Context) error { return s.Close() }, "12 0400 0000", "13"))
}

func TestCanceledSubscribe(t *testing.T) { bubble(testCanceledSubscribe)(t) }

func testCanceledSubscribe(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	ctx, cancel := context.WithCancel(t.Context())
	done := call(func() error { _, err := chr.Subscribe(ctx, nil); return err })
	ch.Want("12 0400 0100")
	cancel()
	wantIs(t, returned(t, done), context.Canceled)
	ch.Receive("13")
	ch.Want("12 0400 0000") // the peer has taken it, but nobody wants it
	ch.Receive("13")
	ch.Receive("1b 0300 01")
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	wantEmpty(t, s)

	// With another subscription, the peer is to hold its bits.
	both := char(t, c, 0x2A1B)
	subscribe(t, ch, both, nil, "12 0a00 0100", "13")
	ctx, cancel = context.WithCancel(t.Context())
	done = call(func() error { _, err := both.Subscribe(ctx, &gatt.SubscribeOptions{Indicate: true}); return err })
	ch.Want("12 0a00 0300")
	cancel()
	wantIs(t, returned(t, done), context.Canceled)
	ch.Receive("13")
	ch.Want("12 0a00 0100")
	ch.Receive("01 12 0a00 0e") // which fails, as nobody sees
	subscribe(t, ch, both, nil, "12 0a00 0100", "13")
}

func TestReadInsideAConsumer(t *testing.T) { bubble(testReadInsideAConsumer)(t) }

// In go-ble, reading inside a notification handler deadlocks.
func testReadInsideAConsumer(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	read := make(chan error, 1)
	go func() {
		for v, err := range s.All(t.Context()) {
			if err != nil {
				read <- err
				return
			}
			got, err := chr.Read(t.Context())
			if err == nil && !bytes.Equal(got, v.Data) {
				err = fmt.Errorf("read %x, notified %x", got, v.Data)
			}
			if err == nil {
				err = s.Close()
			}
			read <- err
			return
		}
	}()
	ch.Receive("1b 0300 2a")
	ch.Want("0a 0300")
	ch.Receive("1b 0300 2b") // more while it reads
	ch.Receive("0b 2a")
	ch.Want("12 0400 0000")
	ch.Receive("13")
	wantNoError(t, returned(t, read))
}

func TestSubscriptionEndsWithTheLink(t *testing.T) { bubble(testSubscriptionEndsWithTheLink)(t) }

func testSubscriptionEndsWithTheLink(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	ch.Receive("1b 0300 01")
	cause := errors.New("supervision timeout")
	reading := call(func() error { _, err := chr.Read(t.Context()); return err })
	ch.Want("0a 0300")
	ch.Disconnect(cause)
	wantIs(t, returned(t, reading), cause)
	var got []string
	for v, err := range s.All(t.Context()) { // what had come is still there
		got = append(got, fmt.Sprintf("%x %v", v.Data, errors.Is(err, cause)))
	}
	if want := []string{"01 false", " true"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantNoError(t, s.Close())
	_, err := chr.Subscribe(t.Context(), nil)
	wantIs(t, err, cause, net.ErrClosed)
	_, err = c.Discover(t.Context())
	wantIs(t, err, cause)
	wantIs(t, c.WriteNoResponse(t.Context(), 3, nil), cause)
	_, err = c.ServiceChanged(t.Context())
	wantIs(t, err, cause)
	wantIs(t, c.Err(), cause)
}

// The result of a call does not depend on chance: the end of the link takes
// precedence over that of its context, and both over knowledge of the table.
func TestEndsInOrder(t *testing.T) { bubble(testEndsInOrder)(t) }

func testEndsInOrder(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	gone := errors.New("gone")
	dead, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	calls := map[string]func(context.Context) error{
		"char":            func(ctx context.Context) error { _, err := c.Char(ctx, u16(0x180F), u16(0x2A19)); return err },
		"char by handle":  func(ctx context.Context) error { _, err := c.CharByHandle(ctx, 3); return err },
		"next":            func(ctx context.Context) error { _, err := s.Next(ctx); return err },
		"service changed": func(ctx context.Context) error { _, err := c.ServiceChanged(ctx); return err },
	}
	for range 50 {
		for name, call := range calls {
			if err := call(dead); !errors.Is(err, gone) {
				t.Fatalf("%s with a dead context: error %v", name, err)
			}
		}
	}
	cause := errors.New("supervision timeout")
	ch.Disconnect(cause)
	for range 50 {
		for name, call := range calls {
			for _, ctx := range []context.Context{t.Context(), dead} {
				if err := call(ctx); !errors.Is(err, cause) {
					t.Fatalf("%s after the link: error %v, want %v", name, err, cause)
				}
			}
		}
	}
}

func TestCloseIsNotHeldUpByARequest(t *testing.T) { bubble(testCloseIsNotHeldUpByARequest)(t) }

// In go-ble, closing waits for the same lock as a pending request, up to 30 s.
func testCloseIsNotHeldUpByARequest(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	waiting := next(t, s)
	reading := call(func() error { _, err := chr.Read(t.Context()); return err })
	closing := call(s.Close)
	wantIs(t, returned(t, waiting), net.ErrClosed) // at once
	pending(t, closing)                            // until the peer knows
	began := time.Now()
	ch.Disconnect(nil)
	for _, done := range []<-chan error{reading, closing} {
		if err := returned(t, done); err != nil && !errors.Is(err, atttest.ErrDisconnected) {
			t.Error(err)
		}
	}
	if d := time.Since(began); d != 0 {
		t.Errorf("it took %v", d)
	}
}

// TestListen: a value that comes without a configuration descriptor is received,
// and nothing is written.
func TestListen(t *testing.T) { bubble(testListen)(t) }

func testListen(t *testing.T) {
	c, ch := newBattery(t)
	ch.Receive("1b 0c00 01") // before the subscription
	listen := &gatt.SubscribeOptions{Listen: true}
	// The characteristic has no configuration, and does not even claim to notify.
	s := subscribe(t, ch, char(t, c, 0x2A1C), listen)
	ch.Receive("1b 0c00 02", "1d 0c00 03")
	ch.Want("1e")
	wantNext(t, s, "01", 0)
	wantNext(t, s, "02", 0)
	wantNext(t, s, "03", 0)
	wantNoError(t, s.Close())
	ch.WantIdle()
	_, err := s.Next(t.Context())
	wantIs(t, err, net.ErrClosed)

	// Beside a subscription, it changes nothing: neither the bits nor their end.
	other := subscribe(t, ch, char(t, c, 0x2A1B), nil, "12 0a00 0100", "13")
	s = subscribe(t, ch, char(t, c, 0x2A1B), listen)
	ch.Receive("1b 0900 04")
	wantNext(t, s, "04", 0)
	wantNext(t, other, "04", 0)
	wantNoError(t, script(t, ch, func(context.Context) error { return other.Close() }, "12 0a00 0000", "13"))
	ch.Receive("1b 0900 05")
	wantNext(t, s, "05", 0)

	// It ends with the service, as any subscription.
	wantNoError(t, script(t, ch, c.EnableServiceChanged, "12 1000 0200", "13"))
	ch.Receive("1d 0f00 0100 0c00")
	ch.Want("1e")
	_, err = s.Next(t.Context())
	wantIs(t, err, gatt.ErrStale)
}

// TestValueMayBeCut: a peer cuts a value off that does not fit its PDU, which
// the receiver cannot see but by the length.
func TestValueMayBeCut(t *testing.T) { bubble(testValueMayBeCut)(t) }

func testValueMayBeCut(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	wantCut := func(n int, want bool) {
		t.Helper()
		ch.Receive("1b 0300" + octets(n))
		v, err := s.Next(t.Context())
		if err != nil || len(v.Data) != n || v.MayBeCut != want {
			t.Errorf("%d octets of %d, cut off: %v, want %v; %v", len(v.Data), n, v.MayBeCut, want, err)
		}
	}
	wantCut(19, false)
	wantCut(20, true)
	wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := c.ExchangeMTU(ctx); return err },
		"02 0502", "02 a702", "03 0502", "03 6700"))
	wantCut(19, false)
	wantCut(20, true) // by the default MTU
	wantCut(21, false)
	wantCut(99, false)
	wantCut(100, true)
	wantCut(300, true)
}

// TestCloseDoesNotWaitForASilentPeer: Close, which has no context, waits a while
// for the peer. The configuration is cleared all the same.
func TestCloseDoesNotWaitForASilentPeer(t *testing.T) { bubble(testCloseDoesNotWaitForASilentPeer)(t) }

func testCloseDoesNotWaitForASilentPeer(t *testing.T) {
	c, ch := newBattery(t)
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	read := call(func() error { _, err := chr.Read(t.Context()); return err })
	ch.Want("0a 0300") // and no answer
	began := time.Now()
	err := s.Close()
	wantIs(t, err, context.DeadlineExceeded)
	if took := time.Since(began); took != 5*time.Second {
		t.Errorf("Close took %v, want 5s", took)
	}
	_, err = s.Next(t.Context())
	wantIs(t, err, net.ErrClosed)
	wantNoError(t, s.Close())
	ch.Receive("0b 01")
	wantNoError(t, returned(t, read))
	ch.Want("12 0400 0000")
	// The next subscription waits until that is settled.
	next := call(func() error { _, err := chr.Subscribe(t.Context(), nil); return err })
	ch.WantIdle()
	ch.Receive("13")
	ch.Want("12 0400 0100")
	ch.Receive("13")
	wantNoError(t, returned(t, next))
}
