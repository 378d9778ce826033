package gatt_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// TestDeclaredValueHandleIsChecked: a value belongs right behind its declaration
// (Vol 3, Part G, 3.3). A declaration that says otherwise is believed only if the
// attribute there has the type of the characteristic.
func TestDeclaredValueHandleIsChecked(t *testing.T) {
	for _, test := range []struct {
		name     string
		declared string // of the characteristic at 3, whose service ends at 8
		steps    []string
		want     att.Handle // 0: left out
		logged   bool
	}{
		{"a gap in front of the value", "0500", []string{"04 0400 0500", "05 01 0500 e1ff"}, 5, false},
		{"the next attribute has the type", "0500", []string{"04 0400 0500", "05 01 0400 e1ff 0500 0229"}, 4, true},
		{"another attribute has the type", "0800", []string{
			"04 0400 0500", "05 01 0400 0129", "04 0500 0500", "05 01 0500 e1ff",
		}, 5, true},
		{"beyond the service", "ff00", []string{"04 0400 0500", "05 01 0400 e1ff"}, 4, true},
		{"none", "0000", []string{"04 0400 0500", "05 01 0400 e1ff"}, 4, true},
		{"no attribute has the type", "0500", []string{"04 0400 0500", "05 01 0400 0129 0500 0229"}, 0, true},
		{"no attribute has the type, and the handle is impossible", "ff00", []string{"04 0400 0500", "05 01 0400 0129 0500 0229"}, 0, true},
		{"not to be known, but possible", "0500", []string{"04 0400 0500", "01 04 0400 01"}, 5, false},
		{"not to be known and impossible", "ff00", []string{"04 0400 0500", "01 04 0400 0a"}, 4, true},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			var log bytes.Buffer
			c, ch := clientOf(t, nil, &gatt.ClientConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			var chr *gatt.Char
			steps := append([]string{
				"06 0100 ffff 0028 e0ff", "07 0200 0800",
				"06 0900 ffff 0028 e0ff", "01 06 0900 0a",
				"08 0300 0800 0328", "09 07 0300 02" + test.declared + "e1ff 0600 02 0700 e2ff",
			}, test.steps...)
			err := script(t, ch, func(ctx context.Context) (err error) {
				chr, err = c.Char(ctx, u16(0xFFE0), u16(0xFFE1))
				return err
			}, steps...)
			if test.want == 0 {
				wantIs(t, err, gatt.ErrNotFound)
			} else if wantNoError(t, err); chr.Info().Value != test.want || chr.Info().End != 5 {
				t.Errorf("value %s, end %s, want %s, 0x0005", chr.Info().Value, chr.Info().End, test.want)
			}
			if got := strings.Contains(log.String(), "value handle"); got != test.logged {
				t.Errorf("logged %v, want %v: %s", got, test.logged, log.String())
			}
			other, err := c.Char(t.Context(), u16(0xFFE0), u16(0xFFE2))
			if err != nil || other.Info().Value != 7 {
				t.Errorf("the other characteristic: %v", err)
			}
		}))
	}
}

// TestDeclaredValueHandleOfTheWholeTable: the same in a discovery of everything.
func TestDeclaredValueHandleOfTheWholeTable(t *testing.T) {
	bubble(testDeclaredValueHandleOfTheWholeTable)(t)
}

func testDeclaredValueHandleOfTheWholeTable(t *testing.T) {
	c, ch := newClient(t)
	var p *gatt.Profile
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		p, err = c.Discover(ctx)
		return err
	},
		"10 0100 ffff 0028", "11 06 0100 ffff e0ff",
		"08 0200 ffff 0328", "09 07 0200 10 0200 e1ff",
		"04 0300 ffff", "05 01 0300 e1ff 0400 0229",
		"04 0400 ffff", "05 01 0400 0229",
		"04 0500 ffff", "01 04 0500 0a",
	))
	want := []gatt.Characteristic{{
		UUID: u16(0xFFE1), Handle: 2, Value: 3, End: 0xFFFF, Properties: propN,
		Descriptors: []gatt.Descriptor{{UUID: u16(0x2902), Handle: 4}},
	}}
	if diff := cmp.Diff(want, p.Services[0].Characteristics); diff != "" {
		t.Error(diff)
	}
}
