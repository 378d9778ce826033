package uuid

import (
	"bytes"
	"testing"
)

func TestForms(t *testing.T) {
	long := "0000180f-0000-1000-8000-00805f9b34fb"
	for _, s := range []string{"180F", "0x180f", "0000180F", "0x0000180f", long, "0000180F00001000800000805F9B34FB"} {
		u, err := Parse(s)
		if err != nil || u != From16(0x180F) || u.String() != "180f" || u.Long() != long {
			t.Errorf("Parse(%q) = %v (%s), %v", s, u, u.Long(), err)
		}
	}
	u := From16(0x180F)
	if got := u.AppendWire(nil); !bytes.Equal(got, []byte{0x0F, 0x18}) || u.WireLen() != 2 {
		t.Errorf("wire form % x, length %d", got, u.WireLen())
	}
	if back, ok := FromWire(u.AppendWire128(nil)); !ok || back != u {
		t.Errorf("128-bit wire form read back as %v, %v", back, ok)
	}
	w := MustParse("cba20d00-224d-11e6-9fb8-0002a5d5c51b")
	if got := w.AppendWire(nil); len(got) != 16 || got[0] != 0x1b || got[15] != 0xcb || w.WireLen() != 16 {
		t.Errorf("wire form % x", got)
	}
	if w.String() != "cba20d00-224d-11e6-9fb8-0002a5d5c51b" {
		t.Errorf("String = %s", w)
	}
	if v, ok := From32(0x12345678).Short(); ok {
		t.Errorf("a 32-bit UUID has no 16-bit form, got %04x", v)
	}
	if u, ok := FromWire([]byte{0x78, 0x56, 0x34, 0x12}); !ok || u != MustParse("12345678") {
		t.Errorf("32-bit wire form = %v, %v", u, ok)
	}
}

func TestParseRejects(t *testing.T) {
	for _, s := range []string{"", "18", "180", "xyz0", "0x18", "180f0", long36("g"), "0000180f+0000-1000-8000-00805f9b34fb", "-180"} {
		if u, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, u)
		}
	}
	for n := range 20 {
		if _, ok := FromWire(make([]byte, n)); ok != (n == 2 || n == 4 || n == 16) {
			t.Errorf("FromWire of %d bytes: ok = %v", n, ok)
		}
	}
}

func long36(c string) string { return "0000180" + c + "-0000-1000-8000-00805f9b34fb" }

func TestTextRoundTrip(t *testing.T) {
	for _, u := range []UUID{From16(0x2A19), MustParse("cba20002-224d-11e6-9fb8-0002a5d5c51b")} {
		b, _ := u.MarshalText()
		var back UUID
		if err := back.UnmarshalText(b); err != nil || back != u {
			t.Errorf("%v came back as %v, %v", u, back, err)
		}
	}
}
