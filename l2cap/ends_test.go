package l2cap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// TestTwoEnds sends a stream both ways at once between two Muxes, with few
// credits, small frames and little room, and compares.
func TestTwoEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newCoCLink(t, nil), newCoCLink(t, nil)
		b.role = hci.RolePeripheral
		a.room, b.room = 3, 2
		ln := listen(t, b, 0x80, &CoCConfig{MTU: 300, MPS: 40, Credits: 3})
		dial := start(func() (*Conn, error) {
			return a.m.Dial(t.Context(), ln.PSM(), &CoCConfig{MTU: 100, MPS: 23, Credits: 1})
		})
		a.connect(b)
		ca, err := ended(t, "Dial", dial)
		if err != nil {
			t.Fatal(err)
		}
		cb, err := ln.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, 10_000)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		send := func(c *Conn) <-chan result[int64] {
			return start(func() (int64, error) { return io.Copy(c, struct{ io.Reader }{bytes.NewReader(data)}) })
		}
		recv := func(c *Conn) <-chan result[[]byte] {
			return start(func() ([]byte, error) {
				got := make([]byte, len(data))
				_, err := io.ReadFull(c, got)
				return got, err
			})
		}
		sa, sb, ra, rb := send(ca), send(cb), recv(ca), recv(cb)
		a.connect(b)
		for name, ch := range map[string]<-chan result[[]byte]{"first end": ra, "second end": rb} {
			if got, err := ended(t, name, ch); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: got other data than was sent, or error %v", name, err)
			}
		}
		for name, ch := range map[string]<-chan result[int64]{"first end": sa, "second end": sb} {
			if n, err := ended(t, name, ch); err != nil || n != int64(len(data)) {
				t.Errorf("%s: sent %d, %v", name, n, err)
			}
		}
		for _, c := range []*Conn{ca, cb} {
			if all := c.in.held + int(c.in.owed.Load()); all != c.in.window {
				t.Errorf("%d credits with all read, want %d", all, c.in.window)
			}
		}
		ca.Close()
		a.connect(b)
		if _, err := cb.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after the other end's Close: %v", err)
		}
		if len(a.m.coc.local)+len(b.m.coc.local)+len(a.m.sig.pending)+len(b.m.sig.pending) != 0 {
			t.Error("something is left of the channel")
		}
	})
}

// TestChannelsShareRoom writes on two channels and on ATT at once.
func TestChannelsShareRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var att proto
		l := newCoCLink(t, &Config{ATT: att.on()})
		c1 := l.dialed(100)
		ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x81, smallCoC) })
		l.settle()
		l.take()
		l.recv(cidSignal, "15 02 0a00 5600 3200 1700 6400 0000")
		c2, err := ended(t, "Dial", ch)
		if err != nil {
			t.Fatal(err)
		}
		l.room = 1
		att.onTurn = func(time.Time) {
			for att.ch.Room() {
				att.ch.Send([]byte{1})
			}
		}
		att.onTurn(l.now)
		w1 := writeSDU(t.Context(), c1, counting(50))
		l.settle()
		w2 := writeSDU(t.Context(), c2, counting(50))
		l.settle()
		var order []string
		for range 8 {
			for _, f := range l.takeKeeping() {
				order = append(order, f[:4])
			}
			l.free()
		}
		if got := strings.Join(order, " "); got != "0004 0004 0055 0056 0004 0055 0056 0004" {
			t.Errorf("order of channels: %s", got)
		}
		l.free()
		l.free()
		l.settle()
		if second(ended(t, "first", w1)) != nil || second(ended(t, "second", w2)) != nil {
			t.Error("a write failed")
		}
	})
}

// takeKeeping is take for frames that stay in the link's queue.
func (l *fakeLink) takeKeeping() []string {
	kept := l.sent
	frames := l.take()
	l.sent = kept
	return frames
}

// TestParallelLoops is for the race detector: two loops that run concurrently
// with each other and their callers.
func TestParallelLoops(t *testing.T) {
	const writers, each = 4, 50
	a, b := newFakeLink(t, hci.RoleCentral, nil), newFakeLink(t, hci.RolePeripheral, nil)
	// Credits bound the packets in flight, so a loop never waits for the other.
	ina, inb := make(chan packet, 1024), make(chan packet, 1024)
	var loops sync.WaitGroup
	quit := make(chan struct{})
	for _, end := range []struct {
		l       *fakeLink
		in, out chan packet
	}{{a, ina, inb}, {b, inb, ina}} {
		end.l.posted = make(chan loop.Task, 64)
		loops.Go(func() {
			for {
				select {
				case task := <-end.l.posted:
					task.Run(end.l.now)
				case p := <-end.in:
					end.l.m.ACL(end.l.now, p.start, p.data)
				case <-quit:
					return
				}
				for len(end.l.sent) > 0 {
					sent := end.l.sent
					end.l.free()
					for _, p := range sent {
						end.out <- p
					}
				}
			}
		})
	}
	defer loops.Wait()
	defer close(quit)

	ln, err := b.m.Listen(0, &CoCConfig{Credits: 5})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := a.m.Dial(t.Context(), ln.PSM(), &CoCConfig{Credits: 2})
	if err != nil {
		t.Fatal(err)
	}
	cb, err := ln.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for range writers {
		calls.Go(func() {
			for i := range each {
				if err := ca.WriteSDU(t.Context(), counting(10*i)); err != nil {
					t.Error(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				if err := cb.WriteSDU(ctx, counting(i)); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	calls.Go(func() {
		for range writers * each {
			if sdu, err := cb.ReadSDU(t.Context()); err != nil || !bytes.Equal(sdu, counting(len(sdu))) {
				t.Errorf("read % x, %v", sdu, err)
			}
		}
	})
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		for {
			sdu, err := ca.ReadSDU(t.Context())
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil || !bytes.Equal(sdu, counting(len(sdu))) {
				t.Errorf("read % x, %v", sdu, err)
				return
			}
		}
	}()
	calls.Wait()
	ca.Close()
	<-reader
	<-cb.Done()
	if !errors.Is(cb.Err(), ErrPeerClosed) {
		t.Errorf("the other end: %v", cb.Err())
	}
}

// TestEndsInOrder: the result of a call does not depend on chance. The end of
// the link or channel takes precedence over that of a context, and a call with
// an ended context sends nothing.
func TestEndsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		l.role = hci.RolePeripheral
		c := l.dialed(1)
		ln := listen(t, l, 0x81, nil)
		gone := errors.New("gone")
		dead, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		calls := map[string]func() error{
			"Dial":          func() error { return second(l.m.Dial(dead, 0x82, nil)) },
			"Counters":      func() error { return second(l.m.Counters(dead)) },
			"RequestParams": func() error { return l.m.RequestParams(dead, connParams(30e6, 50e6, 0, 4e9)) },
			"Accept":        func() error { return second(ln.Accept(dead)) },
			"ReadSDU":       func() error { return second(c.ReadSDU(dead)) },
			"WriteSDU":      func() error { return c.WriteSDU(dead, nil) },
		}
		want := func(want error) {
			t.Helper()
			for name, call := range calls {
				for range 50 {
					ch := start(func() (struct{}, error) { return struct{}{}, call() })
					l.settle()
					err := second(ended(t, name, ch))
					if !errors.Is(err, want) {
						t.Errorf("%s: error %v, want %v", name, err, want)
						break
					}
					if rest, ok := strings.CutPrefix(err.Error(), "l2cap: "); !ok || strings.Contains(rest, "l2cap: ") {
						t.Errorf("%s: error %q, want the package's prefix once, in front", name, err)
						break
					}
				}
			}
		}
		want(gone)
		l.wantIdle("nobody waits for an answer")
		why := errors.New("out of range")
		l.down(why)
		want(why)
	})
}
