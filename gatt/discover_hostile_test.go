package gatt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
)

// TestHostileDiscovery: discovery ends for any answer of the peer, with an error
// that names the step, and the link stays usable.
func TestHostileDiscovery(t *testing.T) {
	service := "11 06 0100 0900 0018"
	noServices := "01 10 0a00 0a"
	three := "09 07 0200 02 0300 002a 0400 02 0500 012a 0600 02 0700 022a" // fills the MTU
	for _, test := range []struct {
		name    string
		answers []string // to the requests in turn
		what    string
	}{
		{"service ends before it starts", []string{"11 06 0500 0400 0018"}, "primary services"},
		{"services do not rise", []string{"11 06 0500 0600 0018 0300 0400 0118"}, "primary services"},
		{"services overlap", []string{"11 06 0100 0600 0018 0300 0900 0118"}, "primary services"},
		{"the same service again", []string{service, service}, "primary services"},
		{"handle zero", []string{"11 06 0000 0100 0018"}, "primary services"},
		{"entry size zero", []string{"11 00 0100 0900 0018"}, "primary services"},
		{"entry size three", []string{"11 03 010009"}, "primary services"},
		{"entries of mixed length", []string{"11 06 0100 0900 0018 0a00 0b00 01"}, "primary services"},
		{"no entries", []string{"11 06"}, "primary services"},
		{"UUID of three octets", []string{"11 07 0100 0900 001800"}, "primary services"},
		{"error", []string{"01 10 0100 0e"}, "primary services"},
		{"characteristic before the range", []string{service, noServices, "09 07 0100 02 0200 002a"}, "characteristics"},
		{"characteristic behind the range", []string{service, noServices, "09 07 0a00 02 0b00 002a"}, "characteristics"},
		{"characteristic again", []string{service, noServices, three, three}, "characteristics"},
		{"characteristic without UUID", []string{service, noServices, "09 05 0200 02 0300"}, "characteristics"},
		{"declaration cut off", []string{service, noServices, "09 03 0200 02"}, "characteristics"},
		{"descriptors go back", []string{service, noServices, "09 07 0200 10 0300 002a", "05 01 0500 0129 0400 0229"}, "descriptors"},
		{"descriptor format", []string{service, noServices, "09 07 0200 10 0300 002a", "05 03 0500 0129"}, "descriptors"},
		{"include cut off", []string{service, noServices, "09 07 0400 10 0500 002a", "01 04 0600 0a", "09 05 0200 0400 05"}, "included services"},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			c, ch := newClient(t)
			done := call(func() error {
				_, err := c.Discover(t.Context())
				return err
			})
			for _, a := range test.answers {
				pending(t, done)
				ch.Receive(a)
			}
			var de *gatt.DiscoveryError
			if err := returned(t, done); !errors.As(err, &de) || de.What != test.what {
				t.Fatalf("error %v, want one about %s", err, test.what)
			}
			ch.Skip(len(test.answers))
			err := script(t, ch, func(ctx context.Context) error { return c.WriteHandle(ctx, 3, nil) }, "12 0300", "13")
			wantNoError(t, err)
		}))
	}
}

// TestBadCharacteristicsAreLeftOut: the valid ones beside them are usable.
func TestBadCharacteristicsAreLeftOut(t *testing.T) {
	bubble(testBadCharacteristicsAreLeftOut)(t)
}

func testBadCharacteristicsAreLeftOut(t *testing.T) {
	c, ch := newClient(t)
	var p *gatt.Profile
	err := script(t, ch, func(ctx context.Context) (err error) {
		p, err = c.Discover(ctx)
		return err
	},
		"10 0100 ffff 0028", "11 06 0100 1400 0018 1e00 2800 0118",
		"10 2900 ffff 0028", "01 10 2900 0a",
		"10 0100 ffff 0128", "01 10 0100 0a", // handles are left between the services
		"08 0200 2800 0328", "09 07"+
			" 0200 02 0300 002a"+
			" 0400 02 0400 012a"+ // its value is its declaration
			" 0500 02 0800 022a", // its value is behind the next declaration
		"08 0600 2800 0328", "09 07"+
			" 0600 02 0700 032a"+
			" 0900 02 2000 042a"+ // its value is said to be in another service
			" 1600 02 1700 052a", // in no service
		"08 1f00 2800 0328", "01 08 1f00 0a",
		"04 0a00 1400", "05 01 0a00 042a", // and is where it belongs
		"04 0800 0800", "01 04 0800 0a",
		"04 0b00 1400", "01 04 0b00 0a",
		"08 1f00 2800 0228", "01 08 1f00 0a",
	)
	wantNoError(t, err)
	want := &gatt.Profile{Services: []gatt.Service{
		{UUID: u16(0x1800), Handle: 1, End: 0x14, Primary: true, Characteristics: []gatt.Characteristic{
			{UUID: u16(0x2A00), Handle: 2, Value: 3, End: 3, Properties: propR},
			{UUID: u16(0x2A03), Handle: 6, Value: 7, End: 8, Properties: propR},
			{UUID: u16(0x2A04), Handle: 9, Value: 0x0A, End: 0x14, Properties: propR},
		}},
		{UUID: u16(0x1801), Handle: 0x1E, End: 0x28, Primary: true},
	}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func TestDeclarationAmongDescriptors(t *testing.T) { bubble(testDeclarationAmongDescriptors)(t) }

// A peer hides a characteristic in the middle of the table from its list: it is
// left out, and nothing is found twice.
func testDeclarationAmongDescriptors(t *testing.T) {
	c, ch := newClient(t)
	var p *gatt.Profile
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		p, err = c.Discover(ctx)
		return err
	},
		"10 0100 ffff 0028", "11 06 0100 ffff 0018",
		"08 0200 ffff 0328", "09 07 0200 02 0300 002a 0800 02 0900 012a feff 02 ffff 022a",
		"04 0400 0700", "05 01 0400 0129 0500 0328 0600 032a 0700 0429",
		"04 0a00 fdff", "01 04 0a00 0a",
	))
	want := []gatt.Characteristic{
		{UUID: u16(0x2A00), Handle: 2, Value: 3, End: 7, Properties: propR, Descriptors: []gatt.Descriptor{
			{UUID: u16(0x2901), Handle: 4}, {UUID: u16(0x2A03), Handle: 6}, {UUID: u16(0x2904), Handle: 7},
		}},
		{UUID: u16(0x2A01), Handle: 8, Value: 9, End: 0xFFFD, Properties: propR},
		{UUID: u16(0x2A02), Handle: 0xFFFE, Value: 0xFFFF, End: 0xFFFF, Properties: propR},
	}
	if diff := cmp.Diff(want, p.Services[0].Characteristics); diff != "" {
		t.Error(diff)
	}
	// The same behind the last request.
	wantNoError(t, script(t, ch, func(ctx context.Context) (err error) {
		p, err = c.Rediscover(ctx)
		return err
	},
		"10 0100 ffff 0028", "11 06 0100 ffff 0018",
		"08 0200 ffff 0328", "09 07 0200 02 0300 002a feff 02 ffff 022a",
		"04 0400 fdff", "05 01 0400 0129 0500 0328",
		"04 0600 fdff", "01 04 0600 0a",
	))
	if n := len(p.Services[0].Characteristics); n != 2 {
		t.Errorf("%d characteristics, want 2", n)
	}
}

func TestAttributeLimit(t *testing.T) { bubble(testAttributeLimit)(t) }

func testAttributeLimit(t *testing.T) {
	p := newPeer(referenceTable(), 247)
	c, _ := p.start(t, &gatt.ClientConfig{MaxAttributes: 20})
	_, err := c.Discover(t.Context())
	wantIs(t, err, gatt.ErrTooManyAttributes)
	p2 := newPeer(referenceTable(), 247)
	c, _ = p2.start(t, &gatt.ClientConfig{MaxAttributes: 28})
	_, err = c.Discover(t.Context())
	wantNoError(t, err)
}

func TestDiscoveryTimeout(t *testing.T) { bubble(testDiscoveryTimeout)(t) }

// A peer answers slowly, with one handle at a time, for ever.
func testDiscoveryTimeout(t *testing.T) {
	c, ch := newClient(t)
	began := time.Now()
	done := call(func() error {
		_, err := c.Discover(t.Context())
		return err
	})
	for h := range 119 {
		time.Sleep(time.Second)
		ch.Receive(fmt.Sprintf("11 06 %02x00 %02x00 0018", h+1, h+1))
		pending(t, done)
	}
	wantIs(t, <-done, gatt.ErrDiscoveryTimeout)
	if d := time.Since(began); d != 2*time.Minute {
		t.Errorf("ended after %v, want 2m", d)
	}
}

func TestCancelDiscovery(t *testing.T) { bubble(testCancelDiscovery)(t) }

func testCancelDiscovery(t *testing.T) {
	c, ch := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := call(func() error { _, err := c.Discover(ctx); return err })
	second := call(func() error { _, err := c.Discover(t.Context()); return err })
	ch.Want("10 0100 ffff 0028")
	ch.WantIdle() // one discovery at a time
	cancel()
	wantIs(t, returned(t, first), context.Canceled)
	ch.Receive("01 10 0100 0a") // the answer to what was canceled
	ch.Want("10 0100 ffff 0028")
	ch.Receive("01 10 0100 0a")
	wantNoError(t, returned(t, second))
}
