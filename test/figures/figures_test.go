// Package figures measures the whole system and checks the promises of
// docs/performance.md: throughput and fairness on the simulated air, memory of idle
// links, size and memory of the binary. It prints every figure in the format of Go
// benchmarks, for benchstat.
package figures

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(serveEnv); path != "" {
		serve(path)
	}
	if path := os.Getenv(throngEnv); path != "" {
		serveThrong(path)
	}
	if os.Getenv(burnEnv) != "" {
		for { //nolint:staticcheck // the process is there to keep a processor busy
		}
	}
	fmt.Println("pkg: github.com/moor-ble/moor/test/figures") // the format's, for benchstat
	goleak.VerifyTestMain(m)
}

// burnEnv makes the test binary a process that never rests.
const burnEnv = "MOOR_FIGURES_BURN"

// figure prints a measured value and fails the test unless it is within the bounds.
func figure(t *testing.T, name string, value, least, most float64, unit string) {
	t.Helper()
	digits := 1
	if value >= 10_000 {
		digits = 0
	}
	fmt.Printf("BenchmarkFigure/%s 1 %.*f %s\n", name, digits, value, unit)
	if value < least || value > most {
		t.Errorf("%s: %.5g %s, want from %g to %g", name, value, unit, least, most)
	}
}
