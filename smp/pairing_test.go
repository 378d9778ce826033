package smp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

var capabilities = []IOCapability{DisplayOnly, DisplayYesNo, KeyboardOnly, NoInputNoOutput, KeyboardDisplay}

// methodTable is Vol 3, Part H, Table 2.8 as letters: a row for each
// responder, a column for each initiator, in the order of capabilities. J: Just
// Works, I: the initiator displays, R: the responder displays, B: both input,
// N: Numeric Comparison; where there are two, legacy pairing and LE Secure
// Connections differ.
const methodTable = `
	J  J  R  J  R
	J  JN R  J  RN
	I  I  B  J  I
	J  J  J  J  J
	I  IN R  J  IN`

func cell(responder, initiator int, sc bool) Method {
	s := strings.Fields(strings.Split(strings.TrimSpace(methodTable), "\n")[responder])[initiator]
	c := s[0]
	if sc {
		c = s[len(s)-1]
	}
	return map[byte]Method{'J': JustWorks, 'I': InitiatorDisplays, 'R': ResponderDisplays, 'B': BothInput, 'N': NumericComparison}[c]
}

var questions = map[Method]string{
	JustWorks:         "",
	InitiatorDisplays: "initiator shows, responder enters",
	ResponderDisplays: "initiator enters, responder shows",
	BothInput:         "initiator enters, responder enters",
	NumericComparison: "initiator confirms, responder confirms",
}

// everyCell calls f for each cell of the table, for legacy pairing and for LE Secure
// Connections.
func everyCell(t *testing.T, f func(t *testing.T, initiator, responder IOCapability, sc bool, m Method)) {
	for _, sc := range []bool{false, true} {
		for ri, r := range capabilities {
			for ii, i := range capabilities {
				generation := map[bool]string{false: "legacy", true: "secure connections"}[sc]
				t.Run(fmt.Sprintf("%s/%v to %v", generation, i, r), func(t *testing.T) { f(t, i, r, sc, cell(ri, ii, sc)) })
			}
		}
	}
}

func TestEveryMethod(t *testing.T) {
	everyCell(t, func(t *testing.T, i, r IOCapability, sc bool, m Method) {
		d := duo{t: t, cs: defaults(i, addrA), ps: defaults(r, addrB)}
		if !sc {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.run()
		if !d.succeeded() || d.c.method != m || d.p.method != m || d.c.sc != sc {
			t.Fatalf("method %v, secure connections %v, want %v, %v", d.c.method, d.c.sc, m, sc)
		}
		slices.Sort(d.asked)
		if got := strings.Join(d.asked, ", "); got != questions[m] {
			t.Errorf("the users were asked: %q, want %q", got, questions[m])
		}
		wantBonds(t, &d, sc, m.Authenticated())
	})
}

// wantBonds checks that the bonds of both sides match.
func wantBonds(t *testing.T, d *duo, sc, auth bool) {
	t.Helper()
	c, p := d.c.newBond(time.Now()), d.p.newBond(time.Now())
	if c == nil || p == nil {
		t.Fatalf("bonds %v, %v", c, p)
	}
	for _, b := range []*Bond{c, p} {
		if b.Authenticated != auth || b.SecureConnections != sc || b.KeySize != 16 {
			t.Errorf("bond %+v", b)
		}
	}
	if c.Peer != d.ps.identity.Addr || c.IRK != d.ps.identity.IRK || p.Peer != d.cs.identity.Addr || p.IRK != d.cs.identity.IRK {
		t.Errorf("the identities were not exchanged")
	}
	if *c.Central != *p.Peripheral || *c.Peripheral != *p.Central {
		t.Errorf("the long term keys do not match")
	}
	if sc != (c.Central.EDIV == 0 && c.Central.Rand == [8]byte{}) || sc != (*c.Central == *c.Peripheral) {
		t.Errorf("keys of the other generation")
	}
}

func TestWithoutMITMItIsJustWorks(t *testing.T) {
	everyCell(t, func(t *testing.T, i, r IOCapability, sc bool, m Method) {
		d := duo{t: t, cs: defaults(i, addrA), ps: defaults(r, addrB)}
		d.cs.auth &^= authMITM
		d.ps.auth &^= authMITM
		if !sc {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		if d.run(); !d.succeeded() || d.c.method != JustWorks || len(d.asked) > 0 {
			t.Errorf("method %v, asked %v", d.c.method, d.asked)
		}
	})
}

func TestMITMThatCannotBe(t *testing.T) {
	for _, sc := range []bool{true, false} {
		d := duo{t: t, cs: defaults(KeyboardDisplay, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if d.cs.needMITM = true; !sc {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.run()
		d.wantReason("needed by the initiator", d.cerr, d.perr, ReasonAuthenticationRequirements)
		d.cs.needMITM, d.ps.needMITM = false, true
		e := duo{t: t, cs: d.cs, ps: d.ps}
		e.run()
		e.wantReason("needed by the responder", e.perr, e.cerr, ReasonAuthenticationRequirements)
	}
}

func TestLegacyOnlyWhenAllowed(t *testing.T) {
	d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: asLegacy(defaults(NoInputNoOutput, addrB))}
	d.run()
	d.wantReason("old responder", d.cerr, d.perr, ReasonAuthenticationRequirements)
	e := duo{t: t, cs: d.ps, ps: d.cs}
	e.run()
	e.wantReason("old initiator", e.perr, e.cerr, ReasonAuthenticationRequirements)
	d.cs.needSC = false
	f := duo{t: t, cs: d.cs, ps: d.ps}
	if f.run(); !f.succeeded() || f.c.sc {
		t.Errorf("allowed, secure connections %v", f.c.sc)
	}
}

func TestOutOfBand(t *testing.T) {
	local := func() *LocalOOB {
		l, err := NewLocalOOB(nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b, tk := local(), local(), random16()
	da, db, other := a.Data(), b.Data(), local().Data()
	type sides struct{ c, p *OOB }
	for name, o := range map[string]sides{
		"both ways":            {&OOB{Local: a, Peer: &db}, &OOB{Local: b, Peer: &da}},
		"to the initiator":     {&OOB{Peer: &db}, &OOB{Local: b}},
		"to the responder":     {&OOB{Local: a}, &OOB{Peer: &da}},
		"legacy with the same": {&OOB{TK: &tk}, &OOB{TK: &tk}},
	} {
		d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if strings.HasPrefix(name, "legacy") {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.cs.needMITM, d.ps.needMITM, d.cs.oob, d.ps.oob = true, true, o.c, o.p
		if d.run(); !d.succeeded() || d.c.method != OutOfBand {
			t.Errorf("%s: method %v", name, d.c.method)
		}
	}
	for name, x := range map[string]struct {
		sides
		legacy, byInitiator bool
		reason              Reason
	}{
		"of another device":    {sides{&OOB{Peer: &other}, &OOB{Local: b}}, false, true, ReasonConfirmValueFailed},
		"responder has none":   {sides{&OOB{Peer: &db}, nil}, false, false, ReasonOOBNotAvailable},
		"initiator has none":   {sides{nil, &OOB{Peer: &da}}, false, true, ReasonOOBNotAvailable},
		"only a TK":            {sides{&OOB{TK: &tk}, &OOB{TK: &tk}}, false, false, ReasonOOBNotAvailable},
		"legacy, other TK":     {sides{&OOB{TK: &tk}, &OOB{TK: new([16]byte)}}, true, false, ReasonConfirmValueFailed},
		"legacy, new data":     {sides{&OOB{Peer: &db}, &OOB{Peer: &da}}, true, false, ReasonOOBNotAvailable},
		"forged random value":  {sides{&OOB{Peer: &OOBData{Confirm: db.Confirm}}, &OOB{Local: b}}, false, true, ReasonConfirmValueFailed},
		"forged confirm value": {sides{&OOB{Peer: &OOBData{Rand: db.Rand}}, &OOB{Local: b}}, false, true, ReasonConfirmValueFailed},
	} {
		d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if x.legacy {
			d.cs, d.ps = asLegacy(d.cs), asLegacy(d.ps)
		}
		d.cs.oob, d.ps.oob = x.c, x.p
		if d.run(); x.byInitiator {
			d.wantReason(name, d.cerr, d.perr, x.reason)
		} else {
			d.wantReason(name, d.perr, d.cerr, x.reason)
		}
	}
}

func TestKeySizes(t *testing.T) {
	for _, size := range []uint8{0, 6, 7, 8, 15} {
		offer := func(fromInitiator bool, pdu command) []command {
			if rsp, ok := pdu.(pairingResponse); ok {
				rsp.MaxKeySize = size
				return []command{rsp}
			}
			return []command{pdu}
		}
		d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB), alter: offer}
		d.run()
		d.wantReason(fmt.Sprintf("%d octets", size), d.cerr, d.perr, ReasonEncryptionKeySize)
		p, err := newResponder(asLegacy(shortest(d.ps)), addrB, addrA, pairingRequest{IO: NoInputNoOutput, Auth: authBonding, MaxKeySize: size, ResponderKeys: distEncKey})
		if size < 7 { // never allowed
			if e, ok := errors.AsType[*Error](err); !ok || e.Reason != ReasonEncryptionKeySize || !e.Local {
				t.Errorf("%d octets: %v", size, err)
			}
			continue
		}
		if err != nil || p.keySize != int(size) {
			t.Fatalf("%d octets allowed: %v", size, err)
		}
		state, err := p.encryptWith(Key{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}) // no octet is 0 by chance
		if err != nil || state == nil || p.key.truncate(int(size)) != *p.key || p.key.truncate(int(size)-1) == *p.key {
			t.Errorf("a key of %d octets was not cut to it: %v", size, err)
		}
		if k := newLongTermKey(int(size)).Key; k.truncate(int(size)) != k {
			t.Errorf("a long term key of %d octets was not cut to it", size)
		}
	}
	p := newInitiator(defaults(NoInputNoOutput, addrA), addrA, addrB)
	if p.preq[4] != 16 {
		t.Errorf("a request offers %d octets", p.preq[4])
	}
	for _, size := range []byte{17, 255} {
		pdu := pairingRequest{IO: NoInputNoOutput, MaxKeySize: size}.AppendPDU(nil)
		if _, err := parseCommand(pdu); err == nil {
			t.Errorf("a key size of %d was taken", size)
		}
	}
}

func shortest(s settings) settings {
	s.minKeySize = 7
	return s
}

func TestSigningKeys(t *testing.T) {
	d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
	d.cs.sign, d.ps.sign = true, true
	d.run()
	c, p := d.c.newBond(time.Now()), d.p.newBond(time.Now())
	if c.PeerCSRK != p.LocalCSRK || c.LocalCSRK != p.PeerCSRK || c.PeerCSRK.IsZero() || c.LocalCSRK.IsZero() {
		t.Errorf("signing keys were not exchanged")
	}
}

func TestNothingIsKeptUnlessBothBond(t *testing.T) {
	for _, who := range []string{"initiator", "responder"} {
		d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
		if who == "initiator" {
			d.cs.auth &^= authBonding
		} else {
			d.ps.auth &^= authBonding
		}
		d.run()
		if !d.succeeded() || d.c.newBond(time.Now()) != nil || d.p.newBond(time.Now()) != nil {
			t.Errorf("%s does not bond: bonds %v, %v", who, d.c.newBond(time.Now()), d.p.newBond(time.Now()))
		}
		if slices.Contains(d.trace, codeIdentityInformation) {
			t.Errorf("%s does not bond, yet keys were sent", who)
		}
	}
}

func TestDebugKeyIsNotKept(t *testing.T) {
	debug := privateKey(t, sampleKeys[0].privateA)
	for _, who := range []string{"nobody", "initiator", "responder"} {
		d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
		switch who {
		case "initiator":
			d.cs.keyPair = fixed(debug)
		case "responder":
			d.ps.keyPair = fixed(debug)
		}
		d.run()
		keeps := who == "nobody"
		if c, p := d.c.newBond(time.Now()), d.p.newBond(time.Now()); !d.succeeded() || (c != nil) != keeps || (p != nil) != keeps {
			t.Errorf("%s has the debug key: bonds %v, %v", who, c, p)
		}
	}
}

func TestDebugKeyProtectsNothing(t *testing.T) {
	debug := privateKey(t, sampleKeys[0].privateA)
	for _, byInitiator := range []bool{false, true} {
		d := duo{t: t, cs: defaults(DisplayYesNo, addrA), ps: defaults(DisplayYesNo, addrB)}
		debugger, other := &d.ps, &d.cs
		if byInitiator {
			debugger, other = other, debugger
		}
		debugger.keyPair = fixed(debug)
		d.run()
		want := Security{Encrypted: true, KeySize: 16}
		if c, p := d.c.linkSecurity(), d.p.linkSecurity(); !d.succeeded() || d.c.method != NumericComparison || c != want || p != want {
			t.Errorf("by the initiator %v: %v has %+v and %+v, want %+v", byInitiator, d.c.method, c, p, want)
		}
		other.needMITM = true
		attacked(t, "debug key", &duo{cs: d.cs, ps: d.ps}, byInitiator, ReasonAuthenticationRequirements)
	}
}

func TestReservedKeysHaveNoEffect(t *testing.T) {
	d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
	d.alter = replace(false, codePairingResponse, one(func(pdu command) command {
		r := pdu.(pairingResponse)
		r.InitiatorKeys, r.ResponderKeys = r.InitiatorKeys|0xF0, r.ResponderKeys|0x50
		return r
	}))
	if d.run(); !d.succeeded() || d.c.newBond(time.Now()) == nil {
		t.Error("reserved bits of a response ended the pairing")
	}
}

func TestPrivateAddressWithoutIdentityIsNotKept(t *testing.T) {
	d := duo{t: t, cs: defaults(NoInputNoOutput, addrA), ps: defaults(NoInputNoOutput, addrB)}
	d.run()
	d.c.dist.peerAddr = nil
	d.c.peer = NewPrivateAddress(random16())
	if b := d.c.newBond(time.Now()); b != nil {
		t.Errorf("bond with %v, which nobody will find again", b.Peer)
	}
	d.c.peer = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC0}, Kind: hci.AddrRandom}
	if b := d.c.newBond(time.Now()); b == nil || b.Peer != d.c.peer {
		t.Errorf("no bond with a static address: %v", b)
	}
}
