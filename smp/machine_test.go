package smp_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

var capabilities = []smp.IOCapability{smp.DisplayOnly, smp.DisplayYesNo, smp.KeyboardOnly, smp.NoInputNoOutput, smp.KeyboardDisplay}

// TestEveryMethodOnTheAir pairs two hosts for each pair of capabilities, legacy and with
// LE Secure Connections, begun by the central and by the peripheral. Another test checks
// the choice of the method.
func TestEveryMethodOnTheAir(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		for _, ci := range capabilities {
			for _, pi := range capabilities {
				for _, byPeripheral := range []bool{false, true} {
					t.Run(fmt.Sprintf("legacy %v/%v to %v/by the peripheral %v", legacy, ci, pi, byPeripheral), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { testMethod(t, ci, pi, legacy, byPeripheral) })
					})
				}
			}
		}
	}
}

func testMethod(t *testing.T, ci, pi smp.IOCapability, legacy, byPeripheral bool) {
	screen := make(chan smp.Passkey, 1)
	cu, pu := newUser(ci, screen), newUser(pi, screen)
	if ci == smp.KeyboardOnly && pi == ci {
		cu.said, pu.said = 42, 42
	}
	x := newPair(t,
		&smp.Config{Delegate: cu, AllowLegacy: true, Privacy: true},
		&smp.Config{Delegate: pu, AllowLegacy: true, Privacy: true, DisableSecureConnections: legacy})
	c, p := x.link()
	asks := c
	if byPeripheral {
		asks = p
	}
	r, err := asks.SMP().Pair(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	cs, ps := c.SMP().Security(), p.SMP().Security()
	want := smp.Security{Encrypted: true, Bonded: true, KeySize: 16, SecureConnections: !legacy, Authenticated: r.Method != smp.JustWorks}
	if r.Security != want || cs != want || ps != want {
		t.Errorf("%v: security %+v, %+v, %+v, want %+v", r.Method, r.Security, cs, ps, want)
	}
	if err := p.SMP().Encrypt(t.Context()); err != nil {
		t.Errorf("encrypting again: %v", err)
	}
	x.unlink(c, p)
	for name, u := range map[string]*user{"central": cu, "peripheral": pu} {
		if r.Method != smp.JustWorks {
			if err := <-u.ended; err != nil {
				t.Errorf("the %s's delegate was told %v", name, err)
			}
		}
		if len(u.ended) > 0 {
			t.Errorf("the %s's delegate was told once more: %v", name, <-u.ended)
		}
	}
	// With the bond the link is encrypted before Connect returns.
	again, err := x.c.Connect(t.Context(), x.p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := again.SMP().Security(); s != want {
		t.Errorf("with the bond: %+v, want %+v", s, want)
	}
	if len(cu.ended)+len(pu.ended) > 0 {
		t.Error("the users were bothered again")
	}
	wantNoSecrets(t, x)
}

// wantNoSecrets fails the test if the log of either host, at all levels, contains a key
// of a bond in either byte order.
func wantNoSecrets(t *testing.T, x *pair) {
	t.Helper()
	text := x.logs.text()
	if !strings.Contains(text, "smp: paired") || !strings.Contains(text, "smp: sent") {
		t.Fatal("nothing was logged: this test tests nothing")
	}
	var keys []smp.Key
	for _, m := range []*smp.Manager{x.c.SMP(), x.p.SMP()} {
		keys = append(keys, m.Identity().IRK)
		for _, b := range m.Store().All() {
			keys = append(keys, b.IRK, b.Central.Key, b.Peripheral.Key)
		}
	}
	if len(keys) != 8 || slices.ContainsFunc(keys, smp.Key.IsZero) {
		t.Fatalf("%d keys, or one of zeros", len(keys))
	}
	for _, k := range keys {
		b := slices.Clone(k[:])
		for range 2 {
			for _, form := range []string{hex.EncodeToString(b), fmt.Sprintf("% x", b), fmt.Sprintf("%d", b), fmt.Sprintf("%#v", b)} {
				if strings.Contains(text, strings.Trim(form, "[]")) {
					t.Errorf("a key is in the log as %q", form)
				}
			}
			slices.Reverse(b)
		}
	}
}

func TestBondLost(t *testing.T) { synctest.Test(t, testBondLost) }

// testBondLost is a peer that has the address of a bond but not its key: it was reset, or
// is an impostor (BLESA). The only effect must be the error.
func testBondLost(t *testing.T) {
	x := newPair(t, nil, nil)
	x.bond()
	addr := x.p.Controller().Info().Address
	old, _ := x.c.SMP().Find(addr)
	if err := x.p.SMP().Store().Remove(x.c.Controller().Info().Address); err != nil {
		t.Fatal(err)
	}
	_, err := x.c.Connect(t.Context(), addr, nil)
	var lost *smp.BondLostError
	if !errors.Is(err, smp.ErrBondLost) || !errors.Is(err, hci.StatusKeyMissing) || !errors.As(err, &lost) || lost.Peer != addr {
		t.Fatalf("got %v, want the loss of the bond with %v", err, addr)
	}
	gone, err := x.p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-gone.Done() // the link was not left open
	if b, ok := x.c.SMP().Find(addr); !ok || b != old {
		t.Error("the bond was removed")
	}

	c, p := x.link()
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrBondLost) {
		t.Errorf("encrypt: %v", err)
	}
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ErrBonded) {
		t.Errorf("pair without leave: %v", err)
	}
	if p.SMP().Security().Encrypted {
		t.Error("encrypted all the same")
	}
	r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true})
	if err != nil || r.Bond == nil || r.Bond == old {
		t.Fatalf("pair with leave: %+v, %v", r, err)
	}
	x.unlink(c, p)
	if _, err := x.c.Connect(t.Context(), addr, nil); err != nil {
		t.Errorf("with the new bond: %v", err)
	}
}

func TestCentralLosesTheBond(t *testing.T) { synctest.Test(t, testCentralLosesTheBond) }

func testCentralLosesTheBond(t *testing.T) {
	for _, allow := range []bool{false, true} {
		x := newPair(t, nil, &smp.Config{AllowRepair: allow})
		x.bond()
		old, _ := x.p.SMP().Find(x.c.Controller().Info().Address)
		if err := x.c.SMP().Store().Remove(x.p.Controller().Info().Address); err != nil {
			t.Fatal(err)
		}
		c, p := x.link()
		waiting := make(chan error, 1)
		go func() { waiting <- p.SMP().Encrypt(t.Context()) }()
		_, err := c.SMP().Pair(t.Context(), nil)
		got := <-waiting
		synctest.Wait()
		now, _ := x.p.SMP().Find(x.c.Controller().Info().Address)
		if allow {
			if err != nil || now == old {
				t.Errorf("AllowRepair: %v, replaced %v", err, now != old)
			}
		} else {
			wantReason(t, err, smp.ReasonPairingNotSupported, false)
			if !errors.Is(got, smp.ErrBondLost) || now != old || p.SMP().Security().Encrypted {
				t.Errorf("Encrypt got %v, replaced %v", got, now != old)
			}
		}
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestPeripheralAsksForEncryption(t *testing.T) {
	synctest.Test(t, testPeripheralAsksForEncryption)
}

// testPeripheralAsksForEncryption sends Security Requests on links with a bond. They lead
// to encryption and to nothing else.
func testPeripheralAsksForEncryption(t *testing.T) {
	x := newPair(t, nil, nil)
	c, p := x.link()
	if err := p.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrNoBond) {
		t.Errorf("without a bond: %v", err)
	}
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrNoBond) {
		t.Errorf("without a bond: %v", err)
	}
	x.unlink(c, p)
	x.bond()
	old, _ := x.c.SMP().Find(x.p.Controller().Info().Address)
	c, p = x.link()
	if err := p.SMP().Encrypt(t.Context()); err != nil {
		t.Error(err)
	}
	if now, _ := x.c.SMP().Find(x.p.Controller().Info().Address); now != old {
		t.Error("the bond was replaced")
	}
	x.unlink(c, p)
}

func TestRefusals(t *testing.T) { synctest.Test(t, testRefusals) }

func testRefusals(t *testing.T) {
	x := newPair(t, &smp.Config{DisableIncoming: true}, &smp.Config{DisableIncoming: true})
	c, p := x.link()
	_, err := c.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	_, err = p.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	x.unlink(c, p)
}

func TestUserRefuses(t *testing.T) { synctest.Test(t, testUserRefuses) }

func testUserRefuses(t *testing.T) {
	no := errors.New("no")
	for _, tt := range []struct {
		io     smp.IOCapability
		reason smp.Reason
	}{{smp.DisplayYesNo, smp.ReasonNumericComparisonFailed}, {smp.KeyboardOnly, smp.ReasonPasskeyEntryFailed}, {smp.DisplayOnly, smp.ReasonPasskeyEntryFailed}} {
		screen := make(chan smp.Passkey, 2)
		cu, pu := newUser(tt.io, screen), newUser(smp.KeyboardDisplay, screen)
		cu.fail = no
		x := newPair(t, &smp.Config{Delegate: cu}, &smp.Config{Delegate: pu})
		c, p := x.link()
		_, err := c.SMP().Pair(t.Context(), nil)
		wantReason(t, err, tt.reason, true)
		if !errors.Is(err, no) {
			t.Errorf("what the delegate said is not in %v", err)
		}
		wantReason(t, <-pu.ended, tt.reason, false)
		wantReason(t, <-cu.ended, tt.reason, true)
		if s := p.SMP().Security(); s != (smp.Security{}) {
			t.Errorf("security %+v", s)
		}
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestWrongPasskey(t *testing.T) { synctest.Test(t, testWrongPasskey) }

func testWrongPasskey(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		screen := make(chan smp.Passkey, 1)
		cu, pu := newUser(smp.KeyboardOnly, screen), newUser(smp.DisplayOnly, screen)
		cu.said = 1_000_000 - 1
		x := newPair(t, &smp.Config{Delegate: cu, AllowLegacy: true}, &smp.Config{Delegate: pu, AllowLegacy: true, DisableSecureConnections: legacy})
		c, p := x.link()
		_, err := c.SMP().Pair(t.Context(), nil)
		var e *smp.Error
		if !errors.As(err, &e) || e.Reason != smp.ReasonConfirmValueFailed {
			t.Errorf("got %v", err)
		}
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestCancel(t *testing.T) { synctest.Test(t, testCancel) }

func testCancel(t *testing.T) {
	screen := make(chan smp.Passkey, 2)
	cu, pu := newUser(smp.DisplayYesNo, screen), newUser(smp.DisplayYesNo, screen)
	cu.wait, pu.wait = true, true
	x := newPair(t, &smp.Config{Delegate: cu}, &smp.Config{Delegate: pu})
	c, p := x.link()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	begin := time.Now()
	_, err := c.SMP().Pair(ctx, nil)
	if d := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || d != 5*time.Second {
		t.Errorf("got %v after %v", err, d)
	}
	if err := <-cu.ended; !errors.Is(err, smp.ErrCanceled) {
		t.Errorf("the delegate was told %v", err)
	}
	wantReason(t, <-pu.ended, smp.ReasonUnspecified, false)
	// The link permits another attempt, after the second that the peer makes this host
	// wait after a failure.
	cu.wait, pu.wait = false, false
	_, err = c.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonRepeatedAttempts, false)
	time.Sleep(time.Second)
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Error(err)
	}
	x.unlink(c, p)
}

func TestLinkEndsWhilePairing(t *testing.T) { synctest.Test(t, testLinkEndsWhilePairing) }

func testLinkEndsWhilePairing(t *testing.T) {
	screen := make(chan smp.Passkey, 2)
	cu, pu := newUser(smp.DisplayYesNo, screen), newUser(smp.DisplayYesNo, screen)
	cu.wait, pu.wait = true, true
	x := newPair(t, &smp.Config{Delegate: cu}, &smp.Config{Delegate: pu})
	c, p := x.link()
	got := make(chan error, 1)
	go func() { _, err := c.SMP().Pair(context.Background(), nil); got <- err }()
	time.Sleep(time.Second)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for name, ch := range map[string]chan error{"Pair": got, "the delegate": cu.ended} {
		if err := <-ch; !errors.Is(err, hci.StatusRemoteUserTerminated) {
			t.Errorf("%s got %v", name, err)
		}
	}
	<-c.Done()
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("on the dead link: %v", err)
	}
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("on the dead link: %v", err)
	}
}
