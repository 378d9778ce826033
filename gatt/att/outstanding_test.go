package att_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// Outstanding tells since when the peer owes an answer, IdleSince since when it owes
// none.
func TestOutstanding(t *testing.T) {
	bubble(func(t *testing.T) {
		b, ch := newBearer(t, nil)
		want := func(since time.Time, ok bool, why string) {
			t.Helper()
			got, busy := b.Outstanding()
			if busy != ok || ok && !got.Equal(since) {
				t.Errorf("%s: outstanding %v since %v, want %v since %v", why, busy, got, ok, since)
			}
		}
		wantIdle := func(since time.Time, ok bool, why string) {
			t.Helper()
			if got, idle := b.IdleSince(); idle != ok || ok && !got.Equal(since) {
				t.Errorf("%s: idle %v since %v, want %v since %v", why, idle, got, ok, since)
			}
		}
		want(time.Time{}, false, "a new bearer")
		wantIdle(time.Time{}, true, "a new bearer")
		begin := time.Now()
		done := make(chan error, 2)
		read := func(h att.Handle) {
			_, err := att.Do(t.Context(), b, att.ReadReq{Handle: h})
			done <- err
		}
		go read(3)
		synctest.Wait()
		go read(4)
		time.Sleep(8 * time.Second)
		want(begin, true, "the first read")
		wantIdle(time.Time{}, false, "the first read")
		ch.Want("0a 0300")
		ch.Receive("0b 01")
		synctest.Wait()
		want(begin.Add(8*time.Second), true, "the second read, which had to wait")
		ch.Want("0a 0400")
		ch.Receive("01 0a 0400 02")
		synctest.Wait()
		time.Sleep(time.Second)
		want(time.Time{}, false, "both answered")
		wantIdle(begin.Add(8*time.Second), true, "both answered a second ago")
		<-done
		<-done
	})(t)
}

// Heard tells of the next PDU of the peer, Unasked of the last one that answers nothing.
func TestHeard(t *testing.T) {
	bubble(func(t *testing.T) {
		b, ch := newBearer(t, nil)
		if got := b.Unasked(); !got.IsZero() {
			t.Errorf("a new bearer: a value at %v", got)
		}
		for _, c := range []struct {
			pdu     string
			unasked bool
		}{
			{"1b 0300 01", true},      // a notification
			{"1d 0300 01", true},      // an indication
			{"23 0300 0100 01", true}, // several values
			{"0b 01", false},          // a response
			{"0a 0300", false},        // a request
			{"ff", false},             // a command that nobody knows
		} {
			time.Sleep(time.Second)
			before, first, second := b.Unasked(), b.Heard(), b.Heard()
			select {
			case <-first:
				t.Fatalf("%s: heard before it came", c.pdu)
			default:
			}
			ch.Receive(c.pdu)
			synctest.Wait()
			for _, heard := range []<-chan struct{}{first, second} {
				select {
				case <-heard:
				default:
					t.Errorf("%s: not heard", c.pdu)
				}
			}
			want := before
			if c.unasked {
				want = time.Now()
			}
			if got := b.Unasked(); !got.Equal(want) {
				t.Errorf("%s: the last value was at %v, want %v", c.pdu, got, want)
			}
		}
	})(t)
}
