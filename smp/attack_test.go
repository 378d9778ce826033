package smp

import (
	"errors"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// The tests of this file are peers that break the protocol. The other side must detect
// each of them, with the expected reason.

// replace returns an alter function that replaces the PDUs of one side with the code c
// by the result of f.
func replace(fromInitiator bool, c code, f func(pdu command) []command) func(bool, command) []command {
	return func(from bool, pdu command) []command {
		if from == fromInitiator && pdu.Code() == c {
			return f(pdu)
		}
		return []command{pdu}
	}
}

func one(f func(pdu command) command) func(command) []command {
	return func(pdu command) []command { return []command{f(pdu)} }
}

// attacked runs a pairing in which one side attacks the other, and checks that the
// other detects it.
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
		pair := func(f func(own, key pairingPublicKey) pairingPublicKey) *duo {
			d = &duo{cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
			own := publicKey(debug)
			victim := &d.cs
			if byInitiator {
				victim = &d.ps
			}
			victim.keyPair = fixed(debug)
			d.alter = replace(byInitiator, codePairingPublicKey, one(func(pdu command) command { return f(own, pdu.(pairingPublicKey)) }))
			return d
		}
		attacked(t, "own key", pair(func(own, _ pairingPublicKey) pairingPublicKey { return own }), byInitiator, ReasonUnspecified)
		attacked(t, "own X, other Y", pair(func(own, key pairingPublicKey) pairingPublicKey { key.X = own.X; return key }), byInitiator, ReasonUnspecified)
		attacked(t, "Y of zero", pair(func(_, key pairingPublicKey) pairingPublicKey { key.Y = [32]byte{}; return key }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "zero", pair(func(_, key pairingPublicKey) pairingPublicKey { return pairingPublicKey{} }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "off the curve", pair(func(_, key pairingPublicKey) pairingPublicKey { key.Y[3] ^= 4; return key }), byInitiator, ReasonDHKeyCheckFailed)
		attacked(t, "beyond the field", pair(func(_, key pairingPublicKey) pairingPublicKey {
			for i := range key.X {
				key.X[i] = 0xFF
			}
			return key
		}), byInitiator, ReasonDHKeyCheckFailed)
	}
}

// TestOutOfOrder follows, precedes or replaces each PDU of each kind of pairing by each
// other PDU. Its receiver must end the pairing, and never be done.
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

func tampered(t *testing.T, name string, d *duo, at int, in command, how string) {
	d.t = t
	n, victim, same := 0, false, false
	d.alter = func(fromInitiator bool, pdu command) []command {
		n++
		if n != at+1 {
			return []command{pdu}
		}
		victim, same = !fromInitiator, pdu.Code() == in.Code()
		if how == "instead" {
			return []command{in}
		}
		return []command{in, pdu}
	}
	d.run()
	p, err := d.side(victim)
	_, ignored := in.(pairingKeypressNotification)
	_, failed := in.(pairingFailed)
	switch {
	case same && how == "instead" && (in.Code() == codeIdentityInformation || in.Code() == codeIdentityAddressInformation || in.Code() == codePairingResponse ||
		in.Code() == codePairingRequest || in.Code() == codeEncryptionInformation || in.Code() == codeCentralIdentification):
		// Other tests cover random values and features that are in order.
	case *err == nil && ignored && p.method.passkey():
	case *err == nil && ignored && how == "instead":
	case *err == nil:
		t.Errorf("%s was taken", name)
	case failed && p != nil && p.done && how == "instead":
		t.Errorf("%s: done", name)
	}
}

// kinds returns pairings that together cover every PDU in every position.
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

// everyPDU returns a PDU of each code. None of them fits into a pairing of kinds.
func everyPDU(t testing.TB) []command {
	x := Key(random16())
	stranger, err := generateKey()
	if err != nil {
		t.Fatal(err)
	}
	f := features{IO: NoInputNoOutput, Auth: authBonding | authSecureConnections, MaxKeySize: 16, InitiatorKeys: distIDKey, ResponderKeys: distIDKey}
	return []command{
		pairingRequest(f), pairingResponse(f), pairingConfirm{x}, pairingRandom{x}, pairingFailed{ReasonUnspecified},
		encryptionInformation{x}, centralIdentification{EDIV: 1, Rand: [8]byte{2}}, identityInformation{x},
		identityAddressInformation{hci.Addr{MAC: hci.MAC{9, 9, 9, 9, 9, 9}}}, signingInformation{x}, securityRequest{authBonding},
		publicKey(stranger), pairingDHKeyCheck{x}, pairingKeypressNotification{1},
	}
}

// TestSkippedChecks omits the PDUs that prove the peer's key or passkey.
func TestSkippedChecks(t *testing.T) {
	drop := func(command) []command { return nil }
	d := &duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
	d.alter = replace(true, codePairingDHKeyCheck, drop)
	if d.run(); d.p.key != nil {
		t.Error("the key is given out without a DHKey Check: CVE-2020-13593")
	}
	for _, byInitiator := range []bool{false, true} {
		flip := one(func(pdu command) command { c := pdu.(pairingDHKeyCheck); c.Value[0] ^= 1; return c })
		attacked(t, "wrong check", &duo{alter: replace(byInitiator, codePairingDHKeyCheck, flip)}, byInitiator, ReasonDHKeyCheckFailed)
	}
	flip := one(func(pdu command) command { c := pdu.(pairingConfirm); c.Value[15] ^= 0x80; return c })
	attacked(t, "wrong confirm value", &duo{alter: replace(false, codePairingConfirm, flip)}, false, ReasonConfirmValueFailed)
	for _, byInitiator := range []bool{false, true} {
		d := kinds()["legacy"]()
		d.alter = replace(byInitiator, codePairingConfirm, flip)
		attacked(t, "wrong confirm value, legacy", d, byInitiator, ReasonConfirmValueFailed)
		d = kinds()["passkey"]()
		d.alter = replace(byInitiator, codePairingConfirm, flip)
		attacked(t, "wrong confirm value, passkey", d, byInitiator, ReasonConfirmValueFailed)
	}
}

// TestReflection sends the victim's own values back.
func TestReflection(t *testing.T) {
	var own command
	remember := func(pdu command) []command { own = pdu; return []command{pdu} }
	reflect := func(c code) func(bool, command) []command {
		return func(fromInitiator bool, pdu command) []command {
			switch {
			case pdu.Code() != c:
				return []command{pdu}
			case fromInitiator:
				return remember(pdu)
			}
			return []command{own}
		}
	}
	d := kinds()["legacy"]()
	d.alter = reflect(codePairingConfirm)
	attacked(t, "legacy confirm value", d, false, ReasonConfirmValueFailed)
	d = kinds()["legacy"]()
	d.alter = reflect(codePairingRandom)
	attacked(t, "legacy random value", d, false, ReasonConfirmValueFailed)
	for _, kind := range []string{"just works", "comparison", "passkey"} {
		d = kinds()[kind]()
		d.alter = reflect(codePairingRandom)
		attacked(t, kind+", random value", d, false, ReasonConfirmValueFailed)
	}
	attacked(t, "check value", &duo{alter: reflect(codePairingDHKeyCheck)}, false, ReasonDHKeyCheckFailed)
	d = kinds()["passkey"]()
	d.alter = reflect(codePairingConfirm)
	attacked(t, "passkey confirm value", d, false, ReasonConfirmValueFailed)
}

func TestFeaturesThatWereChangedInBetween(t *testing.T) {
	weaken := one(func(pdu command) command { r := pdu.(pairingRequest); r.IO = NoInputNoOutput; return r })
	for name, legacy := range map[string]bool{"secure connections": false, "legacy": true} {
		d := &duo{t: t, cs: defaults(DisplayYesNo, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if legacy {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.alter = replace(true, codePairingRequest, weaken)
		d.run()
		if d.c.done || d.p.done {
			t.Errorf("%s: both think that they talked to each other", name)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	legacy := kinds()["legacy"]
	d := legacy()
	d.alter = replace(false, codeEncryptionInformation, one(func(command) command { return encryptionInformation{} }))
	attacked(t, "zero long term key", d, false, ReasonInvalidParameters)
	for name, a := range map[string]hci.Addr{
		"our own identity":   addrA,
		"private address":    {MAC: hci.MAC{1, 2, 3, 4, 5, 0x40}, Kind: hci.AddrRandom},
		"not even random":    {MAC: hci.MAC{1, 2, 3, 4, 5, 0x00}, Kind: hci.AddrRandom},
		"unknown kind":       {MAC: hci.MAC{1, 2, 3, 4, 5, 0xC0}, Kind: 2},
		"another wrong kind": {MAC: hci.MAC{1, 2, 3, 4, 5, 0xC0}, Kind: 0xFF},
	} {
		d := &duo{alter: replace(false, codeIdentityAddressInformation, one(func(command) command { return identityAddressInformation{a} }))}
		attacked(t, name, d, false, ReasonInvalidParameters)
	}
	more := one(func(pdu command) command { r := pdu.(pairingResponse); r.ResponderKeys |= distLinkKey; return r })
	attacked(t, "keys that nobody asked for", &duo{alter: replace(false, codePairingResponse, more)}, false, ReasonInvalidParameters)
	if k := (&settings{auth: authBonding, sign: true}).distributedKeys(); k.has(distLinkKey) {
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

// TestKeyIsDueLate checks that a central cannot encrypt before the end of phase 2.
func TestKeyIsDueLate(t *testing.T) {
	for name, set := range kinds() {
		d := set()
		d.t = t
		last := codePairingDHKeyCheck
		if d.cs.auth&authSecureConnections == 0 {
			last = codePairingRandom
		}
		d.alter = func(fromInitiator bool, pdu command) []command {
			if fromInitiator && d.p != nil && d.p.key != nil && d.c.key == nil && pdu.Code() <= last {
				t.Errorf("%s: the key is there before %v came", name, pdu.Code())
			}
			return []command{pdu}
		}
		if d.run(); d.p.key == nil {
			t.Errorf("%s: no key", name)
		}
	}
}

func TestUserAnswersLate(t *testing.T) {
	p := newInitiator(defaults(DisplayYesNo, addrA), addrA, addrB)
	p.state, p.method = awaitCheck, NumericComparison
	p.askUser(question{kind: askConfirm}, 0, func(*pairing, answer) (state, error) { return awaitCheck, nil })
	if err := p.advance(pairingDHKeyCheck{}); err == nil {
		t.Error("a responder's check before our user has confirmed was taken")
	}
	if err := p.advance(encrypted{}); err == nil {
		t.Error("encryption before our user has confirmed was taken")
	}
}
