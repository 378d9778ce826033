package payload_test

import (
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	. "github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/uuid"
)

// TestEncodedIDs encodes an identity, and decodes its advertisement.
func TestEncodedIDs(t *testing.T) {
	serviceData := func(d hci.ServiceData) hci.AdvFields { return hci.AdvFields{ServiceData: []hci.ServiceData{d}} }
	fields := func(id ID) hci.AdvFields {
		switch id := id.(type) {
		case IBeacon:
			return hci.AdvFields{Manufacturer: []hci.ManufacturerData{id.ManufacturerData()}}
		case EddystoneUID:
			return serviceData(id.ServiceData())
		case EddystoneEID:
			return serviceData(id.ServiceData())
		case EddystoneURL:
			d, err := id.ServiceData()
			if err != nil {
				t.Fatal(err)
			}
			return serviceData(d)
		}
		t.Fatalf("%T has no encoder", id)
		return hci.AdvFields{}
	}
	for _, c := range []struct {
		id   ID
		want string // the advertising data
	}{
		{IBeacon{uuid.MustParse("e2c56db5-dffb-48d2-b060-d0f5a71096e0"), 100, 0xFFFE, -59}, manufacturer(0x004C, "0215 E2C56DB5DFFB48D2B060D0F5A71096E0 0064 FFFE C5")},
		{EddystoneUID{[10]byte{0x8b, 9: 0x77}, [6]byte{5: 1}, -18}, service(0xFEAA, "00EE 8b000000000000000077 000000000001 0000")},
		{EddystoneEID{[8]byte{1, 2, 3, 4, 5, 6, 7, 8}, 20}, service(0xFEAA, "3014 0102030405060708")},
		{EddystoneURL{"https://goo.gl/Aq18zF", -18}, service(0xFEAA, "10EE 03 676f6f2e676c2f417131387a46")},
		{EddystoneURL{"https://www.a.com", 18}, service(0xFEAA, "1012 01 61 07")},
		{EddystoneURL{"http://www.a.com/.org/.edu/.net/.info/.biz/.gov/.com.org", 18}, service(0xFEAA, "1012 00 61 00 01 02 03 04 05 06 07 08")},
		{EddystoneURL{"http://com.community", 18}, service(0xFEAA, "1012 02 636f6d 07 6d756e697479")},
	} {
		f := fields(c.id)
		got, err := f.Append(nil, 31)
		v := vector{data: c.want}
		device, want, _ := v.adv(t)
		if err != nil || string(got) != string(want) {
			t.Errorf("%v: % x, %v, want % x", c.id, got, err, []byte(want))
		}
		frames := Decode(device, got, nil, nil)
		if len(frames) != 1 || frames[0].ID != c.id {
			t.Errorf("%v decoded as %v", c.id, frames)
		}
	}
}

// TestURLsThatDoNotFit names the reason.
func TestURLsThatDoNotFit(t *testing.T) {
	for url, want := range map[string]string{
		"":                                   "does not begin with http",
		"ftp://a.com":                        "does not begin with http",
		"https://":                           "there is nothing after https://",
		"http://a b":                         `" " is not printable ASCII`,
		"http://a\x7fb":                      "is not printable ASCII",
		"http://ü":                           "is not printable ASCII",
		"http://a\x00":                       "is not printable ASCII",
		"https://" + strings.Repeat("a", 18): "it takes 18 octets, and an advertisement has 17",
	} {
		if d, err := (EddystoneURL{URL: url}).ServiceData(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: % x, %v, want %q", url, d.Data, err, want)
		}
	}
	if d, err := (EddystoneURL{URL: "HTTPS://WWW." + strings.Repeat("a", 16) + ".com/"}).ServiceData(); err != nil || len(d.Data) != 20 {
		t.Errorf("17 octets: % x, %v", d.Data, err)
	}
}

func FuzzEddystoneURL(f *testing.F) {
	for _, url := range []string{"https://goo.gl/Aq18zF", "http://www.a.com/.org", "https://a.gov", "http://"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		d, err := EddystoneURL{URL: url}.ServiceData()
		if err != nil {
			return
		}
		fields := hci.AdvFields{ServiceData: []hci.ServiceData{d}}
		data, err := fields.Append(nil, 31)
		if err != nil {
			t.Fatal(err)
		}
		frames := Decode(hci.Addr{}, data, nil, nil)
		if len(frames) != 1 {
			t.Fatalf("%q: %v", url, frames)
		}
		if got, ok := frames[0].ID.(EddystoneURL); !ok || !strings.EqualFold(got.URL, url) {
			t.Fatalf("%q is decoded as %v", url, frames[0].ID)
		}
	})
}
