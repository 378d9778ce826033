package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
)

func TestSignedWrite(t *testing.T) { bubble(testSignedWrite)(t) }

func testSignedWrite(t *testing.T) {
	c, ch := newClient(t)
	sig := [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	var signed []byte
	sign := func(_ context.Context, pdu []byte) ([12]byte, error) {
		signed = bytes.Clone(pdu)
		return sig, nil
	}
	wantNoError(t, c.WriteSigned(t.Context(), 3, []byte{0xAA}, sign))
	ch.Want("d2 0300 aa 0102030405060708090a0b0c")
	if !bytes.Equal(signed, []byte{0xD2, 3, 0, 0xAA}) {
		t.Errorf("signed % x, want opcode, handle and value", signed)
	}
	if _, ok := errors.AsType[*att.TooLongError](c.WriteSigned(t.Context(), 3, make([]byte, 9), sign)); !ok {
		t.Error("a value that does not fit was taken")
	}
	none := errors.New("no key")
	wantIs(t, c.WriteSigned(t.Context(), 3, nil, func(context.Context, []byte) ([12]byte, error) { return sig, none }), none)
	ch.WantIdle()
}
