package smp

import (
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// msb parses hexadecimal digits as the specification writes them, most significant octet
// first and with blanks, and returns the octets least significant first.
func msb(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(b)
	return b
}

func b16(t testing.TB, s string) [16]byte { t.Helper(); return [16]byte(msb(t, s)) }
func b32(t testing.TB, s string) [32]byte { t.Helper(); return [32]byte(msb(t, s)) }

func want16(t *testing.T, what string, got [16]byte, want string) {
	t.Helper()
	if got != b16(t, want) {
		t.Errorf("%s = %x (least significant first), want %s", what, got, want)
	}
}

// Sample data of Vol 3, Part H, Appendix D, unless a comment says otherwise.
const (
	sampleU   = "20b003d2 f297be2c 5e2c83a7 e9f9a5b9 eff49111 acf4fddb cc030148 0e359de6"
	sampleV   = "55188b3d 32f6bb9a 900afcfb eed4e72a 59cb9ac2 f19d7cfb 6b4fdd49 f47fc5fd"
	sampleX   = "d5cb8454 d177733e ffffb2ec 712baeab"
	sampleY   = "a6e8e7cc 25a75f6e 216583f7 ff3dc4cf"
	sampleDH  = "ec0234a3 57c8ad05 341010a6 0a397d9b 99796b13 b4f866f1 868d34f3 73bfa698"
	sampleIRK = "ec0234a3 57c8ad05 341010a6 0a397d9b"
)

func sampleAddrs(t *testing.T) (a1, a2 hci.Addr) {
	return hci.Addr{MAC: hci.MAC(msb(t, "561237 37bfce"))}, hci.Addr{MAC: hci.MAC(msb(t, "a71370 2dcfc1"))}
}

func TestC1(t *testing.T) { // 2.2.3
	preq, pres := [7]byte(msb(t, "07071000000101")), [7]byte(msb(t, "05000800000302"))
	ia := hci.Addr{MAC: hci.MAC(msb(t, "A1A2A3A4A5A6")), Kind: hci.AddrRandom}
	ra := hci.Addr{MAC: hci.MAC(msb(t, "B1B2B3B4B5B6"))}
	r := b16(t, "5783D52156AD6F0E6388274EC6702EE0")
	want16(t, "c1", c1([16]byte{}, r, preq, pres, ia, ra), "1e1e3fef878988ead2a74dc5bef13b86")
	ia.Kind = hci.AddrRandomIdentity // the same device, as a controller reports it
	want16(t, "c1", c1([16]byte{}, r, preq, pres, ia, ra), "1e1e3fef878988ead2a74dc5bef13b86")
}

func TestS1(t *testing.T) { // 2.2.4
	r1, r2 := b16(t, "000F0E0D0C0B0A091122334455667788"), b16(t, "010203040506070899AABBCCDDEEFF00")
	want16(t, "s1", s1([16]byte{}, r1, r2), "9a1fe1f0e8b0f49b5b4216ae796da062")
}

func TestE(t *testing.T) { // FIPS 197, C.1, in the octet order of the wire
	want16(t, "e", e(b16(t, "000102030405060708090a0b0c0d0e0f"), b16(t, "00112233445566778899aabbccddeeff")), "69c4e0d86a7b0430d8cdb78070b4c55a")
}

func TestCMAC(t *testing.T) { // D.1
	key := b16(t, "2b7e1516 28aed2a6 abf71588 09cf4f3c")
	want16(t, "cmac of nothing", cmac(key), "bb1d6929 e9593728 7fa37d12 9b756746")
	m := msb(t, "6bc1bee2 2e409f96 e93d7e11 7393172a ae2d8a57 1e03ac9c 9eb76fac 45af8e51 30c81c46 a35ce411")
	want16(t, "cmac of 40 octets", cmac(key, m[:7], m[7:]), "dfa66747 de9ae630 30ca3261 1497c827")
}

func TestF4(t *testing.T) { // D.2
	want16(t, "f4", f4(b32(t, sampleU), b32(t, sampleV), b16(t, sampleX), 0), "f2c916f1 07a9bd1c f1eda1be a974872d")
}

func TestF5(t *testing.T) { // D.3
	a1, a2 := sampleAddrs(t)
	mac, ltk := f5(b32(t, sampleDH), b16(t, sampleX), b16(t, sampleY), a1, a2)
	want16(t, "MacKey", mac, "2965f176 a1084a02 fd3f6a20 ce636e20")
	want16(t, "LTK", ltk, "69867911 69d7cd23 980522b5 94750a38")
}

func TestF6(t *testing.T) { // D.4
	a1, a2 := sampleAddrs(t)
	got := f6(b16(t, "2965f176 a1084a02 fd3f6a20 ce636e20"), b16(t, sampleX), b16(t, sampleY),
		b16(t, "12a3343b b453bb54 08da42d2 0c2d0fc8"), [3]byte(msb(t, "010102")), a1, a2)
	want16(t, "f6", got, "e3c47398 9cd0e8c5 d26c0b09 da958f61")
}

func TestG2(t *testing.T) { // D.5
	got := g2(b32(t, sampleU), b32(t, sampleV), b16(t, sampleX), b16(t, sampleY))
	if want := Passkey(0x2f9ed5ba % 1000000); got != want || got.String() != "938554" {
		t.Errorf("g2 = %v, want %v", got, want)
	}
}

func TestH6(t *testing.T) { // D.6
	want16(t, "h6", h6(b16(t, sampleIRK), 0x6c656272), "2d9ae102 e76dc91c e8d3a9e2 80b16399")
}

func TestAh(t *testing.T) { // D.7
	irk := b16(t, sampleIRK)
	if got := ah(irk, [3]byte(msb(t, "708194"))); got != [3]byte(msb(t, "0dfbaa")) {
		t.Errorf("ah = %x, want 0dfbaa", got)
	}
	a := hci.Addr{MAC: hci.MAC(msb(t, "708194 0dfbaa")), Kind: hci.AddrRandom}
	if !Resolves(irk, a) {
		t.Errorf("%v does not resolve", a)
	}
	a.MAC[0] ^= 1
	if Resolves(irk, a) || Resolves(irk, hci.Addr{MAC: a.MAC}) {
		t.Errorf("%v resolves", a)
	}
	for range 100 {
		if a := NewPrivateAddress(irk); !a.IsResolvable() || !Resolves(irk, a) || Resolves(b16(t, sampleX), a) {
			t.Fatalf("%v is not a private address of the key, or of another too", a)
		}
	}
}

func TestH7(t *testing.T) { // D.8
	want16(t, "h7", h7(b16(t, "00000000 00000000 00000000 746D7031"), b16(t, sampleIRK)), "fb173597 c6a3c0ec d2998c2a 75a57011")
}

// TestKeysOfLinkKeys derives keys for BR/EDR from the sample data of D.9 to D.12, which
// combine h6 and h7. No other code does so.
func TestKeysOfLinkKeys(t *testing.T) {
	ltk := b16(t, "368df9bc e3264b58 bd066c33 334fbf64")
	want16(t, "link key, CT2 0", h6(h6(ltk, 0x746D7031), 0x6C656272), "bc1ca4ef 633fc1bd 0d8230af ee388fb0")
	want16(t, "link key, CT2 1", h6(h7(block([]byte("1pmt")), ltk), 0x6C656272), "287ad379 dca40253 0a39f1f4 3047b835")
}

// sampleKeys are the key pairs of Vol 2, Part G, 7.1.2; the first of the
// first set is the debug key pair of Vol 3, Part H, 2.3.5.6.1.
var sampleKeys = []struct{ privateA, xA, yA, privateB, xB, yB, shared string }{
	{
		"3f49f6d4 a3c55f38 74c9b3e3 d2103f50 4aff607b eb40b799 5899b8a6 cd3c1abd", sampleU,
		"dc809c49 652aeb6d 63329abf 5a52155c 766345c2 8fed3024 741c8ed0 1589d28b", sampleV,
		"1ea1f0f0 1faf1d96 09592284 f19e4c00 47b58afd 8615a69f 559077b2 2faaa190",
		"4c55f33e 429dad37 7356703a 9ab85160 472d1130 e28e3676 5f89aff9 15b1214a", sampleDH,
	},
	{
		"06a51669 3c9aa31a 6084545d 0c5db641 b48572b9 7203ddff b7ac73f7 d0457663",
		"2c31a47b 5779809e f44cb5ea af5c3e43 d5f8faad 4a8794cb 987e9b03 745c78dd",
		"91951218 3898dfbe cd52e240 8e43871f d0211091 17bd3ed4 eaf84377 43715d4f",
		"529aa067 0d72cd64 97502ed4 73502b03 7e8803b5 c60829a5 a3caa219 505530ba",
		"f465e43f f23d3f1b 9dc7dfc0 4da87581 84dbc966 204796ec cf0d6cf5 e16500cc",
		"0201d048 bcbbd899 eeefc424 164e33c2 01c2b010 ca6b4d43 a8a155ca d8ecb279",
		"ab85843a 2f6d883f 62e5684b 38e30733 5fe6e194 5ecd1960 4105c6f2 3221eb69",
	},
}

func privateKey(t testing.TB, s string) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(reversed(msb(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestP256(t *testing.T) {
	for i, s := range sampleKeys {
		a, b := privateKey(t, s.privateA), privateKey(t, s.privateB)
		pubA, pubB := pairingPublicKey{b32(t, s.xA), b32(t, s.yA)}, pairingPublicKey{b32(t, s.xB), b32(t, s.yB)}
		if publicKey(a) != pubA || publicKey(b) != pubB {
			t.Errorf("set %d: public keys %x and %x", i, publicKey(a), publicKey(b))
		}
		for _, side := range []struct {
			key  *ecdh.PrivateKey
			peer pairingPublicKey
		}{{a, pubB}, {b, pubA}} {
			if got, err := sharedKey(side.key, side.peer); err != nil || got != b32(t, s.shared) {
				t.Errorf("set %d: shared key %x, %v", i, got, err)
			}
		}
		bad := pubA
		bad.Y[0] ^= 1
		for name, p := range map[string]pairingPublicKey{"zero": {}, "off the curve": bad, "y of zero": {X: pubA.X}} {
			if _, err := sharedKey(b, p); err == nil {
				t.Errorf("set %d: a point that is %s was taken", i, name)
			}
		}
	}
}

func TestCut(t *testing.T) {
	k := Key(b16(t, "0102030405060708090a0b0c0d0e0f10"))
	want16(t, "7 octets", k.truncate(7), "0000000000000000000a0b0c0d0e0f10")
	want16(t, "16 octets", k.truncate(16), "0102030405060708090a0b0c0d0e0f10")
}

func TestPasskey(t *testing.T) {
	want16(t, "block", Passkey(1).block(), "00000000000000000000000000000001")
	for s, want := range map[string]Passkey{"0": 0, "000019": 19, "999999": 999999} {
		if p, err := ParsePasskey(s); err != nil || p != want {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "1000000", "-1", "12a", "٣", " 1"} {
		if p, err := ParsePasskey(s); !errors.Is(err, errNoDigits) && !errors.Is(err, errLongPasskey) {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
	seen := map[Passkey]bool{}
	for range 100 {
		p := newPasskey()
		if p >= passkeys {
			t.Fatalf("passkey %v", p)
		}
		seen[p] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 passkeys, %d of them different", len(seen))
	}
}

func TestSignature(t *testing.T) {
	// The code of D.1 for a message of 16 octets. The last four octets in its order, the
	// most significant ones, are the counter.
	key := Key(b16(t, "2b7e1516 28aed2a6 abf71588 09cf4f3c"))
	m := msb(t, "6bc1bee2 2e409f96 e93d7e11 7393172a")
	want := append(m[12:16:16], msb(t, "070a16b46b4d4144")...)
	if got := signature(key, 0x6bc1bee2, m[:12]); string(got[:]) != string(want) {
		t.Errorf("signature % x, want % x", got, want)
	}
}
