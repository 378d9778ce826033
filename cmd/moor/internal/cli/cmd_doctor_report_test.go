package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorReport: after a scan and a pairing the report has counts of what is stored, and
// no address, name or key of it.
func TestDoctorReport(t *testing.T) {
	inAir(t, "simulated", func(t *testing.T) {
		state := t.TempDir()
		for _, words := range []string{"scan --duration 5s", "devices", "pair --just-works " + lamp, "read " + lamp + " " + lampSwitch} {
			if r := moor(t.Context(), append([]string{"-a", "sim:", "--state", state}, split(words)...)...); r.code != 0 {
				t.Fatalf("%s: exit code %d, stderr %q", words, r.code, r.stderr)
			}
		}
		bonds := moor(t.Context(), "-a", "sim:", "--state", state, "bonds", "show", lamp, "--keys", "--json")
		file := filepath.Join(t.TempDir(), "report.txt")
		r := moor(t.Context(), "-a", "sim:", "--state", state, "doctor", "--report", file)
		if r.code != 0 || !strings.Contains(r.stdout, "\nBluetooth works here.\n\nThe report is in "+file+". ") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := string(b)
		for _, want := range []string{"moor doctor report\n", "devices: 3\n", "tables: 1\n", "ok   sim: LE: it has Bluetooth LE", "adapter: sim:\n", "heard in 4s: 3 devices"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing in:\n%s", want, got)
			}
		}
		secrets := []string{"C0:FF:EE", "c0:ff:ee", "Thermometer", "Heart rate belt", "Lamp", state}
		secrets = append(secrets, hexKeys(t, bonds.stdout)...)
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Errorf("%q is in:\n%s", secret, got)
			}
		}
		// It replaces an earlier report, and no other file.
		if r := moor(t.Context(), "-a", "sim:", "--state", state, "--json", "doctor", "--report", file); r.code != 0 {
			t.Errorf("again: exit code %d, stderr %q", r.code, r.stderr)
		}
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		moor(t.Context(), "-a", "sim:", "--state", state, "doctor", "--report", file).want(t, 1, "",
			"moor: report: "+file+" exists and is no report of moor doctor: remove it, or name another file\n")
	})
	inAir(t, "no adapter", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "report.txt")
		r := moor(t.Context(), "-a", "unix:/does/not/exist", "--state", "none", "doctor", "--report", file)
		b, err := os.ReadFile(file)
		if r.code != 1 || err != nil || !strings.Contains(string(b), "BAD  unix:PATH open: unix:PATH: connect: dial unix PATH: connect: no such file or directory\n") {
			t.Errorf("exit code %d, error %v, report:\n%s", r.code, err, b)
		}
	})
}

// hexKeys returns the words of 32 hexadecimal digits in s, at least one.
func hexKeys(t *testing.T, s string) (keys []string) {
	t.Helper()
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }) {
		if len(word) == 32 {
			keys = append(keys, word)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("no key in %q", s)
	}
	return keys
}
