package hci

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/moor-ble/moor/internal/wire"
)

// captured returns the packets of a capture of H4 packets, in hexadecimal digits. Those
// with "<" come from the controller.
func captured(t *testing.T, s *SnoopWriter, file *bytes.Buffer, packets ...string) []string {
	t.Helper()
	for _, p := range packets {
		digits, received := strings.CutPrefix(p, "<")
		if err := s.Packet(snoopTime, !received, unhex(t, digits)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for rec, err := range ReadSnoop(file) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.Packet))
	}
	return got
}

const (
	key16 = "a1a2a3a4a5a6a7a8a9aaabacadaeafb0"
	zeros = "00000000000000000000000000000000"
)

func TestSnoopMasksKeys(t *testing.T) {
	for _, c := range []struct{ name, packet, want string }{
		{"LE Enable Encryption", "01 1920 1c 4000 0102030405060708 1122" + key16, "01 1920 1c 4000 0102030405060708 1122" + zeros},
		{"LE Long Term Key Request Reply", "01 1a20 12 4000" + key16, "01 1a20 12 4000" + zeros},
		{"LE Add Device To Resolving List", "01 2720 27 01 060504030201" + key16 + key16, "01 2720 27 01 060504030201" + zeros + zeros},
		{"LE Encrypt", "01 1720 20" + key16 + key16, "01 1720 20" + zeros + zeros},
		{"result of LE Encrypt", "<04 0e 14 01 1720 00" + key16, "04 0e 14 01 1720 00" + zeros},
		{"result of LE Rand", "<04 0e 0c 01 1820 00 0102030405060708", "04 0e 0c 01 1820 00 0000000000000000"},
		{"LE Generate DHKey Complete", "<04 3e 22 09 00" + key16 + key16, "04 3e 22 09 00" + zeros + zeros},
		{"short command", "01 1a20 12 4000 a1a2", "01 1a20 12 4000 0000"},
		{"other command", "01 1b20 02 4000", "01 1b20 02 4000"},
		{"other event", "<04 0e 0a 01 0910 00 060504030201", "04 0e 0a 01 0910 00 060504030201"},
		{"Encryption Information", "02 4000 1500 1100 0600 06" + key16, "02 4000 1500 1100 0600 06" + zeros},
		{"Identity Information", "<02 4020 1500 1100 0600 08" + key16, "02 4020 1500 1100 0600 08" + zeros},
		{"Signing Information", "02 4000 1500 1100 0600 0a" + key16, "02 4000 1500 1100 0600 0a" + zeros},
		{"Pairing Confirm", "02 4000 1500 1100 0600 03" + key16, "02 4000 1500 1100 0600 03" + key16},
		{"the same octets on ATT", "02 4000 1500 1100 0400 06" + key16, "02 4000 1500 1100 0400 06" + key16},
		{"empty packet", "", ""},
		{"short ACL packet", "02 40", "02 40"},
		{"short frame", "02 4000 0300 1100 06", "02 4000 0300 1100 06"},
	} {
		var file, all bytes.Buffer
		if got := captured(t, NewSnoop(&file), &file, c.packet); got[0] != string(unhex(t, c.want)) {
			t.Errorf("%s: % x, want % x", c.name, got[0], unhex(t, c.want))
		}
		if got := captured(t, NewSnoopWithKeys(&all), &all, c.packet); got[0] != string(unhex(t, strings.TrimPrefix(c.packet, "<"))) {
			t.Errorf("%s with keys: % x", c.name, got[0])
		}
	}
}

// TestSnoopMasksCutKeys cuts a frame with a key at every octet, with other frames of the
// same link in the other direction and of another link in between.
func TestSnoopMasksCutKeys(t *testing.T) {
	frame := unhex(t, "1100 0600 08"+key16)
	for cut := range len(frame) + 1 {
		for _, received := range []bool{false, true} {
			var file bytes.Buffer
			s := NewSnoop(&file)
			packet := func(h Handle, received, start bool, data []byte) {
				t.Helper()
				if err := s.Packet(snoopTime, !received, ACLHeader{Handle: h, Start: start, Flushable: received && start}.Append(nil, data)); err != nil {
					t.Fatal(err)
				}
			}
			packet(1, received, true, frame[:cut])
			packet(1, !received, true, unhex(t, "0700 0400 0b 010203040506"))
			packet(2, received, true, unhex(t, "0700 0600 02 010203040506"))
			packet(1, received, false, frame[cut:])
			packet(1, received, false, []byte{0xA1}) // beyond the frame
			got := captured(t, s, &file)
			var data []byte
			for _, i := range []int{0, 3} {
				_, piece, err := ParseACL([]byte(got[i])[1:])
				if err != nil {
					t.Fatal(err)
				}
				data = append(data, piece...)
			}
			if want := unhex(t, "1100 0600 08"+zeros); !bytes.Equal(data, want) {
				t.Errorf("cut at %d: % x, want % x", cut, data, want)
			}
			if !strings.HasSuffix(got[1], "\x01\x02\x03\x04\x05\x06") || !strings.HasSuffix(got[2], "\x01\x02\x03\x04\x05\x06") {
				t.Errorf("cut at %d: other frames became % x and % x", cut, got[1], got[2])
			}
			if n := len(s.mask.frames); n != 0 {
				t.Errorf("cut at %d: %d frames are remembered", cut, n)
			}
		}
	}
}

// A frame that is not completed ends with its link.
func TestSnoopForgetsFramesOfEndedLink(t *testing.T) {
	var file bytes.Buffer
	s := NewSnoop(&file)
	captured(t, s, &file, "02 4000 0600 1100 0600 0801", "<02 4020 0600 1100 0600 0801")
	if n := len(s.mask.frames); n != 2 {
		t.Fatalf("%d frames, want 2: this tests nothing", n)
	}
	file.Reset()
	if err := s.Packet(snoopTime, false, unhex(t, "04 05 04 00 4000 13")); err != nil {
		t.Fatal(err)
	}
	if n := len(s.mask.frames); n != 0 {
		t.Errorf("%d frames are remembered", n)
	}
}

// TestSnoopMasksEverySecret holds the mask to the tags of the command types.
func TestSnoopMasksEverySecret(t *testing.T) {
	const secret = 0xA5
	masked := 0
	for op, codec := range commandCodecs {
		empty := wire.NewReader(nil)
		params := reflect.New(reflect.TypeOf(codec.params(&empty))).Elem()
		if fillSecrets(params, secret) {
			masked++
			b, err := AppendCommand(nil, params.Interface().(Params))
			if err != nil || !bytes.Contains(b, []byte{secret}) {
				t.Fatalf("%v: % x, %v", op, b, err)
			}
			if (&keyMask{}).maskKeys(b, true); bytes.Contains(b, []byte{secret}) {
				t.Errorf("%v: % x has a secret", op, b)
			}
		}
		if codec.ret == nil {
			continue
		}
		empty = wire.NewReader(nil)
		if ret := reflect.ValueOf(codec.ret(&empty)); ret.Kind() == reflect.Struct && fillSecrets(reflect.New(ret.Type()).Elem(), secret) {
			masked++
			b := AppendEvent([]byte{byte(PacketEvent)}, &CommandComplete{Opcode: op, Return: []byte{0, secret, secret}})
			if (&keyMask{}).maskKeys(b, false); bytes.Contains(b, []byte{secret}) {
				t.Errorf("%v: % x has a secret", op, b)
			}
		}
	}
	if masked != 6 {
		t.Errorf("%d codecs with secrets, want 6: LE Encrypt and its result, that of LE Rand, and three with keys", masked)
	}
}

// fillSecrets sets the octets of the fields that are tagged as secret, and reports whether
// there are any.
func fillSecrets(v reflect.Value, octet byte) (found bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("describe") != "secret" {
			continue
		}
		found = true
		for j := range v.Field(i).Len() {
			v.Field(i).Index(j).SetUint(uint64(octet))
		}
	}
	return found
}
