package cli

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	inAir(t, "count", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "notify", belt, "2a37", "--count", "3")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.code != 0 || r.stderr != "" || len(lines) != 3 || !strings.HasSuffix(lines[0], " beats/min") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "duration", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--json", "notify", belt, "2a37", "--duration", "10s")
		if n := strings.Count(r.stdout, `"uuid":"2a37","name":"Heart Rate Measurement"`); r.code != 0 || r.stderr != "" || n < 9 || n > 10 {
			t.Errorf("exit code %d, stderr %q, %d values:\n%s", r.code, r.stderr, n, r.stdout)
		}
	})
	inAir(t, "Ctrl-C", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := moor(ctx, "-a", "sim:", "notify", belt, "2a37")
		if r.code != 0 || r.stderr != "" || r.took > 6*time.Second {
			t.Errorf("exit code %d after %v, stderr %q", r.code, r.took, r.stderr)
		}
	})
}
