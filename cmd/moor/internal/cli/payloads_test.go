package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cellarKey = "54:48:E6:8F:80:A5=231d39c1d7cc1ab1aee224cd096db932"

// TestScanPayloads wants the values that devices broadcast in the lines of a scan.
func TestScanPayloads(t *testing.T) {
	for _, c := range []struct {
		name, args string
		want       []string
	}{
		{"plain", "scan", []string{
			"Terrace               battery 97 %, 25.06 °C, 50.55 %, Allterco Robotics ltd, not connectable",
			"Cellar                BTHome with no key, Allterco",
			"24.3 °C, 53.49 %, 1000.44 hPa, 2.977 V, …, Ruuvi Innovations Ltd., not connectable",
			"iBeacon e2c56db5-dffb-48d2-b060-d0f5a71096e0/100/1, Apple",
			"https://example.org/, Eddystone (Google LLC), ",
		}},
		{"key", "scan --key " + cellarKey, []string{"Cellar                25.06 °C, 50.55 %, "}},
		{"wrong key", "scan --key " + strings.Replace(cellarKey, "=2", "=3", 1), []string{"Cellar                BTHome with wrong key, "}},
		{"devices", "devices --duration 5s --key " + cellarKey, []string{
			"  Cellar   sim:beacons  0s ago  25.06 °C, 50.55 %, ", "  sim:beacons  0s ago  24.3 °C, 53.49 %, 1000.44 hPa, 2.977 V, …, ",
		}},
	} {
		inAir(t, c.name, func(t *testing.T) {
			r := moor(t.Context(), append([]string{"-a", "sim:beacons"}, strings.Fields(c.args)...)...)
			for _, want := range c.want {
				if strings.Count(r.stdout, want) != 1 {
					t.Errorf("%q is not there once in:\n%s", want, r.stdout)
				}
			}
			if r.code != 0 || r.stderr != "" {
				t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
			}
		})
	}
}

// TestPayloadJSON wants value and unit as two keys, for scan and for devices.
func TestPayloadJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("# at home\n"+cellarKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = `[{"format":"BTHome","counter":1122867,"encrypted":true,"authentic":true,"readings":[` +
		`{"kind":"temperature","value":25.06,"unit":"°C"},{"kind":"humidity","value":50.55,"unit":"%"}]}]`
	for _, command := range []string{"scan", "devices"} {
		inAir(t, command, func(t *testing.T) {
			r := moor(t.Context(), "-a", "sim:beacons", "--json", command, "--duration", "5s", "--key-file", file)
			found := 0
			for line := range strings.Lines(r.stdout) {
				var v struct {
					Name     string
					Payloads json.RawMessage
				}
				if err := json.Unmarshal([]byte(line), &v); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if v.Name == "Cellar" {
					if found++; string(v.Payloads) != want {
						t.Errorf("payloads %s, want %s", v.Payloads, want)
					}
				}
			}
			if r.code != 0 || r.stderr != "" || found != 1 {
				t.Errorf("exit code %d, stderr %q, heard %d times", r.code, r.stderr, found)
			}
		})
	}
}

// TestKeyFlags wants mistakes in keys to be named, without the key.
func TestKeyFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(cellarKey+"\n54:48:E6:8F:80:A6=5ec4e7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--key 54:48:E6:8F:80:A5=5ec4e7", "moor: --key: the key of 54:48:E6:8F:80:A5 has 3 octets: write 16, or 12 for MiBeacon 2 and 3\n"},
		{"--key 5ec4e7", "moor: --key: 6 characters are no key: write ADDRESS=KEY, "},
		{"--key-file " + file, "moor: --key-file: " + file + ": line 2: the key of 54:48:E6:8F:80:A6 has 3 octets: "},
		{"--key-file " + file + "x", "moor: --key-file: open " + file + "x: no such file or directory\n"},
	} {
		inAir(t, c.args, func(t *testing.T) {
			r := moor(t.Context(), append([]string{"-a", "sim:beacons", "scan"}, strings.Fields(c.args)...)...)
			if r.code != 2 || !strings.HasPrefix(r.stderr, c.want) || strings.Contains(r.stderr, "5ec4e7") {
				t.Errorf("exit code %d, stderr %q, want %q", r.code, r.stderr, c.want)
			}
		})
	}
}
