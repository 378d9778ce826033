package cli

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestNotSeen(t *testing.T) {
	inAir(t, "empty air", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:empty", "read", thermometer, "2a19")
		r.want(t, 3, "", "moor: C0:FF:EE:00:00:01 was not seen on air within 10s\n"+
			"      switch it on, bring it closer, or wake it up; with /random or /public after the address, moor connects without having seen it\n")
		if r.took < findTime || r.took > findTime+time.Second {
			t.Errorf("it took %v, want the %v of the search", r.took, findTime)
		}
	})
	inAir(t, "wrong kind", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "read", thermometer+"/public", "2a19")
		if r.code != 3 || !strings.Contains(r.stderr, "the peer was not heard in time") || !strings.Contains(r.stderr, "/public or /random: moor scan shows it") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	inAir(t, "interrupted", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r := moor(ctx, "-a", "sim:empty", "read", thermometer, "2a19")
		r.want(t, 1, "", "moor: interrupted\n")
		if r.took > 4*time.Second {
			t.Errorf("it took %v after being interrupted at 3s", r.took)
		}
	})
}

func TestFailsToEstablishTwice(t *testing.T) {
	inAir(t, "flaky", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:flaky", "read", belt, "2a38").want(t, 0, "01  chest\n", "")
	})
}
