package demo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/uuid"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(out *bytes.Buffer) *Config {
	return &Config{
		Out: out,
		Tree: func(p *gatt.Profile) (lines []string) {
			for _, s := range p.Services {
				lines = append(lines, s.UUID.String())
			}
			return lines
		},
		Value: func(_ uuid.UUID, b []byte) string { return hex.EncodeToString(b) },
	}
}

// TestStory compares the whole output with the golden file. After -update, read the
// difference.
func TestStory(t *testing.T) {
	const golden = "testdata/story.txt"
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		start := time.Now()
		if err := Run(t.Context(), config(&out)); err != nil {
			t.Fatalf("%v after:\n%s", err, out.String())
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it takes %v, too long to watch", took)
		}
		for line := range strings.Lines(out.String()) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > columns {
				t.Errorf("%q is longer than %d columns", line, columns)
			}
		}
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != string(want) {
			t.Errorf("the story differs from %s:\n%s", golden, out.String())
		}
	})
}

func TestInterrupted(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 500 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			var out bytes.Buffer
			start := time.Now()
			if err := Run(ctx, config(&out)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("interrupted after %v: error %v", after, err)
			}
			if took := time.Since(start); took > after+5*time.Second {
				t.Errorf("interrupted after %v, it ended after %v", after, took)
			}
		})
	}
}
