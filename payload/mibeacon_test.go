package payload_test

import "testing"

// TestMiBeacon decodes the advertisements of real devices in the tests of xiaomi-ble,
// and the values that these tests want.
func TestMiBeacon(t *testing.T) {
	mi := func(source, device, key, data, want string) vector {
		return vector{source: "xiaomi-ble, test_parser: " + source, device: device, key: key, data: service(0xFE95, data), want: want}
	}
	const hs1bb, ms1bb, mjwsd06 = "7475a4a77584401780ffc3ee62dd353c", "0fdcc30fe9289254876b5ef7c11ef1f0", "4d8f1373fb4d3bab557d0ebd1c78f8c4"
	checkVectors(t, []vector{
		mi("LYWSDCGQ", "58:2D:34:3B:2E:BF", "", "5020aa01a3bf2e3b342d580d1004b40095020a10013b",
			"MiBeacon LYWSDCGQ 58:2D:34:3B:2E:BF #163: 18 °C, 66.1 %, battery 59 %"),
		mi("Linptech ES3, occupied", "A4:C1:38:C7:C3:76", "b26295a7a08fbac306c8706ade7f0fe4", "5859fb50da76c3c738c1a4aabc4c16000000c60c1646",
			"MiBeacon 0x50fb A4:C1:38:C7:C3:76 #218 authentic: occupied: yes"),
		mi("LYWSD02", "A4:C1:38:B4:94:4C", "", "50305b04034c94b438c1a40d10041001ea01", "MiBeacon LYWSD02 A4:C1:38:B4:94:4C #3: 27.2 °C, 49 %"),
		mi("HHCCJCY01", "C4:7C:8D:6B:4F:F3", "", "7120980012f34f6b8d7cc40d041002c400", "MiBeacon HHCCJCY01 C4:7C:8D:6B:4F:F3 #18: 19.6 °C"),
		mi("HHCCPOT002", "C4:7C:8D:00:01:5D", "", "71205d01015d01008d7cc40d081001400910025702",
			"MiBeacon HHCCPOT002 C4:7C:8D:00:01:5D #1: moisture 64 %, conductivity 599 µS/cm"),
		mi("JQJCY01YM", "C4:7C:8D:00:02:DF", "", "5040df0201df02008d7cc41010027d00", "MiBeacon JQJCY01YM C4:7C:8D:00:02:DF #1: formaldehyde 1.25 mg/m³"),
		mi("WX08ZM", "C4:7C:8D:00:04:0A", "", "50400a04010a04008d7cc41310015a", "MiBeacon WX08ZM C4:7C:8D:00:04:0A #1: consumable 90 %"),
		mi("MJYD02YL", "A4:C1:38:07:F6:01", "", "5040f6070101f60738c1a40f0003640000", "MiBeacon MJYD02YL A4:C1:38:07:F6:01 #1: motion: yes, light: yes"),
		mi("CGPR1", "A4:C1:38:0A:00:83", "", "5040830a0183000a38c1a40f0003640000", "MiBeacon CGPR1 A4:C1:38:0A:00:83 #1: motion: yes, illuminance 100 lx"),
		mi("MUE4094RT", "DE:70:E8:B2:39:0C", "", "4030dd032403000101", "MiBeacon 0x03dd #36: motion: yes"),
		// The document has two temperatures; xiaomi-ble estimates that of the body from them.
		mi("MMC-T201-1", "00:81:F9:DD:6F:C1", "", "7022db006fc16fddf9810009002005c60d630d51",
			"MiBeacon MMC-T201-1 00:81:F9:DD:6F:C1 #111: 35.26 °C, pcb temperature 34.27 °C, battery 81 %"),
		mi("MMC-W505", "D0:24:18:53:AB:DB", "", "702291030fdbab531824d0090a0002750d", "MiBeacon MMC-W505 D0:24:18:53:AB:DB #15: 34.45 °C"),
		mi("M1S-T500", "E6:71:43:17:5B:11", "", "7130890437115b174371e6091000020003", "MiBeacon 0x0489 E6:71:43:17:5B:11 #55: brushing: yes, score 3"),
		mi("ZNMS16LM", "D7:1F:44:EB:8A:91", "", "50449e0643918aeb441fd70b000920020001807c442f61", "MiBeacon 0x069e D7:1F:44:EB:8A:91 #67: lock: unlocked outside"),
		mi("YLYK01YL", "F8:24:41:E9:50:74", "", "503053013f7450e94124f8011003000000", "MiBeacon 0x0153 F8:24:41:E9:50:74 #63: button 1: press"),
		mi("CGH1", "A4:C1:38:0A:03:D6", "", "5040d60301d6030a38c1a419100100", "MiBeacon CGH1 A4:C1:38:0A:03:D6 #1: open: yes"),
		mi("no object", "A4:C1:38:D4:3C:48", "", "30585b0502483cd438c1a408", "MiBeacon LYWSD03MMC A4:C1:38:D4:3C:48 #2:"),
		mi("unknown product", "58:2D:34:3B:2E:BF", "", "5020ffffa3bf2e3b342d580d1004b40095020a10013b",
			"MiBeacon 0xffff 58:2D:34:3B:2E:BF #163: 18 °C, 66.1 %, battery 59 %"),

		mi("LYWSD03MMC, encrypted", "A4:C1:38:02:83:F4", "e9ea895fac7cca6d30532432a516f3a8", "58585b0550f4830238c1a495ef58763c26000097e2abb5",
			"MiBeacon LYWSD03MMC A4:C1:38:02:83:F4 #9808 authentic: 46.7 %"),
		mi("CGG1, encrypted", "5A:58:2D:34:12:5F", "814aac74c4f17b6c1581e1ab87816b99", "5858480b685f12342d585a0b1841e2aa000e00a4964fb5",
			"MiBeacon CGG1 5A:58:2D:34:12:5F #917608 authentic: 59.6 %"),
		mi("CGDK2, encrypted", "58:2D:34:12:20:89", "a3bfe9853dd85a620debe3620caaa351", "58586f0607892012342d585f176dd54f0200002fa453fa",
			"MiBeacon CGDK2 58:2D:34:12:20:89 #519 authentic: 22.6 °C"),
		mi("CGDK3, encrypted", "58:2D:34:87:94:0C", "872ea1bb02ba9713e885cb054c537368", "4858594fef546f0e7450729321010038d74333",
			"MiBeacon CGDK3 #74223 authentic: 23.8 °C"),
		mi("LYWSD02MMC, encrypted", "A4:C1:38:0E:FD:78", "19b1c678ab0a8bc3dc77765f059188d4", "585842258878fd0e38c1a405f6538aa72a0062b1a966",
			"MiBeacon LYWSD02MMC A4:C1:38:0E:FD:78 #2795400 authentic: 38 %"),
		mi("XMWSDJ04MMC, encrypted", "2C:11:65:25:70:04", "b2cf9a553d53571b5657defd582d676e", "48590312a41b776e7c96add7000000f2bf545b",
			"MiBeacon XMWSDJ04MMC #164 authentic: 45 %"),
		mi("JTYJGD03MI, encrypted", "54:EF:44:E3:9C:BC", "5b51a7c91cde6707c9ef18dfda143a58", "5859970966bc9ce344ef5401081205000000715ebe90",
			"MiBeacon JTYJGD03MI 54:EF:44:E3:9C:BC #102 authentic: smoke: yes"),
		mi("MCCGQ02HL, encrypted", "E4:AA:EC:81:21:AE", "017e52d2684779298709b117c0a75a7b", "58588b09a3ae2181ecaae40e2c553c040000d28a500c",
			"MiBeacon MCCGQ02HL E4:AA:EC:81:21:AE #1187 authentic: open: yes, left open: yes"),
		mi("HS1BB(MI), 4818", "A4:C1:38:05:8E:E9", hs1bb, "5859eb2ac1e98e0538c1a40759530f8d380000b77a70f8", "MiBeacon HS1BB(MI) A4:C1:38:05:8E:E9 #14529 authentic: idle 60 s"),
		mi("HS1BB(MI), 4803", "A4:C1:38:05:8E:E9", hs1bb, "5859eb2a9ee98e0538c1a4d07ad3e338000033635d10", "MiBeacon HS1BB(MI) A4:C1:38:05:8E:E9 #14494 authentic: battery 100 %"),
		mi("HS1BB(MI), 4A08", "A4:C1:38:05:8E:E9", hs1bb, "4859eb2ac2fce02ca0b43af2380000a2d9f05f", "MiBeacon HS1BB(MI) #14530 authentic: motion: yes, illuminance 228 lx"),
		mi("MS1BB(MI), 4804", "A4:C1:38:66:E5:67", ms1bb, "585989189a67e56638c1a49dd97af3260000c8a60bd5", "MiBeacon MS1BB(MI) A4:C1:38:66:E5:67 #9882 authentic: open: yes"),
		mi("RS1BB(MI), 4806", "A4:C1:38:B9:4C:67", "33ede53321bc73c790a8daae4581f3d5", "58590f3f4a674cb938c1a4d6e57b83040000d01e0b4b",
			"MiBeacon RS1BB(MI) A4:C1:38:B9:4C:67 #1098 authentic: wet: no"),
		mi("MJWSD06MMC, temperature", "A4:C1:38:80:15:07", mjwsd06, "4859b5553a8699bda053448f1200005b046d6a", "MiBeacon MJWSD06MMC #4666 authentic: 25.2 °C"),
		mi("MJWSD06MMC, humidity", "A4:C1:38:80:15:07", mjwsd06, "5859b5553407158038c1a4bcc732980e000066960f10",
			"MiBeacon MJWSD06MMC A4:C1:38:80:15:07 #3636 authentic: 39 %"),
		mi("without the key", "A4:C1:38:80:15:07", "", "4859b5553a8699bda053448f1200005b046d6a", "MiBeacon MJWSD06MMC #4666 encrypted: [no key]"),
		mi("wrong key", "A4:C1:38:80:15:07", hs1bb, "4859b5553a8699bda053448f1200005b046d6a", "MiBeacon MJWSD06MMC #4666 encrypted: [wrong key]"),

		// The encryption of the versions 2 and 3.
		mi("YLKG07YL, press", "F8:24:41:C5:98:8B", "b853075158487ca39a5b5ea9", "5830b603d28b98c54124f8c3491476757e00000099",
			"MiBeacon 0x03b6 F8:24:41:C5:98:8B #210 encrypted: dimmer: press, count 1"),
		mi("YLKG07YL, rotate", "F8:24:41:C5:98:8B", "b853075158487ca39a5b5ea9", "5830b603368b98c54124f88bb8f2661351000000d6",
			"MiBeacon 0x03b6 F8:24:41:C5:98:8B #54 encrypted: dimmer: rotate left, steps 1"),
		mi("YLKG07YL, another check octet", "F8:24:41:C5:98:8B", "b853075158487ca39a5b5ea9", "5830b603d28b98c54124f8c3491476757e00000098",
			"MiBeacon 0x03b6 F8:24:41:C5:98:8B #210 encrypted: [wrong key]"),
		mi("YLKG07YL, wrong key", "F8:24:41:C5:98:8B", "b853075158487aa39a5b5ea9", "5830b603d28b98c54124f8c3491476757e00000099",
			"MiBeacon 0x03b6 F8:24:41:C5:98:8B #210 encrypted: [wrong key]"),

		{source: "the same format in manufacturer data (MiBeacon v5 document)", data: manufacturer(0x038F, "40505b04030a10013b"), want: "MiBeacon LYWSD02 #3: battery 59 %"},
		{source: "a repeater: the key is that of the address in the payload", data: service(0xFE95, "50305b04034c94b438c1a40d10041001ea01"),
			want: "MiBeacon LYWSD02 A4:C1:38:B4:94:4C #3: 27.2 °C, 49 %"},
		{source: "I/O capability (MiBeacon v5 document)", data: service(0xFE95, "6050 5b04 03 28 0100 0a10013b"), want: "MiBeacon LYWSD02 #3: battery 59 %"},
		{source: "an unknown object between others", data: service(0xFE95, "4050 5b04 03 ffff02aaaa 0a10013b"), want: "MiBeacon LYWSD02 #3: battery 59 % [unknown object]"},
		{source: "an object that is too short", data: service(0xFE95, "4050 5b04 03 04100101 0a10013b"), want: "MiBeacon LYWSD02 #3: battery 59 % [cut short]"},
		{source: "an object beyond the end", data: service(0xFE95, "4050 5b04 03 0a10013b 0410ff01"), want: "MiBeacon LYWSD02 #3: battery 59 % [cut short]"},
		{source: "not a number", data: service(0xFE95, "4050 5b04 03 0148040000c07f"), want: "MiBeacon LYWSD02 #3:"},
		{source: "version 1", data: service(0xFE95, "4010 5b04 03 0a10013b"), want: ""},
	})
}

// TestMiBeaconObjects decodes the objects of the document "BLE object definition"
// (Xiaomi), with its examples where it has any.
func TestMiBeaconObjects(t *testing.T) {
	var vectors []vector
	for _, c := range [][2]string{
		{"0300 01 01", "motion: yes"},
		{"0700 01 00", "door: open"},
		{"0700 01 05", "door: stuck"},
		{"0800 05 01 00000000", "armed: yes"},
		{"0a00 02 a70e", "37.51 °C"},
		{"0c00 01 01", "wet: yes"},
		{"0d00 01 01", "smoke: yes"},
		{"0d00 01 02", "smoke: no, problem: yes"},
		{"0e00 01 01", "gas detected: yes"},
		{"0f00 03 c0d401", "motion: yes, illuminance 120000 lx"},
		{"1000 02 01 64", "brushing: no, score 100"},
		{"0110 03 0300 03", "button 4: triple press"},
		{"0410 02 1a01", "28.2 °C"},
		{"0510 02 01 5f", "on: yes, 95 °C"},
		{"0610 02 5a01", "34.6 %"},
		{"0710 03 c0d401", "illuminance 120000 lx"},
		{"0810 01 28", "moisture 40 %"},
		{"0910 02 8813", "conductivity 5000 µS/cm"},
		{"0a10 01 64", "battery 100 %"},
		{"0d10 04 1a01 5a01", "28.2 °C, 34.6 %"},
		{"0f10 01 00", "open: yes"},
		{"1010 02 1000", "formaldehyde 0.16 mg/m³"},
		{"1210 01 01", "on: yes"},
		{"1310 01 5a", "consumable 90 %"},
		{"1410 01 00", "wet: no"},
		{"1510 01 01", "smoke: yes"},
		{"1610 01 00", "gas detected: no"},
		{"1710 04 78000000", "idle 120 s"},
		{"1810 01 01", "light: yes"},
		{"1910 01 02", "open: yes, left open: yes"},
		{"1a10 02 e803", "mass 1000 g"},
		{"1b10 01 01", "motion: no"},
		{"0020 05 c60d 630d 51", "35.26 °C, pcb temperature 34.27 °C, battery 81 %"},
	} {
		vectors = append(vectors, vector{source: "BLE object definition", data: service(0xFE95, "4050 2328 03"+c[0]), want: "MiBeacon 0x2823 #3: " + c[1]})
	}
	checkVectors(t, vectors)
}
