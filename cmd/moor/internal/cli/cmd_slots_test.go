package cli

import (
	"strings"
	"testing"
)

func TestSlots(t *testing.T) {
	inAir(t, "text", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:,sim:empty", "slots").want(t, 0,
			"sim:       0 connections  limit not known\nsim:empty  0 connections  limit not known\n", "")
	})
	inAir(t, "one is down", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "-a", "unix:/does/not/exist", "slots")
		if r.code != 0 || !strings.Contains(r.stdout, "sim:                  0 connections  limit not known\n") || !strings.Contains(r.stdout, "unix:/does/not/exist  down: ") {
			t.Errorf("exit code %d, stderr %q:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "slots").want(t, 0, `{"adapter":"sim:","slots":null,"free":null,"held":[],"by":"moor"}`+"\n", "")
	})
}
