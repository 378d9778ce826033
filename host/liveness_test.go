package host_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// The tests of this file reproduce from the radio how other hosts have hung or crashed:
// each peer is a script of octets. Package controller tests the initiator and scan
// responses, package gatt/att tests ATT.

const cidATT = 4

// raw is a central with the stack, and scripted peers.
type raw struct {
	air     *sim.Air
	ctl     *sim.Controller
	central *host.Host
}

func newRaw(t *testing.T, cc *sim.ControllerConfig) *raw {
	t.Helper()
	r := &raw{air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { r.air.Close() })
	r.ctl = r.air.NewController(cc)
	r.central = openHost(t, r.ctl, &host.Config{HCI: controller.Config{DisableTuning: true}})
	return r
}

// link connects to a new peer and returns both ends.
func (r *raw) link(t *testing.T, cfg *sim.RawPeerConfig) (*host.Conn, *sim.RawLink) {
	t.Helper()
	p := r.air.NewRawPeer(cfg)
	c, err := r.central.Connect(t.Context(), p.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

// answering is a peer that answers each ATT read with one octet.
func answering() *sim.RawPeerConfig {
	return &sim.RawPeerConfig{Script: sim.Script{Frame: func(l *sim.RawLink, cid uint16, b []byte) {
		if cid == cidATT && len(b) > 0 && att.Opcode(b[0]) == att.OpReadReq {
			l.Send(cidATT, []byte{byte(att.OpReadRsp), 0x2A})
		}
	}}}
}

func wantRead(t *testing.T, c *host.Conn, why string) {
	t.Helper()
	if v, err := c.GATT().ReadHandle(t.Context(), 3); err != nil || len(v) != 1 || v[0] != 0x2A {
		t.Errorf("%s: read % x, %v", why, v, err)
	}
}

func TestLongPDUBeforeTheMTUExchange(t *testing.T) {
	synctest.Test(t, testLongPDUBeforeTheMTUExchange)
}

func testLongPDUBeforeTheMTUExchange(t *testing.T) {
	r := newRaw(t, nil)
	good, _ := r.link(t, answering())
	_, bad := r.link(t, nil)
	for range 40 {
		bad.Send(cidATT, append([]byte{byte(att.OpHandleValueNotification), 3, 0}, make([]byte, 200)...))
		bad.Send(cidATT, append([]byte{byte(att.OpReadRsp)}, make([]byte, 100)...)) // nobody asked
	}
	time.Sleep(5 * time.Second)
	wantRead(t, good, "after forty PDUs beyond the MTU on another link")
}

func TestWhatWasWrittenArrivesBeforeTheEnd(t *testing.T) {
	synctest.Test(t, testWhatWasWrittenArrivesBeforeTheEnd)
}

func testWhatWasWrittenArrivesBeforeTheEnd(t *testing.T) {
	for name, end := range map[string]func(r *raw, c *host.Conn) error{
		"of the link": func(_ *raw, c *host.Conn) error { return c.Close() },
		"of the host": func(r *raw, _ *host.Conn) error { return r.central.Close() },
	} {
		const writes = 16
		r := newRaw(t, nil)
		got := 0
		c, _ := r.link(t, &sim.RawPeerConfig{Script: sim.Script{Frame: func(_ *sim.RawLink, cid uint16, b []byte) {
			if cid == cidATT && len(b) > 0 && att.Opcode(b[0]) == att.OpWriteCmd {
				got++
			}
		}}})
		for i := range writes {
			if err := c.GATT().WriteNoResponse(t.Context(), 3, []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := end(r, c); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got != writes {
			t.Errorf("before the end %s the peer got %d of %d writes", name, got, writes)
		}
	}
}

func TestDisconnectWhileAWriterWaitsForCredit(t *testing.T) {
	synctest.Test(t, testDisconnectWhileAWriterWaitsForCredit)
}

func testDisconnectWhileAWriterWaitsForCredit(t *testing.T) {
	r := newRaw(t, &sim.ControllerConfig{ACLNum: 1})
	c, _ := r.link(t, nil)
	r.ctl.Fault(sim.CreditFault{Withhold: true})
	written := make(chan error, 1)
	go func() {
		for {
			if err := c.GATT().WriteNoResponse(context.Background(), 3, make([]byte, 20)); err != nil {
				written <- err
				return
			}
		}
	}()
	synctest.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-written; !errors.Is(err, hci.StatusLocalHostTerminated) {
		t.Errorf("the writer got %v, want the end of the link", err)
	}
	r.ctl.ClearFaults()
	again, _ := r.link(t, answering())
	wantRead(t, again, "the buffer came back with the end of the link")
}

func TestKeyRequestDoesNotStallCommands(t *testing.T) {
	synctest.Test(t, testKeyRequestDoesNotStallCommands)
}

func testKeyRequestDoesNotStallCommands(t *testing.T) {
	r := newRaw(t, nil)
	if err := r.central.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan hci.Status, 1)
	p := r.air.NewRawPeer(&sim.RawPeerConfig{Silent: true, Script: sim.Script{Event: func(_ *sim.RawLink, ev hci.Event) {
		if ev, ok := ev.(*hci.EncryptionChange); ok {
			outcome <- ev.Status
		}
	}}})
	l, err := p.Connect(t.Context(), r.ctl.Address(), hci.ConnParams{IntervalMin: 30e6, IntervalMax: 30e6, Timeout: 2e9})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.central.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Encrypt([8]byte{1}, 2, [16]byte{3})
	begin := time.Now()
	for range 5 {
		if _, err := c.Link().RSSI(t.Context()); err != nil && c.Err() == nil {
			t.Error(err)
		}
	}
	if d := time.Since(begin); d > 100*time.Millisecond {
		t.Errorf("five commands took %v", d)
	}
	if st := <-outcome; st != hci.StatusKeyMissing {
		t.Errorf("the peer was told %v, want key missing", st)
	}
}

func TestCloseDoesNotWaitForARequest(t *testing.T) { synctest.Test(t, testCloseDoesNotWaitForARequest) }

func testCloseDoesNotWaitForARequest(t *testing.T) {
	r := newRaw(t, nil)
	c, _ := r.link(t, nil) // answers nothing
	read := make(chan error, 1)
	go func() { _, err := c.GATT().ReadHandle(context.Background(), 3); read <- err }()
	synctest.Wait()
	begin := time.Now()
	if err := c.Close(); err != nil || time.Since(begin) > time.Second {
		t.Errorf("closed after %v: %v", time.Since(begin), err)
	}
	if err := <-read; !errors.Is(err, hci.StatusLocalHostTerminated) {
		t.Errorf("the read got %v", err)
	}
}

func TestUnansweredRequestEndsTheLink(t *testing.T) {
	synctest.Test(t, testUnansweredRequestEndsTheLink)
}

func testUnansweredRequestEndsTheLink(t *testing.T) {
	r := newRaw(t, nil)
	c, l := r.link(t, nil)
	begin := time.Now()
	_, err := c.GATT().ReadHandle(t.Context(), 3)
	if d := time.Since(begin); !errors.Is(err, att.ErrTransactionTimeout) || d != 30*time.Second {
		t.Errorf("got %v after %v, want the transaction timeout after 30s", err, d)
	}
	<-c.Done()
	if !errors.Is(c.Err(), att.ErrTransactionTimeout) {
		t.Errorf("the link ended with %v", c.Err())
	}
	<-l.Done()
}

func TestConnectionAtTheInstantOfCancel(t *testing.T) {
	synctest.Test(t, testConnectionAtTheInstantOfCancel)
}

// testConnectionAtTheInstantOfCancel ends the context of Connect at many instants around
// that of the connection. Whichever comes first, no link is left without an owner, and
// the controller still works.
func testConnectionAtTheInstantOfCancel(t *testing.T) {
	r := newRaw(t, nil)
	p := r.air.NewRawPeer(answering())
	made := 0
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		c, err := r.central.Connect(ctx, p.Address(), nil)
		cancel()
		if err == nil {
			made++
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial %d: %v", i, err)
		}
	}
	if made == 0 || made == 200 {
		t.Fatalf("%d of 200 dials succeeded: the race was not met", made)
	}
	time.Sleep(5 * time.Second)
	c, err := r.central.Connect(t.Context(), p.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantRead(t, c, "after 200 races")
}

func TestVanishedAdapterReleasesEverybody(t *testing.T) {
	synctest.Test(t, testVanishedAdapterReleasesEverybody)
}

func testVanishedAdapterReleasesEverybody(t *testing.T) {
	r := newRaw(t, nil)
	c, _ := r.link(t, nil)
	errs := make(chan error, 3)
	go func() { _, err := c.GATT().ReadHandle(context.Background(), 3); errs <- err }()
	go func() { <-c.Done(); errs <- c.Err() }()
	go func() {
		_, err := r.central.Connect(context.Background(), hci.Addr{MAC: hci.MAC{7}}, nil)
		errs <- err
	}()
	synctest.Wait()
	r.ctl.Unplug()
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, sim.ErrUnplugged) {
			t.Errorf("a waiter got %v", err)
		}
	}
	<-r.central.Done()
	again := openHost(t, r.ctl.Plug(), nil)
	p := r.air.NewRawPeer(answering())
	c, err := again.Connect(t.Context(), p.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantRead(t, c, "on the adapter that came back")
}
