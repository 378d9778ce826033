package hci

import (
	"strings"
	"testing"
)

func TestParseAddr(t *testing.T) {
	mac := MAC{0x01, 0x00, 0x00, 0xEE, 0xFF, 0xC0}
	for _, c := range []struct {
		in    string
		want  Addr
		known bool
		out   string
	}{
		{"C0:FF:EE:00:00:01", Addr{mac, AddrPublic}, false, "C0:FF:EE:00:00:01/public"},
		{"c0:ff:ee:00:00:01/public", Addr{mac, AddrPublic}, true, "C0:FF:EE:00:00:01/public"},
		{"C0:FF:EE:00:00:01/random", Addr{mac, AddrRandom}, true, "C0:FF:EE:00:00:01/random"},
		{"C0:FF:EE:00:00:01/RANDOM", Addr{mac, AddrRandom}, true, "C0:FF:EE:00:00:01/random"},
		{"C0:FF:EE:00:00:01/public-identity", Addr{mac, AddrPublicIdentity}, true, "C0:FF:EE:00:00:01/public-identity"},
		{"C0:FF:EE:00:00:01/random-identity", Addr{mac, AddrRandomIdentity}, true, "C0:FF:EE:00:00:01/random-identity"},
		{"00:00:00:00:00:00/anonymous", Addr{Kind: AddrAnonymous}, true, "00:00:00:00:00:00/anonymous"},
	} {
		got, known, err := ParseAddrKind(c.in)
		if err != nil || got != c.want || known != c.known {
			t.Errorf("ParseAddrKind(%q) = %v, %v, %v", c.in, got, known, err)
		}
		if got, err := ParseAddr(c.in); err != nil || got != c.want {
			t.Errorf("ParseAddr(%q) = %v, %v", c.in, got, err)
		}
		if got.String() != c.out {
			t.Errorf("%q is written %q, want %q", c.in, got, c.out)
		}
		text, err := got.MarshalText()
		var back Addr
		if err != nil || back.UnmarshalText(text) != nil || back != got {
			t.Errorf("%q came back as %v", text, back)
		}
	}
}

func TestMustParseAddr(t *testing.T) {
	if a := MustParseAddr("C0:FF:EE:00:00:01/random"); a != (Addr{MAC{0x01, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, AddrRandom}) {
		t.Errorf("got %v", a)
	}
	defer func() {
		if _, ok := recover().(error); !ok {
			t.Error("a name was taken for an address")
		}
	}()
	MustParseAddr("Thermometer")
}

func TestParseAddrRejects(t *testing.T) {
	for _, s := range []string{
		"", "C0:FF:EE:00:00", "C0:FF:EE:00:00:01:02", "C0-FF-EE-00-00-01", "C0FFEE000001", "C0:FF:EE:00:00:0", "C0:FF:EE:00:00:0G",
		"C0:FF:EE:00:00:001", ":::::", "C0:FF:EE:00:00:01/", "C0:FF:EE:00:00:01/static", " C0:FF:EE:00:00:01", "C0:FF:EE:00:00:01/random ",
	} {
		a, known, err := ParseAddrKind(s)
		if err == nil || a != (Addr{}) || known {
			t.Errorf("ParseAddrKind(%q) = %v, %v, %v, want an error", s, a, known, err)
		} else if !strings.Contains(err.Error(), "write ") {
			t.Errorf("the error for %q lacks a remedy: %v", s, err)
		}
		kept := samplePublic
		if kept.UnmarshalText([]byte(s)) == nil || kept != samplePublic {
			t.Errorf("UnmarshalText(%q) changed the address to %v", s, kept)
		}
	}
}

func TestMACText(t *testing.T) {
	m := MAC{6, 5, 4, 3, 2, 0xA1}
	text, err := m.MarshalText()
	if err != nil || string(text) != "A1:02:03:04:05:06" {
		t.Fatalf("%s, %v", text, err)
	}
	var back MAC
	if err := back.UnmarshalText(text); err != nil || back != m {
		t.Errorf("came back as %v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("A1")); err == nil || back != m {
		t.Errorf("a bad text gave %v, %v", back, err)
	}
}

func TestAddrSorts(t *testing.T) {
	for _, c := range []struct {
		top                         byte
		kind                        AddrKind
		static, resolvable, without bool
	}{
		{0xC0, AddrRandom, true, false, false},
		{0xFF, AddrRandomIdentity, true, false, false},
		{0x40, AddrRandom, false, true, false},
		{0x7F, AddrRandom, false, true, false},
		{0x3F, AddrRandom, false, false, true},
		{0x80, AddrRandom, false, false, false}, // reserved
		{0xC0, AddrPublic, false, false, false},
		{0x40, AddrPublicIdentity, false, false, false},
		{0x00, AddrAnonymous, false, false, false},
	} {
		a := Addr{MAC{5: c.top}, c.kind}
		if a.IsStatic() != c.static || a.IsResolvable() != c.resolvable || a.IsNonResolvable() != c.without {
			t.Errorf("%v: static %v, resolvable %v, non-resolvable %v", a, a.IsStatic(), a.IsResolvable(), a.IsNonResolvable())
		}
	}
}

func TestAddrIdentity(t *testing.T) {
	for in, want := range map[AddrKind]AddrKind{
		AddrPublic: AddrPublic, AddrRandom: AddrRandom, AddrPublicIdentity: AddrPublic, AddrRandomIdentity: AddrRandom, AddrAnonymous: AddrAnonymous,
	} {
		if got := (Addr{sampleRandom.MAC, in}).Identity(); got != (Addr{sampleRandom.MAC, want}) {
			t.Errorf("identity of kind %v is %v, want %v", in, got, want)
		}
	}
}
