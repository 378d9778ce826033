package gatt_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
)

// TestOnlyDescriptorIsAskedFor: a single handle behind a value that notifies may
// be any descriptor. It has the type that the peer gives it, and only a Client
// Characteristic Configuration is written.
func TestOnlyDescriptorIsAskedFor(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		typ          uint16
	}{
		{"user description", "05 01 0a00 0129", 0x2901},
		{"presentation format", "05 01 0a00 0429", 0x2904},
		{"a type with its octets swapped", "05 01 0a00 2902", 0x0229},
		{"configuration", "05 01 0a00 0229", 0x2902},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			var p *gatt.Profile
			wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
				p, err = c.Discover(ctx)
				return err
			},
				"10 0100 ffff 0028", "11 06 0100 0a00 e0ff",
				"10 0b00 ffff 0028", "01 10 0b00 0a",
				"08 0200 0a00 0328", "09 07 0800 12 0900 e1ff",
				"04 0a00 0a00", test.answer,
				"08 0200 0700 0228", "01 08 0200 0a",
			))
			want := []gatt.Descriptor{{UUID: u16(test.typ), Handle: 10}}
			if diff := cmp.Diff(want, p.Services[0].Characteristics[0].Descriptors); diff != "" {
				t.Error(diff)
			}
			chr, err := c.Char(t.Context(), u16(0xFFE0), u16(0xFFE1))
			wantNoError(t, err)
			steps := []string{}
			if test.typ == 0x2902 {
				steps = []string{"12 0a00 0100", "13"}
			}
			err = script(t, ch, func(ctx context.Context) error {
				_, err := chr.Subscribe(ctx, nil)
				return err
			}, steps...)
			if test.typ == 0x2902 {
				wantNoError(t, err)
			} else {
				wantIs(t, err, gatt.ErrNoCCCD)
			}
		}))
	}
}
