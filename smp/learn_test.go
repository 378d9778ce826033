package smp

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// loopChannel is a channel with a loop, which ends with the test.
type loopChannel struct {
	fakeChannel
	tasks chan loop.Task
}

func (c *loopChannel) Post(t loop.Task) bool { c.tasks <- t; return true }

func (c *loopChannel) run(ctx context.Context) {
	for {
		select {
		case t := <-c.tasks:
			t.Run(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// do runs f on the loop and waits until it has returned.
func (c *loopChannel) do(f func(now time.Time)) {
	ran := make(chan struct{})
	c.Post(loop.Func(func(now time.Time) { f(now); close(ran) }))
	<-ran
}

// telling is a Machine as peripheral with a bond. Its changed callback takes
// tellingTime, and then stores the Security in told.
type telling struct {
	*Machine
	ch   *loopChannel
	told atomic.Pointer[Security]
}

const tellingTime = time.Millisecond

func newTelling(t *testing.T) *telling {
	t.Helper()
	mgr, err := NewManager(Local{Addr: addrA}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := mgr.Store().Save(&Bond{Peer: addrB, KeySize: 16, Peripheral: &LongTermKey{Key: Key{1}}}); err != nil {
		t.Fatal(err)
	}
	x := &telling{ch: &loopChannel{tasks: make(chan loop.Task)}}
	go x.ch.run(t.Context())
	x.ch.do(func(now time.Time) {
		x.Machine = mgr.NewMachine(now, x.ch, fakeLink{hci.RolePeripheral}, func(time.Time) {
			time.Sleep(tellingTime)
			s := x.Security()
			x.told.Store(&s)
		})
	})
	return x
}

// encrypt plays the central that encrypts the link.
func (x *telling) encrypt() {
	x.ch.do(func(now time.Time) {
		x.Event(now, &hci.LELongTermKeyRequest{})
		x.Event(now, &hci.EncryptionChange{Enabled: 1})
	})
}

// want checks the Security that the callback has seen, and that of a caller which has
// returned.
func (x *telling) want(t *testing.T, want Security) {
	t.Helper()
	told, found := x.told.Load(), x.Security()
	if told == nil || *told != want || found != want {
		t.Errorf("others were told of %+v, the caller finds %+v; want %+v", told, found, want)
	}
	x.ch.do(func(time.Time) {}) // nothing goes on any more
}

// When Encrypt returns, the changed callback has returned: a server has restored the
// subscriptions of the bond.
func TestEncryptIsToldLast(t *testing.T) { synctest.Test(t, testEncryptIsToldLast) }

func testEncryptIsToldLast(t *testing.T) {
	encrypted := Security{Encrypted: true, Bonded: true, KeySize: 16}
	x := newTelling(t)
	go func() {
		time.Sleep(time.Second)
		x.encrypt()
	}()
	if err := x.Encrypt(t.Context()); err != nil {
		t.Error(err)
	}
	x.want(t, encrypted)

	x = newTelling(t)
	go x.encrypt()
	time.Sleep(tellingTime / 2)
	if err := x.Encrypt(t.Context()); err != nil { // which is encrypted by now
		t.Error(err)
	}
	x.want(t, encrypted)
}

// When a call returns since the link has ended, Security reports no encryption.
func TestEndIsToldLast(t *testing.T) { synctest.Test(t, testEndIsToldLast) }

func testEndIsToldLast(t *testing.T) {
	x := newTelling(t)
	x.encrypt()
	why := errors.New("out of range")
	go func() {
		time.Sleep(time.Second)
		x.ch.do(func(now time.Time) { x.Down(now, why) })
	}()
	if _, err := x.Pair(t.Context(), &PairOptions{Replace: true}); !errors.Is(err, why) {
		t.Errorf("pairing ended with %v, want %v", err, why)
	}
	x.want(t, Security{Bonded: true})
}
