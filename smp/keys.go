package smp

import (
	"crypto/rand"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// distribution is the third phase: both sides send keys for later use over the
// encrypted link (Vol 3, Part H, 2.4.3). The responder sends its keys first, then the
// initiator. The order of the PDUs of one side is fixed.
type distribution struct {
	give, take keyDist
	expected   []code

	// The keys of this side.
	ownKey  *LongTermKey
	ownCSRK Key
	// The keys of the peer.
	peerKey  *LongTermKey
	irk      Key
	peerAddr *hci.Addr
	peerCSRK Key
}

// plan sets the keys that are distributed. With LE Secure Connections no long term key
// is among them (3.6.1). A key for BR/EDR never is, since this host does not ask for
// one.
func (d *distribution) plan(p *pairing) {
	d.give, d.take = p.rsp.ResponderKeys, p.rsp.InitiatorKeys
	if p.initiator {
		d.give, d.take = d.take, d.give
	}
	mask := distEncKey | distIDKey | distSignKey
	if p.sc {
		mask = distIDKey | distSignKey
	}
	d.give, d.take = d.give&mask, d.take&mask
	for _, k := range [...]struct {
		key   keyDist
		codes []code
	}{
		{distEncKey, []code{codeEncryptionInformation, codeCentralIdentification}},
		{distIDKey, []code{codeIdentityInformation, codeIdentityAddressInformation}},
		{distSignKey, []code{codeSigningInformation}},
	} {
		if d.take.has(k.key) {
			d.expected = append(d.expected, k.codes...)
		}
	}
}

// beginDistribution begins once the link is encrypted.
func (d *distribution) beginDistribution(p *pairing) (state, error) {
	if !p.initiator {
		d.giveKeys(p)
	}
	return d.awaitNextKey(p)
}

// awaitNextKey waits for the peer's next key, or ends the pairing after the last one.
func (d *distribution) awaitNextKey(p *pairing) (state, error) {
	if len(d.expected) > 0 {
		return awaitKeys, nil
	}
	if p.initiator {
		d.giveKeys(p)
	}
	p.done, p.fx.done = true, true
	return awaitNothing, nil
}

// awaitNothing is the state after the last key: every PDU is out of order.
func awaitNothing(_ *pairing, in any) (state, error) { return awaitNothing, unexpected(in) }

// giveKeys queues this side's keys.
func (d *distribution) giveKeys(p *pairing) {
	if d.give.has(distEncKey) {
		d.ownKey = newLongTermKey(p.keySize)
		p.queuePDU(encryptionInformation{d.ownKey.Key})
		p.queuePDU(centralIdentification{d.ownKey.EDIV, d.ownKey.Rand})
	}
	if d.give.has(distIDKey) {
		p.queuePDU(identityInformation{p.set.identity.IRK})
		p.queuePDU(identityAddressInformation{p.set.identity.Addr})
	}
	if d.give.has(distSignKey) {
		d.ownCSRK = random16()
		p.queuePDU(signingInformation{d.ownCSRK})
	}
}

func newLongTermKey(size int) *LongTermKey {
	k := &LongTermKey{Key: Key(random16()).truncate(size)}
	var ediv [2]byte
	_, _ = rand.Read(ediv[:]) // never fails
	_, _ = rand.Read(k.Rand[:])
	r := wire.NewReader(ediv[:])
	k.EDIV = r.U16()
	return k
}

func awaitKeys(p *pairing, in any) (state, error) {
	d := &p.dist
	pdu, err := expect[command](in)
	if err != nil {
		return nil, err
	}
	if pdu.Code() != d.expected[0] {
		return nil, unexpected(in)
	}
	d.expected = slices.Delete(d.expected, 0, 1)
	switch pdu := pdu.(type) {
	case encryptionInformation:
		// Octets beyond the key size are zero, whatever the peer sends (2.4.4).
		d.peerKey = &LongTermKey{Key: pdu.LTK.truncate(p.keySize)}
		if d.peerKey.Key.IsZero() {
			return nil, localError(ReasonInvalidParameters, "%w", errZeroKey)
		}
	case centralIdentification:
		d.peerKey.EDIV, d.peerKey.Rand = pdu.EDIV, pdu.Rand
	case identityInformation:
		d.irk = pdu.IRK // zero if the peer has no private addresses
	case identityAddressInformation:
		d.peerAddr = &pdu.Addr
		if pdu.Addr == p.set.identity.Addr {
			return nil, localError(ReasonInvalidParameters, "the peer claims the identity address of this host")
		}
	case signingInformation:
		d.peerCSRK = pdu.CSRK
	}
	return d.awaitNextKey(p)
}

// truncate returns the key shortened to size octets: the most significant octets
// become zero (Vol 3, Part H, 2.3.4).
func (k Key) truncate(size int) Key {
	var c Key
	r := wire.NewReader(k[:])
	copy(c[:], r.Bytes(size))
	return c
}
