package hci

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/uuid"
)

var (
	battery = uuid.From16(0x180F)
	heart   = uuid.From16(0x180D)
	wide    = uuid.From32(0x12345678)
	long128 = uuid.MustParse("cba20d00-224d-11e6-9fb8-0002a5d5c51b")
)

const long128Hex = "1bc5d5a50200b89fe6114d22000da2cb"

type adField struct {
	Type ADType
	Data string
}

func fieldsOf(d AdvData) (fs []adField) {
	for typ, v := range d.All() {
		fs = append(fs, adField{typ, string(v)})
	}
	return fs
}

func TestAdvDataFields(t *testing.T) {
	d := AdvData(unhex(t, "020106 0503 0f180d18 11 07"+long128Hex+"05 05 78563412 0302 0a18 02 0a f4 03 19 4003"+
		"05 09 6d6f6f72 05 16 0f18 aabb 13 21"+long128Hex+"0102 04ff 4c00 07 06 20 78563412 09 03 14 0d18 00 0bad"))
	if v, ok := d.Flags(); !ok || v != FlagGeneralDiscoverable|FlagNoBREDR {
		t.Errorf("Flags = %#x, %v", v, ok)
	}
	if v, ok := d.TxPower(); !ok || v != -12 {
		t.Errorf("TxPower = %d, %v", v, ok)
	}
	if v, ok := d.Appearance(); !ok || v != 0x0340 {
		t.Errorf("Appearance = %#x, %v", v, ok)
	}
	if v, whole := d.LocalName(); v != "moor" || !whole {
		t.Errorf("LocalName = %q, %v", v, whole)
	}
	want := []uuid.UUID{battery, heart, long128, wide, uuid.From16(0x180A)}
	if diff := cmp.Diff(want, d.Services()); diff != "" {
		t.Errorf("Services (-want +got):\n%s", diff)
	}
	for _, u := range want {
		if !d.HasService(u) {
			t.Errorf("HasService(%v) = false", u)
		}
	}
	if d.HasService(uuid.From16(0x1800)) {
		t.Error("HasService of a service that is not there")
	}
	if diff := cmp.Diff([]uuid.UUID{heart}, d.SolicitedServices()); diff != "" {
		t.Errorf("SolicitedServices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ServiceData{{battery, []byte{0xAA, 0xBB}}, {long128, []byte{1, 2}}, {wide, []byte{9}}}, d.ServiceData()); diff != "" {
		t.Errorf("ServiceData (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ManufacturerData{{0x004C, []byte{7}}}, d.ManufacturerData()); diff != "" {
		t.Errorf("ManufacturerData (-want +got):\n%s", diff)
	}
	if fs := fieldsOf(d); len(fs) != 13 || fs[0] != (adField{ADFlags, "\x06"}) {
		t.Errorf("All = %q, want 13 structures", fs)
	}
}

// TestAdvDataHostile decodes malformed data, which is possible on air.
func TestAdvDataHostile(t *testing.T) {
	for _, c := range []struct {
		why, data string
		want      []adField
	}{
		{"nothing", "", nil},
		{"a length alone", "05", nil},
		{"length 255", "ff" + strings.Repeat("41", 30), nil},
		{"length beyond the end", "020106 0a 09 6d6f6f72", []adField{{ADFlags, "\x06"}}},
		{"length 0 first", "00 020106", []adField{{ADFlags, "\x06"}}},
		{"padding", "020106 0000000000", []adField{{ADFlags, "\x06"}}},
		{"padding in between", "020106 0000 05 09 6d6f6f72 00 01", []adField{{ADFlags, "\x06"}, {ADName, "moor"}}},
		{"type alone", "01 09 0201 06", []adField{{ADName, ""}, {ADFlags, "\x06"}}},
		{"odd list of UUIDs", "06 03 0f18 0d18 aa", []adField{{ADServices16, "\x0f\x18\x0d\x18\xaa"}}},
	} {
		d := AdvData(unhex(t, c.data))
		if got := fieldsOf(d); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	odd := AdvData(unhex(t, "06 03 0f18 0d18 aa 04 05 785634 02 07 01"))
	if got := odd.Services(); !slices.Equal(got, []uuid.UUID{battery, heart}) {
		t.Errorf("services of odd lists: %v", got)
	}
	short := AdvData(unhex(t, "01 16 02 16 0f 03 16 0f18 01 ff 02 ff 4c 04 20 010203 03 21 0102 01 01 01 0a 02 19 40"))
	if got := short.ServiceData(); !cmp.Equal(got, []ServiceData{{battery, []byte{}}}) {
		t.Errorf("service data of 0 to 2 octets: %v, want one without data", got)
	}
	if got := short.ManufacturerData(); got != nil {
		t.Errorf("manufacturer data of 0 and 1 octets: %v", got)
	}
	_, flags := short.Flags()
	_, power := short.TxPower()
	_, appearance := short.Appearance()
	if flags || power || appearance {
		t.Error("empty structures must count as absent")
	}
}

func TestAdvDataNames(t *testing.T) {
	for _, c := range []struct {
		data, want string
		whole      bool
	}{
		{"", "", false},
		{"03 08 6d6f", "mo", false},
		{"03 08 6d6f 05 09 6d6f6f72", "moor", true},
		{"05 09 6d6f6f72 03 08 6d6f", "moor", true},
		{"03 08 6d6f 01 09", "mo", false}, // an empty name is none
		{"01 09 01 08", "", false},
		{"02 09 00 03 08 6d6f", "mo", false},
		{"01 09 05 09 6d6f6f72", "moor", true},
		{"09 09 6d6f6f7200000000", "moor", true}, // padded, as of a multimeter
		{"09 09 6d6f6f7200787878", "moor", true},
		{"04 08 6d6f00", "mo", false},
		{"05 09 6d6f6f72 03 09 6d6f", "moor", true},
	} {
		if got, whole := AdvData(unhex(t, c.data)).LocalName(); got != c.want || whole != c.whole {
			t.Errorf("name in %q = %q, %v", c.data, got, whole)
		}
	}
}

// TestPadding tells padding at the end, as the specification has it, from padding in
// front of further structures.
func TestPadding(t *testing.T) {
	for data, want := range map[string]bool{
		"":                          false,
		"020106":                    false,
		"0000":                      false,
		"020106 0000000000":         false,
		"020106 05 09 6d6f6f72":     false,
		"020106 00 05 09 6d6f6f72":  true,
		"00 020106":                 true,
		"020106 00 05 09 6d":        false, // no structure
		"020106 00 05":              false,
		"020106 0000 01 09 0000 00": true,
	} {
		if got := AdvData(unhex(t, data)).HasGap(); got != want {
			t.Errorf("%q has a gap: %v, want %v", data, got, want)
		}
	}
}

// TestTxPowerLength: the value is one octet.
func TestTxPowerLength(t *testing.T) {
	for data, want := range map[string]bool{"02 0a f4": true, "01 0a": false, "03 0a f4 00": false, "03 0a 01 00 02 0a f4": true} {
		if v, ok := AdvData(unhex(t, data)).TxPower(); ok != want || ok && v != -12 {
			t.Errorf("Tx Power in %q: %d, %v, want %v", data, v, ok, want)
		}
	}
}

func TestHasServiceAllocatesNothing(t *testing.T) {
	d := AdvData(unhex(t, "020106 0503 0f180d18 11 07"+long128Hex))
	if n := testing.AllocsPerRun(100, func() {
		if !d.HasService(long128) || d.HasService(wide) {
			t.Error("wrong answer")
		}
		d.Flags()
		d.TxPower()
		d.Appearance()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAdvFields(t *testing.T) {
	power := int8(0)
	f := AdvFields{
		Flags: FlagGeneralDiscoverable | FlagNoBREDR, Services: []uuid.UUID{battery, long128, heart},
		ServiceData:  []ServiceData{{battery, []byte{0xAA}}, {long128, nil}},
		Manufacturer: []ManufacturerData{{0x004C, []byte{7}}}, TxPower: &power, Appearance: 0x0340, ShortName: "mo", Name: "moor",
	}
	want := "020106 0503 0f180d18 1107" + long128Hex + "0416 0f18aa 1121" + long128Hex + "04ff 4c0007 020a00 0319 4003 0308 6d6f 0509 6d6f6f72"
	got, err := f.Append([]byte{0xEE}, 251)
	if err != nil || !bytes.Equal(got, append([]byte{0xEE}, unhex(t, want)...)) {
		t.Errorf("appended % x, %v, want ee %s", got, err, want)
	}
	if got, err := f.Append(nil, 31); err == nil || !strings.Contains(err.Error(), "31 can be sent") {
		t.Errorf("in 31 octets: % x, %v, want an error that names the limit", got, err)
	}
	exact := AdvFields{Name: strings.Repeat("n", 29)}
	if got, err := exact.Append(nil, 31); err != nil || len(got) != 31 {
		t.Errorf("exactly 31 octets: %d, %v", len(got), err)
	}
	if got, err := (&AdvFields{}).Append(nil, 0); err != nil || len(got) != 0 {
		t.Errorf("nothing: % x, %v", got, err)
	}
	if _, err := (&AdvFields{Name: strings.Repeat("n", 255)}).Append(nil, 1650); err == nil || !strings.Contains(err.Error(), "255 octets") {
		t.Errorf("a name that no AD structure can hold: %v", err)
	}
	if b := AppendAD(nil, ADName, make([]byte, 300)); len(b) != 256 || len(fieldsOf(b)) != 1 {
		t.Errorf("AppendAD of 300 octets gave %d", len(b))
	}
}

// Advertisements out of bug reports: manufacturer data without data, and two structures of
// one type, of which none may hide the other.
func TestAdvDataOfTheField(t *testing.T) {
	for _, tt := range []struct {
		data string
		want []adField
	}{
		{"02010603ff90050816d2fc4000140164", []adField{
			{ADFlags, "\x06"}, {ADManufacturer, "\x90\x05"}, {ADServiceData16, "\xd2\xfc\x40\x00\x14\x01\x64"},
		}},
		{"0316 0f18 0416 0a18 01 03ff 4c00 04ff 9004 07", []adField{
			{ADServiceData16, "\x0f\x18"}, {ADServiceData16, "\x0a\x18\x01"}, {ADManufacturer, "\x4c\x00"}, {ADManufacturer, "\x90\x04\x07"},
		}},
	} {
		d := AdvData(unhex(t, tt.data))
		if diff := cmp.Diff(tt.want, fieldsOf(d)); diff != "" || d.HasGap() {
			t.Errorf("%s: gap %v, fields (-want +got):\n%s", tt.data, d.HasGap(), diff)
		}
	}
}
