package text

import "testing"

func TestDropPackages(t *testing.T) {
	for in, want := range map[string]string{
		"": "",
		"smp: bonds: C0:FF:EE:00:00:01/random is in use":                                                   "bonds: C0:FF:EE:00:00:01/random is in use",
		"no adapter is ready: sim:sensors: sim: scenario sensors: sim: peripheral \"Lamp\": smp: bonds: x": "no adapter is ready: sim:sensors: scenario sensors: peripheral \"Lamp\": bonds: x",
		"controller: connect: controller: LE Create Connection: limit (0x09)":                              "connect: LE Create Connection: limit (0x09)",
		"first; gatt: att: second (hci: third)\nhost: fourth":                                              "first; second (third)\nfourth",
		"sim: is down: no such device":                                                                     "sim: is down: no such device",
		"--key-file: payload: line 2":                                                                      "--key-file: line 2",
		"the controller: it is gone":                                                                       "the controller: it is gone",
		"my-host: lost":                                                                                    "my-host: lost",
	} {
		if got := DropPackages(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
