package smp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

var samplePDUs = []struct {
	pdu  command
	want string
}{
	{pairingRequest{KeyboardDisplay, true, authBonding | authMITM | authSecureConnections, 16, distEncKey | distIDKey, distIDKey}, "01 04 01 0d 10 03 02"},
	{pairingResponse{NoInputNoOutput, false, 0, 7, 0, distSignKey}, "02 03 00 00 07 00 04"},
	{pairingConfirm{[16]byte{1, 15: 2}}, "03 01000000000000000000000000000002"},
	{pairingRandom{[16]byte{3, 15: 4}}, "04 03000000000000000000000000000004"},
	{pairingFailed{ReasonDHKeyCheckFailed}, "05 0b"},
	{encryptionInformation{Key{5, 15: 6}}, "06 05000000000000000000000000000006"},
	{centralIdentification{0x1234, [8]byte{7, 7: 8}}, "07 3412 0700000000000008"},
	{identityInformation{Key{9, 15: 10}}, "08 0900000000000000000000000000000a"},
	{identityAddressInformation{hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}}, "09 01 0102030405c6"},
	{signingInformation{Key{11, 15: 12}}, "0a 0b00000000000000000000000000000c"},
	{securityRequest{authBonding | authCT2}, "0b 21"},
	{pairingPublicKey{[32]byte{13, 31: 14}, [32]byte{15, 31: 16}}, "0c 0d" + strings.Repeat("00", 30) + "0e 0f" + strings.Repeat("00", 30) + "10"},
	{pairingDHKeyCheck{[16]byte{17, 15: 18}}, "0d 11000000000000000000000000000012"},
	{pairingKeypressNotification{4}, "0e 04"},
}

func TestPDUs(t *testing.T) {
	if len(samplePDUs) != int(codeMax) {
		t.Errorf("%d samples, there are %d codes", len(samplePDUs), codeMax)
	}
	for i, s := range samplePDUs {
		want, err := hex.DecodeString(strings.ReplaceAll(s.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.pdu.AppendPDU([]byte{0xEE}); !bytes.Equal(got[1:], want) || s.pdu.Code() != code(i+1) {
			t.Errorf("%v: % x, want % x", s.pdu.Code(), got[1:], want)
		}
		if got, err := parseCommand(want); err != nil || got != s.pdu {
			t.Errorf("%v: parsed to %v, %v", s.pdu.Code(), got, err)
		}
		for n := range want {
			if p, err := parseCommand(want[:n]); !errors.Is(err, wire.ErrShort) {
				t.Errorf("%v with %d octets: %v, %v", s.pdu.Code(), n, p, err)
			}
		}
		if p, err := parseCommand(append(want, 0)); !errors.Is(err, wire.ErrTrailing) {
			t.Errorf("%v with one octet too many: %v, %v", s.pdu.Code(), p, err)
		}
	}
}

func TestValuesThatAreReserved(t *testing.T) {
	for name, b := range map[string][]byte{
		"IO capability": {1, 5, 0, 0, 16, 0, 0},
		"OOB flag":      {2, 0, 2, 0, 16, 0, 0},
		"key size 17":   {1, 0, 0, 0, 17, 0, 0},
		"key size 255":  {2, 0, 0, 0, 255, 0, 0},
		"address kind":  {9, 2, 0, 0, 0, 0, 0, 0xC0},
		"not static":    {9, 1, 0, 0, 0, 0, 0, 0x80},
		"keypress type": {14, 5},
	} {
		if p, err := parseCommand(b); err == nil || errors.Is(err, errUnknownCode) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	for _, c := range []byte{0, 15, 255} {
		if p, err := parseCommand([]byte{c, 1}); !errors.Is(err, errUnknownCode) {
			t.Errorf("code %d: %v, %v", c, p, err)
		}
	}
	// Reserved bits are kept: the confirm values cover them.
	b := []byte{1, 3, 0, 0xC0, 16, 0xF0, 0xF0}
	if p, err := parseCommand(b); err != nil || !bytes.Equal(p.AppendPDU(nil), b) {
		t.Errorf("reserved bits: %v, %v", p, err)
	}
}

func TestNamesOfUnknownValues(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{code(0x7F).String(), "code 0x7f"},
		{Reason(0x7F).String(), "reason 0x7f"},
		{Reason(0x7F).Error(), "smp: reason 0x7f"},
		{IOCapability(5).String(), "0x05"},
		{Method(9).String(), "method 0x09"},
		{Level(7).String(), "level 7"},
		{keyDist(0xF5).String(), "EncKey|SignKey|0xf0"},
		{keyDist(0).String(), "none"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	for r := ReasonPasskeyEntryFailed; r <= ReasonBusy; r++ {
		if strings.Contains(r.String(), "0x") {
			t.Errorf("reason %d has no name", r)
		}
	}
	for c := codePairingRequest; c <= codeMax; c++ {
		if strings.Contains(c.String(), "0x") {
			t.Errorf("code %d has no name", c)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samplePDUs {
		f.Add(s.pdu.AppendPDU(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseCommand(b)
		if err != nil {
			return
		}
		if got := p.AppendPDU(nil); !bytes.Equal(got, b) {
			t.Errorf("% x became % x", b, got)
		}
	})
}

// FuzzStates sends octets to both roles of a pairing in every state: at is the number of
// correct PDUs before those of the fuzzer. A pairing must not panic, and not succeed
// unless all PDUs were correct.
func FuzzStates(f *testing.F) {
	for at := range uint8(50) {
		s := samplePDUs[int(at)%len(samplePDUs)]
		f.Add(at, at%3 == 0, at%5, s.pdu.AppendPDU(nil), samplePDUs[int(at+3)%len(samplePDUs)].pdu.AppendPDU(nil))
	}
	names := []string{"just works", "comparison", "passkey", "legacy", "legacy passkey"}
	f.Fuzz(func(t *testing.T, at uint8, toInitiator bool, kind uint8, first, second []byte) {
		d := kinds()[names[int(kind)%len(names)]]()
		d.t = t
		n := 0
		d.alter = func(fromInitiator bool, pdu command) []command {
			if n++; n != int(at) || fromInitiator == toInitiator {
				return []command{pdu}
			}
			var in []command
			for _, b := range [][]byte{first, second} {
				if p, err := parseCommand(b); err == nil {
					in = append(in, p)
				}
			}
			return in
		}
		d.run()
		for _, p := range []*pairing{d.c, d.p} {
			if p != nil && p.done && (p.key == nil || p.key.IsZero()) {
				t.Errorf("done without a key")
			}
		}
		if d.c.done && d.p != nil && d.p.done && *d.c.key != *d.p.key {
			t.Errorf("both are done with different keys")
		}
	})
}
