package smp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/aescmac"
	"github.com/moor-ble/moor/internal/wire"
)

// The cryptographic toolbox (Vol 3, Part H, 2.2). Arguments and results are least
// significant octet first. The specification writes concatenations with the most
// significant part first, so that the parts are in reverse order here.

// reversed returns a copy of b in reverse order.
func reversed[S ~[]byte](b S) S {
	r := slices.Clone(b)
	slices.Reverse(r)
	return r
}

// newCipher returns AES-128 with a key whose least significant octet is the first.
func newCipher(key [16]byte) cipher.Block {
	block, err := aes.NewCipher(reversed(key[:]))
	if err != nil {
		panic("smp: " + err.Error()) // only for a wrong key length
	}
	return block
}

// e is the security function e, AES-128 of one block (2.2.1).
func e(key, data [16]byte) [16]byte {
	block := newCipher(key)
	slices.Reverse(data[:])
	block.Encrypt(data[:], data[:])
	slices.Reverse(data[:])
	return data
}

func xor(a, b [16]byte) (x [16]byte) {
	subtle.XORBytes(x[:], a[:], b[:])
	return x
}

// block concatenates the parts of a 16-octet block, and fills its most significant end
// with zeros.
func block(parts ...[]byte) (b [16]byte) {
	copy(b[:], slices.Concat(parts...))
	return b
}

// cmac is AES-CMAC of the parts, least significant part first (2.2.5).
func cmac(key [16]byte, parts ...[]byte) [16]byte {
	sum := aescmac.Sum([16]byte(reversed(key[:])), reversed(slices.Concat(parts...)))
	slices.Reverse(sum[:])
	return sum
}

// ah is the random address hash function (2.2.2).
func ah(irk [16]byte, r [3]byte) (hash [3]byte) {
	v := e(irk, block(r[:]))
	copy(hash[:], v[:])
	return hash
}

// c1 is the confirm value generation function of legacy pairing (2.2.3).
// preq and pres are whole PDUs.
func c1(k, r [16]byte, preq, pres [7]byte, initiator, responder hci.Addr) [16]byte {
	p1 := block([]byte{kindOf(initiator), kindOf(responder)}, preq[:], pres[:])
	p2 := block(responder.MAC[:], initiator.MAC[:])
	return e(k, xor(e(k, xor(r, p1)), p2))
}

// s1 is the key generation function of legacy pairing (2.2.4).
func s1(k, r1, r2 [16]byte) [16]byte {
	low := func(r [16]byte) []byte {
		x := wire.NewReader(r[:])
		return x.Bytes(8)
	}
	return e(k, block(low(r2), low(r1)))
}

// f4 is the confirm value generation function (2.2.6).
func f4(u, v [32]byte, x [16]byte, z byte) [16]byte {
	return cmac(x, []byte{z}, v[:], u[:])
}

// f5 makes the MacKey and the long term key (2.2.7).
func f5(w [32]byte, n1, n2 [16]byte, a1, a2 hci.Addr) (mac, ltk [16]byte) {
	salt := [16]byte{0xBE, 0x83, 0x60, 0x5A, 0xDB, 0x0B, 0x37, 0x60, 0x38, 0xA5, 0xF5, 0xAA, 0x91, 0x83, 0x88, 0x6C}
	t := cmac(salt, w[:])
	const keyID, bits = 0x62746C65, 256 // "btle"
	key := func(counter byte) [16]byte {
		return cmac(t, wire.AppendU16(nil, bits), address(a2), address(a1), n2[:], n1[:],
			wire.AppendU32(nil, keyID), []byte{counter})
	}
	return key(0), key(1)
}

// f6 is the check value generation function (2.2.8). io is octets 1 to 3 of a
// Pairing Request or Response.
func f6(w, n1, n2, r [16]byte, io [3]byte, a1, a2 hci.Addr) [16]byte {
	return cmac(w, address(a2), address(a1), io[:], r[:], n2[:], n1[:])
}

// g2 is the numeric comparison value generation function (2.2.9), reduced to six digits.
func g2(u, v [32]byte, x, y [16]byte) Passkey {
	sum := cmac(x, y[:], v[:], u[:])
	r := wire.NewReader(sum[:])
	return Passkey(r.U32() % passkeys)
}

// h6 is the link key conversion function (2.2.10).
func h6(w [16]byte, keyID uint32) [16]byte { return cmac(w, wire.AppendU32(nil, keyID)) }

// h7 is the link key conversion function with a salt (2.2.11).
func h7(salt, w [16]byte) [16]byte { return cmac(salt, w[:]) }

// kindOf is 0 for public addresses, 1 for random ones.
func kindOf(a hci.Addr) byte { return byte(a.Identity().Kind) }

// address returns an address as f5 and f6 need it: 56 bits, the kind most significant.
func address(a hci.Addr) []byte { return append(a.MAC[:], kindOf(a)) }

// equal compares a and b in constant time.
func equal(a, b [16]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func random16() (v [16]byte) {
	_, _ = rand.Read(v[:]) // never fails
	return v
}

// generateKey generates a P-256 key pair. It is the default of Config.KeyPair.
func generateKey() (*ecdh.PrivateKey, error) { return ecdh.P256().GenerateKey(rand.Reader) }

// publicKey returns the public key of a key pair as it is sent.
func publicKey(key *ecdh.PrivateKey) (p pairingPublicKey) {
	r := wire.NewReader(key.PublicKey().Bytes())
	r.Skip(1) // 4 means that both coordinates follow, most significant octet first
	r.Copy(p.X[:])
	r.Copy(p.Y[:])
	slices.Reverse(p.X[:])
	slices.Reverse(p.Y[:])
	return p
}

var errOtherCurve = errors.New("the key pair is not on P-256")

// sharedKey computes the Diffie-Hellman key. It returns an error for a point that is not
// on the curve (2.3.5.6.1, CVE-2018-5383).
func sharedKey(own *ecdh.PrivateKey, peer pairingPublicKey) (key [32]byte, err error) {
	point := slices.Concat([]byte{4}, reversed(peer.X[:]), reversed(peer.Y[:]))
	pub, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return key, fmt.Errorf("public key: %w", err)
	}
	secret, err := own.ECDH(pub)
	if err != nil {
		return key, fmt.Errorf("Diffie-Hellman key: %w", err)
	}
	copy(key[:], reversed(secret))
	return key, nil
}
