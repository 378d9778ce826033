package smp_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// The tests of this file have one host, and a peer whose PDUs are scripted.

const cidSMP = 6

var slowParams = hci.ConnParams{IntervalMin: 30e6, IntervalMax: 30e6, Timeout: 4e9}

// scripted is a host and a scripted peer.
type scripted struct {
	*pair
	raw    *sim.RawPeer
	events chan hci.Status // of encryption on the peer's links
}

func newScripted(t *testing.T, cfg *smp.Config, pc sim.RawPeerConfig) *scripted {
	t.Helper()
	s := &scripted{pair: &pair{t: t, air: sim.New(&sim.Config{Seed: 1}), logs: &logs{}}, events: make(chan hci.Status, 100)}
	t.Cleanup(func() { s.air.Close() })
	if cfg != nil {
		s.ccfg = *cfg
	}
	s.ctl = s.air.NewController(nil)
	s.c = s.open(s.ctl, &s.ccfg)
	pc.Script.Event = func(_ *sim.RawLink, ev hci.Event) {
		if ev, ok := ev.(*hci.EncryptionChange); ok {
			s.events <- ev.Status
		}
	}
	s.raw = s.air.NewRawPeer(&pc)
	return s
}

// central connects the host to the peer.
func (s *scripted) central() (*host.Conn, *sim.RawLink) {
	s.t.Helper()
	c, err := s.c.ConnectPlain(s.t.Context(), s.raw.Address(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := s.raw.Accept(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return c, l
}

// peripheral connects the peer to the host.
func (s *scripted) peripheral() (*host.Conn, *sim.RawLink) {
	s.t.Helper()
	if err := s.c.Advertise(s.t.Context(), nil); err != nil {
		s.t.Fatal(err)
	}
	l, err := s.raw.Connect(s.t.Context(), s.ctl.Address(), slowParams)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.c.Accept(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return c, l
}

// next returns the next PDU that the host sends; nil if there is none for a
// second.
func (s *scripted) next(l *sim.RawLink) smp.Command {
	s.t.Helper()
	ctx, cancel := contextFor(s.t, time.Second)
	defer cancel()
	f, err := l.Receive(ctx)
	if err != nil {
		return nil
	}
	p, err := smp.ParseCommand(f.Payload)
	if f.CID != cidSMP || err != nil {
		s.t.Fatalf("frame on channel %d: % x, %v", f.CID, f.Payload, err)
	}
	return p
}

func (s *scripted) want(l *sim.RawLink, want smp.Command, why string) {
	s.t.Helper()
	if got := s.next(l); got != want {
		s.t.Errorf("%s: the host sent %v, want %v", why, got, want)
	}
}

func say(l *sim.RawLink, pdus ...smp.Command) {
	for _, p := range pdus {
		l.Send(cidSMP, p.AppendPDU(nil))
	}
}

var plain = smp.Features{IO: smp.NoInputNoOutput, Auth: smp.AuthBonding | smp.AuthSecureConnections, MaxKeySize: 16, InitiatorKeys: smp.DistIDKey, ResponderKeys: smp.DistIDKey}

func TestTimeoutAsCentral(t *testing.T) { synctest.Test(t, testTimeoutAsCentral) }

func testTimeoutAsCentral(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{})
	c, l := s.central()
	begin := time.Now()
	_, err := c.SMP().Pair(t.Context(), nil)
	if d := time.Since(begin); !errors.Is(err, smp.ErrTimeout) || d != 30*time.Second {
		t.Errorf("got %v after %v, want the timeout after 30s", err, d)
	}
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Error("no Pairing Request was sent")
	}
	begin = time.Now()
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ErrTimeout) || time.Since(begin) != 0 {
		t.Errorf("again on the same link: %v", err)
	}
	say(l, smp.PairingResponse(plain), smp.SecurityRequest{})
	s.want(l, nil, "nothing more is sent on the link")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-l.Done()
	c, l = s.central()
	got := make(chan error, 1)
	go func() { _, err := c.SMP().Pair(t.Context(), nil); got <- err }()
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Error("a new link cannot pair")
	}
	// Each PDU of this host restarts the 30 s.
	time.Sleep(20 * time.Second)
	say(l, smp.PairingResponse(plain))
	if _, ok := s.next(l).(smp.PairingPublicKey); !ok {
		t.Error("no public key was sent")
	}
	begin = time.Now()
	if err := <-got; !errors.Is(err, smp.ErrTimeout) {
		t.Error(err)
	}
	if d := time.Since(begin); d < 29*time.Second || d > 30*time.Second {
		t.Errorf("gave up %v after the last PDU", d)
	}
}

func TestTimeoutAsPeripheral(t *testing.T) { synctest.Test(t, testTimeoutAsPeripheral) }

func testTimeoutAsPeripheral(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{Silent: true})
	c, l := s.peripheral()
	begin := time.Now()
	_, err := c.SMP().Pair(t.Context(), nil)
	if d := time.Since(begin); !errors.Is(err, smp.ErrTimeout) || d != 30*time.Second {
		t.Errorf("got %v after %v, want the timeout after 30s", err, d)
	}
	s.want(l, smp.SecurityRequest{Auth: smp.AuthBonding | smp.AuthSecureConnections}, "the central is asked")
	say(l, smp.PairingRequest(plain))
	s.want(l, nil, "nothing more is sent on the link")
}

func TestRepeatedAttempts(t *testing.T) { synctest.Test(t, testRepeatedAttempts) }

// testRepeatedAttempts is a central that guesses: each failure doubles the time that it
// has to wait, on all its links.
func testRepeatedAttempts(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{Silent: true})
	c, l := s.peripheral()
	wait := time.Second
	for try := range 9 {
		say(l, smp.PairingRequest(plain))
		if _, ok := s.next(l).(smp.PairingResponse); !ok {
			t.Fatalf("try %d: no response", try)
		}
		say(l, smp.PairingConfirm{}) // out of order
		s.want(l, smp.PairingFailed{Reason: smp.ReasonUnspecified}, "out of order")
		failed := time.Now()
		say(l, smp.PairingRequest(plain))
		s.want(l, smp.PairingFailed{Reason: smp.ReasonRepeatedAttempts}, "at once")
		if try == 4 { // another link does not help
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			<-l.Done()
			c, l = s.peripheral()
		}
		if wait > time.Second {
			time.Sleep(time.Until(failed.Add(wait - 300*time.Millisecond)))
			say(l, smp.PairingRequest(plain))
			s.want(l, smp.PairingFailed{Reason: smp.ReasonRepeatedAttempts}, "before the time is up")
		}
		time.Sleep(time.Until(failed.Add(wait)))
		wait = min(2*wait, 2*time.Minute)
	}
}

func TestEarlyEncryption(t *testing.T) { synctest.Test(t, testEarlyEncryption) }

// testEarlyEncryption is a central that encrypts with a zero key before the pairing has
// made a key (CVE-2019-19194).
func testEarlyEncryption(t *testing.T) {
	s := newScripted(t, &smp.Config{AllowLegacy: true}, sim.RawPeerConfig{Silent: true})
	c, l := s.peripheral()
	refused := func(when string) {
		t.Helper()
		l.Encrypt([8]byte{}, 0, [16]byte{})
		if st := <-s.events; st != hci.StatusKeyMissing {
			t.Errorf("%s: %v, want key missing", when, st)
		}
		if c.SMP().Security().Encrypted {
			t.Errorf("%s: encrypted", when)
		}
	}
	refused("before pairing")
	old := plain
	old.Auth = smp.AuthBonding
	say(l, smp.PairingRequest(old))
	s.next(l)
	refused("after the features")
	say(l, smp.PairingConfirm{Value: [16]byte{1}})
	if _, ok := s.next(l).(smp.PairingConfirm); !ok {
		t.Fatal("no confirm value")
	}
	refused("after the confirm values")
	say(l, smp.PairingRandom{Value: [16]byte{2}})
	s.want(l, smp.PairingFailed{Reason: smp.ReasonConfirmValueFailed}, "wrong random value")
	refused("after the failure")
}

func TestIdle(t *testing.T) { synctest.Test(t, testIdle) }

func testIdle(t *testing.T) {
	s := newScripted(t, &smp.Config{DisableIncoming: true}, sim.RawPeerConfig{MaxLinks: 2})
	_, l := s.central()
	notSupported, wrongRole := smp.PairingFailed{Reason: smp.ReasonPairingNotSupported}, smp.PairingFailed{Reason: smp.ReasonCommandNotSupported}
	invalid := smp.PairingFailed{Reason: smp.ReasonInvalidParameters}
	for _, tt := range []struct {
		why  string
		pdu  []byte
		want smp.Command
	}{
		{"empty", nil, nil},
		{"code 0", []byte{0, 1}, nil},
		{"reserved code", []byte{0x0F, 1}, nil},
		{"reserved code", []byte{0xFF}, nil},
		{"late PDU", smp.PairingRandom{}.AppendPDU(nil), nil},
		{"late failure", smp.PairingFailed{Reason: 1}.AppendPDU(nil), nil},
		{"request from the peripheral", smp.PairingRequest(plain).AppendPDU(nil), wrongRole},
		{"request for security", smp.SecurityRequest{}.AppendPDU(nil), notSupported},
		{"short request", []byte{1, 3, 0}, invalid},
	} {
		l.Send(cidSMP, tt.pdu)
		s.want(l, tt.want, tt.why)
	}
	s.raw.SetAdvertising(false)
	_, l = s.peripheral()
	say(l, smp.SecurityRequest{})
	s.want(l, wrongRole, "request for security from the central")
	say(l, smp.PairingRequest(plain))
	s.want(l, notSupported, "request to pair")
}

func TestKeySizesOnTheAir(t *testing.T) { synctest.Test(t, testKeySizesOnTheAir) }

func testKeySizesOnTheAir(t *testing.T) {
	for _, size := range []uint8{0, 6, 7, 15, 17, 255} {
		s := newScripted(t, nil, sim.RawPeerConfig{Silent: true})
		_, l := s.peripheral()
		f := plain
		f.MaxKeySize = size
		want := smp.ReasonEncryptionKeySize // shorter than allowed (2.3.4), by however much
		if size > 16 {
			want = smp.ReasonInvalidParameters // there is no such key
		}
		say(l, smp.PairingRequest(f))
		s.want(l, smp.PairingFailed{Reason: want}, "key size")
		s.air.Close()
	}
}

func TestSecurityRequestDeletesNothing(t *testing.T) {
	synctest.Test(t, testSecurityRequestDeletesNothing)
}

// testSecurityRequestDeletesNothing is a device with the address of a bonded peer that
// tries to get the bond replaced (CVE-2025-62235, BLESA).
func testSecurityRequestDeletesNothing(t *testing.T) {
	cfg := &smp.Config{Store: keep(smp.Memory())}
	asked := make(chan struct{}, 10)
	s := newScripted(t, cfg, sim.RawPeerConfig{Key: func([8]byte, uint16) (key [16]byte, ok bool) {
		asked <- struct{}{}
		return key, false
	}})
	key := &smp.LongTermKey{Key: smp.Key{1, 2, 3}}
	b := &smp.Bond{Peer: s.raw.Address(), KeySize: 16, Central: key, Peripheral: key, SecureConnections: true}
	if err := s.c.SMP().Store().Save(b); err != nil {
		t.Fatal(err)
	}
	c, l := s.central()
	time.Sleep(time.Second) // the encryption that the bond began has been refused
	for _, auth := range []smp.AuthReq{0, smp.AuthBonding, 0xFF} {
		say(l, smp.SecurityRequest{Auth: auth})
		s.want(l, nil, "the bond is used, not replaced")
	}
	say(l, smp.PairingResponse(plain), smp.PairingFailed{Reason: smp.ReasonKeyRejected})
	s.want(l, nil, "nothing goes on")
	if n := len(asked); n != 4 { // once when the link came up, and once for each request
		t.Errorf("the peer was asked %d times for its key, want 4", n)
	}
	if got, _ := s.c.SMP().Find(s.raw.Address()); got != b {
		t.Error("the bond is not the one that it was")
	}
	if c.SMP().Security().Encrypted {
		t.Error("encrypted")
	}
}
