package smp

import (
	"crypto/ecdh"
	"errors"
	"testing"

	"github.com/moor-ble/moor/hci"
)

var (
	addrA = hci.Addr{MAC: hci.MAC{1, 0, 0, 0, 0, 0xA}}
	addrB = hci.Addr{MAC: hci.MAC{2, 0, 0, 0, 0, 0xCB}, Kind: hci.AddrRandom}
)

func defaults(io IOCapability, addr hci.Addr) settings {
	return settings{passkey: newPasskey,
		io: io, auth: authBonding | authMITM | authSecureConnections, needSC: true, minKeySize: 16,
		keyPair: generateKey, identity: Identity{Addr: addr, IRK: random16()},
	}
}

func fixed(key *ecdh.PrivateKey) func() (*ecdh.PrivateKey, error) {
	return func() (*ecdh.PrivateKey, error) { return key, nil }
}

func asLegacy(s settings) settings {
	s.auth &^= authSecureConnections
	s.needSC = false
	return s
}

// duo is two pairings that exchange their PDUs directly: without a link, clock or
// goroutine.
type duo struct {
	t          testing.TB
	cs, ps     settings
	c, p       *pairing
	cerr, perr error
	shown      map[bool]Passkey // by whether the initiator shows it
	asked      []string
	// user replaces the answers of a user who makes no mistake.
	user func(initiator bool, q question) answer
	// alter returns the PDUs that arrive in place of a PDU.
	alter func(fromInitiator bool, pdu command) []command
	trace []code
}

// run takes turns until both sides are idle.
func (d *duo) run() {
	d.shown = map[bool]Passkey{}
	d.c = newInitiator(d.cs, addrA, addrB)
	for d.turn(true) || d.turn(false) {
	}
}

func (d *duo) side(initiator bool) (p *pairing, err *error) {
	if initiator {
		return d.c, &d.cerr
	}
	return d.p, &d.perr
}

// turn carries out the effects of one side, and reports whether there were any.
func (d *duo) turn(initiator bool) bool {
	p, perr := d.side(initiator)
	if p == nil {
		return false
	}
	fx := p.takeEffects()
	for _, pdu := range fx.send {
		d.trace = append(d.trace, pdu.Code())
		pdus := []command{pdu}
		if d.alter != nil {
			pdus = d.alter(initiator, pdu)
		}
		for _, pdu := range pdus {
			d.deliver(!initiator, pdu)
		}
	}
	if fx.ask != nil && *perr == nil {
		d.step(initiator, d.answer(initiator, *fx.ask))
	}
	if fx.encrypt != nil && *perr == nil && d.perr == nil {
		if d.p.key == nil || *d.p.key != *fx.encrypt {
			d.t.Errorf("the sides would encrypt with different keys")
		}
		d.step(false, encrypted{})
		d.step(true, encrypted{})
	}
	return len(fx.send) > 0 || fx.ask != nil || fx.encrypt != nil
}

// deliver gives a PDU to one side as octets.
func (d *duo) deliver(initiator bool, pdu command) {
	in, err := parseCommand(pdu.AppendPDU(nil))
	if err != nil {
		d.fail(initiator, &Error{Reason: ReasonInvalidParameters, Local: true, Err: err})
		return
	}
	if req, ok := in.(pairingRequest); ok && d.p == nil && !initiator {
		if d.p, err = newResponder(d.ps, addrB, addrA, req); err != nil {
			d.fail(false, err)
		}
		return
	}
	d.step(initiator, in)
}

func (d *duo) step(initiator bool, in any) {
	p, perr := d.side(initiator)
	if p == nil || *perr != nil {
		return
	}
	if err := p.advance(in); err != nil {
		d.fail(initiator, err)
	}
}

// fail ends one side, and sends the other a Pairing Failed.
func (d *duo) fail(initiator bool, err error) {
	_, perr := d.side(initiator)
	*perr = err
	var e *Error
	if errors.As(err, &e) && e.Local {
		if p, _ := d.side(initiator); p != nil {
			p.fx.send = append(p.fx.send, pairingFailed{e.Reason})
		} else {
			d.step(!initiator, pairingFailed{e.Reason})
		}
	}
}

func (d *duo) answer(initiator bool, q question) answer {
	who := map[bool]string{true: "initiator ", false: "responder "}[initiator]
	d.asked = append(d.asked, who+[...]string{askEnter: "enters", askConfirm: "confirms", tellPasskey: "shows"}[q.kind])
	if q.kind != askEnter {
		if other, ok := d.shown[!initiator]; ok && q.kind == askConfirm && other != q.passkey {
			return answer{err: errRejected}
		}
		d.shown[initiator] = q.passkey
	}
	if d.user != nil {
		return d.user(initiator, q)
	}
	if q.kind == askEnter {
		other, _ := d.side(!initiator)
		return answer{passkey: other.passkey} // 0 if both enter
	}
	return answer{}
}

// succeeded fails the test unless both sides are done and agree.
func (d *duo) succeeded() bool {
	d.t.Helper()
	if d.cerr != nil || d.perr != nil {
		d.t.Errorf("failed: %v; %v", d.cerr, d.perr)
		return false
	}
	return d.c.key != nil && d.p.key != nil && *d.c.key == *d.p.key && len(d.c.dist.expected)+len(d.p.dist.expected) == 0
}

// wantReason fails the test unless one side ended the pairing and the other got its
// reason.
func (d *duo) wantReason(what string, found, told error, r Reason) {
	d.t.Helper()
	var e *Error
	if !errors.As(found, &e) || e.Reason != r || !e.Local {
		d.t.Errorf("%s: found %v, want %v", what, found, r)
	}
	if !errors.As(told, &e) || e.Reason != r || e.Local {
		d.t.Errorf("%s: the other side was told %v, want %v", what, told, r)
	}
}
