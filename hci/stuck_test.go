package hci_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// clogged is a transport that can stop to take packets, as a UART does whose
// other side holds the flow control line.
type clogged struct {
	*hcitest.Host
	full   atomic.Bool
	closed chan struct{}
}

func (c *clogged) WritePacket(b []byte) error {
	if c.full.Load() {
		<-c.closed
		return net.ErrClosed
	}
	return c.Host.WritePacket(b)
}

func (c *clogged) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return c.Host.Close()
}

func TestTransportThatTakesNoMore(t *testing.T) { synctest.Test(t, testTransportThatTakesNoMore) }

func testTransportThatTakesNoMore(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.run(ctx)
	tr := &clogged{Host: host, closed: make(chan struct{})}
	d, err := hci.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr.full.Store(true)
	begin := time.Now()
	for range 3 {
		go func() { _, _ = hci.Exec(context.Background(), d, hci.LERand{}) }()
	}
	<-d.Done()
	if took := time.Since(begin); !errors.Is(d.Err(), hci.ErrStuck) || took != 2*time.Second {
		t.Errorf("ended with %v after %v, want stuck after 2s", d.Err(), took)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
