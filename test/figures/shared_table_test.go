//go:build figures

package figures

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/sim"
)

// TestSharedTable measures all settings of docs/performance.md.
func TestSharedTable(t *testing.T) {
	for _, d := range []direction{writes, notifications} {
		for _, n := range [][2]int{{2, 8}, {2, 32}, {4, 32}, {8, 32}, {4, 8}, {8, 8}} {
			for how := sim.CompletedPromptly; how <= sim.CompletedAtEventEnd; how++ {
				for _, value := range []int{payload, 20} {
					for _, interval := range []time.Duration{interval, 30 * time.Millisecond, 50 * time.Millisecond} {
						s := setting{n[0], n[1], interval, value, how}
						if how == sim.CompletedPromptly || s.isScarce() {
							d.checkShared(t, s)
						}
					}
				}
			}
		}
	}
}
