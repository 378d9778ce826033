package smp

import (
	"errors"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// The tests of this file are peers that do what they must not. Each must be
// found out by the side that is attacked, with the reason that is said.

// replace returns an alter function that puts f's PDUs in place of those of one
// side with a code.
func replace(fromInitiator bool, c Code, f func(pdu PDU) []PDU) func(bool, PDU) []PDU {
	return func(from bool, pdu PDU) []PDU {
		if from == fromInitiator && pdu.Code() == c {
			return f(pdu)
		}
		return []PDU{pdu}
	}
}

func one(f func(pdu PDU) PDU) func(PDU) []PDU {
	return func(pdu PDU) []PDU { return []PDU{f(pdu)} }
}

// attacked runs a pairing in which one side attacks the other, and checks that
// the other found out.
func attacked(t *testing.T, name string, d *duo, byInitiator bool, r Reason) {
	t.Helper()
	d.t = t
	if d.cs.keyPair == nil {
		d.cs, d.ps = defaults(NoInputNoOutput, addrA), defaults(NoInputNoOutput, addrB)
	}
	d.run()
	found := d.cerr
	if byInitiator {
		found = d.perr
	}
	var e *Error
	if !errors.As(found, &e) || !e.Local || e.Reason != r {
		t.Errorf("%s: %v, want %v", name, found, r)
	}
	victim := d.c
	if byInitiator {
		victim = d.p
	}
	if victim != nil && victim.done {
		t.Errorf("%s: and yet the pairing succeeded", name)
	}
}

func TestPublicKeys(t *testing.T) {
	debug := privateKey(t, sampleKeys[0].privateA)
	for _, byInitiator := range []bool{false, true} {
		d := &duo{}
		pair := func(f func(own, key PairingPublicKey) PairingPublicKey) *duo {
			d = &duo{cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
			own := publicKey(debug)
			victim := &d.cs
			if byInitiator {
				victim = &d.ps
			}
			victim.keyPair = fixed(debug)
			d.alter = replace(byInitiator, CodePairingPublicKey, one(func(pdu PDU) PDU { return f(own, pdu.(PairingPublicKey)) }))
			return d
		}
		attacked(t, "own key", pair(func(own, _ PairingPublicKey) PairingPublicKey { return own }), byInitiator, ReasonUnspecified)
		attacked(t, "own X, other Y", pair(func(own, key PairingPublicKey) PairingPublicKey { key.X = own.X; return key }), byInitiator, ReasonUnspecified)
		attacked(t, "Y of zero", pair(func(_, key PairingPublicKey) PairingPublicKey { key.Y = [32]byte{}; return key }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "zero", pair(func(_, key PairingPublicKey) PairingPublicKey { return PairingPublicKey{} }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "off the curve", pair(func(_, key PairingPublicKey) PairingPublicKey { key.Y[3] ^= 4; return key }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "beyond the field", pair(func(_, key PairingPublicKey) PairingPublicKey {
			for i := range key.X {
				key.X[i] = 0xFF
			}
			return key
		}), byInitiator, ReasonDHKeyCheckFailed)
	}
}

// TestOutOfOrder has each PDU of each kind of pairing followed, preceded or
// replaced by each other kind of PDU. Whoever gets it must abort, and never be
// done.
func TestOutOfOrder(t *testing.T) {
	samples := everyPDU(t)
	for name, set := range kinds() {
		d := set()
		d.t = t
		if d.run(); !d.succeeded() {
			t.Fatalf("%s: does not work at all", name)
		}
		n := len(d.trace)
		for at := 1; at < n; at++ { // before the request there is nobody to be confused
			for _, in := range samples {
				for _, how := range []string{"instead", "before"} {
					tampered(t, fmt.Sprintf("%s: %v %s PDU %d", name, in.Code(), how, at), set(), at, in, how)
				}
			}
		}
	}
}

func tampered(t *testing.T, name string, d *duo, at int, in PDU, how string) {
	d.t = t
	n, victim, same := 0, false, false
	d.alter = func(fromInitiator bool, pdu PDU) []PDU {
		n++
		if n != at+1 {
			return []PDU{pdu}
		}
		victim, same = !fromInitiator, pdu.Code() == in.Code()
		if how == "instead" {
			return []PDU{in}
		}
		return []PDU{in, pdu}
	}
	d.run()
	p, err := d.side(victim)
	_, ignored := in.(PairingKeypressNotification)
	_, failed := in.(PairingFailed)
	switch {
	case same && how == "instead" && (in.Code() == CodeIdentityInformation || in.Code() == CodeIdentityAddressInformation || in.Code() == CodePairingResponse ||
		in.Code() == CodePairingRequest || in.Code() == CodeEncryptionInformation || in.Code() == CodeCentralIdentification):
		// A value that only its sender knows, or features: these are checked
		// elsewhere.
	case *err == nil && ignored && p.method.passkey():
	case *err == nil && ignored && how == "instead":
	case *err == nil:
		t.Errorf("%s was taken", name)
	case failed && p != nil && p.done && how == "instead":
		t.Errorf("%s: done", name)
	}
}

// kinds are pairings that between them have every PDU in every place.
func kinds() map[string]func() *duo {
	pair := func(c, p IOCapability, legacy bool) func() *duo {
		return func() *duo {
			d := &duo{cs: defaults(c, addrA), ps: defaults(p, addrB)}
			if legacy {
				d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
			}
			return d
		}
	}
	return map[string]func() *duo{
		"just works":     pair(NoInputNoOutput, NoInputNoOutput, false),
		"comparison":     pair(DisplayYesNo, DisplayYesNo, false),
		"passkey":        pair(DisplayOnly, KeyboardOnly, false),
		"legacy":         pair(NoInputNoOutput, NoInputNoOutput, true),
		"legacy passkey": pair(KeyboardOnly, DisplayOnly, true),
	}
}

// everyPDU returns one of each, none of which belongs in any of our pairings.
func everyPDU(t testing.TB) []PDU {
	x := Key(random16())
	stranger, err := generateKey()
	if err != nil {
		t.Fatal(err)
	}
	f := Features{IO: NoInputNoOutput, Auth: AuthBonding | AuthSecureConnections, MaxKeySize: 16, InitiatorKeys: DistIDKey, ResponderKeys: DistIDKey}
	return []PDU{
		PairingRequest(f), PairingResponse(f), PairingConfirm{x}, PairingRandom{x}, PairingFailed{ReasonUnspecified},
		EncryptionInformation{x}, CentralIdentification{EDIV: 1, Rand: [8]byte{2}}, IdentityInformation{x},
		IdentityAddressInformation{hci.Addr{MAC: hci.MAC{9, 9, 9, 9, 9, 9}}}, SigningInformation{x}, SecurityRequest{AuthBonding},
		publicKey(stranger), PairingDHKeyCheck{x}, PairingKeypressNotification{1},
	}
}

// TestSkippedChecks leaves out what proves the peer's key or passkey.
func TestSkippedChecks(t *testing.T) {
	drop := func(PDU) []PDU { return nil }
	d := &duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
	d.alter = replace(true, CodePairingDHKeyCheck, drop)
	if d.run(); d.p.key != nil {
		t.Error("the key is given out without a DHKey Check: CVE-2020-13593")
	}
	for _, byInitiator := range []bool{false, true} {
		flip := one(func(pdu PDU) PDU { c := pdu.(PairingDHKeyCheck); c.Value[0] ^= 1; return c })
		attacked(t, "wrong check", &duo{alter: replace(byInitiator, CodePairingDHKeyCheck, flip)}, byInitiator, ReasonDHKeyCheckFailed)
	}
	flip := one(func(pdu PDU) PDU { c := pdu.(PairingConfirm); c.Value[15] ^= 0x80; return c })
	attacked(t, "wrong confirm value", &duo{alter: replace(false, CodePairingConfirm, flip)}, false, ReasonConfirmValueFailed)
	for _, byInitiator := range []bool{false, true} {
		d := kinds()["legacy"]()
		d.alter = replace(byInitiator, CodePairingConfirm, flip)
		attacked(t, "wrong confirm value, legacy", d, byInitiator, ReasonConfirmValueFailed)
		d = kinds()["passkey"]()
		d.alter = replace(byInitiator, CodePairingConfirm, flip)
		attacked(t, "wrong confirm value, passkey", d, byInitiator, ReasonConfirmValueFailed)
	}
}

// TestReflection sends the victim's own values back.
func TestReflection(t *testing.T) {
	var own PDU
	remember := func(pdu PDU) []PDU { own = pdu; return []PDU{pdu} }
	reflect := func(code Code) func(bool, PDU) []PDU {
		return func(fromInitiator bool, pdu PDU) []PDU {
			switch {
			case pdu.Code() != code:
				return []PDU{pdu}
			case fromInitiator:
				return remember(pdu)
			}
			return []PDU{own}
		}
	}
	d := kinds()["legacy"]()
	d.alter = reflect(CodePairingConfirm)
	attacked(t, "legacy confirm value", d, false, ReasonConfirmValueFailed)
	d = kinds()["legacy"]()
	d.alter = reflect(CodePairingRandom)
	attacked(t, "legacy random value", d, false, ReasonConfirmValueFailed)
	for _, kind := range []string{"just works", "comparison", "passkey"} {
		d = kinds()[kind]()
		d.alter = reflect(CodePairingRandom)
		attacked(t, kind+", random value", d, false, ReasonConfirmValueFailed)
	}
	attacked(t, "check value", &duo{alter: reflect(CodePairingDHKeyCheck)}, false, ReasonDHKeyCheckFailed)
	d = kinds()["passkey"]()
	d.alter = reflect(CodePairingConfirm)
	attacked(t, "passkey confirm value", d, false, ReasonConfirmValueFailed)
}

func TestFeaturesThatWereChangedInBetween(t *testing.T) {
	weaken := one(func(pdu PDU) PDU { r := pdu.(PairingRequest); r.IO = NoInputNoOutput; return r })
	for name, legacy := range map[string]bool{"secure connections": false, "legacy": true} {
		d := &duo{t: t, cs: defaults(DisplayYesNo, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if legacy {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.alter = replace(true, CodePairingRequest, weaken)
		d.run()
		if d.c.done || d.p.done {
			t.Errorf("%s: both think that they talked to each other", name)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	legacy := kinds()["legacy"]
	d := legacy()
	d.alter = replace(false, CodeEncryptionInformation, one(func(PDU) PDU { return EncryptionInformation{} }))
	attacked(t, "zero long term key", d, false, ReasonInvalidParameters)
	for name, a := range map[string]hci.Addr{
		"our own identity":   addrA,
		"private address":    {MAC: hci.MAC{1, 2, 3, 4, 5, 0x40}, Kind: hci.AddrRandom},
		"not even random":    {MAC: hci.MAC{1, 2, 3, 4, 5, 0x00}, Kind: hci.AddrRandom},
		"unknown kind":       {MAC: hci.MAC{1, 2, 3, 4, 5, 0xC0}, Kind: 2},
		"another wrong kind": {MAC: hci.MAC{1, 2, 3, 4, 5, 0xC0}, Kind: 0xFF},
	} {
		d := &duo{alter: replace(false, CodeIdentityAddressInformation, one(func(PDU) PDU { return IdentityAddressInformation{a} }))}
		attacked(t, name, d, false, ReasonInvalidParameters)
	}
	more := one(func(pdu PDU) PDU { r := pdu.(PairingResponse); r.ResponderKeys |= DistLinkKey; return r })
	attacked(t, "keys that nobody asked for", &duo{alter: replace(false, CodePairingResponse, more)}, false, ReasonInvalidParameters)
	if k := (&settings{auth: AuthBonding, sign: true}).keys(); k.Has(DistLinkKey) {
		t.Errorf("keys %v: a key for BR/EDR is asked for", k)
	}
}

func TestZeroKeyIsNeverUsed(t *testing.T) {
	p := newInitiator(defaults(NoInputNoOutput, addrA), addrA, addrB)
	p.keySize = 16
	if _, err := p.encryptWith(Key{}); !errors.Is(err, errZeroKey) || p.key != nil || p.fx.encrypt != nil {
		t.Errorf("a zero key was taken: %v", err)
	}
}

// TestKeyIsDueLate checks that a central which encrypts at any time before the
// end of the second phase finds no key.
func TestKeyIsDueLate(t *testing.T) {
	for name, set := range kinds() {
		d := set()
		d.t = t
		last := CodePairingDHKeyCheck
		if d.cs.auth&AuthSecureConnections == 0 {
			last = CodePairingRandom
		}
		d.alter = func(fromInitiator bool, pdu PDU) []PDU {
			if fromInitiator && d.p != nil && d.p.key != nil && d.c.key == nil && pdu.Code() <= last {
				t.Errorf("%s: the key is there before %v came", name, pdu.Code())
			}
			return []PDU{pdu}
		}
		if d.run(); d.p.key == nil {
			t.Errorf("%s: no key", name)
		}
	}
}

func TestUserAnswersLate(t *testing.T) {
	p := newInitiator(defaults(DisplayYesNo, addrA), addrA, addrB)
	p.state, p.method = awaitCheck, NumericComparison
	p.ask(question{kind: askConfirm}, 0, func(*pairing, answer) (state, error) { return awaitCheck, nil })
	if err := p.step(PairingDHKeyCheck{}); err == nil {
		t.Error("a responder's check before our user has confirmed was taken")
	}
	if err := p.step(encrypted{}); err == nil {
		t.Error("encryption before our user has confirmed was taken")
	}
}
