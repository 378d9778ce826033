package gatt_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// changedTable is a peer with Service Changed at 0x0003 and a value at 0x0012.
var changedTable = &gatt.Profile{Services: []gatt.Service{
	{UUID: gatt.UUID16(0x1801), Handle: 1, End: 4, Primary: true, Characteristics: []gatt.Characteristic{
		{UUID: gatt.UUID16(0x2A05), Handle: 2, Value: 3, End: 4, Properties: gatt.PropIndicate},
	}},
	{UUID: gatt.UUID16(0x180F), Handle: 0x10, End: 0x12, Primary: true, Characteristics: []gatt.Characteristic{
		{UUID: gatt.UUID16(0x2A19), Handle: 0x11, Value: 0x12, End: 0x12, Properties: gatt.PropRead},
	}},
}}

// Requests for a handle at which the peer has indicated a change are not sent until the
// table is known again. Those for other handles are.
func TestHandleOfAChangedTable(t *testing.T) { synctest.Test(t, testHandleOfAChangedTable) }

func testHandleOfAChangedTable(t *testing.T) {
	c, ch := clientOf(t, nil, nil)
	calls := map[string]func(h att.Handle) error{
		"read":          func(h att.Handle) error { _, err := c.ReadHandle(t.Context(), h); return err },
		"read long":     func(h att.Handle) error { _, err := c.ReadLong(t.Context(), h); return err },
		"read multiple": func(h att.Handle) error { _, err := c.ReadMultiple(t.Context(), 1, h); return err },
		"write":         func(h att.Handle) error { return c.WriteHandle(t.Context(), h, []byte{1}) },
		"write long":    func(h att.Handle) error { return c.WriteLong(t.Context(), h, []byte{1}) },
		"command":       func(h att.Handle) error { return c.WriteNoResponse(t.Context(), h, []byte{1}) },
	}
	c.SetProfile(changedTable)
	ch.Receive("1d 0300 1000 1200")
	ch.Want("1e")
	for name, call := range calls {
		if err := call(0x12); !errors.Is(err, gatt.ErrStale) {
			t.Errorf("%s: %v, want ErrStale", name, err)
		}
	}
	ch.WantIdle()
	done := make(chan error, 1)
	go func() { done <- calls["read"](2) }()
	ch.Want("0a 0200")
	ch.Receive("0b 55")
	if err := <-done; err != nil {
		t.Errorf("a handle that has not changed: %v", err)
	}
	c.SetProfile(changedTable)
	go func() { done <- calls["read"](0x12) }()
	ch.Want("0a 1200")
	// The table changes during the request: the value may be that of another attribute.
	ch.Receive("1d 0300 1000 1200", "0b 55")
	if err := <-done; !errors.Is(err, gatt.ErrStale) {
		t.Errorf("the table changed during the read: %v, want ErrStale", err)
	}
}

// The handler of changes is called before the peer gets its confirmation, and at once for
// a change that came before.
func TestHandleChanges(t *testing.T) { synctest.Test(t, testHandleChanges) }

func testHandleChanges(t *testing.T) {
	var seen []string
	c, ch := clientOf(t, func(pdu []byte) [][]byte {
		if pdu[0] == byte(att.OpHandleValueConfirmation) {
			seen = append(seen, "confirmed")
		}
		return nil
	}, nil)
	c.ExpectServiceChanged(3)
	ch.Receive("1d 0300 1000 1200")
	c.HandleChanges(func(bool) { seen = append(seen, "change") })
	ch.Receive("1d 0300 0100 ffff")
	if want := []string{"confirmed", "change", "change", "confirmed"}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}
