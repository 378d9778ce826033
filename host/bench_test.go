package host_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// TestAllocations limits the allocations for a packet in steady state: those of the whole
// stack, from the transport to the caller and back, the loop and the reader included.
func TestAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr, sub := subscribed(t)
	value := make([]byte, payload)
	for _, test := range []struct {
		name string
		most float64
		run  func() error
	}{
		{"notification received", 1, func() error { // the caller's copy
			tr.bursts <- 1
			v, err := sub.Next(ctx)
			if len(v.Data) != payload || v.Dropped != 0 {
				t.Errorf("got %d octets and %d dropped, want %d and none", len(v.Data), v.Dropped, payload)
			}
			return err
		}},
		{"write without response", 0, func() error { return sub.Char().WriteNoResponse(ctx, value) }},
		{"read, with the value", 3, func() error { _, err := sub.Char().Read(ctx); return err }},
		{"notification sent, to one peer", 0, notifies(t)},
		{"scan report", 0, reported(t)},
	} {
		n := testing.AllocsPerRun(1000, func() {
			if err := test.run(); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v", test.name, n)
		if n > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, n, test.most)
		}
	}
}

// BenchmarkWriteWithoutResponse sends 244 octets at a time to the transport.
func BenchmarkWriteWithoutResponse(b *testing.B) {
	_, ch := cannedChar(b)
	value := make([]byte, payload)
	b.SetBytes(payload)
	b.ReportAllocs()
	for b.Loop() {
		if err := ch.WriteNoResponse(b.Context(), value); err != nil {
			b.Fatal(err)
		}
	}
}

// notifies returns a function that notifies a value of 244 octets to a peer that has
// subscribed.
func notifies(tb testing.TB) (notify func() error) {
	tb.Helper()
	tr, h := cannedHost(tb)
	if _, err := h.Connect(tb.Context(), benchPeer, nil); err != nil {
		tb.Fatal(err)
	}
	handle, ok := h.Server().Handle(service, level)
	if !ok {
		tb.Fatal("the server has no such value")
	}
	cccd := handle + 1
	tr.in <- frame(0x02, 0xF7, 0x00) // Exchange MTU
	tr.in <- frame(0x12, byte(cccd), byte(cccd>>8), 1, 0)
	value := make([]byte, payload)
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	for sent := 0; sent == 0; { // until the loop has taken the subscription
		var err error
		if sent, err = h.Server().Notify(ctx, handle, value); err != nil {
			tb.Fatal(err)
		}
	}
	return func() error {
		if n, err := h.Server().Notify(ctx, handle, value); n != 1 || err != nil {
			return fmt.Errorf("notified to %d: %w", n, err)
		}
		return nil
	}
}

// BenchmarkNotificationSent sends notifications of 244 octets to a peer that has
// subscribed.
func BenchmarkNotificationSent(b *testing.B) {
	notify := notifies(b)
	b.SetBytes(payload)
	b.ReportAllocs()
	for b.Loop() {
		if err := notify(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is one ATT read, request to response.
func BenchmarkRead(b *testing.B) {
	_, ch := cannedChar(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// scanned returns a transport and a Scanner on it, for advertisements of 31 octets.
func scanned(tb testing.TB) (*canned, *controller.Scanner) {
	tb.Helper()
	tr, h := cannedHost(tb)
	s, err := h.Scan(tb.Context(), &controller.ScanOptions{Passive: true, Duplicates: true})
	if err != nil {
		tb.Fatal(err)
	}
	tr.unasked = event(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
		Type: hci.AdvInd, Addr: benchPeer, RSSI: -60, Data: append([]byte{30, 0xFF}, make([]byte, 29)...),
	}}})
	return tr, s
}

// reported returns a function that passes an advertisement from the transport to the
// reader of a scan.
func reported(tb testing.TB) func() error {
	tb.Helper()
	tr, s := scanned(tb)
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return func() error {
		tr.bursts <- 1
		r, err := s.Next(ctx)
		if len(r.Data) != 31 {
			tb.Errorf("a report with %d octets, want 31", len(r.Data))
		}
		return err
	}
}

// BenchmarkScanReport passes advertisements of 31 octets from the transport to the reader
// of a scan, 32 at a time.
func BenchmarkScanReport(b *testing.B) {
	tr, s := scanned(b)
	const burst = 32
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%burst == 0 {
			tr.bursts <- burst
		}
		if _, err := s.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if n := s.Dropped(); n != 0 {
		b.Errorf("%d reports dropped", n)
	}
}
