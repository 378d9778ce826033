package wire

import "encoding/binary"

// Vendors of sensors and beacons put some fields of their broadcasts in network
// order. BE16, BE24 and BE32 read these.

// BE16 reads two octets, most significant first.
func (r *Reader) BE16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// BE24 reads three octets, most significant first.
func (r *Reader) BE24() uint32 {
	if b := r.Bytes(3); b != nil {
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	}
	return 0
}

// BE32 reads four octets, most significant first.
func (r *Reader) BE32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// AppendBE16 appends two octets, most significant first.
func AppendBE16(b []byte, v uint16) []byte { return append(b, uint8(v>>8), uint8(v)) }
