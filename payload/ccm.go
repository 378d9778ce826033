package payload

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// micLen is the length of the message integrity check of all encrypted payloads.
const micLen = 4

// openCCM decrypts with AES-CCM and a check of micLen octets at the end of sealed
// (RFC 3610). The nonce has 11 to 13 octets, aad at most 14.
func openCCM(b cipher.Block, nonce, aad, sealed []byte) (plain []byte, ok bool) {
	n := len(sealed) - micLen
	if n < 0 {
		return nil, false
	}
	return checkCCM(b, nonce, aad, sealed[:n], sealed[n:], micLen)
}

// checkCCM decrypts text with AES-CCM and a check of size octets, of which the first
// are in check.
func checkCCM(b cipher.Block, nonce, aad, text, check []byte, size int) (plain []byte, ok bool) {
	plain, mask := streamCCM(b, nonce, text)
	tag := tagCCM(b, nonce, aad, plain, size)
	subtle.XORBytes(tag[:], tag[:], mask[:])
	if subtle.ConstantTimeCompare(tag[:min(len(check), size)], check) != 1 {
		return nil, false
	}
	return plain, true
}

// streamCCM encrypts or decrypts text in the counter mode of CCM, and returns with it
// the mask of the check, which is the key stream's first block.
func streamCCM(b cipher.Block, nonce, text []byte) (out []byte, mask [16]byte) {
	var first [16]byte
	first[0] = lengthOctets(nonce) - 1
	copy(first[1:], nonce)
	stream := cipher.NewCTR(b, first[:])
	stream.XORKeyStream(mask[:], mask[:])
	out = make([]byte, len(text))
	stream.XORKeyStream(out, text)
	return out, mask
}

// tagCCM returns the unmasked check of plain, of which size octets count: the CBC-MAC
// of the lengths, the nonce, aad and plain.
func tagCCM(b cipher.Block, nonce, aad, plain []byte, size int) (tag [16]byte) {
	var block [16]byte
	block[0] = lengthOctets(nonce) - 1 | byte(size-2)/2<<3
	copy(block[1:], nonce)
	binary.BigEndian.PutUint16(block[14:], uint16(len(plain)))
	if len(aad) > 0 {
		block[0] |= 1 << 6
	}
	mix := func() {
		subtle.XORBytes(tag[:], tag[:], block[:])
		b.Encrypt(tag[:], tag[:])
		clear(block[:])
	}
	mix()
	if len(aad) > 0 {
		binary.BigEndian.PutUint16(block[:], uint16(len(aad)))
		copy(block[2:], aad)
		mix()
	}
	for len(plain) > 0 {
		plain = plain[copy(block[:], plain):]
		mix()
	}
	return tag
}

// lengthOctets returns the size of the length field, to which the nonce leaves room.
func lengthOctets(nonce []byte) byte { return byte(15 - len(nonce)) }
