package payload_test

import (
	"testing"

	. "github.com/moor-ble/moor/payload"
)

// BenchmarkDecode measures advertisements without a known format, with one, and with
// one that is encrypted.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name string
		v    vector
	}{
		{"none", vector{data: "020106 0303 0F18", name: "Lamp"}},
		{"BTHome", vector{data: service(0xFCD2, "40 02CA09 03BF13")}},
		{"encrypted", vector{data: service(0xFCD2, "41e445f3c9962b332211006c7c4519"), device: "54:48:E6:8F:80:A5", key: "231d39c1d7cc1ab1aee224cd096db932"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			device, data, keys := c.v.adv(b)
			b.ReportAllocs()
			for b.Loop() {
				Decode(device, data, nil, keys)
			}
		})
	}
}
