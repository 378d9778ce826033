package host_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// The values at 0x0012 and 0x0014 take signed writes. The second requires an
// authenticated key.
var (
	signedValue        = gatt.UUID16(0x2B20)
	signedByWhomWeKnow = gatt.UUID16(0x2B21)
)

func signedServer(t *testing.T) *gatt.Server {
	t.Helper()
	char := func(u gatt.UUID, h att.Handle, q gatt.Require) gatt.CharDef {
		return gatt.CharDef{
			UUID: u, Handle: h, Properties: gatt.PropRead | gatt.PropSignedWrite, Value: []byte("old"),
			Permissions: gatt.Permissions{Write: q},
		}
	}
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{UUID: service, Handle: 0x10, Characteristics: []gatt.CharDef{
		char(signedValue, 0x11, gatt.Require{}), char(signedByWhomWeKnow, 0x13, gatt.Require{Authentication: true}),
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

func TestSignedWrites(t *testing.T) { synctest.Test(t, testSignedWrites) }

// testSignedWrites signs with the key distributed during pairing, on a later link that is
// not encrypted.
func testSignedWrites(t *testing.T) {
	x := &secured{air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { x.air.Close() })
	x.srv = signedServer(t)
	changes := 0
	x.c = openHost(t, x.air.NewController(nil), &host.Config{SMP: &smp.Config{Signing: true}})
	x.p = openHost(t, x.air.NewController(nil), &host.Config{Server: x.srv, SMP: &smp.Config{
		Signing: true, Changed: func(hci.Addr, *smp.Bond) { changes++ },
	}})
	if err := x.p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c, p := x.connect(t)
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var last att.SignedWriteCmd // as it was sent
	sign := func(ctx context.Context, pdu []byte) ([12]byte, error) {
		s, err := c.SMP().Sign(ctx, pdu)
		last.Signature = s
		return s, err
	}
	write := func(u gatt.UUID, value string) {
		t.Helper()
		ch, err := c.GATT().Char(t.Context(), service, u)
		if err != nil {
			t.Fatal(err)
		}
		last.Handle, last.Value = ch.Info().Value, []byte(value)
		if err := ch.WriteSigned(t.Context(), last.Value, sign); err != nil {
			t.Fatal(err)
		}
	}
	command := func(cmd att.SignedWriteCmd) {
		t.Helper()
		if err := c.Bearer().Command(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	want := func(u gatt.UUID, value string, dropped uint64) {
		t.Helper()
		v, err := c.GATT().Read(t.Context(), service, u)
		if err != nil || string(v) != value {
			t.Errorf("%v is %q, %v, want %q", u, v, err, value)
		}
		if n := p.Session().Dropped(); n != dropped {
			t.Errorf("%d commands dropped, want %d", n, dropped)
		}
	}
	write(signedValue, "new")
	want(signedValue, "old", 1) // the link is encrypted
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()

	// Without a key for encryption, the central leaves the link as it is.
	b, _ := x.c.SMP().Find(x.p.Controller().Info().Address)
	unencrypted := *b
	unencrypted.Central = nil
	if err := x.c.SMP().Store().Save(&unencrypted); err != nil {
		t.Fatal(err)
	}
	c, err := x.c.ConnectPlain(t.Context(), x.p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = x.p.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(signedValue, "new")
	want(signedValue, "new", 0)
	replay := last
	write(signedValue, "newer")
	command(replay)
	want(signedValue, "newer", 1)
	forged := last
	forged.Signature[0]++ // the next counter
	command(forged)
	forged.Value = []byte("forged")
	command(forged)
	want(signedValue, "newer", 3)
	write(signedByWhomWeKnow, "new")
	want(signedByWhomWeKnow, "old", 4) // it was Just Works
	if p.SMP().Security().Encrypted {
		t.Error("the link is encrypted")
	}

	// The counter survives other changes of the bond.
	own := x.c.Controller().Info().Address
	b, _ = x.p.SMP().Find(own)
	authenticated := *b
	authenticated.Authenticated = true
	before := changes
	if err := x.p.SMP().Store().Save(&authenticated); err != nil {
		t.Fatal(err)
	}
	write(signedByWhomWeKnow, "new")
	want(signedByWhomWeKnow, "new", 4)
	if before != 1 || changes != 2 {
		t.Errorf("%d changes of bonds, then %d, want none for signatures", before, changes)
	}
	if err := x.p.SMP().Store().Remove(own); err != nil {
		t.Fatal(err)
	}
	write(signedValue, "newest")
	want(signedValue, "newer", 5) // the bond is gone, the link lives on
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

func TestSignedWriteOfBlueZ(t *testing.T) { synctest.Test(t, testSignedWriteOfBlueZ) }

// testSignedWriteOfBlueZ receives the sample commands of BlueZ (unit/test-crypto.c,
// verify_sign_pass and verify_sign_bad_sign).
func testSignedWriteOfBlueZ(t *testing.T) {
	octets := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	srv := signedServer(t)
	h := openHost(t, air.NewController(nil), &host.Config{SMP: &smp.Config{}, Server: srv, HCI: controller.Config{DisableTuning: true}})
	peer := air.NewRawPeer(nil)
	b := &smp.Bond{Peer: peer.Address(), KeySize: 16, PeerCSRK: smp.Key(octets("505e42df9691ec72d31fcdfbeb641b61"))}
	if err := h.SMP().Store().Save(b); err != nil {
		t.Fatal(err)
	}
	c, err := h.ConnectPlain(t.Context(), peer.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := peer.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantValue := func(want string) {
		t.Helper()
		l.Send(cidATT, []byte{byte(att.OpReadReq), 0x12, 0})
		f, err := l.Receive(t.Context())
		if err != nil || f.CID != cidATT || !bytes.Equal(f.Payload, slices.Concat([]byte{byte(att.OpReadRsp)}, []byte(want))) {
			t.Errorf("the peer reads % x on channel %d, %v, want % x", f.Payload, f.CID, err, want)
		}
	}
	l.Send(cidATT, octets("d212001337"+"01000000"+"f1871e933c900ff1"))
	wantValue("old")
	for range 1000 { // each with a signature that was good once
		l.Send(cidATT, octets("d212001337"+"01000000"+"f1871e933c900ff2"))
	}
	wantValue("\x13\x37")
	if n := c.Session().Dropped(); n != 1+999 {
		t.Errorf("%d commands dropped, want 1000", n)
	}
	if b, _ := h.SMP().Find(peer.Address()); b.PeerCounter != 2 {
		t.Errorf("the next counter is %d, want 2", b.PeerCounter)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// private opens a central that makes its links with private addresses, and has a constant
// identity.
func private(t *testing.T, air *sim.Air, identity hci.Addr, bonds smp.Store) *host.Host {
	t.Helper()
	return openHost(t, air.NewController(&sim.ControllerConfig{NoAddress: true}), &host.Config{
		HCI: controller.Config{Address: smp.NewPrivateAddress(bonds.Identity().IRK)},
		SMP: &smp.Config{Identity: identity, Store: func(smp.Local) (smp.Store, error) { return bonds, nil }},
	})
}

func TestSubscriptionsOfAPrivateAddress(t *testing.T) {
	synctest.Test(t, testSubscriptionsOfAPrivateAddress)
}

// testSubscriptionsOfAPrivateAddress lets a client subscribe and then bond, on a link on
// which its identity is unknown before. It is notified on later links, under other
// addresses, until its bond is removed.
func testSubscriptionsOfAPrivateAddress(t *testing.T) {
	x := newSecured(t)
	identity := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	bonds, err := smp.Memory()(smp.Local{Addr: identity})
	if err != nil {
		t.Fatal(err)
	}
	x.c = private(t, x.air, identity, bonds)
	c, p := x.connect(t)
	if k := p.Session().Peer().Key; k != "" {
		t.Errorf("a private address is the name %s", k)
	}
	ch, err := c.GATT().Char(t.Context(), service, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Subscribe(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the peripheral has saved its bond, too
	if k := p.Session().Peer().Key; k != identity.String() {
		t.Errorf("the client's name is %q, want %v", k, identity)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()

	h, _ := x.srv.Handle(service, level)
	back := func() (c, p *host.Conn) {
		t.Helper()
		x.c = private(t, x.air, identity, bonds)
		c, p = x.connect(t)
		synctest.Wait()
		return c, p
	}
	notified := func(why string, want int) {
		t.Helper()
		if n, err := x.srv.Notify(t.Context(), h, []byte{1}); err != nil || n != want {
			t.Errorf("%s: notified %d clients, %v, want %d", why, n, err, want)
		}
	}
	c, p = back()
	notified("a bonded client", 1)
	if err := x.p.SMP().Store().Remove(identity); err != nil {
		t.Fatal(err)
	}
	notified("while the link lasts", 1)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()

	// Both have lost the bond. The new one starts without subscriptions.
	if err := bonds.Remove(x.p.Controller().Info().Address); err != nil {
		t.Fatal(err)
	}
	c, p = back()
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if k := p.Session().Peer().Key; k != identity.String() {
		t.Errorf("the client's name is %q, want %v", k, identity)
	}
	notified("a new bond", 0)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

// clients is a gatt.ClientStore that records its calls. The goroutines that call it have
// ended when the test reads the record.
type clients struct{ kept []string }

func (*clients) Clients() ([]gatt.ClientState, error) { return nil, nil }

func (s *clients) SaveClient(c gatt.ClientState) error {
	s.kept = append(s.kept, c.Key)
	return nil
}

func (s *clients) DeleteClient(key string) error {
	s.kept = slices.DeleteFunc(s.kept, func(k string) bool { return k == key })
	return nil
}

func TestClientsAreForgottenWithTheirBonds(t *testing.T) {
	synctest.Test(t, testClientsAreForgottenWithTheirBonds)
}

func testClientsAreForgottenWithTheirBonds(t *testing.T) {
	x := &secured{air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { x.air.Close() })
	known := &clients{}
	srv, err := gatt.NewServer(&gatt.ServerConfig{Store: known})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	x.c = openHost(t, x.air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	x.p = openHost(t, x.air.NewController(nil), &host.Config{SMP: &smp.Config{}, Server: srv})
	if err := x.p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c, p := x.connect(t)
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	own := x.c.Controller().Info().Address
	if !slices.Contains(known.kept, own.String()) {
		t.Errorf("the server keeps %v, want %v", known.kept, own)
	}
	if err := x.p.SMP().Store().Remove(own); err != nil {
		t.Fatal(err)
	}
	// The link is still up, but the writes of the client are no longer stored.
	features, err := c.GATT().Char(t.Context(), gatt.UUID16(0x1801), gatt.UUID16(0x2B29))
	if err != nil {
		t.Fatal(err)
	}
	if err := features.Write(t.Context(), []byte{7}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if len(known.kept) != 0 {
		t.Errorf("the server still keeps %v", known.kept)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}
