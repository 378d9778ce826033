package gatt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

func TestCharAsksForWhatIsNeeded(t *testing.T) { bubble(testCharAsksForWhatIsNeeded)(t) }

func testCharAsksForWhatIsNeeded(t *testing.T) {
	c, ch := newClient(t)
	var chr *gatt.Char
	err := script(t, ch, func(ctx context.Context) (err error) {
		chr, err = c.Char(ctx, u16(0x180F), u16(0x2A19))
		return err
	},
		"06 0100 ffff 0028 0f18", "07 2000 2400",
		"06 2500 ffff 0028 0f18", "01 06 2500 0a",
		"08 2100 2400 0328", "09 07 2100 12 2200 192a",
		"08 2300 2400 0328", "01 08 2300 0a",
	)
	wantNoError(t, err)
	if chr.UUID() != u16(0x2A19) || chr.Service() != u16(0x180F) || chr.Properties() != propRN {
		t.Errorf("%+v", chr.Info())
	}
	// Known by now.
	wantNoError(t, script(t, ch, func(ctx context.Context) error {
		_, err := c.Char(ctx, u16(0x180F), u16(0x2A19))
		return err
	}))
	err = script(t, ch, func(ctx context.Context) error {
		_, err := c.Char(ctx, u16(0x180F), u16(0x2A20))
		return err
	})
	wantIs(t, err, gatt.ErrNotFound)
	var ds []gatt.Descriptor
	for range 2 {
		asks := []string{"04 2300 2400", "05 01 2300 0229 2400 0429"}
		if ds != nil {
			asks = nil
		}
		wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
			ds, err = chr.Descriptors(ctx)
			return err
		}, asks...))
		if diff := cmp.Diff([]gatt.Descriptor{{UUID: u16(0x2902), Handle: 0x23}, {UUID: u16(0x2904), Handle: 0x24}}, ds); diff != "" {
			t.Error(diff)
		}
	}
	for range 2 { // what was not there may be now
		err = script(t, ch, func(ctx context.Context) error {
			_, err := c.Char(ctx, vendor(1), vendor(2))
			return err
		}, "06 0100 ffff 0028 9ecadc240ee5a9e093f3a3b50100406e", "01 06 0100 0a")
		wantIs(t, err, gatt.ErrNotFound)
	}
	if !strings.Contains(err.Error(), vendor(1).String()) {
		t.Errorf("%v does not name the service", err)
	}
}

func TestCharByHandle(t *testing.T) { bubble(testCharByHandle)(t) }

func testCharByHandle(t *testing.T) {
	p := newPeer(referenceTable(), 247)
	c, _ := p.start(t, nil)
	for _, h := range []att.Handle{9, 10, 11} { // declaration, value, descriptor
		ch, err := c.CharByHandle(t.Context(), h)
		wantNoError(t, err)
		if ch.UUID() != u16(0x2A05) || len(ch.Info().Descriptors) != 1 {
			t.Errorf("handle %s: %+v", h, ch.Info())
		}
	}
	if p.requests != 9 {
		t.Errorf("%d requests, want 9", p.requests)
	}
	_, err := c.CharByHandle(t.Context(), 8)
	wantIs(t, err, gatt.ErrNotFound)
}

func TestSetProfileSavesAllRequests(t *testing.T) { bubble(testSetProfileSavesAllRequests)(t) }

func testSetProfileSavesAllRequests(t *testing.T) {
	p := newPeer(referenceTable(), 23)
	c, _ := p.start(t, nil)
	cached := p.profile.Clone()
	c.SetProfile(cached)
	cached.Services[0].UUID = vendor(7)
	got, err := c.Discover(t.Context())
	wantNoError(t, err)
	if diff := cmp.Diff(&p.profile, got); diff != "" {
		t.Error(diff)
	}
	v, err := c.Read(t.Context(), u16(0x180F), u16(0x2A19))
	if err != nil || len(v) != 1 || v[0] != 77 || p.requests != 1 {
		t.Errorf("read %x, %v in %d requests", v, err, p.requests)
	}
	_, err = c.Char(t.Context(), u16(0x1234), u16(0x2A19))
	wantIs(t, err, gatt.ErrNotFound)
	if p.requests != 1 {
		t.Errorf("%d requests", p.requests)
	}
}

// TestNewTableEndsOldHandles sets and discovers tables in which a service differs from
// the one before: a Char and a Subscription of the old one must not reach the attribute
// that has its handle now. Those of services that are the same stay.
func TestNewTableEndsOldHandles(t *testing.T) {
	build := func(first gatt.Properties) *table {
		b := newTable()
		b.service(u16(0x180F)).char(u16(0x2A19), first, []byte{1}).desc(0x2902)
		b.service(u16(0x1805)).char(u16(0x2A2B), propRN, []byte{2}).desc(0x2902)
		return b
	}
	before, after := build(propRN), build(propR)
	shorter := newTable()
	shorter.service(u16(0x180F)).char(u16(0x2A19), propRN, []byte{1}).desc(0x2902)
	for _, c := range []struct {
		name             string
		renew            func(t *testing.T, c *gatt.Client)
		battery, current error
	}{
		{"set, the same", func(_ *testing.T, c *gatt.Client) { c.SetProfile(&build(propRN).profile) }, nil, nil},
		{"set, another", func(_ *testing.T, c *gatt.Client) { c.SetProfile(&after.profile) }, gatt.ErrStale, nil},
		{"set, without a service", func(_ *testing.T, c *gatt.Client) { c.SetProfile(&shorter.profile) }, nil, gatt.ErrStale},
		{"forgotten", func(_ *testing.T, c *gatt.Client) { c.SetProfile(nil) }, nil, nil},
		{"forgotten, then set, another", func(_ *testing.T, c *gatt.Client) { c.SetProfile(nil); c.SetProfile(&after.profile) }, gatt.ErrStale, nil},
		{"forgotten, discovered, another", func(t *testing.T, c *gatt.Client) {
			c.SetProfile(nil)
			_, err := c.Discover(t.Context())
			wantNoError(t, err)
		}, gatt.ErrStale, nil},
		{"discovered, another", func(t *testing.T, c *gatt.Client) {
			_, err := c.Rediscover(t.Context())
			wantNoError(t, err)
		}, gatt.ErrStale, nil},
	} {
		t.Run(c.name, bubble(func(t *testing.T) {
			p := newPeer(after, 247)
			client, _ := p.start(t, nil)
			client.SetProfile(&before.profile)
			battery, err := client.Char(t.Context(), u16(0x180F), u16(0x2A19))
			wantNoError(t, err)
			current, err := client.Char(t.Context(), u16(0x1805), u16(0x2A2B))
			wantNoError(t, err)
			c.renew(t, client)
			synctest.Wait()
			if err := battery.Check(); !errors.Is(err, c.battery) {
				t.Errorf("battery: %v, want %v", err, c.battery)
			}
			if err := current.Check(); !errors.Is(err, c.current) {
				t.Errorf("current time: %v, want %v", err, c.current)
			}
			if _, err := battery.Read(t.Context()); !errors.Is(err, c.battery) {
				t.Errorf("read: %v, want %v", err, c.battery)
			}
			// No change of the peer: whoever follows those does not discover again.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if r, err := client.ServiceChanged(ctx); err == nil {
				t.Errorf("a change of the peer's is told: %v", r)
			}
			if ch, err := client.Char(t.Context(), u16(0x180F), u16(0x2A19)); err != nil || ch.Check() != nil {
				t.Errorf("looked up anew: %v", err)
			}
		}))
	}
}

func TestNewTableEndsSubscriptions(t *testing.T) {
	bubble(func(t *testing.T) {
		c, ch := newBattery(t)
		s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
		other := battery()
		other.Services[0].Characteristics[0].UUID = u16(0x2A18)
		c.SetProfile(other)
		_, err := s.Next(t.Context())
		wantIs(t, err, gatt.ErrStale)
	})(t)
}

// TestNewTableEndsServicesDiscoveredAlone discovers a service before the whole table is
// known.
func TestNewTableEndsServicesDiscoveredAlone(t *testing.T) {
	for _, forget := range []bool{false, true} {
		bubble(func(t *testing.T) {
			p := newPeer(referenceTable(), 247)
			c, _ := p.start(t, nil)
			ch, err := c.Char(t.Context(), u16(0x180F), u16(0x2A19))
			wantNoError(t, err)
			if forget {
				c.SetProfile(nil)
			} else {
				c.SetProfile(&p.profile)
			}
			wantNoError(t, ch.Check())
			other := p.profile.Clone()
			for i := range other.Services {
				other.Services[i].End++
			}
			c.SetProfile(other)
			wantIs(t, ch.Check(), gatt.ErrStale)
		})(t)
	}
}
