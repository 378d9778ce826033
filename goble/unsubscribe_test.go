package goble_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/uuid"
)

// TestUnsubscribeOtherKind subscribes to a characteristic that only notifies as if it
// indicated. Unsubscribe for either kind ends that: no value arrives after it, the
// descriptor is cleared, and the client is of further use.
func TestUnsubscribeOtherKind(t *testing.T) {
	for _, subscribe := range []bool{true, false} {
		for _, unsubscribe := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(t)
				values := make(chan []byte, 100)
				handle := func(b []byte) { values <- b }
				if err := s.c.Subscribe(s.char, subscribe, handle); err != nil {
					t.Fatal(err)
				}
				wantValues(t, s, values, 1)
				if err := s.c.Unsubscribe(s.char, unsubscribe); err != nil {
					t.Errorf("subscribed with ind %v, unsubscribed with ind %v: %v", subscribe, unsubscribe, err)
				}
				wantValues(t, s, values, 0)
				if err := s.c.Subscribe(s.char, !subscribe, handle); err != nil {
					t.Fatal(err)
				}
				wantValues(t, s, values, 1)
				if err := s.c.ClearSubscriptions(); err != nil {
					t.Error(err)
				}
				wantValues(t, s, values, 0)
			})
		}
	}
}

// wantValues has the device notify, and wants so many values at the handler.
func wantValues(t *testing.T, s *shelf, values <-chan []byte, want int) {
	t.Helper()
	h, ok := s.p.Server().Handle(uuid.From16(0x180F), uuid.From16(0x2A19))
	if !ok {
		t.Fatal("the device has no such characteristic")
	}
	if _, err := s.p.Server().Notify(t.Context(), h, []byte{7}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if got := len(values); got != want {
		t.Fatalf("%d values, want %d", got, want)
	}
	for range want {
		<-values
	}
}
