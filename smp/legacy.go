package smp

// legacy is the second phase of legacy pairing (Vol 3, Part H, 2.3.5.5).
//
//	initiator                          responder
//	Pairing Confirm c1(TK, Mrand)  ->
//	                               <-  Pairing Confirm c1(TK, Srand)
//	Pairing Random Mrand           ->  checks Mrand
//	checks Srand                   <-  Pairing Random Srand
//	encrypts with STK = s1(TK, Srand, Mrand)
type legacy struct {
	tk, rand [16]byte
	confirm  [16]byte // the peer's
}

func beginLegacy(p *pairing) (state, error) {
	l := &p.legacy
	l.rand = random16()
	switch {
	case p.method == OutOfBand:
		l.tk = *p.set.oob.TK
	case p.method.passkey():
		early := codePairingConfirm
		if p.initiator {
			early = 0 // the responder waits for our confirm value
		}
		return p.getPasskey(early, func(p *pairing) (state, error) {
			p.legacy.tk = p.passkey.block()
			return legacyCommit(p)
		})
	}
	return legacyCommit(p)
}

// legacyCommit goes on once the temporary key is known.
func legacyCommit(p *pairing) (state, error) {
	if p.initiator {
		p.queuePDU(pairingConfirm{p.confirmLegacy(p.legacy.rand)})
	}
	return legacyAwaitConfirm, nil
}

// confirmLegacy returns the confirm value of either side's random value.
func (p *pairing) confirmLegacy(rand [16]byte) [16]byte {
	initiator, responder := p.own, p.peer
	if !p.initiator {
		initiator, responder = responder, initiator
	}
	return c1(p.legacy.tk, rand, p.preq, p.pres, initiator, responder)
}

func legacyAwaitConfirm(p *pairing, in any) (state, error) {
	c, err := expect[pairingConfirm](in)
	if err != nil {
		return nil, err
	}
	l := &p.legacy
	// Both sides compute the value by the same function: our own value, sent back,
	// proves nothing.
	if own := p.confirmLegacy(l.rand); equal(own, c.Value) {
		return nil, errReflected()
	} else if !p.initiator {
		p.queuePDU(pairingConfirm{own})
	}
	l.confirm = c.Value
	if p.initiator {
		p.queuePDU(pairingRandom{l.rand})
	}
	return legacyAwaitRandom, nil
}

func legacyAwaitRandom(p *pairing, in any) (state, error) {
	r, err := expect[pairingRandom](in)
	if err != nil {
		return nil, err
	}
	l := &p.legacy
	if !equal(p.confirmLegacy(r.Value), l.confirm) {
		return nil, errConfirm()
	}
	if p.initiator {
		return p.encryptWith(s1(l.tk, r.Value, l.rand))
	}
	p.queuePDU(pairingRandom{l.rand})
	return p.encryptWith(s1(l.tk, l.rand, r.Value))
}
