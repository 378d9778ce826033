package cli

import (
	"strings"
	"testing"
)

func TestServices(t *testing.T) {
	inAir(t, "text", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "services", belt).want(t, 0, `0x0001  service 1800  Generic Access
0x0003    2a00        Device Name  [read]
0x0005    2a01        Appearance  [read]
0x0006  service 1801  Generic Attribute
0x0008    2a05        Service Changed  [indicate]
0x0009      2902      Client Characteristic Configuration
0x000b    2b29        Client Supported Features  [read,write]
0x000d    2b2a        Database Hash  [read]
0x000f    2b3a        Server Supported Features  [read]
0x0010  service 180a  Device Information
0x0012    2a29        Manufacturer Name String  [read]
0x0014    2a24        Model Number String  [read]
0x0015  service 180f  Battery
0x0017    2a19        Battery Level  [read,notify]
0x0018      2902      Client Characteristic Configuration
0x0019  service 180d  Heart Rate
0x001b    2a37        Heart Rate Measurement  [notify]
0x001c      2902      Client Characteristic Configuration
0x001e    2a38        Body Sensor Location  [read]
0x0020    2a39        Heart Rate Control Point  [write]
`, "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--json", "services", belt)
		want := `{"handle":21,"end":24,"uuid":"180f","name":"Battery","primary":true,"characteristics":[` +
			`{"handle":23,"declaration":22,"uuid":"2a19","name":"Battery Level","properties":["read","notify"],"descriptors":[` +
			`{"handle":24,"uuid":"2902","name":"Client Characteristic Configuration"}]}]}` + "\n"
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, stderr %q, no %s in:\n%s", r.code, r.stderr, want, r.stdout)
		}
	})
}
