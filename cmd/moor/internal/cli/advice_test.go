package cli

import (
	"context"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// box is a device with a characteristic that refuses every write, with the written
// octet as the error code.
func box(t *testing.T) *sim.PeripheralConfig {
	t.Helper()
	address, err := hci.ParseAddr(lock)
	if err != nil {
		t.Fatal(err)
	}
	return &sim.PeripheralConfig{Name: "Box", Address: address, Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x1815), Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A56), Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse,
			Write: func(_ context.Context, w *gatt.WriteRequest) error { return att.Code(w.Value[0]) },
		}},
	}}}
}

// TestCodeAdvice has the remedy of each ATT error code.
func TestCodeAdvice(t *testing.T) {
	for _, c := range []struct {
		code att.Code
		want string
	}{
		{att.CodeInvalidHandle, "the device has no attribute there: see moor services"},
		{att.CodeWriteNotPermitted, "it cannot be written; moor services shows what each characteristic takes"},
		{att.CodeInsufficientAuthentication, "the device requires an encrypted link: pair with it first (moor pair), or add --pair"},
		{att.CodeEncryptionKeySizeTooShort, "the device requires an encrypted link: pair with it first (moor pair), or add --pair"},
		{att.CodeInsufficientAuthorization, "the device requires its user to allow this"},
		{att.CodeInvalidAttributeValueLength, "the value has the wrong length for this attribute"},
		{att.CodeValueNotAllowed, "the device does not take this value"},
		{att.CodeOutOfRange, "the device does not take this value"},
		{att.CodeRequestNotSupported, "the device does not know this kind of request"},
		{att.CodeInsufficientResources, "the device is short of memory: try again, or with a shorter value"},
		{att.CodeCCCDImproperlyConfigured, "subscribe to it first: see moor notify"},
		{att.CodeProcedureAlreadyInProgress, "the device is busy with the same procedure: try again later"},
		{att.Code(0x80), "the service defines the meaning of this code: see its specification"},
		{att.CodeUnlikelyError, ""},
	} {
		inAir(t, c.code.String(), func(t *testing.T) {
			var out printed
			r := newRoomWith(t, 1, box(t))
			exit := r.run(t.Context(), &out, "write", lock, "2a56", fmt.Sprintf("%02x", uint8(c.code)))
			want := fmt.Sprintf("moor: write handle 0x0012, 2a56: write request of handle 0x0012: %s (0x%02x)\n", c.code.String(), uint8(c.code))
			if c.want != "" {
				want += "      " + c.want + "\n"
			}
			result{exit, out.stdout.String(), out.stderr.String(), 0}.want(t, 1, "", want)
		})
	}
}
