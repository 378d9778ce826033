package smp

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func TestBackoff(t *testing.T) {
	now := time.Unix(1e9, 0)
	address := func(n int) hci.Addr { return hci.Addr{MAC: hci.MAC{byte(n), 1}} }
	// waits returns how long a peer has to wait after one more failure.
	waits := func(b *backoff, n int) time.Duration {
		b.addFailure(now, address(n))
		begin := now
		for b.blocks(now, address(n)) {
			now = now.Add(time.Second)
		}
		return now.Sub(begin)
	}
	var b backoff
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 120, 120} {
		if got := waits(&b, 1); got != want*time.Second {
			t.Errorf("waits %v, want %v", got, want*time.Second)
		}
	}
	now = now.Add(forgetAfter - time.Second)
	if got := waits(&b, 1); got != longestWait {
		t.Errorf("a second before the failures are forgotten it waits %v", got)
	}
	now = now.Add(forgetAfter)
	if got := waits(&b, 1); got != firstWait {
		t.Errorf("after the failures are forgotten it waits %v", got)
	}
	waits(&b, 1)
	b.forgetPeer(address(1))
	if got := waits(&b, 1); got != firstWait {
		t.Errorf("after a success it waits %v", got)
	}

	// One peer too many: the one whose wait ends first makes room.
	b = backoff{}
	for n := range maxFailed {
		b.addFailure(now.Add(time.Duration(n)), address(n))
	}
	b.addFailure(now, address(7)) // known: it takes nobody's room
	b.addFailure(now, address(maxFailed))
	if n := len(b.failed); n != maxFailed || b.blocks(now, address(0)) {
		t.Errorf("%d peers are remembered, the first among them: %v", n, b.blocks(now, address(0)))
	}
	for n := 1; n <= maxFailed; n++ {
		if !b.blocks(now, address(n)) {
			t.Errorf("peer %d is forgotten", n)
		}
	}
}
