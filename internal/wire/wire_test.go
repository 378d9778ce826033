package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestReaderReadsWhatAppendWrote(t *testing.T) {
	b := append([]byte(nil), 0x81)
	b = AppendBool(b, true)
	b = AppendU16(b, 0x1234)
	b = AppendU24(b, 0xABCDEF)
	b = AppendU32(b, 0xDEADBEEF)
	b = AppendU64(b, 0x0102030405060708)
	b = append(b, 'x', 'y', 'z')
	want := []byte{0x81, 1, 0x34, 0x12, 0xEF, 0xCD, 0xAB, 0xEF, 0xBE, 0xAD, 0xDE, 8, 7, 6, 5, 4, 3, 2, 1, 'x', 'y', 'z'}
	if !bytes.Equal(b, want) {
		t.Fatalf("appended % x, want % x", b, want)
	}
	read := func(r *Reader) (ok bool) {
		ok = r.I8() == -127 && r.Bool() && r.U16() == 0x1234 && r.U24() == 0xABCDEF &&
			r.U32() == 0xDEADBEEF && r.U64() == 0x0102030405060708
		var c [1]byte
		r.Copy(c[:])
		s := r.Sub(1)
		return ok && c[0] == 'x' && s.U8() == 'y' && s.Finish() == nil && string(r.Rest()) == "z"
	}
	r := NewReader(b)
	if !read(&r) || r.Finish() != nil {
		t.Errorf("did not read back what was written: %v", r.Finish())
	}
	for n := range b {
		r := NewReader(b[:n])
		read(&r)
		if n < len(b)-1 && !errors.Is(r.Err(), ErrShort) {
			t.Errorf("prefix of %d bytes: error %v, want ErrShort", n, r.Err())
		}
	}
}

func TestReaderStaysFailed(t *testing.T) {
	r := NewReader([]byte{1, 2, 3})
	if r.U32() != 0 || r.U8() != 0 || r.Len() != 0 || !errors.Is(r.Finish(), ErrShort) {
		t.Errorf("a failed reader still gave data, or no error: %v", r.Finish())
	}
	r = NewReader([]byte{1})
	if s := r.Sub(2); !errors.Is(s.Err(), ErrShort) || !errors.Is(r.Err(), ErrShort) {
		t.Error("a sub-reader past the end must fail both readers")
	}
	r = NewReader([]byte{1})
	if r.Bytes(-1) != nil || r.Err() == nil {
		t.Error("a negative length must fail")
	}
	r = NewReader([]byte{1, 2})
	r.U8()
	if !errors.Is(r.Finish(), ErrTrailing) {
		t.Errorf("Finish with a byte left = %v, want ErrTrailing", r.Finish())
	}
}

func TestPutU16(t *testing.T) {
	b := []byte{0, 0, 0, 0}
	PutU16(b, 1, 0xBEEF)
	if !bytes.Equal(b, []byte{0, 0xEF, 0xBE, 0}) {
		t.Errorf("got % x", b)
	}
}

func TestBigEndian(t *testing.T) {
	b := []byte{0x12, 0x34, 0xAB, 0xCD, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF}
	read := func(r *Reader) bool { return r.BE16() == 0x1234 && r.BE24() == 0xABCDEF && r.BE32() == 0xDEADBEEF }
	r := NewReader(b)
	if !read(&r) || r.Finish() != nil {
		t.Errorf("read other values from % x: %v", b, r.Finish())
	}
	for n := range b {
		r := NewReader(b[:n])
		if read(&r) || !errors.Is(r.Err(), ErrShort) {
			t.Errorf("prefix of %d bytes: error %v, want ErrShort", n, r.Err())
		}
	}
}
