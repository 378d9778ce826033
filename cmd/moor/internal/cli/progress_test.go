package cli

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestNotesOnLongAttempts: a terminal gets a note about an attempt of over a second.
func TestNotesOnLongAttempts(t *testing.T) {
	for _, c := range []struct {
		name, scenario, flag string
		terminal             bool
		want                 string // in stderr, at 1.5 s
	}{
		{"off", "sim:empty", "--json=false", true, "connecting to C0:FF:EE:00:00:02\n"},
		{"off, not on a terminal", "sim:empty", "--json=false", false, ""},
		{"off, JSON", "sim:empty", "--json", true, ""},
		{"there", "sim:", "--json=false", true, ""},
		{"there, at the third dial", "sim:flaky", "--json=false", true, ""},
	} {
		inAir(t, c.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
			defer stop()
			var out printed
			env := &Env{Stdout: &out.stdout, Stderr: &out.stderr}
			if c.terminal {
				env.Terminal = func() (int, int) { return 80, 24 }
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				runChecked(ctx, []string{"-a", c.scenario, c.flag, "notify", belt, "2a37"}, env)
			}()
			time.Sleep(900 * time.Millisecond)
			before := out.stderr.String()
			time.Sleep(600 * time.Millisecond)
			after := strings.ReplaceAll(out.stderr.String(), "handle 0x001b, 2a37 (Heart Rate Measurement): subscribed, Ctrl-C ends\n", "")
			if c.scenario == "sim:empty" && before != "" || after != c.want {
				t.Errorf("after 0.9s %q, after 1.5s %q, want %q", before, after, c.want)
			}
			<-ended
		})
	}
}
