package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// slowReader is a user who answers after a time, or never.
type slowReader struct {
	after  time.Duration
	answer string
	ctx    context.Context
}

func (s slowReader) Read(b []byte) (int, error) {
	select {
	case <-time.After(s.after):
		return copy(b, s.answer), nil
	case <-s.ctx.Done():
		return 0, io.EOF
	}
}

// TestPromptHasItsLine asks for a passkey for a long time: the question ends its line, and
// no other text is on it.
func TestPromptHasItsLine(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		last         string // of standard error: the beginning of a line
	}{
		{"wrong passkey", "999999\n", "      the passkeys were not the same"},
		{"no answer", "", "moor: C0:FF:EE:00:00:02: not paired after "},
	} {
		inAir(t, c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			after := 10 * time.Second
			if c.answer == "" {
				after = time.Hour
			}
			var out printed
			runChecked(ctx, []string{"-a", "sim:", "--state", t.TempDir(), "pair", belt}, &Env{
				Stdin: slowReader{after, c.answer, ctx}, Stdout: &out.stdout, Stderr: &out.stderr,
				Terminal: func() (int, int) { return 500, 24 },
			})
			said := out.stderr.String()
			if !strings.Contains(said, "\nType the six digits that "+belt+" shows: \n") || strings.Contains(said, "connecting to") || !strings.Contains(said, "\n"+c.last) {
				t.Errorf("stderr:\n%s", said)
			}
		})
	}
}
