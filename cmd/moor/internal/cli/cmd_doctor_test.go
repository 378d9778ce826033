package cli

import (
	"bytes"
	"testing"
)

func TestDoctor(t *testing.T) {
	inAir(t, "simulated", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "doctor").want(t, 0, "ok   sim: open: it can be opened and answers\nok   sim: LE: it has Bluetooth LE, with 8 buffers of 251 octets\n\nBluetooth works here.\n", "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "doctor").want(t, 0, `{"check":"sim: open","ok":true,"detail":"it can be opened and answers"}`+"\n"+`{"check":"sim: LE","ok":true,"detail":"it has Bluetooth LE, with 8 buffers of 251 octets"}`+"\n", "")
	})
	inAir(t, "dead", func(t *testing.T) {
		moor(t.Context(), "-a", "unix:/does/not/exist", "doctor").want(t, 1,
			"BAD  unix:/does/not/exist open: unix:/does/not/exist: connect: dial unix /does/not/exist: connect: no such file or directory\n"+
				"     -> start the controller's server and check the path\n",
			"moor: no adapter can be opened here\n")
	})
	inAir(t, "terminal", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"-a", "sim:", "doctor"}, &Env{Stdout: &stdout, Stderr: &stderr, Terminal: func() (int, int) { return 30, 24 }})
		result{code, stdout.String(), stderr.String(), 0}.want(t, 0, "ok   sim: open: it can be\n     opened and answers\nok   sim: LE: it has Bluetooth\n     LE, with 8 buffers of 251\n     octets\n\nBluetooth works here.\n", "")
	})
}
