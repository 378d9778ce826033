package cli

import (
	"testing"

	"github.com/moor-ble/moor/uuid"
)

func TestValueText(t *testing.T) {
	long := uuid.MustParse("6e400003-b5a3-f393-e0a9-e50e24dcca9e")
	for _, c := range []struct {
		name  string
		uuid  uuid.UUID
		value string
		want  string
	}{
		{"battery level", uuid.From16(0x2A19), "\x64", "64  100 %"},
		{"device name", uuid.From16(0x2A00), "Kettle", `4b 65 74 74 6c 65  "Kettle"`},
		{"padded name", uuid.From16(0x2A00), "K\x00\x00", `4b 00 00  "K"`},
		{"name of control characters", uuid.From16(0x2A00), "\x1b[2J", "1b 5b 32 4a"},
		{"appearance", uuid.From16(0x2A01), "\xc1\x00", "c1 00  Sports Watch"},
		{"preferred parameters", uuid.From16(0x2A04), "\x06\x00\x28\x00\x04\x00\xff\xff", "06 00 28 00 04 00 ff ff  interval 7.5ms to 50ms, latency 4, timeout any"},
		{"temperature", uuid.From16(0x2A6E), "\x38\xff", "38 ff  -2.00 °C"},
		{"temperature below one", uuid.From16(0x2A6E), "\xf7\xff", "f7 ff  -0.09 °C"},
		{"humidity", uuid.From16(0x2A6F), "\x10\x27", "10 27  100.00 %"},
		{"pressure", uuid.From16(0x2A6D), "\xcd\x75\x0f\x00", "cd 75 0f 00  1013.197 hPa"},
		{"thermometer in Fahrenheit", uuid.From16(0x2A1C), "\x01\xe1\x03\x00\xff", "01 e1 03 00 ff  99.3 °F"},
		{"thermometer out of range", uuid.From16(0x2A1C), "\x00\x6d\x01\x00\x01", "00 6d 01 00 01"},
		{"thermometer", uuid.From16(0x2A1C), "\x00\x6d\x01\x00\xff", "00 6d 01 00 ff  36.5 °C"},
		{"heart rate, 8 bits", uuid.From16(0x2A37), "\x06\x48", "06 48  72 beats/min, skin contact"},
		{"heart rate, 16 bits", uuid.From16(0x2A37), "\x01\x2c\x01", "01 2c 01  300 beats/min"},
		{"heart rate without contact", uuid.From16(0x2A37), "\x04\x48", "04 48  72 beats/min, no skin contact"},
		{"sensor location unknown", uuid.From16(0x2A38), "\x63", `63  "c"`},
		{"PnP ID of USB", uuid.From16(0x2A50), "\x02\x59\x00\x34\x12\x01\x00", "02 59 00 34 12 01 00  vendor USB 0x0059, product 0x1234, version 0x0001"},
		{"PnP ID", uuid.From16(0x2A50), "\x01\x59\x00\x34\x12\x01\x00", "01 59 00 34 12 01 00  vendor Nordic Semiconductor ASA, product 0x1234, version 0x0001"},
		{"CCCD", uuid.From16(0x2902), "\x01\x00", "01 00  notifications on"},
		{"CCCD of indications", uuid.From16(0x2902), "\x02\x00", "02 00  indications on"},
		{"CCCD of both", uuid.From16(0x2902), "\x03\x00", "03 00  notifications and indications on"},
		{"CCCD of none", uuid.From16(0x2902), "\x00\x00", "00 00  off"},
		{"service changed", uuid.From16(0x2A05), "\x01\x00\xff\xff", "01 00 ff ff  handles 0x0001 to 0xffff"},
		{"too short for its format", uuid.From16(0x2A6E), "\x01", "01"},
		{"unknown text", long, "hello", `68 65 6c 6c 6f  "hello"`},
		{"unknown octets", long, "\x00\xff", "00 ff"},
		{"empty", uuid.From16(0x2A00), "", "(empty)"},
	} {
		if got := newValue(c.uuid, []byte(c.value)).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"Kettle", 6, "Kettle"},
		{"Kettle", 5, "Kett…"},
		{"Kettle", 1, "…"},
		{"Kettle", 0, ""},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
	} {
		got := fit(c.in, c.n)
		if got != c.want || width(got) > c.n {
			t.Errorf("fit(%q, %d) = %q of width %d, want %q", c.in, c.n, got, width(got), c.want)
		}
	}
	if got := pad("日", 4); got != "日  " {
		t.Errorf("pad gives %q, want the wide rune and two spaces", got)
	}
}
