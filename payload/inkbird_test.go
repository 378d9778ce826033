package payload_test

import "testing"

// TestInkbird decodes the advertisements of real devices in the tests of inkbird-ble,
// and the values that these tests want.
func TestInkbird(t *testing.T) {
	ink := func(source, name string, uuid, company uint16, data, want string) vector {
		return vector{source: "inkbird-ble, test_parser: " + source, name: name, uuid: uuid, data: manufacturer(company, data), want: want}
	}
	checkVectors(t, []vector{
		ink("sps", "sps", 0xFFF0, 2044, "c71200c83d5606", "Inkbird IBS-TH: 20.44 °C, 48.07 %, battery 86 %"),
		ink("sps, variant 2", "sps", 0xFFF0, 2363, "d01300ce906406", "Inkbird IBS-TH: 23.63 °C, 50.72 %, battery 100 %"),
		ink("sps without its name", "", 0xFFF0, 2248, "84140088996406", "Inkbird: 22.48 °C, 52.52 %, battery 100 %"),
		ink("sps, a damaged value", "sps", 0xFFF0, 2044, "c71201c83d5606", ""),
		ink("tps", "tps", 0xFFF0, 2120, "000000c66e0d06", "Inkbird IBS-TH2: 21.2 °C, battery 13 %"),
		ink("another device", "x", 0, 2044, "c71200c83d5606", ""),
		ink("iBBQ-2", "xBBQ", 0xFFF0, 1, "00002c1100006dd314011101", "Inkbird iBBQ-2: temperature 1 27.6 °C, temperature 2 27.3 °C"),
		ink("iBBQ-2, below zero", "xBBQ", 0xFFF0, 1, "00002c1100006dd3cefffa00", "Inkbird iBBQ-2: temperature 1 -5 °C, temperature 2 25 °C"),
		ink("iBBQ-2, one probe", "xBBQ", 0xFFF0, 1, "0000561100007f73f800ffff", "Inkbird iBBQ-2: temperature 1 24.8 °C"),
		ink("iBBQ-2, no probe", "xBBQ", 0xFFF0, 1, "00002c1100006dd3ffffffff", "Inkbird iBBQ-2:"),
		ink("iBBQ-4", "iBBQ", 0xFFF0, 0, "000030e2837db5020401fa000401fa00",
			"Inkbird iBBQ-4: temperature 1 26 °C, temperature 2 25 °C, temperature 3 26 °C, temperature 4 25 °C"),
		ink("ITH-21-B", "ITH-21-B", 0xFFF0, 9289, "07110098d80013026401900400000000", "Inkbird ITH-21-B: 21.6 °C, 53.1 %, battery 100 %"),
		ink("ITH-13-B", "ITH-13-B", 0xFFF0, 9289, "1223052f0e0110026400000000000000", "Inkbird ITH-13-B: 27 °C, 52.8 %, battery 100 %"),
		ink("ITH-11-B", "ITH-11-B", 0xFFF0, 9289, "0812005e00005d036400640800000000", "Inkbird ITH-11-B: 0 °C, 86.1 %, battery 100 %"),
		ink("ITH-11-B, corrupt humidity", "ITH-11-B", 0xFFF0, 9289, "0812005e0000ffff6400640800000000", ""),
		ink("IBS-P02B", "IBS-P02B", 0xFFF0, 9289, "11180065d00000005a00800000000000", "Inkbird IBS-P02B: 20.8 °C, battery 90 %"),
		ink("IBS-P02B, passive detection", "", 0xFFF0, 9289, "11180065d00000005a00800000000000", "Inkbird: 20.8 °C, battery 90 %"),
		ink("IAM-T2", "", 0, 12884, "006200a13e29bed4011a0227026791", "Inkbird IAM-T2: 28.2 °C, 55.1 %, co2 615 ppm"),
		ink("IAM-T2 in °F", "", 0, 12884, "006200a13e29bed6033e01c9024091", "Inkbird IAM-T2: 28.333333333333332 °C, 45.7 %, co2 576 ppm"),
		ink("IAM-T2, below zero", "", 0, 12884, "006200a13e29bed4ffce01ee025391", "Inkbird IAM-T2: -5 °C, 49.4 %, co2 595 ppm"),
		ink("data of this length of another device", "x", 0, 9289, "11180065d00000005a00800000000000", ""),
	})
}
