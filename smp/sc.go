package smp

import "crypto/ecdh"

// curve is the second phase of LE Secure Connections (Vol 3, Part H, 2.3.5.6).
//
//	initiator                          responder
//	Pairing Public Key             ->
//	                               <-  Pairing Public Key
//	Just Works and Numeric Comparison:
//	                               <-  Pairing Confirm f4(PKb, PKa, Nb, 0)
//	Pairing Random Na              ->
//	checks                         <-  Pairing Random Nb
//	Passkey Entry, 20 times, for each bit r of the passkey:
//	Pairing Confirm f4(…, Na, r)   ->
//	                               <-  Pairing Confirm f4(…, Nb, r)
//	Pairing Random Na              ->  checks
//	checks                         <-  Pairing Random Nb
//	Out of Band, after the check of the out-of-band confirm value:
//	Pairing Random Na              ->
//	                               <-  Pairing Random Nb
//	All:
//	Pairing DHKey Check Ea         ->  checks
//	checks                         <-  Pairing DHKey Check Eb
//	encrypts with LTK = f5(…)
type curve struct {
	key         *ecdh.PrivateKey
	own         pairingPublicKey
	peer        pairingPublicKey
	shared      [32]byte
	rand        [16]byte // own N
	peerRand    [16]byte // the peer's
	peerConfirm [16]byte // the peer's, not yet checked
	round       int      // of Passkey Entry
	// ownR and peerR are the r of Ea and Eb that belongs to this side and to the peer:
	// the passkey, or the out-of-band random value.
	ownR, peerR [16]byte
	mac, ltk    [16]byte
}

// rounds is the number of bits of a passkey.
const rounds = 20

func beginCurve(p *pairing) (state, error) {
	c := &p.curve
	var err error
	if p.method == OutOfBand && p.set.oob.Local != nil {
		c.key = p.set.oob.Local.key // the key that the data commits to
	} else if c.key, err = p.set.keyPair(); err != nil {
		return nil, localError(ReasonUnspecified, "key pair: %w", err)
	}
	if c.key.Curve() != ecdh.P256() {
		return nil, localError(ReasonUnspecified, "%w", errOtherCurve)
	}
	c.own = publicKey(c.key)
	c.rand = random16()
	if p.initiator {
		p.queuePDU(c.own)
	}
	return awaitPublicKey, nil
}

func awaitPublicKey(p *pairing, in any) (state, error) {
	pub, err := expect[pairingPublicKey](in)
	if err != nil {
		return nil, err
	}
	c := &p.curve
	if pub.X == c.own.X { // with either Y: CVE-2020-26558
		return nil, localError(ReasonUnspecified, "the peer sent this host's own public key back")
	}
	if c.shared, err = sharedKey(c.key, pub); err != nil {
		return nil, localError(ReasonDHKeyCheckFailed, "%w", err)
	}
	c.peer = pub
	if p.set.needMITM && c.usesDebugKey() {
		return nil, localError(ReasonAuthenticationRequirements,
			"no protection against a man in the middle with the key pair of debug mode")
	}
	if !p.initiator {
		p.queuePDU(c.own)
	}
	switch {
	case p.method == OutOfBand:
		return p.beginOOB()
	case p.method.passkey():
		early := codePairingConfirm
		if p.initiator {
			early = 0 // the responder waits for our confirm value
		}
		return p.getPasskey(early, func(p *pairing) (state, error) {
			c := &p.curve
			c.ownR, c.peerR = p.passkey.block(), p.passkey.block()
			return p.beginRound()
		})
	case p.initiator:
		return curveAwaitCommitment, nil
	}
	p.queuePDU(pairingConfirm{c.ownConfirm(0)})
	return curveAwaitRandom, nil
}

// usesDebugKey reports whether a side uses the key pair of debug mode, so that the
// Diffie-Hellman key is public knowledge (2.3.5.6.1). A sniffer can decrypt such a link.
// That is what debug mode is for, but its key must not become a bond, nor count as
// authentication.
func (c *curve) usesDebugKey() bool {
	x := [32]byte{
		0xE6, 0x9D, 0x35, 0x0E, 0x48, 0x01, 0x03, 0xCC, 0xDB, 0xFD, 0xF4, 0xAC, 0x11, 0x91, 0xF4, 0xEF,
		0xB9, 0xA5, 0xF9, 0xE9, 0xA7, 0x83, 0x2C, 0x5E, 0x2C, 0xBE, 0x97, 0xF2, 0xD2, 0x03, 0xB0, 0x20,
	}
	return c.own.X == x || c.peer.X == x
}

// ownConfirm returns the confirm value for this side's random value.
func (c *curve) ownConfirm(z byte) [16]byte { return f4(c.own.X, c.peer.X, c.rand, z) }

// confirms reports whether the peer's confirm value matches its random value.
func (c *curve) confirms(z byte) bool {
	return equal(c.peerConfirm, f4(c.peer.X, c.own.X, c.peerRand, z))
}

// beginOOB checks the peer's public key against its out-of-band data.
func (p *pairing) beginOOB() (state, error) {
	c, o := &p.curve, p.set.oob
	if o.Peer != nil {
		if !equal(o.Peer.Confirm, f4(c.peer.X, c.peer.X, o.Peer.Rand, 0)) {
			return nil, localError(ReasonConfirmValueFailed, "the public key does not match the out-of-band data")
		}
		c.peerR = o.Peer.Rand
	}
	theirs := p.req.OOB
	if p.initiator {
		theirs = p.rsp.OOB
	}
	if theirs { // the peer has our data
		c.ownR = o.Local.rand
	}
	if p.initiator {
		p.queuePDU(pairingRandom{c.rand})
	}
	return curveAwaitRandom, nil
}

// curveAwaitCommitment is a state of the initiator in Just Works and Numeric Comparison.
func curveAwaitCommitment(p *pairing, in any) (state, error) {
	v, err := expect[pairingConfirm](in)
	if err != nil {
		return nil, err
	}
	p.curve.peerConfirm = v.Value
	p.queuePDU(pairingRandom{p.curve.rand})
	return curveAwaitRandom, nil
}

// curveAwaitRandom is a state of all methods but Passkey Entry.
func curveAwaitRandom(p *pairing, in any) (state, error) {
	v, err := expect[pairingRandom](in)
	if err != nil {
		return nil, err
	}
	c := &p.curve
	c.peerRand = v.Value
	if equal(c.peerRand, c.rand) {
		return nil, errReflected()
	}
	if p.initiator && p.method != OutOfBand && !c.confirms(0) {
		return nil, errConfirm()
	}
	if !p.initiator {
		p.queuePDU(pairingRandom{c.rand})
	}
	if p.method != NumericComparison {
		return p.beginCheck()
	}
	number, early := g2(c.own.X, c.peer.X, c.rand, c.peerRand), code(0)
	if !p.initiator {
		number, early = g2(c.peer.X, c.own.X, c.peerRand, c.rand), codePairingDHKeyCheck
	}
	p.askUser(question{kind: askConfirm, passkey: number}, early, func(p *pairing, a answer) (state, error) {
		if a.err != nil {
			return nil, &Error{Reason: ReasonNumericComparisonFailed, Local: true, Err: a.err}
		}
		return p.beginCheck()
	})
	return nil, nil
}

// errConfirm is the error for a confirm value that does not match, and errReflected for
// a peer that sends this side's value back.
func errConfirm() error {
	return localError(ReasonConfirmValueFailed,
		"the confirm value is wrong: the passkeys differ, or another device is in between")
}

func errReflected() error {
	return localError(ReasonConfirmValueFailed, "the peer sent this host's own value back")
}

// passkeyBit returns r of the current round of Passkey Entry.
func (p *pairing) passkeyBit() byte { return 0x80 | byte(p.passkey>>p.curve.round)&1 }

func (p *pairing) beginRound() (state, error) {
	p.curve.rand = random16()
	if p.initiator {
		p.queuePDU(pairingConfirm{p.curve.ownConfirm(p.passkeyBit())})
	}
	return curveAwaitRoundConfirm, nil
}

func curveAwaitRoundConfirm(p *pairing, in any) (state, error) {
	v, err := expect[pairingConfirm](in)
	if err != nil {
		return nil, err
	}
	p.curve.peerConfirm = v.Value
	if p.initiator {
		p.queuePDU(pairingRandom{p.curve.rand})
	} else {
		p.queuePDU(pairingConfirm{p.curve.ownConfirm(p.passkeyBit())})
	}
	return curveAwaitRoundRandom, nil
}

func curveAwaitRoundRandom(p *pairing, in any) (state, error) {
	v, err := expect[pairingRandom](in)
	if err != nil {
		return nil, err
	}
	c := &p.curve
	c.peerRand = v.Value
	if equal(c.peerRand, c.rand) || !c.confirms(p.passkeyBit()) {
		return nil, errConfirm()
	}
	if !p.initiator {
		p.queuePDU(pairingRandom{c.rand})
	}
	if c.round++; c.round < rounds {
		return p.beginRound()
	}
	return p.beginCheck()
}

// beginCheck is authentication stage 2: both sides prove that they have the same key.
func (p *pairing) beginCheck() (state, error) {
	c := &p.curve
	if p.initiator {
		c.mac, c.ltk = f5(c.shared, c.rand, c.peerRand, p.own, p.peer)
		p.queuePDU(pairingDHKeyCheck{p.ownCheck()})
	} else {
		c.mac, c.ltk = f5(c.shared, c.peerRand, c.rand, p.peer, p.own)
	}
	return awaitCheck, nil
}

// ownCheck returns the check value of this side, and peerCheck that of the peer. Each
// covers the r of the side that verifies it.
func (p *pairing) ownCheck() [16]byte {
	c := &p.curve
	return f6(c.mac, c.rand, c.peerRand, c.peerR, p.sentCapabilities(p.initiator), p.own, p.peer)
}

func (p *pairing) peerCheck() [16]byte {
	c := &p.curve
	return f6(c.mac, c.peerRand, c.rand, c.ownR, p.sentCapabilities(!p.initiator), p.peer, p.own)
}

// sentCapabilities returns the IOcap of f6: one side's features as they were sent.
func (p *pairing) sentCapabilities(initiator bool) [3]byte {
	f := p.rsp
	if initiator {
		f = p.req
	}
	b := [3]byte{byte(f.IO), 0, byte(f.Auth)}
	if f.OOB {
		b[1] = 1
	}
	return b
}

func awaitCheck(p *pairing, in any) (state, error) {
	v, err := expect[pairingDHKeyCheck](in)
	if err != nil {
		return nil, err
	}
	if !equal(v.Value, p.peerCheck()) {
		return nil, localError(ReasonDHKeyCheckFailed, "the check values differ")
	}
	if !p.initiator {
		p.queuePDU(pairingDHKeyCheck{p.ownCheck()})
	}
	return p.encryptWith(p.curve.ltk)
}
