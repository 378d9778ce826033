package payload_test

import "testing"

// TestGovee decodes the advertisements of real devices in the tests of govee-ble, and
// the values that these tests want. Where they have 0 °C for a probe that is not plugged
// in, and for an alarm that is not set, there is no reading here.
func TestGovee(t *testing.T) {
	gv := func(source, name string, company uint16, data, want string) vector {
		return vector{source: "govee-ble, test_parser: " + source, name: name, data: manufacturer(company, data), want: want}
	}
	probe := func(source string, uuid, company uint16, data, want string) vector {
		v := gv(source, "", company, data, want)
		v.uuid = uuid
		return v
	}
	const tail = "4c000215494e54454c4c495f524f434b535f48575075f2ff0c"
	checkVectors(t, []vector{
		gv("H5051", "", 0xEC88, "00ba0af90f63020101", "Govee H5051: 27.46 °C, 40.89 %, battery 99 %"),
		gv("H5052", "Govee_H5052_E81B", 0xEC88, "001c01a7143b000002", "Govee H5052: 2.84 °C, 52.87 %, battery 59 %"),
		gv("H5071", "Govee_H5071_FD12", 0xEC88, "00210ab61218c80001", "Govee H5071: 25.93 °C, 47.9 %, battery 24 %"),
		gv("H5074", "Govee_H5074_5FF4", 0xEC88, "00e609bc126402", "Govee H5074: 25.34 °C, 47.96 %, battery 100 %"),
		gv("H5075, a structure glued on", "GVH5075_2762", 0xEC88, "000341c26400"+tail, "Govee H5075: 21.3 °C, 44.2 %, battery 100 %"),
		gv("H5075", "GVH5075_DBF8", 0xEC88, "00034db26400", "Govee H5075: 21.6 °C, 49.8 %, battery 100 %"),
		gv("H5075, negative values", "GVH5075_2762", 0xEC88, "00bc00043e27", "Govee H5075: battery 62 %"),
		gv("H5075, oversized values", "GVH5075_2762", 0xEC88, "004a00283b00", "Govee H5075: battery 59 %"),
		gv("H5075, other values", "GVH5075_2762", 0xEC88, "00030fc93500", "Govee H5075: 20 °C, 64.9 %, battery 53 %"),
		gv("H5072", "GVH5072_ABCD", 0xEC88, "00034db26400", "Govee H5072: 21.6 °C, 49.8 %, battery 100 %"),
		gv("H5072 or H5075", "Govee_ABCD", 0xEC88, "00034db26400", "Govee H5072/H5075: 21.6 °C, 49.8 %, battery 100 %"),
		gv("H5100", "GVH5100_7738", 0x0001, "010103465464", "Govee H5100: 21.4 °C, 61.2 %, battery 100 %"),
		gv("H5103", "GVH5103_5A4E", 0x0001, "010103513e64"+tail, "Govee H5103: 21.7 °C, 40.6 %, battery 100 %"),
		gv("H5104", "GVH5104_311C", 0x0001, "010103fc2662", "Govee H5104: 26.1 °C, 15.8 %, battery 98 %"),
		gv("H5106", "GVH5106_4E05", 0x0001, "01010ed13298", "Govee H5106: 24.8 °C, 59.1 %, pm2.5 0 µg/m³"),
		gv("H5106, freezing", "GVH5106_4E05", 0x0001, "010181867cd8", "Govee H5106: -2.5 °C, 59.1 %, pm2.5 0 µg/m³"),
		gv("another device with this company", "RZSS", 0x0001, "01010b005864", ""),
		gv("H5108", "GV51085242", 0x0001, "010103c730640000", "Govee H5108: 24.7 °C, 60 %, battery 100 %"),
		gv("H5108, no name", "G", 0x0001, "010103c730640000", "Govee H5108: 24.7 °C, 60 %, battery 100 %"),
		gv("another device, of the length of H5108", "RZSS", 0x0001, "010103c730640000", ""),
		gv("H5108, error", "GV51085242", 0x0001, "010103c730e40000", "Govee H5108: battery 100 %"),
		gv("H5110", "GVH5110_2EC8", 0x0001, "0101038efe64", "Govee H5110: 23.3 °C, 21.4 %, battery 100 %"),
		gv("H5112, probe 1", "GV5112AC3D", 0x0001, "0101033d70640041", "Govee H5112: temperature 1 21.2 °C, humidity 1 33.6 %, battery 100 %"),
		gv("H5112, probe 2", "GV5112AC3D", 0x0001, "0101034928640082", "Govee H5112: temperature 2 21.5 °C, battery 100 %"),
		gv("H5112, error", "GV5112AC3D", 0x0001, "0101034928e40082", "Govee H5112: battery 100 %"),
		gv("H5140", "GV5140303A", 0x0001, "0101033dee023e00", "Govee H5140: 21.2 °C, 46.2 %, co2 574 ppm"),
		gv("H5177", "GVH5177_2EC8", 0x0001, "010103362664"+tail, "Govee H5177: 21 °C, 47 %, battery 100 %"),
		gv("H5178, outdoors", "B51782BC8", 0x0001, "010101002af7640003", "Govee H5178 outdoor: 1 °C, 99.9 %, battery 100 %"),
		gv("H5178", "Govee_1234", 0x0001, "010100002af7640003", "Govee H5178: 1 °C, 99.9 %, battery 100 %"),
		gv("H5178, unknown sensor", "B51782BC8", 0x0001, "010107002af7640003", ""),
		gv("H5179", "Govee_H5179_3CD5", 0x8801, "ec0001010a0aa40664", "Govee H5179: 25.7 °C, 17 %, battery 100 %"),
		gv("H5179 of 2023", "GV5179_6319", 0x0001, "010103b31464", "Govee H5179: 24.2 °C, 45.2 %, battery 100 %"),

		probe("H5055, probe 1 and 2", 0x5550, 44847, "55006401201a00ffffffff201900ffffffff0000", "Govee H5055: temperature 1 26 °C, battery 100 %"),
		probe("H5055, probe 3 and 4", 0x5550, 44847, "5500644c201a00ffffffff2019001400b1000000",
			"Govee H5055: temperature 3 26 °C, temperature 4 25 °C, alarm high 4 177 °C, alarm low 4 20 °C, battery 100 %"),
		probe("H5055, probe 5 and 6", 0x5550, 44847, "550064bf201a00ffffb100201900ffffffff0000",
			"Govee H5055: temperature 5 26 °C, alarm high 5 177 °C, temperature 6 25 °C, battery 100 %"),
		probe("H5055, error", 0x5550, 44847, "550064fb201a00ffffb100201900ffffffff0000", ""),
		probe("H5181", 0x8151, 14474, "d801000101e4018608981d100000"+tail, "Govee H5181: temperature 1 22 °C, alarm high 1 74.4 °C"),
		probe("H5181, no probe", 0x8151, 59970, "ba01000101640006ffff1ce80000", "Govee H5181: alarm high 1 74 °C"),
		probe("H5182", 0x8251, 10032, "6301000101e40101ffff120301ffff0000"+tail, "Govee H5182: alarm high 1 46.11 °C, alarm high 2 0 °C"),
		probe("H5183", 0x8351, 26589, "ef01000101e401800834ffff0000"+tail, "Govee H5183: temperature 1 21 °C"),
		probe("H5184, packet 1", 0x8451, 6966, "2001000101e401860c1cffff860af0ffff", "Govee H5184: temperature 1 31 °C, temperature 2 28 °C"),
		probe("H5184, packet 2", 0x8451, 6966, "2001000101e402860bb8ffff860b54ffff", "Govee H5184: temperature 3 30 °C, temperature 4 29 °C"),
		probe("H5184, unknown sensor", 0x8451, 6966, "2001000101e4ff860c1cffff860af0ffff", ""),
		probe("H5185", 0x8551, 18994, "8701000101e4c1660834ffffffff0834ffffffff"+tail, "Govee H5185: temperature 1 21 °C, temperature 2 21 °C"),
		probe("H5191", 0x9151, 44131, "83010001014c5d040fa01324ffff0af0ffffffff", "Govee H5191: temperature 1 40 °C, alarm high 1 49 °C, 28 °C"),
		probe("H5198, probe 1 and 2", 0x9851, 12322, "6c01000101a3c10f0bb8ffffffff0960ffffffff", "Govee H5198: temperature 1 30 °C, temperature 2 24 °C"),
		probe("H5198, probe 3 and 4", 0x9851, 12322, "6c01000101a4c20f0e10ffffffff08fcffffffff", "Govee H5198: temperature 3 36 °C, temperature 4 23 °C"),
		probe("H5198, invalid", 0x9851, 12322, "6c01000101a3d40f0bb8ffffffff0960ffffffff", ""),
	})
}
