package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// octets returns n octets as hexadecimal digits.
func octets(n int) string { return strings.Repeat("5a", n) }

// TestLongRead: a value ends with an answer that is shorter than possible, or
// with one of the errors that peers in the field send there.
func TestLongRead(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []string // at MTU 23: to the read and the blobs at 22, 44, ...
		want    int
	}{
		{"empty", []string{"0b"}, 0},
		{"short", []string{"0b" + octets(21)}, 21},
		{"exactly MTU-1, attribute not long", []string{"0b" + octets(22), "01 0c 0300 0b"}, 22},
		{"exactly MTU-1, invalid offset", []string{"0b" + octets(22), "01 0c 0300 07"}, 22},
		{"exactly MTU-1, blobs not supported", []string{"0b" + octets(22), "01 0c 0000 06"}, 22},
		{"exactly MTU-1, empty blob", []string{"0b" + octets(22), "0d"}, 22},
		{"short blob", []string{"0b" + octets(22), "0d" + octets(1)}, 23},
		{"full blob, then none", []string{"0b" + octets(22), "0d" + octets(22), "01 0c 0300 07"}, 44},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			var v []byte
			asks := []string{"0a 0300", "0c 0300 1600", "0c 0300 2c00"}
			var steps []string
			for i, a := range test.answers {
				steps = append(steps, asks[i], a)
			}
			wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
				v, err = c.ReadLong(ctx, 3)
				return err
			}, steps...))
			if want := atttest.Hex(t, octets(test.want)); !bytes.Equal(v, want) {
				t.Errorf("read %x, want %x", v, want)
			}
		}))
	}
}

func TestLongReadFails(t *testing.T) { bubble(testLongReadFails)(t) }

// An error in the middle does not end the value.
func testLongReadFails(t *testing.T) {
	c, ch := newClient(t)
	err := script(t, ch, func(ctx context.Context) error { _, err := c.ReadLong(ctx, 3); return err },
		"0a 0300", "0b"+octets(22), "0c 0300 1600", "01 0c 0300 05")
	wantIs(t, err, att.CodeInsufficientAuthentication)
}

func TestLongReadOfEveryLength(t *testing.T) { bubble(testLongReadOfEveryLength)(t) }

func testLongReadOfEveryLength(t *testing.T) {
	p := newPeer(newTable(), 65)
	c, _ := p.start(t, nil)
	for n := range gatt.MaxValue + 1 {
		value := bytes.Repeat([]byte{byte(n)}, n)
		p.attrs = []attribute{{handle: 3, value: value}}
		p.requests = 0
		v, err := c.ReadLong(t.Context(), 3)
		if err != nil || !bytes.Equal(v, value) {
			t.Fatalf("%d octets: read %d, %v", n, len(v), err)
		}
		want := min(n/64+1, 8)
		if n == 22 { // as a peer that goes by the default MTU would cut it off
			want++
		}
		if p.requests != want {
			t.Fatalf("%d octets: %d requests, want %d", n, p.requests, want)
		}
	}
}

func TestLongReadFlood(t *testing.T) { bubble(testLongReadFlood)(t) }

// A peer fills every blob for ever.
func testLongReadFlood(t *testing.T) {
	requests := 0
	c, _ := clientOf(t, func(pdu []byte) [][]byte {
		requests++
		op := att.Opcode(pdu[0])
		return [][]byte{append([]byte{byte(op) + 1}, make([]byte, 22)...)}
	}, nil)
	_, err := c.ReadLong(t.Context(), 3)
	wantIs(t, err, gatt.ErrValueTooLong)
	if requests != 24 { // 24 times 22 octets are the first that are above 512
		t.Errorf("%d requests, want 24", requests)
	}
}

func TestLongReadWhileTheMTUGrows(t *testing.T) { bubble(testLongReadWhileTheMTUGrows)(t) }

// The answer of 22 octets had the greatest length, although the MTU has grown
// before it is handled.
func testLongReadWhileTheMTUGrows(t *testing.T) {
	c, ch := newClient(t)
	var v []byte
	done := call(func() (err error) {
		v, err = c.ReadLong(t.Context(), 3)
		return err
	})
	ch.Want("0a 0300")
	ch.Receive("02 4000") // the peer exchanges the MTU
	ch.Want("03 0502")
	ch.Receive("0b" + octets(22))
	ch.Want("0c 0300 1600")
	ch.Receive("0d" + octets(10))
	wantNoError(t, returned(t, done))
	if len(v) != 32 {
		t.Errorf("read %d octets, want 32", len(v))
	}
}

func TestLongReadWithTwoMTUs(t *testing.T) { bubble(testLongReadWithTwoMTUs)(t) }

// Both sides ask for the MTU at once, and the peer answers less than it has asked
// for. It may go by either, so that an answer of 102 octets may be cut off.
func testLongReadWithTwoMTUs(t *testing.T) {
	c, ch := newClient(t)
	wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := c.ExchangeMTU(ctx); return err },
		"02 0502", "02 a702", "03 0502", "03 6700"))
	for _, test := range []struct {
		want  int
		steps []string
	}{
		{101, []string{"0a 0300", "0b" + octets(101)}},
		{102, []string{"0a 0300", "0b" + octets(102), "0c 0300 6600", "01 0c 0300 07"}},
		{150, []string{"0a 0300", "0b" + octets(102), "0c 0300 6600", "0d" + octets(48)}},
		{300, []string{"0a 0300", "0b" + octets(300), "0c 0300 2c01", "0d"}},
	} {
		var v []byte
		wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
			v, err = c.ReadLong(ctx, 3)
			return err
		}, test.steps...))
		if len(v) != test.want {
			t.Errorf("read %d octets, want %d", len(v), test.want)
		}
	}
}

func TestLongReadWithADefaultMTU(t *testing.T) { bubble(testLongReadWithADefaultMTU)(t) }

// A peer that has agreed to a larger MTU may still go by the default.
func testLongReadWithADefaultMTU(t *testing.T) {
	c, ch := newClient(t)
	wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := c.ExchangeMTU(ctx); return err },
		"02 0502", "03 f700"))
	for _, test := range []struct {
		want  int
		steps []string
	}{
		{21, []string{"0a 0300", "0b" + octets(21)}},
		{22, []string{"0a 0300", "0b" + octets(22), "0c 0300 1600", "01 0c 0300 07"}},
		{22, []string{"0a 0300", "0b" + octets(22), "0c 0300 1600", "01 0c 0300 0e"}},
		{50, []string{"0a 0300", "0b" + octets(22), "0c 0300 1600", "0d" + octets(22), "0c 0300 2c00", "0d" + octets(6)}},
		{268, []string{"0a 0300", "0b" + octets(246), "0c 0300 f600", "0d" + octets(22)}},
	} {
		var v []byte
		wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
			v, err = c.ReadLong(ctx, 3)
			return err
		}, test.steps...))
		if len(v) != test.want {
			t.Errorf("read %d octets, want %d", len(v), test.want)
		}
	}
}

// TestReadByUUIDIsWhole: a value that the answer may have cut off is read on.
func TestReadByUUIDIsWhole(t *testing.T) {
	for _, test := range []struct {
		name  string
		mtu   string // of the peer; "" for none
		want  []int
		steps []string
	}{
		{"fills the PDU", "", []int{19 + 22 + 1}, []string{
			"09 15 0300" + octets(19), "0c 0300 1300", "0d" + octets(22), "0c 0300 2900", "0d" + octets(1)}},
		{"fits exactly", "", []int{19}, []string{"09 15 0300" + octets(19), "0c 0300 1300", "01 0c 0300 0b"}},
		{"short", "", []int{18}, []string{"09 14 0300" + octets(18)}},
		{"of a peer that goes by 23", "f700", []int{30}, []string{"09 15 0300" + octets(19), "0c 0300 1300", "0d" + octets(11)}},
		{"two in one answer", "f700", []int{19, 19}, []string{"09 15 0300" + octets(19) + "0400" + octets(19)}},
		{"longer than an entry can tell", "0502", []int{300, 253}, []string{
			"09 ff 0300" + octets(253) + "0400" + octets(253), "0c 0300 fd00", "0d" + octets(47), "0c 0400 fd00", "01 0c 0400 07"}},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			if test.mtu != "" {
				wantNoError(t, script(t, ch, func(ctx context.Context) error { _, err := c.ExchangeMTU(ctx); return err },
					"02 0502", "03"+test.mtu))
			}
			var got []gatt.HandleValue
			wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
				got, err = c.ReadByUUID(ctx, u16(0x2A19), att.HandleRange{Start: 3, End: att.Handle(2 + len(test.want))})
				return err
			}, append([]string{fmt.Sprintf("08 0300 %02x00 192a", 2+len(test.want))}, test.steps...)...))
			var lengths []int
			for _, v := range got {
				lengths = append(lengths, len(v.Value))
			}
			if diff := cmp.Diff(test.want, lengths); diff != "" {
				t.Errorf("lengths (-want +got):\n%s", diff)
			}
		}))
	}
	t.Run("error in the rest", bubble(func(t *testing.T) {
		c, ch := newClient(t)
		err := script(t, ch, func(ctx context.Context) error {
			_, err := c.ReadByUUID(ctx, u16(0x2A19), att.HandleRange{Start: 3, End: 3})
			return err
		}, "08 0300 0300 192a", "09 15 0300"+octets(19), "0c 0300 1300", "01 0c 0300 05")
		wantIs(t, err, att.CodeInsufficientAuthentication)
	}))
}

func TestReadHandle(t *testing.T) { bubble(testReadHandle)(t) }

func testReadHandle(t *testing.T) {
	c, ch := newClient(t)
	var v []byte
	read := func(ctx context.Context) (err error) { v, err = c.ReadHandle(ctx, 3); return err }
	wantNoError(t, script(t, ch, read, "0a 0300", "0b"+octets(22)))
	if len(v) != 22 {
		t.Errorf("read %d octets", len(v))
	}
	var ae *att.Error
	if err := script(t, ch, read, "0a 0300", "01 0a 0300 02"); !errors.As(err, &ae) || ae.Code != att.CodeReadNotPermitted || ae.Handle != 3 {
		t.Errorf("error %v", err)
	}
}

func TestReadByUUID(t *testing.T) { bubble(testReadByUUID)(t) }

func testReadByUUID(t *testing.T) {
	c, ch := newClient(t)
	var got []gatt.HandleValue
	read := func(ctx context.Context) (err error) {
		got, err = c.ReadByUUID(ctx, u16(0x2A19), att.HandleRange{})
		return err
	}
	wantNoError(t, script(t, ch, read,
		"08 0100 ffff 192a", "09 03 0300 11 0500 22",
		"08 0600 ffff 192a", "09 04 0900 3344",
		"08 0a00 ffff 192a", "01 08 0a00 0a"))
	want := []gatt.HandleValue{{Handle: 3, Value: []byte{0x11}}, {Handle: 5, Value: []byte{0x22}}, {Handle: 9, Value: []byte{0x33, 0x44}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantNoError(t, script(t, ch, read, "08 0100 ffff 192a", "09 03 ffff 11"))
	err := script(t, ch, read, "08 0100 ffff 192a", "01 08 0100 0a")
	wantIs(t, err, gatt.ErrNotFound, att.CodeAttributeNotFound)
	err = script(t, ch, read, "08 0100 ffff 192a", "09 03 0300 11", "08 0400 ffff 192a", "01 08 0500 05")
	wantIs(t, err, att.CodeInsufficientAuthentication)
	if len(got) != 1 {
		t.Errorf("%v was read before the error, want one value", got)
	}
	if _, err := c.ReadByUUID(t.Context(), u16(0x2A19), att.HandleRange{Start: 5, End: 4}); err == nil || !strings.Contains(err.Error(), "0x0005-0x0004") {
		t.Errorf("error %v", err)
	}
	ch.WantIdle()
}

func TestReadMultiple(t *testing.T) { bubble(testReadMultiple)(t) }

func testReadMultiple(t *testing.T) {
	c, ch := newClient(t)
	var v []byte
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		v, err = c.ReadMultiple(ctx, 3, 5)
		return err
	}, "0e 0300 0500", "0f 112233"))
	if !bytes.Equal(v, []byte{0x11, 0x22, 0x33}) {
		t.Errorf("read %x", v)
	}
	var vs []att.VariableValue
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		vs, err = c.ReadMultipleVariable(ctx, 3, 5, 7)
		return err
	}, "20 0300 0500 0700", "21 0100 11 0400 2233"))
	if diff := cmp.Diff([]att.VariableValue{{Length: 1, Value: []byte{0x11}}, {Length: 4, Value: []byte{0x22, 0x33}}}, vs); diff != "" {
		t.Error(diff)
	}
	if _, err := c.ReadMultiple(t.Context(), 3); err == nil {
		t.Error("read multiple of one handle went out")
	}
	if _, err := c.ReadMultipleVariable(t.Context()); err == nil {
		t.Error("read multiple of no handle went out")
	}
	ch.WantIdle()
}

func TestDatabaseHash(t *testing.T) { bubble(testDatabaseHash)(t) }

func testDatabaseHash(t *testing.T) {
	c, ch := newClient(t)
	var hash [16]byte
	read := func(ctx context.Context) (err error) { hash, err = c.DatabaseHash(ctx); return err }
	wantNoError(t, script(t, ch, read, "08 0100 ffff 2a2b", "09 12 0900 000102030405060708090a0b0c0d0e0f"))
	if hash != [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} {
		t.Errorf("hash %x", hash)
	}
	wantIs(t, script(t, ch, read, "08 0100 ffff 2a2b", "01 08 0100 0a"), gatt.ErrNotFound)
	if err := script(t, ch, read, "08 0100 ffff 2a2b", "09 03 0900 00"); err == nil {
		t.Error("a hash of one octet was taken")
	}
}
