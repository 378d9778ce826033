package gatt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/uuid"
)

const (
	propR  = gatt.PropRead
	propW  = gatt.PropWrite
	propN  = gatt.PropNotify
	propI  = gatt.PropIndicate
	propRN = propR | propN
)

// vendor returns a 128-bit UUID.
func vendor(n byte) gatt.UUID {
	u := uuid.MustParse("6e400000-b5a3-f393-e0a9-e50e24dcca9e")
	u[3] = n
	return u
}

func u16(v uint16) gatt.UUID { return gatt.UUID16(v) }

// referenceTable is a sensor as it is common: 5 services, 17 characteristics, 6
// descriptors, 45 handles, one 128-bit service.
func referenceTable() *table {
	b := newTable()
	b.service(u16(0x1800)).char(u16(0x2A00), propR, []byte("sensor")).char(u16(0x2A01), propR, nil).char(u16(0x2A04), propR, nil)
	b.service(u16(0x1801)).char(u16(0x2A05), propI, nil).desc(0x2902).
		char(u16(0x2B29), propR|propW, []byte{0}).char(u16(0x2B2A), propR, make([]byte, 16))
	b.service(u16(0x180A))
	for _, u := range []uint16{0x2A29, 0x2A24, 0x2A25, 0x2A26, 0x2A27, 0x2A28} {
		b.char(u16(u), propR, []byte("info"))
	}
	b.service(u16(0x180F)).char(u16(0x2A19), propRN, []byte{77}).desc(0x2902).desc(0x2904)
	b.service(vendor(1)).
		char(vendor(2), propN, nil).desc(0x2902).
		char(vendor(3), propN, nil).desc(0x2902).desc(0x2901).
		char(vendor(4), propR|propW, nil).
		char(vendor(5), propW, nil)
	return b
}

func TestReferenceTable(t *testing.T) {
	p := referenceTable()
	var services, chars, descs int
	for _, s := range p.profile.Services {
		services++
		for _, c := range s.Characteristics {
			chars++
			descs += len(c.Descriptors)
		}
	}
	if services != 5 || chars != 17 || descs != 6 || len(p.attrs) != 45 || p.attrs[44].handle != 45 {
		t.Fatalf("%d services, %d characteristics, %d descriptors, %d attributes; want 5, 17, 6, 45", services, chars, descs, len(p.attrs))
	}
}

// TestDiscoveryRoundTrips counts the requests, that for the MTU included, for
// tables of many kinds, and compares the whole result. The reference table has
// to be done in 16 at MTU 23 and in 8 at MTU 247.
func TestDiscoveryRoundTrips(t *testing.T) {
	middle := newTable()
	middle.service(u16(0x1800)).char(u16(0x2A00), propR, nil)
	middle.service(vendor(1)).char(vendor(2), propN, nil).desc(0x2902)
	middle.service(u16(0x180F)).char(u16(0x2A19), propRN, nil).desc(0x2902).end(0xFFFF)

	included := newTable()
	included.service(u16(0x1800)).include(u16(0x180F), 8, 10).include(vendor(9), 11, 13).char(u16(0x2A00), propR, nil)
	included.service(u16(0x1812)).include(u16(0x180F), 8, 10)
	included.service(u16(0x180F)).char(u16(0x2A19), propR, nil)
	included.secondary(vendor(9)).char(u16(0x2A20), propR, nil)

	gaps := newTable().gap(4)
	gaps.service(u16(0x1800)).char(u16(0x2A00), propR, nil).gap(10)
	gaps.secondary(u16(0x1801)).gap(10)
	gaps.service(u16(0x180F)).char(u16(0x2A19), propR, nil)

	crowd := newTable()
	crowd.service(u16(0x1800))
	for i := range uint16(8) {
		crowd.char(u16(0x2A00+i), propRN, nil).desc(0x2902).desc(0x2901)
	}

	odd := newTable()
	odd.service(u16(0x1800)).
		char(u16(0x2A00), propN|gatt.PropExtended, nil).desc(0x2900). // one handle, two promises
		char(u16(0x2A01), propR, nil).desc(0x2901).
		char(u16(0x2A02), propI|gatt.PropBroadcast, nil).desc(0x2903)

	// The answer with the first characteristic has room, but the next has another
	// length; that there are more shows between the descriptors.
	tail := newTable()
	tail.service(u16(0x1800)).
		char(u16(0x2A00), propRN, nil).desc(0x2902).desc(0x2901).
		char(vendor(1), propRN, nil).desc(0x2902).desc(0x2901).
		char(u16(0x2A02), propRN, nil).desc(0x2902).desc(0x2901)

	emptyServices := newTable()
	for i := range uint16(7) {
		emptyServices.service(u16(0x1800 + i))
	}

	many := newTable()
	for i := range byte(170) {
		many.service(vendor(i)).char(vendor(i), propR, nil)
	}

	for _, test := range []struct {
		name        string
		table       *table
		at23, at247 int
	}{
		{"reference", referenceTable(), 16, 8},
		// MTU; services of 16, 128 and 16 bits; characteristics the same; what is
		// behind the last one, to 0xffff: its descriptor, then nothing.
		{"128 bit in the middle, open end", middle, 9, 9},
		// MTU; primaries and none; characteristics; includes of 16, 128 and 16
		// bits; secondaries and none; their characteristics.
		{"includes and secondary", included, 10, 10},
		// MTU; primaries and none; secondaries and none; characteristics.
		{"gaps", gaps, 6, 6},
		// MTU; service and none; characteristics, three in an answer or all;
		// descriptors of one, or of all, in an answer.
		{"neighboring descriptors", crowd, 14, 5},
		// The same, with the descriptors of two or of all three in an answer.
		{"not inferred", odd, 6, 5},
		// MTU; services, three in an answer or all; none.
		{"no characteristics", emptyServices, 5, 3},
		{"hidden tail", tail, 9, 9},
		{"empty", newTable(), 2, 2},
		// MTU; services, one or 12 in an answer, and none; characteristics, one
		// or 11 in an answer.
		{"170 services", many, 1 + 170 + 1 + 170, 1 + 15 + 1 + 16},
	} {
		for mtu, most := range map[int]int{23: test.at23, 247: test.at247} {
			t.Run(fmt.Sprintf("%s/%d", test.name, mtu), bubble(func(t *testing.T) {
				p := newPeer(test.table, mtu)
				c, _ := clientOf(t, p.answer, nil)
				_, err := c.ExchangeMTU(t.Context())
				wantNoError(t, err)
				got, err := c.Discover(t.Context())
				wantNoError(t, err)
				if diff := cmp.Diff(&test.table.profile, got); diff != "" {
					t.Error(diff)
				}
				if p.requests != most {
					t.Errorf("%d requests, want %d", p.requests, most)
				}
				// The table is known now.
				again, err := c.Discover(t.Context())
				wantNoError(t, err)
				if diff := cmp.Diff(got, again); diff != "" || p.requests != most {
					t.Errorf("asked again: %d requests, %s", p.requests, diff)
				}
				// What callers do to their copy is theirs.
				if len(got.Services) > 0 {
					got.Services[0].UUID = vendor(99)
					if p, _ := c.Discover(t.Context()); p.Services[0].UUID == vendor(99) {
						t.Error("the profile is shared")
					}
				}
			}))
		}
	}
}

func TestRediscoverGivesNoDuplicates(t *testing.T) { bubble(testRediscoverGivesNoDuplicates)(t) }

func testRediscoverGivesNoDuplicates(t *testing.T) {
	p := newPeer(referenceTable(), 247)
	c, _ := p.start(t, nil)
	_, err := c.Char(t.Context(), u16(0x180F), u16(0x2A19)) // a part first
	wantNoError(t, err)
	for range 3 {
		before := p.requests
		got, err := c.Rediscover(t.Context())
		wantNoError(t, err)
		if diff := cmp.Diff(&p.profile, got); diff != "" {
			t.Fatal(diff)
		}
		if p.requests-before != 7 {
			t.Errorf("%d requests, want 7", p.requests-before)
		}
	}
}

func TestProfileAsJSON(t *testing.T) {
	want := &referenceTable().profile
	b, err := json.Marshal(want)
	wantNoError(t, err)
	var got gatt.Profile
	wantNoError(t, json.Unmarshal(b, &got))
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(b), `"uuid":"180f"`) {
		t.Errorf("%s", b)
	}
}

// TestHostileDiscovery: whatever a peer answers, discovery ends, with an error
// that says what was asked for, and the link can still be used.
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
			c, ch := newClient(t, nil)
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

// TestBadCharacteristicsAreLeftOut: the good ones beside them are still of use.
func TestBadCharacteristicsAreLeftOut(t *testing.T) {
	bubble(testBadCharacteristicsAreLeftOut)(t)
}

func testBadCharacteristicsAreLeftOut(t *testing.T) {
	c, ch := newClient(t, nil)
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
			" 0900 02 2000 042a"+ // its value is in another service
			" 1600 02 1700 052a", // in no service
		"08 1f00 2800 0328", "01 08 1f00 0a",
		"04 0400 0400", "01 04 0400 0a",
		"04 0800 1400", "01 04 0800 0a",
		"08 1f00 2800 0228", "01 08 1f00 0a",
	)
	wantNoError(t, err)
	want := &gatt.Profile{Services: []gatt.Service{
		{UUID: u16(0x1800), Handle: 1, End: 0x14, Primary: true, Characteristics: []gatt.Characteristic{
			{UUID: u16(0x2A00), Handle: 2, Value: 3, End: 4, Properties: propR},
			{UUID: u16(0x2A03), Handle: 6, Value: 7, End: 0x14, Properties: propR},
		}},
		{UUID: u16(0x1801), Handle: 0x1E, End: 0x28, Primary: true},
	}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
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

// A peer that answers slowly, with one handle at a time, for ever.
func testDiscoveryTimeout(t *testing.T) {
	c, ch := newClient(t, nil)
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
	c, ch := newClient(t, nil)
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

func TestCharAsksForWhatIsNeeded(t *testing.T) { bubble(testCharAsksForWhatIsNeeded)(t) }

func testCharAsksForWhatIsNeeded(t *testing.T) {
	c, ch := newClient(t, nil)
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
	err = script(t, ch, func(ctx context.Context) error {
		_, err := c.Char(ctx, vendor(1), vendor(2))
		return err
	}, "06 0100 ffff 0028 9ecadc240ee5a9e093f3a3b50100406e", "01 06 0100 0a")
	wantIs(t, err, gatt.ErrNotFound)
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
	if p.requests != 8 {
		t.Errorf("%d requests, want 8", p.requests)
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
