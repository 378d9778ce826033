package payload_test

import "testing"

// TestRuuvi decodes the test vectors of the pages "Data format 3", "5", "6", "C5" and
// "E1" (docs.ruuvi.com). The pages have accelerations in G. The vectors of C5 begin
// with 05 there, which is the number of another format. Reserved octets are FF.
func TestRuuvi(t *testing.T) {
	const (
		mac  = "CB:B8:33:4C:88:4F"
		low  = "4C:88:4F"
		none = "acceleration x 321.33450055 m/s², acceleration y 321.33450055 m/s², acceleration z 321.33450055 m/s²"
		neg  = "acceleration x -321.33450055 m/s², acceleration y -321.33450055 m/s², acceleration z -321.33450055 m/s²"
	)
	ruuvi := func(source, data, want string) vector {
		return vector{source: "docs.ruuvi.com, " + source, data: manufacturer(0x0499, data), want: want}
	}
	checkVectors(t, []vector{
		ruuvi("3, valid", "03291A1ECE1EFC18F94202CA0B53",
			"RuuviTag 3: 26.3 °C, 20.5 %, 1027.66 hPa, 2.899 V, acceleration x -9.80665 m/s², acceleration y -16.9262779 m/s², acceleration z 7.0019481 m/s²"),
		ruuvi("3, maximum", "03FF7F63FFFF7FFF7FFF7FFFFFFF", "RuuviTag 3: 127.99 °C, 127.5 %, 1155.35 hPa, 65.535 V, "+none),
		ruuvi("3, minimum", "0300FF6300008001800180010000", "RuuviTag 3: -127.99 °C, 0 %, 500 hPa, 0 V, "+neg),
		ruuvi("5, valid", "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F",
			"RuuviTag 5 "+mac+" #205: 24.3 °C, 53.49 %, 1000.44 hPa, 2.977 V, tx power 4 dBm, acceleration x 0.0392266 m/s², acceleration y -0.0392266 m/s², acceleration z 10.1596894 m/s², movement count 66"),
		ruuvi("5, maximum", "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F",
			"RuuviTag 5 "+mac+" #65534: 163.835 °C, 163.835 %, 1155.34 hPa, 3.646 V, tx power 20 dBm, "+none+", movement count 254"),
		ruuvi("5, minimum", "058001000000008001800180010000000000CBB8334C884F",
			"RuuviTag 5 "+mac+" #0: -163.835 °C, 0 %, 500 hPa, 1.6 V, tx power -40 dBm, "+neg+", movement count 0"),
		ruuvi("5, invalid", "058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF", "RuuviTag 5:"),
		ruuvi("C5, valid", "C512FC5394C37CAC364200CDCBB8334C884F",
			"RuuviTag C5 "+mac+" #205: 24.3 °C, 53.49 %, 1000.44 hPa, 2.977 V, tx power 4 dBm, movement count 66"),
		ruuvi("C5, maximum", "C57FFFFFFEFFFEFFDEFEFFFECBB8334C884F",
			"RuuviTag C5 "+mac+" #65534: 163.835 °C, 163.835 %, 1155.34 hPa, 3.646 V, tx power 20 dBm, movement count 254"),
		ruuvi("C5, minimum", "C58001000000000000000000CBB8334C884F",
			"RuuviTag C5 "+mac+" #0: -163.835 °C, 0 %, 500 hPa, 1.6 V, tx power -40 dBm, movement count 0"),
		ruuvi("C5, invalid", "C58000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "RuuviTag C5:"),
		ruuvi("6, valid", "06170C5668C79E007000C90501D9FFCD004C884F",
			"RuuviTag 6 "+low+" #205: 29.5 °C, 55.3 %, 1011.02 hPa, pm2.5 11.2 µg/m³, co2 201 ppm, voc 10, nox 2, illuminance 13026.67 lx, calibrating: no"),
		ruuvi("6, maximum", "067FFF9C40FFFE27109C40FAFAFEFFFF074C8F4F",
			"RuuviTag 6 4C:8F:4F #255: 163.835 °C, 100 %, 1155.34 hPa, pm2.5 1000 µg/m³, co2 40000 ppm, voc 500, nox 500, illuminance 65535 lx, calibrating: yes"),
		ruuvi("6, minimum", "0680010000000000000000000000FF00004C884F",
			"RuuviTag 6 "+low+" #0: -163.835 °C, 0 %, 500 hPa, pm2.5 0 µg/m³, co2 0 ppm, voc 0, nox 0, illuminance 0 lx, calibrating: no"),
		ruuvi("6, invalid", "068000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "RuuviTag 6 #255: calibrating: yes"),
		ruuvi("E1, valid", "E1170C5668C79E0065007004BD11CA00C90A0213E0ACFFFFFFDECDEE01FFFFFFFFFFCBB8334C884F",
			"RuuviTag E1 "+mac+" #14601710: 29.5 °C, 55.3 %, 1011.02 hPa, pm1 10.1 µg/m³, pm2.5 11.2 µg/m³, pm4 121.3 µg/m³, pm10 455.4 µg/m³, co2 201 ppm, voc 20, nox 4, illuminance 13027 lx, calibrating: yes"),
		ruuvi("E1, maximum", "E17FFF9C40FFFE27102710271027109C40FAFADC28F0FFFFFFFFFFFE3FFFFFFFFFFFCBB8334C884F",
			"RuuviTag E1 "+mac+" #16777214: 163.835 °C, 100 %, 1155.34 hPa, pm1 1000 µg/m³, pm2.5 1000 µg/m³, pm4 1000 µg/m³, pm10 1000 µg/m³, co2 40000 ppm, voc 500, nox 500, illuminance 144284 lx, calibrating: yes"),
		ruuvi("E1, minimum", "E1800100000000000000000000000000000000000000FFFFFF00000000FFFFFFFFFFCBB8334C884F",
			"RuuviTag E1 "+mac+" #0: -163.835 °C, 0 %, 500 hPa, pm1 0 µg/m³, pm2.5 0 µg/m³, pm4 0 µg/m³, pm10 0 µg/m³, co2 0 ppm, voc 0, nox 0, illuminance 0 lx, calibrating: no"),
		ruuvi("E1, invalid", "E18000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFFFFFFFF", "RuuviTag E1: calibrating: no"),
		ruuvi("6, luminosity 0x01", "068000FFFFFFFFFFFFFFFFFFFF01FF00C0FFFFFF", "RuuviTag 6 #0: illuminance 0.04 lx, calibrating: no"),
		ruuvi("6, luminosity 0x10", "068000FFFFFFFFFFFFFFFFFFFF10FF00C0FFFFFF", "RuuviTag 6 #0: illuminance 1.01 lx, calibrating: no"),
		// By the formula of the page. Its example has 244.06 lx, which is code 0x7E.
		ruuvi("6, luminosity 0x80", "068000FFFFFFFFFFFFFFFFFFFF80FF00C0FFFFFF", "RuuviTag 6 #0: illuminance 266.43 lx, calibrating: no"),
		ruuvi("8 is encrypted", "0843825B56324FE019C4BD4D6D3CECAC6E1CAABBCCDDEEDD", ""),
		ruuvi("3, longer than its format", "03291A1ECE1EFC18F94202CA0B53FF",
			"RuuviTag 3: 26.3 °C, 20.5 %, 1027.66 hPa, 2.899 V, acceleration x -9.80665 m/s², acceleration y -16.9262779 m/s², acceleration z 7.0019481 m/s²"),
		ruuvi("5, cut short", "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C88", "RuuviTag 5: [cut short]"),
	})
}
