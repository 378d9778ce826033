package smp_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/smp"
)

func TestParseOOB(t *testing.T) {
	octets := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const (
		tk      = "11 10 000102030405060708090a0b0c0d0e0f"
		confirm = "11 22 101112131415161718191a1b1c1d1e1f"
		random  = "11 23 202122232425262728292a2b2c2d2e2f"
		others  = "08 1b 0601020304c000 02 1c 00 04 09 616263"
	)
	for _, tt := range []struct {
		name, in, err string
		tk, sc        bool
	}{
		{"legacy", tk, "", true, false},
		{"secure connections", confirm + random, "", false, true},
		{"both, among others", others + random + tk + confirm, "", true, true},
		{"neither", others, "no AD structure 0x10", false, false},
		{"nothing", "", "no AD structure 0x10", false, false},
		{"confirm alone", confirm, "one is missing", false, false},
		{"random alone", random + tk, "one is missing", false, false},
		{"short", "03 10 0001", "0x10 has 2 octets, want 16", false, false},
		{"long", "12 23 202122232425262728292a2b2c2d2e2f30", "0x23 has 17 octets, want 16", false, false},
		{"cut off", "11 10 0001", "no AD structure 0x10", false, false},
	} {
		oob, err := smp.ParseOOB(octets(tt.in))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || (oob.TK != nil) != tt.tk || (oob.Peer != nil) != tt.sc || oob.Local != nil {
			t.Errorf("%s: %+v, %v", tt.name, oob, err)
			continue
		}
		if tt.tk && hex.EncodeToString(oob.TK[:]) != "000102030405060708090a0b0c0d0e0f" {
			t.Errorf("%s: temporary key % x", tt.name, *oob.TK)
		}
		if tt.sc {
			if got, want := hex.EncodeToString(oob.Peer.AppendAD(nil)), hex.EncodeToString(octets(confirm+random)); got != want {
				t.Errorf("%s: written again as %s, want %s", tt.name, got, want)
			}
		}
	}
}

func TestOutOfBandIsNotGivenUp(t *testing.T) { synctest.Test(t, testOutOfBandIsNotGivenUp) }

// testOutOfBandIsNotGivenUp has out-of-band data for a peer that claims to have none, and
// to support nothing but legacy pairing: an attacker can make the peer seem to.
func testOutOfBandIsNotGivenUp(t *testing.T) {
	local, err := smp.NewLocalOOB(nil)
	if err != nil {
		t.Fatal(err)
	}
	data := local.Data()
	for name, oob := range map[string]*smp.OOB{"a temporary key": {TK: &[16]byte{1}}, "data of the peer": {Peer: &data}, "both": {TK: &[16]byte{1}, Peer: &data}} {
		x := newPair(t, &smp.Config{AllowLegacy: true}, &smp.Config{AllowLegacy: true, DisableSecureConnections: true})
		c, p := x.link()
		r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{OOB: oob})
		if r != nil {
			t.Errorf("%s: paired by %v", name, r.Method)
		}
		wantReason(t, err, smp.ReasonAuthenticationRequirements, true)
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestOOBOfAllPairings(t *testing.T) { synctest.Test(t, testOOBOfAllPairings) }

// testOOBOfAllPairings has out-of-band data in Config, where it implies MITM as it does
// in PairOptions.
func testOOBOfAllPairings(t *testing.T) {
	x := newPair(t, &smp.Config{OOB: &smp.OOB{TK: &[16]byte{1}}, AllowLegacy: true}, &smp.Config{AllowLegacy: true, DisableSecureConnections: true})
	c, p := x.link()
	r, err := c.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonAuthenticationRequirements, true)
	if r != nil || c.SMP().Security().Encrypted {
		t.Errorf("paired: %+v", r)
	}
	local := &smp.OOB{Local: &smp.LocalOOB{}}
	for _, tt := range []struct {
		o             *smp.PairOptions
		with, without bool // data in Config
	}{
		{nil, true, false},
		{&smp.PairOptions{}, true, false},
		{&smp.PairOptions{OOB: local}, false, false},
		{&smp.PairOptions{OOB: local, MITM: true}, true, true},
		{&smp.PairOptions{OOB: x.ccfg.OOB}, true, true},
	} {
		if with, without := c.SMP().NeedsMITM(tt.o), p.SMP().NeedsMITM(tt.o); with != tt.with || without != tt.without {
			t.Errorf("NeedsMITM(%+v) is %v, without data in Config %v", tt.o, with, without)
		}
	}
	x.unlink(c, p)
}
