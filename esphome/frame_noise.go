package esphome

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flynn/noise"
)

// noiseFraming is that with encryption, after the handshake: a one, the length as two
// octets, the more significant one first, and the ciphertext of the number of the message,
// the length of its payload and the payload.
type noiseFraming struct {
	send, receive *noise.CipherState
	plain         []byte // to be encrypted
	buf           []byte // as received, and decrypted in place
}

const (
	noiseHeader  = 4  // number and length, two octets each
	noiseTag     = 16 // of the cipher
	maxEncrypted = MaxPayload - noiseHeader - noiseTag
)

// ErrPeerPlain is the error for a frame in plain text where Noise is spoken.
var ErrPeerPlain = errors.New("esphome: the other end does not encrypt: it has no key, or is no native API of ESPHome")

func (n *noiseFraming) appendFrame(b []byte, id MessageID, payload []byte) ([]byte, error) {
	if len(payload) > maxEncrypted {
		return b, errPayload(len(payload), maxEncrypted)
	}
	n.plain = binary.BigEndian.AppendUint16(n.plain[:0], uint16(id)) //nolint:gosec // the numbers of messages are small
	n.plain = binary.BigEndian.AppendUint16(n.plain, uint16(len(payload)))
	n.plain = append(n.plain, payload...)
	b = append(b, markNoise)
	b = binary.BigEndian.AppendUint16(b, uint16(len(n.plain)+noiseTag)) //nolint:gosec // bounded above
	return n.send.Encrypt(b, nil, n.plain)
}

func (n *noiseFraming) readFrame(r *bufio.Reader) (MessageID, []byte, error) {
	body, err := readNoiseBody(r, n.buf, MaxPayload)
	if err != nil {
		return 0, nil, err
	}
	n.buf = body
	plain, err := n.receive.Decrypt(body[:0], nil, body)
	if err != nil {
		return 0, nil, fmt.Errorf("esphome: frame of %d octets cannot be decrypted: %w", len(body), err)
	}
	if len(plain) < noiseHeader {
		return 0, nil, fmt.Errorf("esphome: encrypted frame of %d octets: it begins with %d octets of number and length", len(plain), noiseHeader)
	}
	// The inner length repeats the outer one. Clients ignore it.
	return MessageID(binary.BigEndian.Uint16(plain)), plain[noiseHeader:], nil
}

// appendNoiseBody appends a frame of the handshake to b.
func appendNoiseBody(b, body []byte) []byte {
	b = append(b, markNoise)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body))) //nolint:gosec // the handshake is short
	return append(b, body...)
}

// readNoiseBody reads the body of a frame into buf, at most the given number of octets.
func readNoiseBody(r *bufio.Reader, buf []byte, most int) ([]byte, error) {
	switch mark, err := r.ReadByte(); {
	case err != nil:
		return nil, err
	case mark == markPlain:
		return nil, ErrPeerPlain
	case mark != markNoise:
		return nil, fmt.Errorf("esphome: a frame begins with %#02x: is this the native API of ESPHome?", mark)
	}
	hi, err := r.ReadByte()
	if err != nil {
		return nil, endWithin(err)
	}
	lo, err := r.ReadByte()
	if err != nil {
		return nil, endWithin(err)
	}
	n := int(hi)<<8 | int(lo)
	if n > most {
		return nil, errPayload(n, most)
	}
	return readOctets(r, buf, n)
}
