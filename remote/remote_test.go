package remote_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
)

// TestEveryOperation: what a Client does through a proxy, over Noise.
func TestEveryOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		key := esphome.NewKey()
		l.board("attic", 3, &key)
		l.device(1)
		if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:cellar"}}, &key); err == nil {
			t.Error("a proxy that does not exist was opened")
		}
		other := esphome.NewKey()
		if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:attic"}}, &other); !errors.Is(err, esphome.ErrWrongKey) {
			t.Errorf("another key: %v", err)
		}
		if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:attic"}}, nil); !errors.Is(err, esphome.ErrPeerEncrypts) {
			t.Errorf("no key: %v", err)
		}
		m, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:attic"}}, &key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Establish(within(t, 30*time.Second), addrOf(1).String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Adapter() != "esphome:attic" || !c.Proxied() {
			t.Errorf("the link is on %s", c.Adapter())
		}
		if v, err := c.Read(t.Context(), battery, level); err != nil || !bytes.Equal(v, []byte{1}) {
			t.Errorf("read %x, %v", v, err)
		}
		if v, err := c.Read(t.Context(), gatt.UUID16(0x180A), longValue); err != nil || len(v) != 400 || v[399] != 399&0xFF {
			t.Errorf("read %d octets, %v", len(v), err)
		}
		if err := c.Write(t.Context(), battery, deviceName, []byte("new")); err != nil {
			t.Error(err)
		}
		long := bytes.Repeat([]byte{7}, 500)
		if err := c.Write(t.Context(), gatt.UUID16(0x180A), longValue, long); err != nil {
			t.Error(err)
		}
		for range 100 {
			if err := c.WriteNoResponse(t.Context(), battery, deviceName, []byte("newer")); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := c.Read(t.Context(), battery, deviceName); err != nil || string(v) != "newer" {
			t.Errorf("read %q, %v", v, err)
		}
		if v, err := c.Read(t.Context(), gatt.UUID16(0x180A), longValue); err != nil || !bytes.Equal(v, long) {
			t.Errorf("read %d octets, %v", len(v), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
