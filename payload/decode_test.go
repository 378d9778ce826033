package payload_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/moor-ble/moor/hci"
	. "github.com/moor-ble/moor/payload"
)

// vector is an advertisement of a format's document, and the frames that it has to
// give.
type vector struct {
	source string // the document, and the place in it
	device string // address; empty is any
	name   string // the local name that the device advertises
	uuid   uint16 // of a list of services
	data   string // AD structures in hexadecimal
	key    string // of the device
	want   string // the frames, as show writes them
}

// anyDevice is the address of vectors whose document gives none.
const anyDevice = "C0:FF:EE:00:00:01"

// adv returns the address, the data and the keys of the vector.
func (v *vector) adv(t testing.TB) (device hci.Addr, data hci.AdvData, keys *Keys) {
	t.Helper()
	address := v.device
	if address == "" {
		address = anyDevice
	}
	mac, err := hci.ParseMAC(address)
	if err != nil {
		t.Fatal(err)
	}
	data = unhex(t, v.data)
	if v.uuid != 0 {
		data = hci.AppendAD(data, hci.ADServices16, []byte{byte(v.uuid), byte(v.uuid >> 8)})
	}
	if v.name != "" {
		data = hci.AppendAD(data, hci.ADName, []byte(v.name))
	}
	if v.key != "" {
		keys = &Keys{}
		if err := keys.UnmarshalText([]byte(address + "=" + v.key)); err != nil {
			t.Fatal(err)
		}
	}
	return hci.Addr{MAC: mac}, data, keys
}

// unhex returns the octets of hexadecimal digits with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return b
}

// show returns frames as text, one a line: format, model, device, counter, security,
// and the content.
func show(frames []Frame) string {
	var lines []string
	for _, f := range frames {
		s := string(f.Format)
		for _, word := range []string{f.Model, f.Device} {
			if word != "" {
				s += " " + word
			}
		}
		if f.HasCounter {
			s += fmt.Sprintf(" #%d", f.Counter)
		}
		switch {
		case f.Authentic:
			s += " authentic"
		case f.Encrypted:
			s += " encrypted"
		}
		lines = append(lines, strings.TrimSpace(s+": "+f.String()))
	}
	return strings.Join(lines, "\n")
}

// checkVectors decodes each vector, as an advertisement and as a scan response.
func checkVectors(t *testing.T, vectors []vector) {
	t.Helper()
	for _, v := range vectors {
		device, data, keys := v.adv(t)
		if got := show(Decode(device, data, nil, keys)); got != v.want {
			t.Errorf("%s\n%s\ngives %s\nwant  %s", v.source, v.data, got, v.want)
		}
		if got := show(Decode(device, nil, data, keys)); got != v.want {
			t.Errorf("%s, in the scan response\ngives %s\nwant  %s", v.source, got, v.want)
		}
	}
}

// service returns service data as an AD structure, in hexadecimal.
func service(uuid uint16, data string) string {
	data = strings.ReplaceAll(data, " ", "")
	return fmt.Sprintf("%02x16%02x%02x%s", len(data)/2+3, byte(uuid), uuid>>8, data)
}

// manufacturer returns manufacturer data as an AD structure, in hexadecimal.
func manufacturer(company uint16, data string) string {
	data = strings.ReplaceAll(data, " ", "")
	return fmt.Sprintf("%02xff%02x%02x%s", len(data)/2+3, byte(company), company>>8, data)
}

// samples are advertisements of every format, for the tests of all decoders.
func samples(t testing.TB) (all []vector) {
	t.Helper()
	return []vector{
		{data: service(0xFCD2, "40 0009 02CA09 03BF13 3A00 3B010305 5304414243FF F100010204")},
		{data: service(0xFCD2, "41e445f3c9962b332211006c7c4519"), device: "54:48:E6:8F:80:A5", key: "231d39c1d7cc1ab1aee224cd096db932"},
		{data: manufacturer(0x0499, "03291A1ECE1EFC18F94202CA0B53")},
		{data: manufacturer(0x0499, "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F")},
		{data: manufacturer(0x0499, "C512FC5394C37CAC364200CDCBB8334C884F")},
		{data: manufacturer(0x0499, "06170C5668C79E007000C90501D9FFCD004C884F")},
		{data: manufacturer(0x0499, "E1170C5668C79E0065007004BD11CA00C90A0213E0ACFFFFFFDECDEE01FFFFFFFFFFCBB8334C884F")},
		{data: "10161a18a4c1380283f400a22f5f0bf819"},
		{data: "12161a18f4830238c1a4a9066911b60b58f70d"},
		{data: "0e161a1811d603fbfa7b6dfb1e26fd", device: "A4:C1:38:8D:18:B2", key: "b9ea895fac7eea6d30532432a516f3a3"},
		{data: "0b161a18bd729b17bebadf37", device: "A4:C1:38:0B:5E:ED", key: "12345678901234567890123456789012"},
		{data: service(0xFE95, "5020aa01a3bf2e3b342d580d1004b40095020a10013b")},
		{data: service(0xFE95, "4859b5553a8699bda053448f1200005b046d6a"), device: "A4:C1:38:80:15:07", key: "4d8f1373fb4d3bab557d0ebd1c78f8c4"},
		{data: service(0xFE95, "5830b603d28b98c54124f8c3491476757e00000099"), device: "F8:24:41:C5:98:8B", key: "b853075158487ca39a5b5ea9"},
		{data: manufacturer(0xEC88, "00034db26400"), name: "GVH5075_DBF8"},
		{data: manufacturer(44847, "5500644c201a00ffffffff2019001400b1000000"), uuid: 0x5550},
		{data: manufacturer(2044, "c71200c83d5606"), name: "sps"},
		{data: manufacturer(0, "000030e2837db5020401fa000401fa00"), name: "iBBQ"},
		{data: manufacturer(9289, "07110098d80013026401900400000000"), name: "ITH-21-B"},
		{data: manufacturer(12884, "006200a13e29bed4011a0227026791")},
		{data: manufacturer(0x004C, "0215E2C56DB5DFFB48D2B060D0F5A71096E000640000C5")},
		{data: service(0xFEAA, "10EE 03 676f6f2e676c2f417131387a46")},
		{data: service(0xFEAA, "2000 0BB8 1980 00000010 00000E10")},
	}
}

// TestPrefixes decodes every prefix of every sample, as the content of a structure
// that ends there. No prefix has a value that the whole lacks, except of the formats
// whose length tells them apart.
func TestPrefixes(t *testing.T) {
	for _, v := range samples(t) {
		device, data, keys := v.adv(t)
		whole := show(Decode(device, data, nil, keys))
		if whole == "" || strings.Contains(whole, "[") {
			t.Errorf("%s gives %q", v.data, whole)
		}
		first := int(data[0]) + 1
		rest := data[first:]
		for n := 1; n < first; n++ {
			cut := append(hci.AdvData{byte(n - 1)}, data[1:n]...)
			for _, f := range Decode(device, append(cut, rest...), nil, keys) {
				if f.Problem == "" && len(f.Readings) > 0 && !strings.HasPrefix(f.Model, "iBBQ") && !strings.HasPrefix(whole, strings.TrimRight(show([]Frame{f}), ":")) {
					t.Errorf("%d of %d octets of %s give %s, all %s", n, first, v.data, show([]Frame{f}), whole)
				}
			}
			if got := Decode(device, data[:n], nil, keys); len(got) > 0 { // the structure claims more than there is
				t.Errorf("%d octets of %s give %s", n, v.data, show(got))
			}
		}
	}
}

// TestDecodeOwnsItsFrames changes the data after decoding.
func TestDecodeOwnsItsFrames(t *testing.T) {
	for _, v := range samples(t) {
		device, data, keys := v.adv(t)
		frames := Decode(device, data, nil, keys)
		want := show(frames)
		clear(data)
		if got := show(frames); got != want {
			t.Errorf("%s: the frame %s has become %s", v.data, want, got)
		}
	}
}

// TestDecodeBounds wants no more readings than a frame may have.
func TestDecodeBounds(t *testing.T) {
	data := hci.AppendAD(nil, hci.ADServiceData16, append([]byte{0xD2, 0xFC, 0x40}, strings.Repeat("\x01\x50", 120)...))
	frames := Decode(hci.Addr{}, data, nil, nil)
	if len(frames) != 1 || len(frames[0].Readings) != 64 || frames[0].Problem != TooMany {
		t.Errorf("%d frames, the first with %d readings, problem %q", len(frames), len(frames[0].Readings), frames[0].Problem)
	}
	if r := frames[0].Readings[63]; r.Index != 64 {
		t.Errorf("the last reading has the index %d", r.Index)
	}
}

// TestDecodeAllocates wants no allocation for advertisements without a known format.
func TestDecodeAllocates(t *testing.T) {
	keys := &Keys{}
	if err := keys.UnmarshalText([]byte(anyDevice + "=00112233445566778899aabbccddeeff")); err != nil {
		t.Fatal(err)
	}
	mac, err := hci.ParseMAC(anyDevice)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{
		"020106 0303 0F18 0909 4c616d7020303031",            // a lamp
		"020106" + manufacturer(0x004C, "1006011d2f4b1c58"), // a message of Apple
		"020106" + manufacturer(0x0075, "42040180606c2ff06b9c2d6e2ff06b9b0100000000000000") + "0a094974682d32312d4200",
		"020106" + manufacturer(0x0006, "0109200215e2a9c4d0b2e5ff3d60f1c2a5b7d8e9f0a1b2c3d4e5"), // a beacon of Microsoft
		"020106" + manufacturer(0x0157, "001122334455") + manufacturer(0x0157, "00112233445566") + "09094275643530373531",
		service(0x181A, "02CA0903BF130102030405060708"),
		service(0x181A, "02CA0903BF1301020304050607"),
		service(0xFE9F, "0000000000"),
		service(0xFEAA, "4000"),
		"ff16d2fc40",
	} {
		adv := hci.AdvData(unhex(t, data))
		device := hci.Addr{MAC: mac}
		if got := Decode(device, adv, adv, keys); got != nil {
			t.Errorf("%s gives %s", data, show(got))
		}
		if n := testing.AllocsPerRun(100, func() { Decode(device, adv, adv, keys) }); n != 0 {
			t.Errorf("%s: %v allocations", data, n)
		}
	}
}

// FuzzDecode decodes any data as an advertisement, with and without a key, and wants
// frames that obey their documentation.
func FuzzDecode(f *testing.F) {
	for _, v := range samples(f) {
		_, data, _ := v.adv(f)
		f.Add([]byte(data), []byte(nil), v.device == "")
		f.Add([]byte(nil), []byte(data), v.device != "")
	}
	f.Fuzz(func(t *testing.T, data, response []byte, keyed bool) {
		v := vector{}
		if keyed {
			v.key = "00112233445566778899aabbccddeeff"
		}
		device, _, keys := v.adv(t)
		before := string(data) + string(response)
		frames := Decode(device, data, response, keys)
		if string(data)+string(response) != before {
			t.Fatal("Decode has changed its input")
		}
		if len(frames) > (len(data)+len(response))/4 {
			t.Fatalf("%d frames in %d octets", len(frames), len(data)+len(response))
		}
		for i := range frames {
			checkFrame(t, &frames[i])
		}
		if again := Decode(device, data, response, keys); show(again) != show(frames) {
			t.Fatalf("first %s\nthen %s", show(frames), show(again))
		}
	})
}

// checkFrame wants a frame that is well formed and has a JSON form.
func checkFrame(t *testing.T, f *Frame) {
	t.Helper()
	if f.Format == "" || len(f.Readings) > 64 || f.Authentic && !f.Encrypted || f.ID != nil && len(f.Readings) > 0 {
		t.Errorf("frame %+v", f)
	}
	if (f.Problem == NoKey || f.Problem == WrongKey) && (f.Authentic || len(f.Readings) > 0) {
		t.Errorf("readings of a frame that is not decrypted: %+v", f)
	}
	type id struct {
		kind  Kind
		index int
	}
	seen := map[id]bool{}
	for _, r := range f.Readings {
		if r.Kind == "" || r.Value-r.Value != 0 || r.Kind.IsState() && r.Value != 0 && r.Value != 1 || !utf8.ValidString(r.Text) {
			t.Errorf("reading %+v", r)
		}
		if seen[id{r.Kind, r.Index}] {
			t.Errorf("two readings are %s %d: %+v", r.Kind, r.Index, f.Readings)
		}
		seen[id{r.Kind, r.Index}] = true
	}
	if strings.ContainsFunc(f.String(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q is not printable", f.String())
	}
	if b, err := json.Marshal(f); err != nil || !json.Valid(b) {
		t.Errorf("JSON %s, %v", b, err)
	}
}
