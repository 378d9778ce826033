//go:build kernel

package kernel

import (
	"testing"

	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/test/conntest"
)

// TestCaptures makes the captures of testdata/btsnoop that need Linux and BlueZ.
func TestCaptures(t *testing.T) {
	startAir(t)
	_, table := startPeer(t)
	conntest.MakeCaptures(t, onHCI0(t, table.ready), replay.MadeByKernel)
}
