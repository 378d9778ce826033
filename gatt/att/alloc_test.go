package att_test

import (
	"context"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// newEcho returns a bearer whose peer answers every read with the same value,
// without allocating.
func newEcho(t testing.TB) *att.Bearer {
	answer := [][]byte{att.ReadRsp{Value: make([]byte, 20)}.AppendPDU(nil)}
	ch := atttest.New(t, func(pdu []byte) [][]byte {
		if att.Opcode(pdu[0]) == att.OpReadReq {
			return answer
		}
		return nil
	})
	b := att.NewBearer(ch, nil)
	ch.Attach(b)
	return b
}

func TestAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := newEcho(t)
	value := make([]byte, 20)
	cmd := &att.WriteCmd{Handle: 0x1234, Value: value}
	for _, test := range []struct {
		name string
		most float64
		run  func() error
	}{
		// One for the request in its interface, one for the value.
		{"read", 2, func() error { _, err := att.Do(ctx, b, att.ReadReq{Handle: 0x1234}); return err }},
		{"write command", 0, func() error { return b.WriteCommand(ctx, nil, 0x1234, value) }},
		{"command by pointer", 0, func() error { return b.Command(ctx, cmd) }},
		{"notify", 0, func() error { return b.NotifyValue(ctx, nil, 0x1234, value) }},
	} {
		n := testing.AllocsPerRun(1000, func() {
			if err := test.run(); err != nil {
				t.Fatal(err)
			}
		})
		if n > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, n, test.most)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	bearer := newEcho(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := att.Do(b.Context(), bearer, att.ReadReq{Handle: 0x1234}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteCommand(b *testing.B) {
	bearer := newEcho(b)
	value := make([]byte, 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := bearer.WriteCommand(b.Context(), nil, 0x1234, value); err != nil {
			b.Fatal(err)
		}
	}
}
