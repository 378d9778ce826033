package connmgr_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// unread is a Keep for work only, on a link that another user keeps, with a subscription
// that nobody reads.
type unread struct {
	*keeper
	p    *sim.Peripheral
	sub  *connmgr.KeptSubscription
	sent int
}

func newUnread(t *testing.T, queue int) *unread {
	t.Helper()
	l := newLab(t, connmgr.Config{})
	u := &unread{p: l.device(1)}
	u.keeper = l.keep(1, &connmgr.KeepOptions{Idle: 2 * second})
	c := l.establish(1, nil)
	t.Cleanup(func() { c.Close() })
	u.sub = u.Subscribe(battery, level, &gatt.SubscribeOptions{Queue: queue})
	return u
}

// receive makes the device send n values while there is work, and then waits until the
// Keep has ended its use of the link.
func (u *unread) receive(n int) {
	u.l.t.Helper()
	h, _ := u.p.Server().Handle(battery, level)
	err := u.Do(u.l.t.Context(), func(*connmgr.Client) error {
		for range n {
			if to, err := u.p.Server().Notify(u.l.t.Context(), h, []byte{byte(u.sent), byte(u.sent >> 8)}); err != nil || to != 1 {
				u.l.t.Errorf("notified %d, %v", to, err)
			}
			u.sent++
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
	if err != nil {
		u.l.t.Error(err)
	}
	u.await(connmgr.KeepIdle)
	time.Sleep(second)
}

// wantNext checks the next n values, from the one with a number on.
func (u *unread) wantNext(from, n int) {
	u.l.t.Helper()
	for i := from; i < from+n; i++ {
		v, err := u.sub.Next(u.l.t.Context())
		if err != nil || len(v.Data) != 2 || int(v.Data[0])|int(v.Data[1])<<8 != i || v.Dropped != 0 {
			u.l.t.Fatalf("got %x, %d dropped, %v; want the value %d", v.Data, v.Dropped, err, i)
		}
	}
}

// wantInterrupted checks that the next is an interruption, after others were dropped. A
// nil reason means that values come again.
func (u *unread) wantInterrupted(reason error, dropped int) {
	u.l.t.Helper()
	v, err := u.sub.Next(u.l.t.Context())
	e, ok := errors.AsType[*connmgr.InterruptedError](err)
	if !ok || e.Dropped != dropped || !errors.Is(e.Err, reason) {
		u.l.t.Fatalf("got %x, %v, %+v; want the reason %v and %d dropped", v.Data, err, e, reason, dropped)
	}
}

// Values that nobody has read when the use of a link ends are there later, as many as
// SubscribeOptions.Queue allows.
func TestKeepHoldsUnreadValues(t *testing.T) { inBubble(t, testKeepHoldsUnreadValues) }

func testKeepHoldsUnreadValues(t *testing.T) {
	u := newUnread(t, 1000)
	u.receive(300)
	u.receive(200)
	u.wantNext(0, 300)
	u.wantInterrupted(connmgr.ErrIdle, 0)
	u.wantInterrupted(nil, 0)
	u.wantNext(300, 200)
	u.wantInterrupted(connmgr.ErrIdle, 0)
	wantInterruptions(t, u.sub)
}

// Of too many links that nobody has read the values of, the oldest are dropped, and the
// next interruption tells how many there were: no value is lost in silence.
func TestKeepCountsDroppedInterruptions(t *testing.T) {
	inBubble(t, testKeepCountsDroppedInterruptions)
}

func testKeepCountsDroppedInterruptions(t *testing.T) {
	// 86 links are 257 items: the values and the interruption of each, and "again" between
	// them.
	u := newUnread(t, 0)
	for range 86 {
		u.receive(2)
	}
	u.wantInterrupted(nil, 1)
	for i := 1; i < 86; i++ {
		u.wantNext(2*i, 2)
		u.wantInterrupted(connmgr.ErrIdle, 0)
		if i < 85 {
			u.wantInterrupted(nil, 0)
		}
	}
	wantInterruptions(t, u.sub)
}

// Values stay after the end of the Kept, until the subscription is closed.
func TestKeptSubscriptionClosedAfterTheEnd(t *testing.T) {
	inBubble(t, testKeptSubscriptionClosedAfterTheEnd)
}

func testKeptSubscriptionClosedAfterTheEnd(t *testing.T) {
	u := newUnread(t, 0)
	u.receive(3)
	u.Close()
	u.wantNext(0, 1)
	if err := u.sub.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), second)
	defer cancel()
	if v, err := u.sub.Next(ctx); !errors.Is(err, net.ErrClosed) || errors.As(err, new(*connmgr.InterruptedError)) {
		t.Errorf("got %x, %v after Close; want the end", v.Data, err)
	}
}

// The firmware changes its table, and takes that back: where the level was, there was another
// characteristic that notified. No value of it comes from the subscription to the level.
func TestKeepValueOfAnother(t *testing.T) { inBubble(t, testKeepValueOfAnother) }

func testKeepValueOfAnother(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	notifies := func(u gatt.UUID, v byte) []gatt.CharDef {
		return []gatt.CharDef{{UUID: u, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{v}}}
	}
	other := gatt.UUID16(0xFE5A)
	bat := gatt.ServiceDef{UUID: battery, Characteristics: notifies(level, 0x55)}
	before := sim.NewTable(sim.GenericAccess("lock"), sim.GenericAttribute(true, false), bat)
	after := sim.NewTable(sim.GenericAccess("lock"), sim.GenericAttribute(true, false),
		gatt.ServiceDef{UUID: gatt.UUID16(0xFE59), Characteristics: notifies(other, 0xEE)}, bat)
	d := l.air.NewDevice(&sim.DeviceConfig{Name: "lock", Address: address(1), Table: before, Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond}})
	k := l.keep(1, nil)
	s := k.Subscribe(battery, level, nil)
	k.await(connmgr.KeepReady)
	time.Sleep(10 * second) // Service Changed is enabled
	if before.Find(level) != after.Find(other) {
		t.Fatal("the handles differ")
	}
	go func() {
		d.SetTable(after, true)
		time.Sleep(100 * time.Millisecond)
		d.SetValue(d.Find(other), []byte{0xEE})
		time.Sleep(100 * time.Millisecond)
		d.SetTable(before, true) // the update is taken back
		time.Sleep(3 * second)
		d.SetValue(d.Find(level), []byte{0x56})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*second)
	defer cancel()
	for v, err := range s.All(ctx) {
		if err == nil && v.Data[0] == 0xEE {
			t.Error("the subscription delivered the value of another characteristic")
		}
	}
	k.Close()
}
