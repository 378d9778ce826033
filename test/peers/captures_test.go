//go:build peers

package peers

import (
	"fmt"
	"testing"

	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestCaptures makes the captures of testdata/btsnoop that need Bumble and RootCanal.
func TestCaptures(t *testing.T) {
	t.Run("Bumble", func(t *testing.T) {
		b := startBumble(t)
		conntest.MakeCaptures(t, moortest.New(t, "--adapter", adapter(b.Plain)), replay.MadeByBumble)
	})
	t.Run("RootCanal", func(t *testing.T) {
		c := startCanal(t)
		startBumble(t, fmt.Sprint(c.Extended), "extended")
		m := moortest.New(t, "--adapter", adapter(c.Extended))
		m.Ready = c.ready(1)
		conntest.MakeCaptures(t, m, replay.MadeByRootCanal)
	})
}
