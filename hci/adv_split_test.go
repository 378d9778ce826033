package hci

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/uuid"
)

// TestSplit divides fields between advertising data and scan response.
func TestSplit(t *testing.T) {
	power := int8(-4)
	for _, c := range []struct {
		why            string
		f              AdvFields
		data, response string
		left           string // "" if all fits
	}{
		{"all in the data", *NameAndServices("moor", battery), "020106 03030f18 05096d6f6f72", "", ""},
		{"nothing", AdvFields{}, "", "", ""},
		{"the name moves", *NameAndServices("a thermometer", long128), "020106 1107" + wireHex(long128), "0e09" + hexOf("a thermometer"), ""},
		{"the name is cut at a character", *NameAndServices("thermometer of the cellars, übe", long128), "020106 1107" + wireHex(long128),
			"1d08" + hexOf("thermometer of the cellars, "), `name "thermometer of the cellars, übe", cut to "thermometer of the cellars, "`},
		{"a second long service moves", AdvFields{Flags: 6, Services: []uuid.UUID{long128, other128, battery}},
			"020106 03030f18 1107" + wireHex(long128), "1107" + wireHex(other128), ""},
		{"a third one is left out, and the name uses what is left", *NameAndServices("moor", long128, other128, third128),
			"020106 1107" + wireHex(long128) + "05096d6f6f72", "1107" + wireHex(other128), "service " + third128.String()},
		{"all kinds", AdvFields{Flags: 6, ServiceData: []ServiceData{{battery, make([]byte, 24)}}, Manufacturer: []ManufacturerData{{0x4C, make([]byte, 20)}},
			TxPower: &power, Appearance: 0x0340, ShortName: "mo"},
			"020106 1b160f18" + strings.Repeat("00", 24), "17ff4c00" + strings.Repeat("00", 20) + "020afc 03194003", `name "mo"`},
		{"data that fit nowhere", AdvFields{Flags: 6, ServiceData: []ServiceData{{battery, make([]byte, 28)}}, Manufacturer: []ManufacturerData{{0x4C, make([]byte, 300)}}},
			"020106", "", "28 octets of data of service 180f, 300 octets of data of company 0x004c"},
	} {
		data, response, err := c.f.Split(31)
		if want := unhex(t, c.data); !bytes.Equal(data, want) {
			t.Errorf("%s: data % x, want % x", c.why, []byte(data), want)
		}
		if want := unhex(t, c.response); !bytes.Equal(response, want) {
			t.Errorf("%s: response % x, want % x", c.why, []byte(response), want)
		}
		e, ok := errors.AsType[*AdvSplitError](err)
		switch {
		case c.left == "" && err != nil:
			t.Errorf("%s: %v", c.why, err)
		case c.left != "" && (!ok || !strings.Contains(err.Error(), "no room for "+c.left+": shorten")):
			t.Errorf("%s: %v, want %q", c.why, err, c.left)
		case ok && e.Limit != 31:
			t.Errorf("%s: limit %d", c.why, e.Limit)
		}
	}
	if _, _, err := (&AdvFields{Flags: 6}).Split(2); err == nil {
		t.Error("flags in 2 octets")
	}
	f := NameAndServices("moor", battery, heart)
	before := *f
	if _, _, err := f.Split(31); err != nil || cmp.Diff(before, *f) != "" {
		t.Errorf("%v, changed to %+v", err, f)
	}
}

var (
	other128 = uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000")
	third128 = uuid.MustParse("6d6f6f72-0002-4c61-6d70-000000000000")
)

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func wireHex(u uuid.UUID) string { return hex.EncodeToString(u.AppendWire(nil)) }
