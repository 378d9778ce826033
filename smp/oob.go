package smp

import "crypto/ecdh"

// OOB is data that was exchanged out of band: by NFC, a printed code or a cable. Any of
// its fields may be nil.
type OOB struct {
	// TK is the temporary key of legacy pairing, which both sides have.
	TK *[16]byte
	// Local is this host's data for LE Secure Connections; the peer has Local.Data.
	Local *LocalOOB
	// Peer is the peer's data for LE Secure Connections.
	Peer *OOBData
}

// OOBData is the data of one side for LE Secure Connections (Vol 3, Part H, 2.3.5.6.4),
// least significant octet first as in the Core Specification Supplement, Part A, 1.17.
type OOBData struct {
	Confirm [16]byte
	Rand    Key // known to the two sides alone
}

// LocalOOB is this host's data, with the private key that belongs to it. It should serve
// one pairing (Vol 3, Part H, 2.3.6): make new data for the next one. Data that cannot be
// renewed, such as a printed code, serves any number. Its private key stays secret, since
// public keys that are not on the curve are refused; but each device that has paired with
// such data knows its random value, and can claim to others to be this host.
type LocalOOB struct {
	key  *ecdh.PrivateKey
	rand [16]byte
}

// NewLocalOOB generates a key pair and a random value for a later pairing. keyPair makes
// the P-256 key pair; nil means crypto/ecdh.
func NewLocalOOB(keyPair func() (*ecdh.PrivateKey, error)) (*LocalOOB, error) {
	if keyPair == nil {
		keyPair = generateKey
	}
	key, err := keyPair()
	if err != nil {
		return nil, err
	}
	if key.Curve() != ecdh.P256() {
		return nil, errOtherCurve
	}
	return &LocalOOB{key: key, rand: random16()}, nil
}

// Data returns the data to give to the peer.
func (l *LocalOOB) Data() OOBData {
	x := publicKey(l.key).X
	return OOBData{Confirm: f4(x, x, l.rand, 0), Rand: l.rand}
}

// hasPeerData reports whether this host has data of the peer. The OOB flag states that,
// before it is known whether the pairing is legacy or LE Secure Connections.
func (o *OOB) hasPeerData() bool { return o != nil && (o.TK != nil || o.Peer != nil) }

// suffices reports whether the data is enough for LE Secure Connections (sc) or for
// legacy pairing. theirs is the peer's OOB flag.
func (o *OOB) suffices(sc, theirs bool) bool {
	switch {
	case o == nil:
		return false
	case !sc:
		return o.TK != nil
	}
	// A side whose flag is set will expect the other side's data in the check. The flag
	// of a side that has nothing but a TK claims too much, and its check will fail.
	return (!theirs || o.Local != nil) && (o.Peer != nil || theirs && o.TK == nil)
}
