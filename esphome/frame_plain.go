package esphome

import (
	"bufio"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// plainFraming is that without encryption: a zero, the length of the payload and the
// number of the message as varints, and the payload.
type plainFraming struct{ buf []byte }

// maxVarint is the longest varint of a frame, in octets.
const maxVarint = 4

func (*plainFraming) appendFrame(b []byte, id MessageID, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return b, errPayload(len(payload), MaxPayload)
	}
	b = append(b, markPlain)
	b = protowire.AppendVarint(b, uint64(len(payload)))
	b = protowire.AppendVarint(b, uint64(id))
	return append(b, payload...), nil
}

// ErrPeerEncrypts is the error for a frame with Noise where plain text is spoken.
var ErrPeerEncrypts = errors.New("esphome: the other end encrypts: pass its key")

func (p *plainFraming) readFrame(r *bufio.Reader) (MessageID, []byte, error) {
	switch mark, err := r.ReadByte(); {
	case err != nil:
		return 0, nil, err
	case mark == markNoise:
		return 0, nil, ErrPeerEncrypts
	case mark != markPlain:
		return 0, nil, fmt.Errorf("esphome: a frame begins with %#02x: is this the native API of ESPHome?", mark)
	}
	n, err := readVarint(r)
	if err != nil {
		return 0, nil, err
	}
	if n > MaxPayload {
		return 0, nil, errPayload(int(n), MaxPayload)
	}
	id, err := readVarint(r)
	if err != nil {
		return 0, nil, err
	}
	if p.buf, err = readOctets(r, p.buf, int(n)); err != nil {
		return 0, nil, err
	}
	return MessageID(id), p.buf, nil
}

func readVarint(r *bufio.Reader) (uint32, error) {
	var v uint32
	for i := range maxVarint {
		b, err := r.ReadByte()
		if err != nil {
			return 0, endWithin(err)
		}
		v |= uint32(b&0x7F) << (7 * i)
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("esphome: a varint of a frame is longer than %d octets", maxVarint)
}
