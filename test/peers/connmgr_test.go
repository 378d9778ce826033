//go:build peers

package peers

import (
	"encoding/hex"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/test/conntest"
)

// TestManagerBumble runs the connection manager in this process.
func TestManagerBumble(t *testing.T) {
	b := startBumble(t)
	p := &conntest.Peer{
		Address: address + "/" + kind,
		Service: conntest.UUID(t, custom(1)), Scratch: conntest.UUID(t, custom(2)), Values: conntest.UUID(t, custom(3)),
		Initial: []byte{1, 2, 3, 4},
		Restart: b.change, Change: b.change,
	}
	conntest.Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Plain)).Run(t, p)

	t.Run("a controller that answers no connection update", func(t *testing.T) {
		m := conntest.Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Silent))
		ctx := conntest.Within(t)
		begin := time.Now()
		c, err := m.Establish(ctx, p.Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("ready only after %v", took)
		}
		b.await(t, "unanswered", func(event) bool { return true })
		if v, err := c.Read(ctx, p.Service, p.Scratch); err != nil || hex.EncodeToString(v) != "01020304" {
			t.Errorf("read % x, %v", v, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a controller that goes away and comes back", func(t *testing.T) {
		m := conntest.Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Plain))
		ctx := conntest.Within(t)
		ended := make(chan error, 1)
		c, err := m.Establish(ctx, p.Address, &connmgr.Options{
			Disconnected: func(_ *connmgr.Client, err error) { ended <- err },
		})
		if err != nil {
			t.Fatal(err)
		}
		b.hangUp(t)
		select {
		case err := <-ended:
			t.Logf("ended: %v", err)
		case <-ctx.Done():
			t.Fatal("the end of the adapter was not the end of the link")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if c, err = m.Establish(ctx, p.Address, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(ctx, p.Service, p.Scratch); err != nil || !c.Cached() {
			t.Errorf("read: %v, cached: %v", err, c.Cached())
		}
	})
}

// change moves the handles of the peer's services.
func (b *bumble) change(t *testing.T) {
	t.Helper()
	before := b.count("changed")
	if _, err := io.WriteString(b.in, "change\n"); err != nil {
		t.Fatal(err)
	}
	b.await(t, "changed", func(event) bool { return b.count("changed") > before })
}
