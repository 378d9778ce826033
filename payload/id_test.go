package payload_test

import (
	"encoding/json"
	"testing"

	. "github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/uuid"
)

func TestIDs(t *testing.T) {
	checkVectors(t, []vector{
		{source: "ble_monitor, test_ibeacon_parser", data: "02011A 1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000640000C5",
			want: "iBeacon: iBeacon e2c56db5-dffb-48d2-b060-d0f5a71096e0/100/0"},
		{source: "ble_monitor, test_ibeacon_parser: another message of Apple", data: "0FFF4C000F06A033BD08C5001002440C", want: ""},
		{source: "Eddystone-UID, construction of the namespace", data: service(0xFEAA, "00EE 8b0ca750095477cb3e77 000000000001 0000"),
			want: "Eddystone: Eddystone 8b0ca750095477cb3e77/000000000001"},
		{source: "Eddystone-UID without the reserved octets", data: service(0xFEAA, "00EE 8b0ca750095477cb3e77 000000000001"),
			want: "Eddystone: Eddystone 8b0ca750095477cb3e77/000000000001"},
		{source: "Eddystone-URL, the example", data: service(0xFEAA, "10EE 03 676f6f2e676c2f417131387a46"), want: "Eddystone: https://goo.gl/Aq18zF"},
		{source: "Eddystone-URL, every expansion", data: service(0xFEAA, "1012 00 61 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d"),
			want: "Eddystone: http://www.a.com/.org/.edu/.net/.info/.biz/.gov/.com.org.edu.net.info.biz.gov"},
		{source: "Eddystone-URL, a reserved octet", data: service(0xFEAA, "1012 00 61 1b"), want: ""},
		{source: "Eddystone-URL, a reserved scheme", data: service(0xFEAA, "1012 04 61"), want: ""},
		{source: "Eddystone-EID", data: service(0xFEAA, "30EE 0102030405060708"), want: "Eddystone: Eddystone 0102030405060708"},
		{source: "Eddystone-TLM", data: service(0xFEAA, "2000 0BB8 1980 00000010 00000E10"), want: "Eddystone: 3 V, 25.5 °C, sent count 16, uptime 360 s"},
		{source: "Eddystone-TLM without values", data: service(0xFEAA, "2000 0000 8000 00000010 00000E10"), want: "Eddystone: sent count 16, uptime 360 s"},
		{source: "Eddystone-TLM, encrypted", data: service(0xFEAA, "2001 000102030405060708090a0b 0001 0002"), want: "Eddystone encrypted: [no key]"},
		{source: "Eddystone-TLM, cut short", data: service(0xFEAA, "2000 0BB8 1980"), want: "Eddystone: [cut short]"},
		{source: "no frame type of Eddystone", data: service(0xFEAA, "40EE 01"), want: ""},
	})
}

// TestIDValues wants the fields of each identity, and their JSON.
func TestIDValues(t *testing.T) {
	for _, c := range []struct {
		data string
		want ID
		json string
	}{
		{
			manufacturer(0x004C, "0215 E2C56DB5DFFB48D2B060D0F5A71096E0 0064 0001 C5"),
			IBeacon{uuid.MustParse("e2c56db5-dffb-48d2-b060-d0f5a71096e0"), 100, 1, -59},
			`{"format":"iBeacon","id":{"uuid":"e2c56db5-dffb-48d2-b060-d0f5a71096e0","major":100,"minor":1,"power_1m":-59}}`,
		},
		{
			service(0xFEAA, "00EE 8b0ca750095477cb3e77 000000000001 0000"),
			EddystoneUID{[10]byte{0x8b, 0x0c, 0xa7, 0x50, 0x09, 0x54, 0x77, 0xcb, 0x3e, 0x77}, [6]byte{5: 1}, -18},
			`{"format":"Eddystone","id":{"namespace":"8b0ca750095477cb3e77","instance":"000000000001","power_0m":-18}}`,
		},
		{service(0xFEAA, "1012 01 61 07"), EddystoneURL{"https://www.a.com", 18}, `{"format":"Eddystone","id":{"url":"https://www.a.com","power_0m":18}}`},
		{
			service(0xFEAA, "30EE 0102030405060708"), EddystoneEID{[8]byte{1, 2, 3, 4, 5, 6, 7, 8}, -18},
			`{"format":"Eddystone","id":{"eid":"0102030405060708","power_0m":-18}}`,
		},
	} {
		v := vector{data: c.data}
		device, data, _ := v.adv(t)
		frames := Decode(device, data, nil, nil)
		if len(frames) != 1 || frames[0].ID != c.want {
			t.Errorf("%s: frames %+v, want %+v", c.data, frames, c.want)
			continue
		}
		if b, err := json.Marshal(frames[0]); err != nil || string(b) != c.json {
			t.Errorf("JSON %s, %v, want %s", b, err, c.json)
		}
	}
}
