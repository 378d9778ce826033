package gatt_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// TestDiscoveryKeepsWhatItHasRead: a peer that refuses the end of the table, or a
// range without attributes, with any code leaves the table that was read before.
func TestDiscoveryKeepsWhatItHasRead(t *testing.T) {
	for _, code := range []string{"00", "01", "06", "0e", "80"} {
		t.Run(code, bubble(func(t *testing.T) {
			var log bytes.Buffer
			c, ch := clientOf(t, nil, &gatt.ClientConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			var p *gatt.Profile
			wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
				p, err = c.Discover(ctx)
				return err
			},
				"10 0100 ffff 0028", "11 06 0100 0500 0018 0600 1400 e0ff",
				"10 1500 ffff 0028", "01 10 0000 "+code,
				"08 0200 1400 0328", "09 07 0300 02 0400 002a 0700 10 0900 e1ff",
				"08 0800 1400 0328", "01 08 0800 "+code,
				"04 0800 1400", "01 04 0800 "+code, // the value may be at 9 as declared
				"04 0500 0500", "01 04 0500 "+code,
				"04 0a00 1400", "01 04 0a00 "+code,
				"08 0200 0200 0228", "01 08 0200 "+code,
			))
			want := &gatt.Profile{Services: []gatt.Service{
				{UUID: u16(0x1800), Handle: 1, End: 5, Primary: true, Characteristics: []gatt.Characteristic{
					{UUID: u16(0x2A00), Handle: 3, Value: 4, End: 5, Properties: propR},
				}},
				{UUID: u16(0xFFE0), Handle: 6, End: 20, Primary: true, Characteristics: []gatt.Characteristic{
					{UUID: u16(0xFFE1), Handle: 7, Value: 9, End: 20, Properties: propN},
				}},
			}}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Error(diff)
			}
			// Other codes than these do not mean that there is nothing left.
			why := c.Incomplete()
			if ends := slices.Contains([]string{"00", "01", "06"}, code); ends != (why == nil) {
				t.Errorf("incomplete: %v", why)
			}
			if why != nil {
				wantIs(t, why, att.Code(atttest.Hex(t, code)[0]))
			}
			c.SetProfile(p)
			wantNoError(t, c.Incomplete())
			for _, step := range []string{"primary services", "characteristics", "descriptors", "included services"} {
				if !strings.Contains(log.String(), "discovery of "+step) {
					t.Errorf("the log does not name the refused %s: %s", step, log.String())
				}
			}
		}))
	}
}

// TestRefusedNeighborsAreAskedOneByOne: a peer that refuses one range for its end
// does not hide the descriptors of the other characteristics in it.
func TestRefusedNeighborsAreAskedOneByOne(t *testing.T) {
	bubble(testRefusedNeighborsAreAskedOneByOne)(t)
}

func testRefusedNeighborsAreAskedOneByOne(t *testing.T) {
	c, ch := newClient(t)
	var p *gatt.Profile
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		p, err = c.Discover(ctx)
		return err
	},
		"10 0100 ffff 0028", "11 06 0100 ffff e0ff",
		"08 0200 ffff 0328", "09 07 0200 10 0300 e1ff 0500 10 0600 e2ff 0800 02 0900 e3ff",
		"08 0a00 ffff 0328", "01 08 0a00 0a",
		"04 0400 0700", "01 04 0400 01",
		"04 0400 0400", "05 01 0400 0229",
		"04 0700 0700", "05 01 0700 0129",
		"04 0a00 ffff", "01 04 0a00 01",
	))
	var got []gatt.Descriptor
	for _, chr := range p.Services[0].Characteristics {
		got = append(got, chr.Descriptors...)
	}
	if diff := cmp.Diff([]gatt.Descriptor{{UUID: u16(0x2902), Handle: 4}, {UUID: u16(0x2901), Handle: 7}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestDiscoveryFailsForSecurity: pairing is the remedy, so that an incomplete table must
// not hide the refusal.
func TestDiscoveryFailsForSecurity(t *testing.T) { bubble(testDiscoveryFailsForSecurity)(t) }

func testDiscoveryFailsForSecurity(t *testing.T) {
	c, ch := newClient(t)
	err := script(t, ch, func(ctx context.Context) error { _, err := c.Discover(ctx); return err },
		"10 0100 ffff 0028", "11 06 0100 ffff e0ff",
		"08 0200 ffff 0328", "01 08 0200 05",
	)
	wantIs(t, err, att.CodeInsufficientAuthentication)
}
