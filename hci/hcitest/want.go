package hcitest

import (
	"bytes"
	"testing"
	"testing/synctest"
)

// WantSent checks that the next packet that the host has sent is exactly want. It
// waits until the bubble is idle but does not let time pass: a packet that the host
// would send a second later is missing.
func (c *Controller) WantSent(t testing.TB, want []byte) {
	t.Helper()
	got := c.NextSent(t)
	if !bytes.Equal(got, want) {
		t.Fatalf("host sent\n   [% X]\nwant\n   [% X]", got, want)
	}
}

// NextSent is WantSent for a packet that the test checks itself.
func (c *Controller) NextSent(t testing.TB) []byte {
	t.Helper()
	synctest.Wait()
	got, ok := c.takeSent()
	if !ok {
		t.Fatal("host sent nothing, want a packet")
	}
	return got
}

// WantIdle checks that no packet of the host is left.
func (c *Controller) WantIdle(t testing.TB) {
	t.Helper()
	synctest.Wait()
	if got, ok := c.takeSent(); ok {
		t.Fatalf("host sent [% X], want nothing", got)
	}
}

// WantClosed checks that the host has closed its end.
func (c *Controller) WantClosed(t testing.TB) {
	t.Helper()
	synctest.Wait()
	select {
	case <-c.p.closed:
	default:
		t.Fatal("host holds its end open, want it closed")
	}
}
