package hcitest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

var _ hci.Transport = (*hcitest.Host)(nil)

func TestPipeCarriesPacketsInOrder(t *testing.T) { synctest.Test(t, testPipeCarriesPacketsInOrder) }

func testPipeCarriesPacketsInOrder(t *testing.T) {
	host, ctl := hcitest.Pipe()
	reset := []byte{1, 3, 0x0C, 0}
	go func() {
		b := make([]byte, hci.MaxPacketLen)
		for {
			n, err := host.ReadPacket(b)
			if err != nil {
				return
			}
			if err := host.WritePacket(b[:n]); err != nil {
				t.Errorf("WritePacket: %v", err)
			}
		}
	}()
	ctl.WantIdle(t)
	ctl.Send(reset)
	reset[1] = 9 // the pipe keeps nothing of the caller's
	ctl.Send([]byte{4, 0x0E, 0})
	ctl.WantSent(t, []byte{1, 3, 0x0C, 0})
	ctl.WantSent(t, []byte{4, 0x0E, 0})
	ctl.WantIdle(t)
	host.Close()
	ctl.WantClosed(t)
}

func TestCloseUnblocksRead(t *testing.T) { synctest.Test(t, testCloseUnblocksRead) }

func testCloseUnblocksRead(t *testing.T) {
	host, ctl := hcitest.Pipe()
	got := make(chan error, 1)
	go func() {
		_, err := host.ReadPacket(make([]byte, hci.MaxPacketLen))
		got <- err
	}()
	synctest.Wait() // the reader waits
	host.Close()
	host.Close() // more than once is allowed
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v, want net.ErrClosed", err)
	}
	if err := host.WritePacket([]byte{1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v, want net.ErrClosed", err)
	}
	ctl.Send([]byte{4}) // into the void, without hanging
	if _, err := ctl.Sent(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Sent after Close: %v, want net.ErrClosed", err)
	}
}

func TestFailComesAfterWhatWasSent(t *testing.T) {
	host, ctl := hcitest.Pipe()
	ctl.Send([]byte{4, 1})
	ctl.Fail(syscall.EPIPE)
	ctl.Fail(syscall.EIO) // the first one counts
	b := make([]byte, hci.MaxPacketLen)
	if n, err := host.ReadPacket(b); n != 2 || err != nil {
		t.Errorf("first read: %d bytes, %v; want 2 bytes", n, err)
	}
	for range 2 {
		if _, err := host.ReadPacket(b); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("read: %v, want EPIPE for good", err)
		}
	}
	if err := host.WritePacket([]byte{1}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v, want EPIPE", err)
	}
}

func TestReadIntoShortBuffer(t *testing.T) {
	host, ctl := hcitest.Pipe()
	ctl.Send([]byte{4, 1, 2})
	if _, err := host.ReadPacket(make([]byte, 2)); err == nil || !strings.Contains(err.Error(), "3 bytes") {
		t.Errorf("read of 3 bytes into 2: %v, want an error that names the length", err)
	}
}

func TestSentWaitsForContext(t *testing.T) { synctest.Test(t, testSentWaitsForContext) }

func testSentWaitsForContext(t *testing.T) {
	host, ctl := hcitest.Pipe()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := ctl.Sent(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
		t.Errorf("Sent gave %v after %v, want the deadline after 3s", err, time.Since(start))
	}
	if err := host.WritePacket([]byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	host.Close()
	if b, err := ctl.Sent(t.Context()); err != nil || string(b) != "\x01\x02" {
		t.Errorf("Sent = % X, %v; want what was written before Close", b, err)
	}
}

// recorder replaces the testing.TB of a user of the package and keeps the failure.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Fatal(a ...any)            { r.failure = fmt.Sprint(a...); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.Fatal(fmt.Sprintf(f, a...)) }

func TestWantFailures(t *testing.T) { synctest.Test(t, testWantFailures) }

func testWantFailures(t *testing.T) {
	host, ctl := hcitest.Pipe()
	failure := func(f func(testing.TB)) string {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); f(r) }()
		<-done
		return r.failure
	}
	for _, c := range []struct {
		name string
		sent []byte
		call func(testing.TB)
		want string
	}{
		{"nothing sent", nil, func(t testing.TB) { ctl.WantSent(t, []byte{1}) }, "host sent nothing"},
		{"another packet", []byte{1, 0xAB}, func(t testing.TB) { ctl.WantSent(t, []byte{1}) }, "[01 AB]"},
		{"not idle", []byte{2, 0xCD}, ctl.WantIdle, "host sent [02 CD], want nothing"},
		{"not closed", nil, ctl.WantClosed, "want it closed"},
	} {
		if c.sent != nil {
			if err := host.WritePacket(c.sent); err != nil {
				t.Fatal(err)
			}
		}
		if got := failure(c.call); !strings.Contains(got, c.want) {
			t.Errorf("%s: failure %q, want it to say %q", c.name, got, c.want)
		}
	}
}
