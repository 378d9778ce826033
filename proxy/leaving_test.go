package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
)

// TestLeaverIsNotServed: a client leaves while its request to connect again waits for the
// end of the link. Nothing connects for it any more.
func TestLeaverIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		v := l.user("second")
		v.send(&esphome.SubscribeSlots{})
		v.want(slots(1, 2, 1))
		u.send(connect(1, esphome.Disconnect), connect(1, esphome.ConnectWithCache))
		u.conn.Close()
		v.wantWithin(10*time.Second, slots(2, 2))
		if n := l.adapters[0].Stats().Links; n != 0 {
			t.Errorf("%d links are up", n)
		}
		v.send(connect(1, esphome.ConnectWithCache))
		v.wantWithin(time.Second, slots(1, 2, 1), up(1), slots(1, 2, 1))
	})
}

// TestUnsubscribeEndsLinks: the end of the subscription to advertisements ends the links
// that the client has, unless it subscribes again at once. Those of others live, and so do
// links that it makes later.
func TestUnsubscribeEndsLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		other := l.user("second")
		other.send(&esphome.UnsubscribeAdvertisements{})
		u.send(&esphome.UnsubscribeAdvertisements{})
		u.send(&esphome.SubscribeAdvertisements{Flags: 1})
		u.send(&esphome.UnsubscribeAdvertisements{})
		u.send(&esphome.SubscribeAdvertisements{Flags: 1})
		time.Sleep(time.Second)
		u.send(&esphome.UnsubscribeAdvertisements{})
		u.take()
		u.wantWithin(99 * time.Millisecond)
		u.wantWithin(time.Second, down(1, 0x16), slots(2, 2))
		u.send(connect(1, esphome.ConnectWithoutCache))
		u.want(slots(1, 2, 1))
		u.wantWithin(time.Second, up(1), slots(1, 2, 1))
		u.wantWithin(time.Second)
	})
}

// TestDeadClientGivesItsLinksBack: one that answers no ping loses them after a minute.
func TestDeadClientGivesItsLinksBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, u := connected(t)
		v := l.user("second")
		v.send(&esphome.SubscribeSlots{})
		v.want(slots(1, 2, 1))
		for range 5 { // u says nothing, v is there
			time.Sleep(10 * time.Second)
			v.send(&esphome.PingRequest{})
			v.want(&esphome.PingResponse{})
		}
		u.take()
		v.wantWithin(8 * time.Second)
		v.wantWithin(3*time.Second, slots(2, 2))
	})
}
