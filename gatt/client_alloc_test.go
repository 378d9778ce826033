package gatt_test

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// TestClientAllocations checks the allocations of the client in steady state.
func TestClientAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, ch, s := subscribed(t)
	chr := s.Char()
	ntf := att.HandleValueNotification{Handle: 3, Value: make([]byte, 20)}.AppendPDU(nil)
	ind := att.HandleValueIndication{Handle: 3, Value: make([]byte, 20)}.AppendPDU(nil)
	arrive := func(b *att.Bearer, pdu []byte) func() error {
		return func() error {
			b.Frame(time.Time{}, pdu)
			_, err := s.Next(ctx)
			return err
		}
	}
	value := make([]byte, 20)
	measure := func(name string, most float64, run func() error) {
		n := testing.AllocsPerRun(500, func() {
			if err := run(); err != nil {
				t.Error(err)
			}
		})
		if n > most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, most)
		}
	}
	measure("read by handle", 3, func() error { _, err := c.ReadHandle(ctx, 3); return err })
	measure("read", 3, func() error { _, err := chr.Read(ctx); return err })
	measure("write", 1, func() error { return chr.Write(ctx, value) })
	measure("write without response", 0, func() error { return chr.WriteNoResponse(ctx, value) })
	ch.Do(func(time.Time) { // on the loop
		measure("notification", 1, arrive(c.Bearer(), ntf))
		measure("indication", 1, arrive(c.Bearer(), ind))
	})
}

// subscribed returns a client with a subscription to the value 3. Its peer
// answers reads and writes without allocating.
func subscribed(t testing.TB) (*gatt.Client, interface{ Do(func(time.Time)) }, *gatt.Subscription) {
	t.Helper()
	read := [][]byte{att.ReadRsp{Value: make([]byte, 20)}.AppendPDU(nil)}
	written := [][]byte{att.WriteRsp{}.AppendPDU(nil)}
	c, ch := clientOf(t, func(pdu []byte) [][]byte {
		switch att.Opcode(pdu[0]) {
		case att.OpReadReq:
			return read
		case att.OpWriteReq:
			return written
		default:
			return nil
		}
	}, nil)
	c.SetProfile(battery())
	chr, err := c.Char(t.Context(), u16(0x180F), u16(0x2A19))
	if err != nil {
		t.Fatal(err)
	}
	s, err := chr.Subscribe(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, ch, s
}

func BenchmarkNotification(b *testing.B) {
	c, ch, s := subscribed(b)
	pdu := att.HandleValueNotification{Handle: 3, Value: make([]byte, 20)}.AppendPDU(nil)
	b.ReportAllocs()
	ch.Do(func(now time.Time) {
		for b.Loop() {
			c.Bearer().Frame(now, pdu)
			if _, err := s.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	c, _, _ := subscribed(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ReadHandle(b.Context(), 3); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiscover(b *testing.B) {
	p := newPeer(referenceTable(), 247)
	c, _ := clientOf(b, p.answer, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Rediscover(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
