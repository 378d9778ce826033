// Package aescmac computes AES-CMAC (RFC 4493). Bluetooth LE uses this message
// authentication code in its key functions, in signatures and in the GATT
// Database Hash (Core, Vol 3, Part H, 2.2.5).
package aescmac

import (
	"crypto/aes"
	"crypto/subtle"
)

// Size is the length of a key and of a code, in octets.
const Size = aes.BlockSize

// Sum returns the code of msg under key. Key, message and result are in the
// octet order of RFC 4493, most significant first. Little-endian protocols
// reverse theirs.
func Sum(key [Size]byte, msg []byte) [Size]byte {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic("aescmac: " + err.Error()) // impossible: the key length is fixed
	}
	var x, last [Size]byte
	c.Encrypt(last[:], last[:])
	double(&last) // K1
	for len(msg) > Size {
		subtle.XORBytes(x[:], x[:], msg[:Size])
		c.Encrypt(x[:], x[:])
		msg = msg[Size:]
	}
	if len(msg) < Size {
		double(&last) // K2, for a last block that needs padding
		last[len(msg)] ^= 0x80
	}
	subtle.XORBytes(last[:], last[:], msg)
	subtle.XORBytes(x[:], x[:], last[:])
	c.Encrypt(x[:], x[:])
	return x
}

// double multiplies by x in GF(2^128), in constant time.
func double(b *[Size]byte) {
	var carry byte
	for i := Size - 1; i >= 0; i-- {
		next := b[i] >> 7
		b[i] = b[i]<<1 | carry
		carry = next
	}
	const reduction = 0x87
	b[Size-1] ^= reduction & -carry
}
