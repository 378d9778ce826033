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
