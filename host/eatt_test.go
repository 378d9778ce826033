package host_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// script is a bonded device whose frames the test writes octet by octet.
type script struct {
	t *testing.T
	l *sim.RawLink
	c *host.Conn // this side
}

// newScript connects to such a device, over an encrypted link.
func newScript(t *testing.T) *script {
	t.Helper()
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	key := [16]byte{1, 2, 3}
	p := air.NewRawPeer(&sim.RawPeerConfig{Key: func([8]byte, uint16) ([16]byte, bool) { return key, true }})
	h := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	bond := &smp.Bond{
		Peer: p.Address(), Created: time.Now(), SecureConnections: true, KeySize: 16,
		Central: &smp.LongTermKey{Key: key}, Peripheral: &smp.LongTermKey{Key: key},
	}
	if err := h.SMP().Store().Save(bond); err != nil {
		t.Fatal(err)
	}
	c, err := h.Connect(t.Context(), p.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &script{t, l, c}
}

// want takes the next frames of this side: "CID payload" in hex.
func (s *script) want(frames ...string) {
	s.t.Helper()
	for _, want := range frames {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		f, err := s.l.Receive(ctx)
		cancel()
		if err != nil {
			s.t.Fatalf("%v, want %q", err, want)
		}
		cid, payload, _ := strings.Cut(want, " ")
		if want, got := cid+" "+strings.ReplaceAll(payload, " ", ""), fmt.Sprintf("%04x %x", f.CID, f.Payload); got != want {
			s.t.Fatalf("sent %q, want %q", got, want)
		}
	}
}

// send sends frames of the device.
func (s *script) send(frames ...string) {
	s.t.Helper()
	for _, f := range frames {
		b, err := hex.DecodeString(strings.ReplaceAll(f, " ", ""))
		if err != nil {
			s.t.Fatal(err)
		}
		s.l.Send(uint16(b[0])<<8|uint16(b[1]), b[2:])
	}
}

// enhance opens n enhanced bearers; the device's channels are 0x0050 and up. The
// trial is left to the test.
func (s *script) enhance(n int) <-chan error {
	s.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.c.GATT().Enhance(s.t.Context(), n)
		done <- err
	}()
	s.want("0004 06 0100 ffff 0028 0118")
	s.send("0004 07 0100 0900") // Generic Attribute, handles 1 to 9
	s.want("0004 06 0a00 ffff 0028 0118")
	s.send("0004 01 06 0a00 0a")
	s.want("0004 08 0200 0900 0328")
	s.send("0004 09 07 0200 0a 0300 292b 0400 02 0500 3a2b") // Client and Server Supported Features
	s.want("0004 08 0600 0900 0328")
	s.send("0004 01 08 0600 0a")
	s.want("0004 0a 0500")
	s.send("0004 0b 01") // the server supports enhanced bearers
	s.want("0004 0a 0300")
	s.send("0004 0b 00")
	s.want("0004 12 0300 07") // so does the client
	s.send("0004 13")
	for i := range n {
		// MTU 517, MPS 247, 16 credits; the device has MTU 64, MPS 64, 9 credits.
		s.want(fmt.Sprintf("0005 17 %02x 0a00 2700 0502 f700 1000 %02x00", i+1, 0x40+i))
		s.send(fmt.Sprintf("0005 18 %02x 0a00 4000 4000 0900 0000 %02x00", i+1, 0x50+i))
	}
	return done
}

func (s *script) read(h att.Handle) <-chan string {
	done := make(chan string, 1)
	go func() {
		v, err := s.c.GATT().ReadHandle(s.t.Context(), h)
		done <- fmt.Sprintf("%x %v", v, err)
	}()
	synctest.Wait()
	return done
}

// Requests go on all bearers, each of which carries one.
func TestEATT(t *testing.T) { synctest.Test(t, testEATT) }

func testEATT(t *testing.T) {
	s := newScript(t)
	done := s.enhance(2)
	s.want("0050 0300 0a0500")
	s.send("0040 0200 0b01")
	s.want("0051 0300 0a0500")
	s.send("0041 0200 0b01")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a, b, c, d := s.read(0x10), s.read(0x11), s.read(0x12), s.read(0x13)
	s.want("0004 0a 1000", "0050 0300 0a 1100", "0051 0300 0a 1200")
	s.send("0041 0200 0b 33")
	s.want("0051 0300 0a 1300")
	s.send("0041 0200 0b 44", "0040 0200 0b 22", "0004 0b 11")
	for i, ch := range []<-chan string{a, b, c, d} {
		if got, want := <-ch, fmt.Sprintf("%d%d <nil>", i+1, i+1); got != want {
			t.Errorf("read %d: %s, want %s", i, got, want)
		}
	}
	if n := s.c.Bearer().EnhancedBearers(); n != 2 {
		t.Errorf("%d enhanced bearers", n)
	}
}

// A device that answers on the wrong bearer loses the enhanced ones. The link stays, and
// the read goes on over the unenhanced bearer.
func TestEATTWrongBearer(t *testing.T) { synctest.Test(t, testEATTWrongBearer) }

func testEATTWrongBearer(t *testing.T) {
	s := newScript(t)
	done := s.enhance(2)
	s.want("0050 0300 0a0500")
	s.send("0040 0200 0b01")
	s.want("0051 0300 0a0500")
	s.send("0041 0200 0b01")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a, b := s.read(0x10), s.read(0x11)
	s.want("0004 0a 1000", "0050 0300 0a 1100")
	s.send("0041 0200 0b 22") // on the other enhanced bearer
	s.want("0005 06 03 0400 5000 4000", "0005 06 04 0400 5100 4100")
	s.send("0005 07 03 0400 5000 4000", "0005 07 04 0400 5100 4100", "0040 0200 0b 22")
	s.send("0004 0b 11")
	s.want("0004 0a 1100")
	s.send("0004 0b 22")
	if x, y := <-a, <-b; x != "11 <nil>" || y != "22 <nil>" {
		t.Errorf("read %s and %s", x, y)
	}
	if err := s.c.Bearer().EnhancedErr(); !errors.Is(err, att.ErrWrongBearer) || s.c.Err() != nil {
		t.Errorf("enhanced bearers %v, link %v", err, s.c.Err())
	}
	if _, err := s.c.GATT().Enhance(t.Context(), 2); !errors.Is(err, att.ErrWrongBearer) {
		t.Errorf("again: %v", err)
	}
}

// A device without enhanced bearers, or that refuses them, is used over one.
func TestEATTRefused(t *testing.T) { synctest.Test(t, testEATTRefused) }

func testEATTRefused(t *testing.T) {
	s := newScript(t)
	done := make(chan error, 1)
	go func() { _, err := s.c.GATT().Enhance(t.Context(), 1); done <- err }()
	s.want("0004 06 0100 ffff 0028 0118")
	s.send("0004 01 06 0100 0a")
	if err := <-done; !errors.Is(err, gatt.ErrNoEnhanced) || !errors.Is(err, gatt.ErrNotFound) {
		t.Error(err)
	}
	for _, n := range []int{0, 6} {
		if _, err := s.c.GATT().Enhance(t.Context(), n); err == nil || !strings.HasSuffix(err.Error(), "ask for 1 to 5") {
			t.Errorf("%d bearers: %v", n, err)
		}
	}
}

// The server takes enhanced bearers from the device once the link is encrypted, five at
// most, and answers each request on its bearer.
func TestEATTServer(t *testing.T) { synctest.Test(t, testEATTServer) }

func testEATTServer(t *testing.T) {
	s := newScript(t)
	s.send("0005 17 01 1200 2700 4000 4000 0300 5000 5100 5200 5300 5400")
	s.want("0005 18 01 1200 0502 f700 1000 0000 4000 4100 4200 4300 4400")
	s.send("0005 17 02 0a00 2700 4000 4000 0300 5500")
	s.want("0005 18 02 0a00 0000 0000 0000 0400 0000")
	// Server Supported Features, and a read beyond the table, at the same time.
	s.send("0044 0700 08 0100 ffff 3a2b", "0040 0300 0a ff00", "0004 0a ff00")
	s.want("0054 0500 09 03 1100 01", "0050 0500 01 0a ff00 01", "0004 01 0a ff00 01")
	if n := s.c.Bearer().AllEnhanced(); n != 5 {
		t.Errorf("%d bearers", n)
	}
	s.send("0005 06 03 0400 4400 5400")
	s.want("0005 07 03 0400 4400 5400")
	if n := s.c.Bearer().AllEnhanced(); n != 4 || s.c.Err() != nil {
		t.Errorf("%d bearers, link %v", n, s.c.Err())
	}
}

// Without encryption there are no enhanced bearers in either direction.
func TestEATTNeedsEncryption(t *testing.T) { synctest.Test(t, testEATTNeedsEncryption) }

func testEATTNeedsEncryption(t *testing.T) {
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	p := air.NewRawPeer(nil)
	h := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	c, err := h.Connect(t.Context(), p.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t, l, c}
	s.send("0005 17 01 0a00 2700 4000 4000 0300 5000")
	s.want("0005 18 01 0a00 0000 0000 0000 0500 0000")
	if n, err := c.L2CAP().OpenPackets(t.Context(), l2cap.PSMEATT, 1); n != 0 || !errors.Is(err, l2cap.ResultInsufficientAuthentication) {
		t.Errorf("%d channels, %v", n, err)
	}
}
