package smp

import "crypto/ecdh"

// OOB is what was exchanged out of band: by NFC, a printed code, a cable. Any
// of its fields may be missing.
type OOB struct {
	// TK is the temporary key of legacy pairing, which both sides need.
	TK *[16]byte
	// Local is what this host has made; the peer has its Data.
	Local *LocalOOB
	// Peer is what the peer has made, for LE Secure Connections.
	Peer *OOBData
}

// OOBData is one side's data for LE Secure Connections (Vol 3, Part H,
// 2.3.5.6.4), least significant octet first as in Supplement, Part A, 1.17.
type OOBData struct {
	Confirm [16]byte
	Rand    Key // known to nobody but the two sides
}

// LocalOOB is this host's side of an exchange, for one pairing.
type LocalOOB struct {
	key  *ecdh.PrivateKey
	rand [16]byte
}

// NewLocalOOB makes a key pair and a random value for a pairing to come.
// keyPair makes the key pair; nil takes one of crypto/ecdh.
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

// Data returns what is to be given to the peer.
func (l *LocalOOB) Data() OOBData {
	x := publicKey(l.key).X
	return OOBData{Confirm: f4(x, x, l.rand, 0), Rand: l.rand}
}

// hasPeerData reports whether data of the peer is there, which is what the OOB flag
// says. Which generation it will be for is not yet known.
func (o *OOB) hasPeerData() bool { return o != nil && (o.TK != nil || o.Peer != nil) }

// suffices reports whether the data will do for the generation agreed on; theirs
// is the peer's flag.
func (o *OOB) suffices(sc, theirs bool) bool {
	switch {
	case o == nil:
		return false
	case !sc:
		return o.TK != nil
	}
	// Whoever says that it has data needs it; the flag of a side that has only a
	// TK says too much, and the other will not accept its check.
	return (!theirs || o.Local != nil) && (o.Peer != nil || theirs && o.TK == nil)
}
