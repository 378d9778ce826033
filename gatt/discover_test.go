package gatt_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
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

// referenceTable is a typical sensor: 5 services, 17 characteristics, 6
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

// TestDiscoveryRoundTrips counts the requests for tables of many kinds,
// including that for the MTU, and compares the whole result. The reference table
// takes 18 at MTU 23 and 9 at MTU 247.
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

	// The answer with the first characteristic has room, but the next has
	// another length; the answer for descriptors shows that there are more.
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
		{"reference", referenceTable(), 18, 9},
		// MTU; services of 16, 128 and 16 bits; characteristics the same; the
		// descriptor of the second; what is behind the last one, to 0xffff: its
		// descriptor, then nothing.
		{"128 bit in the middle, open end", middle, 10, 10},
		// MTU; primaries and none; characteristics; includes of 16, 128 and 16
		// bits; secondaries and none; their characteristics.
		{"includes and secondary", included, 10, 10},
		// MTU; primaries and none; secondaries and none; characteristics.
		{"gaps", gaps, 6, 6},
		// MTU; service and none; characteristics, three in an answer or all;
		// descriptors of one, or of all, in an answer.
		{"neighboring descriptors", crowd, 14, 5},
		// The same, with the descriptors of two or of all three in an answer.
		{"single descriptors", odd, 6, 5},
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
				// The copy belongs to the caller.
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
		if p.requests-before != 8 {
			t.Errorf("%d requests, want 8", p.requests-before)
		}
	}
}

func TestPropertiesString(t *testing.T) {
	for p, want := range map[gatt.Properties]string{
		0:                    "none",
		propRN:               "read,notify",
		gatt.PropExtended:    "extended",
		gatt.Properties(255): "broadcast,read,write-without-response,write,notify,indicate,signed-write,extended",
	} {
		if got := p.String(); got != want {
			t.Errorf("%#02x is %q, want %q", uint8(p), got, want)
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
