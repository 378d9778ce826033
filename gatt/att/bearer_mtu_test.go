package att_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

func TestMalformedMTURequestBreaksNothing(t *testing.T) {
	bubble(testMalformedMTURequestBreaksNothing)(t)
}

func testMalformedMTURequestBreaksNothing(t *testing.T) {
	b, ch := newBearer(t, nil)
	ch.Receive("02", "02 40", "02 4000 00")
	ch.Want("01 02 0000 04", "01 02 0000 04", "01 02 0000 04")
	if b.MTU() != 23 {
		t.Errorf("MTU %d", b.MTU())
	}
	ch.Receive("02 4000")
	ch.Want("03 0502")
	if b.MTU() != 64 {
		t.Errorf("MTU %d", b.MTU())
	}
	read := start(t.Context(), b, att.ReadReq{Handle: 1})
	ch.Want("0a 0100")
	ch.Receive("0b 01")
	wantValue(t, returned(t, read), "01")
}

func TestMTUIsTheSmallerOfBoth(t *testing.T) {
	for _, test := range []struct {
		name   string
		ours   int
		asked  string // what we send
		answer string
		want   int
	}{
		{"peer smaller", 517, "02 0502", "03 6400", 100},
		{"peer larger", 100, "02 6400", "03 0002", 100}, // asked 100, server 512
		{"peer absurd", 517, "02 0502", "03 ffff", 517},
		{"peer below the minimum", 517, "02 0502", "03 0500", 23},
		{"peer zero", 517, "02 0502", "03 0000", 23},
		{"not supported", 517, "02 0502", "01 02 0000 06", 23},
		{"default", 0, "02 0502", "03 0502", 517},
		{"more than is of use", 4000, "02 0502", "03 0502", 517},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, &att.Config{MTU: test.ours})
			done := make(chan result[int], 2)
			for range 2 {
				go func() {
					mtu, err := b.ExchangeMTU(t.Context())
					done <- result[int]{mtu, err}
				}()
			}
			ch.Want(test.asked)
			ch.WantIdle()
			ch.Receive(test.answer)
			ch.WantIdle() // the second caller asks nothing
			for range 2 {
				if r := returned(t, done); r.err != nil || r.rsp != test.want {
					t.Errorf("MTU %d, %v; want %d", r.rsp, r.err, test.want)
				}
			}
			if b.MTU() != test.want {
				t.Errorf("MTU() = %d, want %d", b.MTU(), test.want)
			}
		}))
	}
}

// TestOfferMTU: the first offer goes to the peer, and the answer to the peer's own request
// states the same MTU.
func TestOfferMTU(t *testing.T) {
	for _, test := range []struct {
		name          string
		ours, offered int
		asked, answer string
		want          int
	}{
		{"less than ours", 517, 100, "02 6400", "03 0002", 100},
		{"more than ours", 100, 200, "02 6400", "03 0002", 100},
		{"peer smaller", 517, 100, "02 6400", "03 4000", 64},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, &att.Config{MTU: test.ours})
			done := make(chan result[int], 1)
			go func() {
				mtu, err := b.OfferMTU(t.Context(), test.offered)
				done <- result[int]{mtu, err}
			}()
			ch.Want(test.asked)
			ch.Receive(test.answer)
			if r := returned(t, done); r.err != nil || r.rsp != test.want {
				t.Errorf("MTU %d, %v; want %d", r.rsp, r.err, test.want)
			}
			if mtu, err := b.OfferMTU(t.Context(), 300); err != nil || mtu != test.want {
				t.Errorf("a second offer: MTU %d, %v; want %d", mtu, err, test.want)
			}
			ch.Receive("02 0002")
			ch.Want("03" + test.asked[2:])
		}))
	}
	t.Run("the default", bubble(func(t *testing.T) {
		b, ch := newBearer(t, nil)
		if mtu, err := b.OfferMTU(t.Context(), 23); err != nil || mtu != 23 {
			t.Errorf("MTU %d, %v", mtu, err)
		}
		ch.WantIdle()
	}))
}

func TestMTUExchangeThatFails(t *testing.T) { bubble(testMTUExchangeThatFails)(t) }

func testMTUExchangeThatFails(t *testing.T) {
	b, ch := newBearer(t, nil)
	exchange := func() <-chan result[int] {
		done := make(chan result[int], 1)
		go func() {
			mtu, err := b.ExchangeMTU(t.Context())
			done <- result[int]{mtu, err}
		}()
		synctest.Wait()
		return done
	}
	done := exchange()
	ch.Want("02 0502")
	ch.Receive("01 02 0000 04") // noble's queue stalls here
	if r := returned(t, done); !errors.Is(r.err, att.CodeInvalidPDU) || r.rsp != 23 {
		t.Errorf("MTU %d, %v", r.rsp, r.err)
	}
	if r := returned(t, exchange()); r.err != nil || r.rsp != 23 {
		t.Errorf("MTU %d, %v", r.rsp, r.err)
	}
	ch.WantIdle()
	// The peer's own exchange is another one.
	ch.Receive("02 3000", "02 6000")
	ch.Want("03 0502", "03 0502")
	if b.MTU() != 0x30 {
		t.Errorf("MTU %d after the peer's second exchange", b.MTU())
	}
}

func TestMTUAnswerCountsWithoutItsCaller(t *testing.T) {
	bubble(testMTUAnswerCountsWithoutItsCaller)(t)
}

func testMTUAnswerCountsWithoutItsCaller(t *testing.T) {
	b, ch := newBearer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.ExchangeMTU(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ch.Receive("03 f700")
	if b.MTU() != 247 {
		t.Errorf("MTU %d, want 247: the peer uses it already", b.MTU())
	}
}

func TestNoMTUExchangeWhereItIsPointless(t *testing.T) {
	bubble(func(t *testing.T) {
		b, ch := newBearer(t, &att.Config{MTU: 5})
		if mtu, err := b.ExchangeMTU(t.Context()); mtu != 23 || err != nil {
			t.Errorf("MTU %d, %v", mtu, err)
		}
		ch.WantIdle()
	})(t)
}

// A peer that has asked by itself knows both values, and some do not answer
// another request: there is nothing left to ask.
func TestNoMTUExchangeAfterThePeerHasAsked(t *testing.T) {
	bubble(func(t *testing.T) {
		b, ch := newBearer(t, nil)
		ch.Receive("02 f700")
		ch.Want("03 0502")
		if mtu, err := b.ExchangeMTU(t.Context()); mtu != 247 || err != nil {
			t.Errorf("MTU %d, %v; want 247", mtu, err)
		}
		ch.WantIdle()
	})(t)
}
