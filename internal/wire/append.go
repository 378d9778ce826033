package wire

import "encoding/binary"

// AppendU16 appends v in two octets.
func AppendU16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }

// AppendU24 appends the low three octets of v.
func AppendU24(b []byte, v uint32) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

// AppendU32 appends v in four octets.
func AppendU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

// AppendU64 appends v in eight octets.
func AppendU64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// AppendBool appends 1 for true, 0 for false.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// PutU8 overwrites the octet at offset at. It fills in a length or a count once
// the counted elements have been appended.
func PutU8(b []byte, at int, v uint8) { b[at] = v }

// PutU16 overwrites the two octets at offset at. It fills in a length once the
// counted octets have been appended.
func PutU16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
