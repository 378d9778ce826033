package l2cap

import "testing"

// TestSDUOutAllocatesNothing writes on a channel whose peer has credits to spare.
func TestSDUOutAllocatesNothing(t *testing.T) {
	l := newNullLink(t, nil)
	ln, err := l.m.Listen(0x80, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.m.coc.handleConnectReq(l.now, 1, leCreditBasedConnectionReq{PSM: 0x80, Source: 0x40, MTU: 512, MPS: 100, Credits: 65535})
	c, err := ln.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 500)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if err := c.WriteSDU(ctx, p); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkSDUIn(b *testing.B) {
	in := newInflow(settings{mtu: 2048, mps: 247, credits: 16})
	first, next := append([]byte{0x00, 0x02}, make([]byte, 245)...), make([]byte, 247)
	last := make([]byte, 512-245-247)
	b.ReportAllocs()
	b.SetBytes(512)
	for b.Loop() {
		for _, f := range [][]byte{first, next, last} {
			if _, _, err := in.addFrame(f); err != nil {
				b.Fatal(err)
			}
		}
		in.owed.Add(1)
		in.grant()
	}
}
