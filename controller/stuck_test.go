package controller_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// clogged is a transport that can stop accepting packets, as a UART does while the
// other side holds the flow control line.
type clogged struct {
	*hcitest.Host
	full   atomic.Bool
	freed  chan struct{} // one for each packet that is taken all the same
	closed chan struct{}
}

func newClogged(h *hcitest.Host) *clogged {
	return &clogged{Host: h, freed: make(chan struct{}), closed: make(chan struct{})}
}

func (c *clogged) WritePacket(b []byte) error {
	if c.full.Load() {
		select {
		case <-c.freed:
		case <-c.closed:
			return net.ErrClosed
		}
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
	tr := newClogged(host)
	d, err := controller.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr.full.Store(true)
	begin := time.Now()
	for range 3 {
		go func() { _, _ = controller.Exec(context.Background(), d, hci.LERand{}) }()
	}
	<-d.Done()
	if took := time.Since(begin); !errors.Is(d.Err(), controller.ErrStuck) || took != 2*time.Second {
		t.Errorf("ended with %v after %v, want stuck after 2s", d.Err(), took)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestReportsAreDroppedFirst(t *testing.T) { synctest.Test(t, testReportsAreDroppedFirst) }

// While the transport blocks the loop, reports are dropped and counted, and all
// other packets pass in their order.
func testReportsAreDroppedFirst(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.run(ctx)
	tr := newClogged(host)
	d, err := controller.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tr.full.Store(true)
	done := make(chan error, 1)
	go func() { _, err := controller.Exec(context.Background(), d, hci.LERand{}); done <- err }()
	synctest.Wait() // the loop is in WritePacket
	const reports, others = 5000, 10
	for i := range reports {
		s.send(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Addr: hci.Addr{MAC: hci.MAC{byte(i)}}}}})
		if i%(reports/others) == 0 {
			s.send(&hci.DisconnectionComplete{Handle: 0x0EFF})
		}
	}
	time.Sleep(time.Second)
	tr.full.Store(false)
	tr.freed <- struct{}{}
	if err := <-done; !errors.Is(err, hci.StatusUnknownCommand) { // the script knows no more
		t.Errorf("the command that was held up: %v", err)
	}
	synctest.Wait()
	if st := d.Stats(); st.UnknownHandles != others || st.DroppedAdvertRead != reports-4096 {
		t.Errorf("counted %+v; want all %d other events, and all reports dropped but the 4,096 that filled the queue", st, others)
	}
}
