package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort reports that the input ended before the value to be read.
var ErrShort = errors.New("input too short")

// ErrTrailing reports octets after the expected end of the input.
var ErrTrailing = errors.New("trailing bytes")

// Reader reads a byte slice from front to back. After the first read past the
// end, that read and all later ones return zero values, so a decoder reads all
// its fields and checks Err once. The zero Reader is empty.
type Reader struct {
	b     []byte
	short bool
}

// NewReader returns a Reader over b, which it does not copy.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Len returns the number of unread bytes; 0 once the Reader has failed.
func (r *Reader) Len() int { return len(r.b) }

// Err returns ErrShort if any read went past the end.
func (r *Reader) Err() error {
	if r.short {
		return ErrShort
	}
	return nil
}

// Finish is Err for input that must be read to its end: remaining bytes are an
// error that wraps ErrTrailing.
func (r *Reader) Finish() error {
	if r.short {
		return ErrShort
	}
	if len(r.b) != 0 {
		return fmt.Errorf("%w: %d", ErrTrailing, len(r.b))
	}
	return nil
}

// Bytes returns the next n bytes, aliasing the input; nil if there are fewer.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// Rest returns the unread bytes, aliasing the input.
func (r *Reader) Rest() []byte { return r.Bytes(len(r.b)) }

// Skip passes over n bytes.
func (r *Reader) Skip(n int) { r.Bytes(n) }

// Sub returns a Reader over the next n bytes. If there are fewer, both fail.
func (r *Reader) Sub(n int) Reader {
	b := r.Bytes(n)
	return Reader{b: b, short: r.short}
}

// Copy fills dst from the input. It leaves dst unchanged if there are too few
// bytes.
func (r *Reader) Copy(dst []byte) { copy(dst, r.Bytes(len(dst))) }

// U8 reads one octet.
func (r *Reader) U8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// I8 reads one signed octet.
func (r *Reader) I8() int8 { return int8(r.U8()) }

// Bool reads one octet; any value but zero is true.
func (r *Reader) Bool() bool { return r.U8() != 0 }

// U16 reads two octets.
func (r *Reader) U16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U24 reads three octets.
func (r *Reader) U24() uint32 {
	if b := r.Bytes(3); b != nil {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return 0
}

// U32 reads four octets.
func (r *Reader) U32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight octets.
func (r *Reader) U64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
