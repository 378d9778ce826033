package payload_test

import "testing"

func TestATC(t *testing.T) {
	const (
		sample = "A4:C1:38:AA:BB:CC"
		key    = "12345678901234567890123456789012"
	)
	checkVectors(t, []vector{
		{source: "ATC_MiThermometer of pvvx, atc_mi_format_test: custom", device: sample,
			data: "12 16 1a 18 cc bb aa 38 c1 a4 6c 07 fa 13 d6 0a 52 09 0f", want: "pvvx A4:C1:38:AA:BB:CC #9: 19 °C, 51.14 %, battery 82 %, 2.774 V, open: yes, output: yes"},
		{source: "ATC_MiThermometer of pvvx, atc_mi_format_test: atc1441", device: sample,
			data: "10 16 1a 18 a4 c1 38 aa bb cc 00 ce 33 43 0a 6e c3", want: "ATC A4:C1:38:AA:BB:CC #195: 20.6 °C, 51 %, battery 67 %, 2.67 V"},
		{source: "ATC_MiThermometer of pvvx, test_adv_cust: test 2", device: "A4:C1:38:0B:5E:ED", key: key,
			data: "0e161a18bd495df4f113469952a83f", want: "pvvx #189 authentic: 22.53 °C, 50.12 %, battery 99 %, open: yes, output: yes"},
		{source: "ATC_MiThermometer of pvvx, test_adv_cust: test 1", device: "A4:C1:38:0B:5E:ED", key: key,
			data: "0b161a18bd729b17bebadf37", want: "ATC #189 authentic: 22.5 °C, 50 %, battery 99 %, output: yes"},
		{source: "ble_monitor, test_atc_parser: atc1441", device: "A4:C1:38:02:83:F4",
			data: "10161a18a4c1380283f400a22f5f0bf819", want: "ATC A4:C1:38:02:83:F4 #25: 16.2 °C, 47 %, battery 95 %, 3.064 V"},
		{source: "ble_monitor, test_atc_parser: custom", device: "A4:C1:38:02:83:F4",
			data: "12161a18f4830238c1a4a9066911b60b58f70d", want: "pvvx A4:C1:38:02:83:F4 #247: 17.05 °C, 44.57 %, battery 88 %, 2.998 V, open: yes, output: no"},
		{source: "ble_monitor, test_atc_parser: custom, encrypted", device: "A4:C1:38:8D:18:B2", key: "b9ea895fac7eea6d30532432a516f3a3",
			data: "0e161a1811d603fbfa7b6dfb1e26fd", want: "pvvx #17 authentic: 23.45 °C, 41.73 %, battery 61 %, open: no, output: no"},
		{source: "encrypted, without the key", device: "A4:C1:38:8D:18:B2", data: "0e161a1811d603fbfa7b6dfb1e26fd", want: "pvvx #17 encrypted: [no key]"},
		{source: "encrypted, with another key", device: "A4:C1:38:8D:18:B2", key: key, data: "0e161a1811d603fbfa7b6dfb1e26fd", want: "pvvx #17 encrypted: [wrong key]"},
		{source: "another device of this service, of the same length", data: "0e161a1811d603fbfa7b6dfb1e26fd", want: ""},
		{source: "the address of another vendor", device: "58:2D:34:00:00:01", data: "10161a18582d3400000100a22f5f0bf819",
			want: "ATC 58:2D:34:00:00:01 #25: 16.2 °C, 47 %, battery 95 %, 3.064 V"},
		{source: "another device of this service", device: "58:2D:34:00:00:02", data: "10161a18582d3400000100a22f5f0bf819", want: ""},
		{source: "a repeater", data: "10161a18a4c1380283f4FFA22f5f0bf819", want: "ATC A4:C1:38:02:83:F4 #25: -9.4 °C, 47 %, battery 95 %, 3.064 V"},
	})
}
