package host_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// secured is a central and a peripheral with Security Managers, and an attribute table
// that requires encryption.
type secured struct {
	air  *sim.Air
	c, p *host.Host
	srv  *gatt.Server
}

var (
	encryptedOnly     = gatt.UUID16(0x2B10)
	authenticatedOnly = gatt.UUID16(0x2B11)
)

func newSecured(t *testing.T) *secured {
	t.Helper()
	return newSecuredBy(t, &smp.Config{})
}

// newSecuredBy is newSecured with options of the peripheral.
func newSecuredBy(t *testing.T, peripheral *smp.Config) *secured {
	t.Helper()
	x := &secured{air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { x.air.Close() })
	need := func(u gatt.UUID, q gatt.Require) gatt.CharDef {
		return gatt.CharDef{
			UUID: u, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{42},
			Permissions: gatt.Permissions{Read: q, Subscribe: q},
		}
	}
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{UUID: service, Characteristics: []gatt.CharDef{
		need(level, gatt.Require{}), need(encryptedOnly, gatt.Require{Encryption: true}),
		need(authenticatedOnly, gatt.Require{Authentication: true}),
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	x.srv = srv
	x.c = openHost(t, x.air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	x.p = openHost(t, x.air.NewController(nil), &host.Config{SMP: peripheral, Server: srv})
	if err := x.p.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *secured) connect(t *testing.T) (c, p *host.Conn) {
	t.Helper()
	c, err := x.c.Connect(t.Context(), x.p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = x.p.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, p
}

// subscribe bonds on a link that ends again, and subscribes on it.
func (x *secured) subscribe(t *testing.T) {
	t.Helper()
	c, p := x.connect(t)
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ch, err := c.GATT().Char(t.Context(), service, encryptedOnly)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Subscribe(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

// wantSubscribers notifies, and checks the number of subscribers.
func (x *secured) wantSubscribers(t *testing.T, want int) {
	t.Helper()
	synctest.Wait()
	h, ok := x.srv.Handle(service, encryptedOnly)
	if !ok {
		t.Fatal("no such characteristic")
	}
	if n, err := x.srv.Notify(t.Context(), h, []byte{1}); err != nil || n != want {
		t.Errorf("notified %d clients, %v; want %d", n, err, want)
	}
}

func wantCode(t *testing.T, c *host.Conn, u gatt.UUID, want att.Code) {
	t.Helper()
	v, err := c.GATT().Read(t.Context(), service, u)
	var code att.Code
	if errors.As(err, &code); code != want || want == 0 && (err != nil || !bytes.Equal(v, []byte{42})) {
		t.Errorf("read % x, %v, want %v", v, err, want)
	}
}

func TestAttributesThatNeedSecurity(t *testing.T) {
	synctest.Test(t, testAttributesThatNeedSecurity)
}

func testAttributesThatNeedSecurity(t *testing.T) {
	x := newSecured(t)
	c, p := x.connect(t)
	wantCode(t, c, level, 0)
	wantCode(t, c, encryptedOnly, att.CodeInsufficientAuthentication)
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c, encryptedOnly, 0)
	wantCode(t, c, authenticatedOnly, att.CodeInsufficientAuthentication) // it was Just Works
	if s := p.SMP().Security(); !s.Encrypted || s.Authenticated {
		t.Errorf("security of the peripheral %+v", s)
	}
	l, err := p.L2CAP().Listen(0x80, &l2cap.CoCConfig{Authenticated: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := c.L2CAP().Dial(t.Context(), 0x80, nil); !errors.Is(err, l2cap.ResultInsufficientAuthentication) {
		t.Errorf("a channel that needs authentication: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()

	c, p = x.connect(t)
	defer c.Close()
	wantCode(t, c, encryptedOnly, 0)
	if !p.Session().Peer().Bonded || p.Session().Peer().Key != x.c.Controller().Info().Address.String() {
		t.Errorf("the session's peer is %+v", p.Session().Peer())
	}
}

func TestSubscriptionsComeBackWithEncryption(t *testing.T) {
	synctest.Test(t, testSubscriptionsComeBackWithEncryption)
}

// testSubscriptionsComeBackWithEncryption has a bonded client that sends no
// request at all on its second link, and must be notified once it has encrypted.
func testSubscriptionsComeBackWithEncryption(t *testing.T) {
	x := newSecured(t)
	x.subscribe(t)
	c, _ := x.connect(t)
	defer c.Close()
	x.wantSubscribers(t, 1)
}

func TestNewBondInheritsNothing(t *testing.T) { synctest.Test(t, testNewBondInheritsNothing) }

// testNewBondInheritsNothing lets a central lose the bond and pair again. The new bond
// must not get the state that the peripheral has stored for the old one.
func testNewBondInheritsNothing(t *testing.T) {
	x := newSecuredBy(t, &smp.Config{AllowRepair: true})
	x.subscribe(t)
	if err := x.c.SMP().Store().Remove(x.p.Controller().Info().Address); err != nil {
		t.Fatal(err)
	}
	c, _ := x.connect(t)
	defer c.Close()
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	x.wantSubscribers(t, 0)
}

func TestSpoofedPeer(t *testing.T) { synctest.Test(t, testSpoofedPeer) }

// testSpoofedPeer is BLESA: a device with the address of a bonded peer and an open table,
// which has no key, has another key, or does not answer the request to encrypt. The host
// must not send it data, and the caller must get an error.
func testSpoofedPeer(t *testing.T) {
	key := &smp.LongTermKey{Key: smp.Key{1, 2, 3}}
	for name, tt := range map[string]struct {
		peer sim.RawPeerConfig
		want error
	}{
		"no key":      {sim.RawPeerConfig{}, smp.ErrBondLost},
		"another key": {sim.RawPeerConfig{Key: func([8]byte, uint16) ([16]byte, bool) { return [16]byte{9}, true }}, hci.StatusConnectionTimeout},
		"no answer":   {sim.RawPeerConfig{Mute: true}, nil},
	} {
		heard := 0
		tt.peer.Script.Frame = func(_ *sim.RawLink, cid uint16, b []byte) {
			heard++
			t.Errorf("%s: the host says % x on channel %d", name, b, cid)
		}
		r := &raw{air: sim.New(&sim.Config{Seed: 1})}
		r.ctl = r.air.NewController(nil)
		r.central = openHost(t, r.ctl, &host.Config{SMP: &smp.Config{}})
		p := r.air.NewRawPeer(&tt.peer)
		b := &smp.Bond{Peer: p.Address(), KeySize: 16, Central: key, Peripheral: key, SecureConnections: true}
		if err := r.central.SMP().Store().Save(b); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		c, err := r.central.Connect(t.Context(), p.Address(), nil)
		if c != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v, want %v", name, c, err, tt.want)
		}
		if d := time.Since(begin); d > 50*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
		l, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-l.Done() // the link is not left open
		if got, _ := r.central.SMP().Find(p.Address()); got != b {
			t.Errorf("%s: the bond was changed", name)
		}
		r.air.Close()
	}
}

func TestConnectAnyEncrypts(t *testing.T) { synctest.Test(t, testConnectAnyEncrypts) }

// testConnectAnyEncrypts checks that ConnectAny treats bonds as Connect does.
func testConnectAnyEncrypts(t *testing.T) {
	key := &smp.LongTermKey{Key: smp.Key{1, 2, 3}}
	for name, tt := range map[string]struct {
		bond smp.Bond
		key  func([8]byte, uint16) ([16]byte, bool)
		want error
	}{
		"good":    {smp.Bond{Central: key, SecureConnections: true}, func([8]byte, uint16) ([16]byte, bool) { return key.Key, true }, nil},
		"lost":    {smp.Bond{Central: key, SecureConnections: true}, nil, smp.ErrBondLost},
		"no key":  {smp.Bond{Peripheral: key}, nil, smp.ErrNoKey},
		"damaged": {smp.Bond{Damaged: smp.ErrBondDamaged}, nil, smp.ErrBondDamaged},
	} {
		r := &raw{air: sim.New(&sim.Config{Seed: 1})}
		r.central = openHost(t, r.air.NewController(nil), &host.Config{SMP: &smp.Config{}})
		p := r.air.NewRawPeer(&sim.RawPeerConfig{Key: tt.key})
		b := tt.bond
		b.Peer, b.KeySize = p.Address(), 16
		if err := r.central.SMP().Store().Save(&b); err != nil {
			t.Fatal(err)
		}
		peers := []hci.Addr{p.Address(), {MAC: hci.MAC{9, 9, 9, 9, 9, 9}}}
		c, err := r.central.ConnectAny(t.Context(), peers, nil)
		l, e := p.Accept(t.Context())
		if e != nil {
			t.Fatal(e)
		}
		if tt.want == nil {
			if err != nil || !c.SMP().Security().Encrypted {
				t.Errorf("%s: %v, %v, want an encrypted link", name, c, err)
			}
			r.air.Close()
			continue
		}
		if c != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v, want %v", name, c, err, tt.want)
		} else {
			<-l.Done() // the link is not left open
		}
		if c, err = r.central.ConnectAnyPlain(t.Context(), peers, nil); err != nil || c.SMP().Security().Encrypted {
			t.Errorf("%s: in plain text: %v, %v", name, c, err)
		}
		r.air.Close()
	}
}

func TestWithoutSecurityManager(t *testing.T) { synctest.Test(t, testWithoutSecurityManager) }

// testWithoutSecurityManager pairs with a host without one, which answers that it does
// not support pairing.
func testWithoutSecurityManager(t *testing.T) {
	p := newPair(t, nil, nil)
	h := openHost(t, p.air.NewController(nil), &host.Config{SMP: &smp.Config{}})
	c, err := h.Connect(t.Context(), p.addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.SMP().Pair(t.Context(), nil)
	var e *smp.Error
	if !errors.As(err, &e) || e.Local || e.Reason != smp.ReasonPairingNotSupported {
		t.Errorf("got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if p.connect(t).SMP() != nil || p.central.SMP() != nil {
		t.Error("a Security Manager where none was asked for")
	}
}

func TestIdentityOfARandomAdapter(t *testing.T) { synctest.Test(t, testIdentityOfARandomAdapter) }

// testIdentityOfARandomAdapter opens the bonds of a controller without a public address.
func testIdentityOfARandomAdapter(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	own := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	h := openHost(t, air.NewController(&sim.ControllerConfig{NoAddress: true}), &host.Config{SMP: &smp.Config{}, HCI: controller.Config{Address: own}})
	if got := h.SMP().Identity().Addr; got != own {
		t.Errorf("identity %v, want %v", got, own)
	}
	private := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0x46}, Kind: hci.AddrRandom}
	tr := air.NewController(&sim.ControllerConfig{NoAddress: true})
	if _, err := host.Open(t.Context(), tr, &host.Config{SMP: &smp.Config{}, HCI: controller.Config{Address: private}}); err == nil {
		t.Error("a private address was taken as identity")
	}
}
