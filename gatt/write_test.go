package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

func TestWrite(t *testing.T) { bubble(testWrite)(t) }

func testWrite(t *testing.T) {
	c, ch := newClient(t)
	write := func(n int) func(context.Context) error {
		return func(ctx context.Context) error { return c.WriteHandle(ctx, 3, make([]byte, n)) }
	}
	wantNoError(t, script(t, ch, write(1), "12 0300 00", "13"))
	wantIs(t, script(t, ch, write(1), "12 0300 00", "01 12 0300 03"), att.CodeWriteNotPermitted)
	var tl *att.TooLongError
	if err := script(t, ch, write(21)); !errors.As(err, &tl) {
		t.Errorf("error %v", err)
	}
}

func TestWriteNoResponseIsPaced(t *testing.T) { bubble(testWriteNoResponseIsPaced)(t) }

func testWriteNoResponseIsPaced(t *testing.T) {
	c, ch := newClient(t)
	wantNoError(t, c.WriteNoResponse(t.Context(), 3, []byte{1}))
	ch.Want("52 0300 01")
	ch.SetFull(true)
	ctx, cancel := context.WithCancel(t.Context())
	gone := call(func() error { return c.WriteNoResponse(ctx, 3, []byte{2}) })
	kept := call(func() error { return c.WriteNoResponse(t.Context(), 3, []byte{3}) })
	pending(t, gone)
	cancel()
	wantIs(t, returned(t, gone), context.Canceled)
	pending(t, kept)
	ch.SetFull(false)
	wantNoError(t, returned(t, kept))
	ch.Want("52 0300 03")
	ch.WantIdle()
}

func TestLongWrite(t *testing.T) { bubble(testLongWrite)(t) }

func testLongWrite(t *testing.T) {
	c, ch := newClient(t)
	write := func(n int) func(context.Context) error {
		return func(ctx context.Context) error { return c.WriteLong(ctx, 3, atttest.Hex(t, octets(n))) }
	}
	// A value that fits takes one request.
	wantNoError(t, script(t, ch, write(20), "12 0300"+octets(20), "13"))
	wantNoError(t, script(t, ch, write(21),
		"16 0300 0000"+octets(18), "17 0300 0000"+octets(18),
		"16 0300 1200"+octets(3), "17 0300 1200"+octets(3),
		"18 01", "19"))
	// No empty part at the end.
	wantNoError(t, script(t, ch, write(36),
		"16 0300 0000"+octets(18), "17 0300 0000"+octets(18),
		"16 0300 1200"+octets(18), "17 0300 1200"+octets(18),
		"18 01", "19"))
	wantIs(t, script(t, ch, write(513)), gatt.ErrValueTooLong)
	// The peer refuses to write.
	wantIs(t, script(t, ch, write(21),
		"16 0300 0000"+octets(18), "17 0300 0000"+octets(18),
		"16 0300 1200"+octets(3), "17 0300 1200"+octets(3),
		"18 01", "01 18 0300 0d"), att.CodeInvalidAttributeValueLength)
}

// TestPreparedEchoDiffers: the queue is dropped, nothing is written.
func TestPreparedEchoDiffers(t *testing.T) {
	for _, test := range []struct{ name, echo string }{
		{"handle", "17 0400 0000" + octets(18)},
		{"offset", "17 0300 0100" + octets(18)},
		{"value", "17 0300 0000" + octets(17) + "5b"},
		{"length", "17 0300 0000" + octets(17)},
		{"nothing", "17 0300 0000"},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			err := script(t, ch, func(ctx context.Context) error {
				return c.WriteLong(ctx, 3, atttest.Hex(t, octets(30)))
			}, "16 0300 0000"+octets(18), test.echo, "18 00", "19")
			var pm *gatt.PrepareMismatchError
			if !errors.As(err, &pm) || pm.Handle != 3 || pm.Offset != 0 {
				t.Errorf("error %v", err)
			}
			wantNoError(t, script(t, ch, func(ctx context.Context) error { return c.WriteHandle(ctx, 3, nil) }, "12 0300", "13"))
		}))
	}
}

func TestPrepareRefused(t *testing.T) { bubble(testPrepareRefused)(t) }

func testPrepareRefused(t *testing.T) {
	c, ch := newClient(t)
	err := script(t, ch, func(ctx context.Context) error {
		return c.WriteLong(ctx, 3, atttest.Hex(t, octets(30)))
	}, "16 0300 0000"+octets(18), "17 0300 0000"+octets(18), "16 0300 1200"+octets(12), "01 16 0300 09", "18 00", "19")
	wantIs(t, err, att.CodePrepareQueueFull)
}

func TestCanceledLongWriteLeavesNothingPrepared(t *testing.T) {
	bubble(testCanceledLongWriteLeavesNothingPrepared)(t)
}

func testCanceledLongWriteLeavesNothingPrepared(t *testing.T) {
	c, ch := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := call(func() error { return c.WriteLong(ctx, 3, atttest.Hex(t, octets(30))) })
	second := call(func() error { return c.WriteReliable(t.Context(), gatt.HandleValue{Handle: 9, Value: []byte{1}}) })
	ch.Want("16 0300 0000" + octets(18))
	cancel()
	wantIs(t, returned(t, first), context.Canceled)
	ch.WantIdle()
	ch.Receive("17 0300 0000" + octets(18))
	ch.Want("18 00")
	ch.WantIdle() // the second has to wait for the queue
	ch.Receive("19")
	ch.Want("16 0900 0000 01")
	ch.Receive("17 0900 0000 01")
	ch.Want("18 01")
	ch.Receive("19")
	wantNoError(t, returned(t, second))
}

// longWriteBeforeExecute brings a long write to the point where only Execute
// Write is missing, queued behind a read.
func longWriteBeforeExecute(t *testing.T, ch *atttest.Channel, c *gatt.Client, write func() error) (written, read <-chan error) {
	t.Helper()
	written = call(write)
	ch.Want("16 0300 0000" + octets(18))
	ch.Receive("17 0300 0000" + octets(18))
	ch.Want("16 0300 1200" + octets(12))
	read = call(func() error { _, err := c.ReadHandle(t.Context(), 7); return err })
	ch.Receive("17 0300 1200" + octets(12))
	ch.Want("0a 0700")
	pending(t, written)
	return written, read
}

func TestLongWriteCanceledBeforeItsExecute(t *testing.T) {
	bubble(testLongWriteCanceledBeforeItsExecute)(t)
}

func testLongWriteCanceledBeforeItsExecute(t *testing.T) {
	c, ch := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	written, read := longWriteBeforeExecute(t, ch, c, func() error {
		return c.WriteLong(ctx, 3, atttest.Hex(t, octets(30)))
	})
	cancel()
	wantIs(t, returned(t, written), context.Canceled)
	next := call(func() error { return c.WriteReliable(t.Context(), gatt.HandleValue{Handle: 9, Value: []byte{1}}) })
	ch.Receive("0b 01")
	wantNoError(t, returned(t, read))
	ch.Want("18 00") // the next write must not bring the first one's parts along
	ch.Receive("19")
	ch.Want("16 0900 0000 01")
	ch.Receive("17 0900 0000 01")
	ch.Want("18 01")
	ch.Receive("19")
	wantNoError(t, returned(t, next))
	ch.WantIdle()
}

func TestLongWriteStaleBeforeItsExecute(t *testing.T) {
	bubble(testLongWriteStaleBeforeItsExecute)(t)
}

func testLongWriteStaleBeforeItsExecute(t *testing.T) {
	c, ch := newClient(t)
	written, read := longWriteBeforeExecute(t, ch, c, func() error {
		return c.WriteLong(t.Context(), 3, atttest.Hex(t, octets(30)))
	})
	ch.Receive("0b 01")
	wantNoError(t, returned(t, read))
	ch.Want("18 01")
	ch.Receive("01 18 0000 12") // out of sync: refused before it was looked at
	wantIs(t, returned(t, written), gatt.ErrStale)
	ch.Want("18 00")
	ch.Receive("19")
	ch.WantIdle()
}

func TestReliableWrite(t *testing.T) { bubble(testReliableWrite)(t) }

func testReliableWrite(t *testing.T) {
	c, ch := newClient(t)
	wantNoError(t, script(t, ch, func(ctx context.Context) error {
		return c.WriteReliable(ctx,
			gatt.HandleValue{Handle: 3, Value: []byte{1}},
			gatt.HandleValue{Handle: 5},
			gatt.HandleValue{Handle: 7, Value: atttest.Hex(t, octets(20))})
	},
		"16 0300 0000 01", "17 0300 0000 01",
		"16 0500 0000", "17 0500 0000",
		"16 0700 0000"+octets(18), "17 0700 0000"+octets(18),
		"16 0700 1200"+octets(2), "17 0700 1200"+octets(2),
		"18 01", "19"))
	if c.WriteReliable(t.Context()) == nil {
		t.Error("a reliable write of nothing went through")
	}
}

func TestLongWriteOfEveryLength(t *testing.T) { bubble(testLongWriteOfEveryLength)(t) }

func testLongWriteOfEveryLength(t *testing.T) {
	p := newPeer(newTable(), 50)
	p.attrs = []attribute{{handle: 3}}
	c, _ := p.start(t, nil)
	for n := range gatt.MaxValue + 1 {
		value := bytes.Repeat([]byte{byte(n)}, n)
		wantNoError(t, c.WriteLong(t.Context(), 3, value))
		if !bytes.Equal(p.attrs[0].value, value) {
			t.Fatalf("%d octets: the peer has %x", n, p.attrs[0].value)
		}
	}
}
