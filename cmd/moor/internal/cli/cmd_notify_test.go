package cli

import (
	"context"
	"strings"
	"testing"
	"time"
)

const subscribed = "handle 0x001b, 2a37 (Heart Rate Measurement): subscribed, Ctrl-C ends\n"

func TestNotify(t *testing.T) {
	inAir(t, "count", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "notify", belt, "2a37", "--count", "3")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.code != 0 || r.stderr != subscribed || len(lines) != 3 || !strings.HasSuffix(lines[0], " beats/min") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "duration", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--json", "notify", belt, "2a37", "--duration", "10s")
		first, values, _ := strings.Cut(r.stdout, "\n")
		if !strings.HasSuffix(first, `,"event":"subscribed","address":"`+belt+`","handle":27,"uuid":"2a37","name":"Heart Rate Measurement"}`) {
			t.Errorf("the first line is %s", first)
		}
		if n := strings.Count(values, `"event":"value","address":"`+belt+`","handle":27,"uuid":"2a37","name":"Heart Rate Measurement",`); r.code != 0 || r.stderr != "" || n < 9 || n > 10 {
			t.Errorf("exit code %d, stderr %q, %d values:\n%s", r.code, r.stderr, n, r.stdout)
		}
	})
	inAir(t, "Ctrl-C", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := moor(ctx, "-a", "sim:", "notify", belt, "2a37")
		if r.code != 0 || r.stderr != subscribed || r.took > 6*time.Second {
			t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
		}
	})
}
