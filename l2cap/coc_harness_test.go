package l2cap

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// In tests of credit-based channels the test's goroutine is the loop, and
// callers run on other goroutines of a synctest bubble. settle runs both until
// all are blocked.

func newCoCLink(t *testing.T, cfg *Config) *fakeLink {
	l := newFakeLink(t, hci.RoleCentral, cfg)
	l.posted = make(chan loop.Task, 64)
	return l
}

// settle runs posted tasks until every goroutine is blocked.
func (l *fakeLink) settle() {
	for {
		synctest.Wait()
		select {
		case task := <-l.posted:
			task.Run(l.now)
		default:
			return
		}
	}
}

// connect joins two links and runs both until every goroutine is blocked.
func (l *fakeLink) connect(peer *fakeLink) {
	for {
		l.settle()
		peer.settle()
		if len(l.sent) == 0 && len(peer.sent) == 0 {
			return
		}
		out, in := l.sent, peer.sent
		l.free()
		peer.free()
		for _, p := range out {
			peer.m.ACL(peer.now, p.start, p.data)
		}
		for _, p := range in {
			l.m.ACL(l.now, p.start, p.data)
		}
	}
}

// start runs f on a goroutine of its own.
func start[T any](f func() (T, error)) <-chan result[T] {
	ch := make(chan result[T], 1)
	go func() {
		v, err := f()
		ch <- result[T]{v, err}
	}()
	return ch
}

// pending fails the test if ch has a result.
func pending[T any](t *testing.T, why string, ch <-chan result[T]) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-ch:
		t.Fatalf("%s: ended with %v, %v", why, r.v, r.err)
	default:
	}
}

// ended returns the result of ch, which must have one.
func ended[T any](t *testing.T, why string, ch <-chan result[T]) (T, error) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-ch:
		return r.v, r.err
	default:
		t.Fatalf("%s: still waiting", why)
		panic("unreachable")
	}
}

// smallCoC accepts SDUs of 64 octets in frames of 32, four ahead.
var smallCoC = &CoCConfig{MTU: 64, MPS: 32, Credits: 4}

// dialed opens a channel to a peer that accepts SDUs of 50 octets in frames of
// 23 and has granted that many credits. This side's CID is 0x0040, the peer's
// 0x0055.
func (l *fakeLink) dialed(credits uint16) *Conn {
	t := l.tb.(*testing.T)
	t.Helper()
	ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x80, smallCoC) })
	l.settle()
	l.want("request", "0005 14 01 0a00 8000 4000 4000 2000 0400")
	l.recv(cidSignal, fmt.Sprintf("15 01 0a00 5500 3200 1700 %02x%02x 0000", credits&0xFF, credits>>8))
	c, err := ended(t, "Dial", ch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recvSDU gives the Mux one SDU in one frame to CID 0x0040.
func (l *fakeLink) recvSDU(payload string) {
	n := len(unhex(l.tb, payload))
	l.recv(0x40, fmt.Sprintf("%02x%02x%s", n&0xFF, n>>8, payload))
}

func readSDU(t *testing.T, c *Conn) <-chan result[string] {
	return start(func() (string, error) {
		b, err := c.ReadSDU(t.Context())
		return fmt.Sprintf("%x", b), err
	})
}

func writeSDU(ctx context.Context, c *Conn, p []byte) <-chan result[struct{}] {
	return start(func() (struct{}, error) { return struct{}{}, c.WriteSDU(ctx, p) })
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
