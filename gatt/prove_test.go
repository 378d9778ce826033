package gatt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// hinted is a table with a secondary service, a characteristic with a 128-bit UUID and
// two descriptors in either order.
func hinted(descs ...uint16) *table {
	b := newTable()
	b.service(u16(0x180F)).char(u16(0x2A19), propRN|gatt.PropWrite, []byte{77}).desc(0x2902)
	b.secondary(u16(0x1805)).char(u16(0x2A2B), propR, []byte{9})
	b.service(vendor(1)).char(vendor(2), propRN, []byte{5})
	for _, d := range descs {
		b.desc(d)
	}
	return b
}

// asked is a peer whose requests are recorded in hex.
func asked(b *table) (*peer, *[]string) {
	p := newPeer(b, 247)
	var got []string
	p.answerFirst = func(pdu []byte) [][]byte { got = append(got, fmt.Sprintf("%x", pdu)); return nil }
	return p, &got
}

func wantAsked(t *testing.T, got *[]string, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(*got, want) {
		t.Errorf("requests %q, want %q", *got, want)
	}
	*got = nil
}

func TestProveProfile(t *testing.T) { bubble(testProveProfile)(t) }

func testProveProfile(t *testing.T) {
	p, got := asked(hinted(0x2902, 0x2901))
	c, _ := p.start(t, nil)
	*got = nil
	wantNoError(t, c.ProveProfile(t.Context(), p.profile.Clone()))
	// Primary services of 16 bits, of 128 bits, and none; secondary ones and none.
	wantAsked(t, got, "100100ffff0028", "100500ffff0028", "100d00ffff0028", "100100ffff0128", "100800ffff0128")
	for range 2 {
		v, err := c.Read(t.Context(), u16(0x180F), u16(0x2A19))
		if err != nil || !slices.Equal(v, []byte{77}) {
			t.Errorf("read %x, %v", v, err)
		}
	}
	wantAsked(t, got, "0403000400", "0a0300", "0a0300")
	ch, err := c.Char(t.Context(), u16(0x180F), u16(0x2A19))
	wantNoError(t, err)
	_, err = ch.Subscribe(t.Context(), nil)
	wantNoError(t, err)
	wantAsked(t, got, "1204000100") // proved with the value
	// The answer about a 128-bit value has no room for the descriptors.
	ch, err = c.Char(t.Context(), vendor(1), vendor(2))
	wantNoError(t, err)
	_, err = ch.Subscribe(t.Context(), nil)
	wantNoError(t, err)
	wantAsked(t, got, "040a000c00", "040b000c00", "120b000100")
	_, err = c.ReadHandle(t.Context(), 7)
	wantNoError(t, err)
	wantAsked(t, got, "0407000700", "0a0700")
	// A declaration, and a handle that the table does not have, mean nothing special.
	_, err = c.ReadHandle(t.Context(), 2)
	wantNoError(t, err)
	_, err = c.ReadHandle(t.Context(), 99)
	wantIs(t, err, att.CodeInvalidHandle)
	wantAsked(t, got, "0a0200", "0a6300")
	if !c.HasProfile() {
		t.Error("the table is not known")
	}
	for range 2 {
		table, err := c.Discover(t.Context())
		wantNoError(t, err)
		if diff := cmp.Diff(&p.profile, table); diff != "" {
			t.Error(diff)
		}
	}
	if n := len(*got); n < 8 || n > 12 {
		t.Errorf("discovered by %d requests: %q", n, *got)
	}
	*got = nil
	_, err = c.ReadHandle(t.Context(), 10) // proved by the discovery, too
	wantNoError(t, err)
	wantAsked(t, got, "0a0a00")
}

// Each use of an attribute asks first. None reaches an attribute of another type.
func TestEveryUseIsProved(t *testing.T) {
	char := func(c *gatt.Client, t *testing.T) *gatt.Char {
		ch, err := c.Char(t.Context(), vendor(1), vendor(2))
		wantNoError(t, err)
		return ch
	}
	signer := gatt.Signer(nil) // would panic
	for name, use := range map[string]func(t *testing.T, c *gatt.Client) error{
		"ReadHandle":   func(t *testing.T, c *gatt.Client) error { _, err := c.ReadHandle(t.Context(), 10); return err },
		"ReadLong":     func(t *testing.T, c *gatt.Client) error { _, err := c.ReadLong(t.Context(), 10); return err },
		"ReadMultiple": func(t *testing.T, c *gatt.Client) error { _, err := c.ReadMultiple(t.Context(), 2, 10); return err },
		"ReadMultipleVariable": func(t *testing.T, c *gatt.Client) error {
			_, err := c.ReadMultipleVariable(t.Context(), 2, 10)
			return err
		},
		"WriteHandle":     func(t *testing.T, c *gatt.Client) error { return c.WriteHandle(t.Context(), 10, []byte{1}) },
		"WriteLong":       func(t *testing.T, c *gatt.Client) error { return c.WriteLong(t.Context(), 10, make([]byte, 400)) },
		"WriteNoResponse": func(t *testing.T, c *gatt.Client) error { return c.WriteNoResponse(t.Context(), 10, []byte{1}) },
		"WriteSigned":     func(t *testing.T, c *gatt.Client) error { return c.WriteSigned(t.Context(), 10, []byte{1}, signer) },
		"WriteReliable": func(t *testing.T, c *gatt.Client) error {
			return c.WriteReliable(t.Context(), gatt.HandleValue{Handle: 2}, gatt.HandleValue{Handle: 10, Value: []byte{1}})
		},
		"Char.Read":            func(t *testing.T, c *gatt.Client) error { _, err := char(c, t).Read(t.Context()); return err },
		"Char.Write":           func(t *testing.T, c *gatt.Client) error { return char(c, t).Write(t.Context(), []byte{1}) },
		"Char.WriteNoResponse": func(t *testing.T, c *gatt.Client) error { return char(c, t).WriteNoResponse(t.Context(), []byte{1}) },
		"Char.WriteSigned": func(t *testing.T, c *gatt.Client) error {
			return char(c, t).WriteSigned(t.Context(), []byte{1}, signer)
		},
		"Char.Subscribe": func(t *testing.T, c *gatt.Client) error { _, err := char(c, t).Subscribe(t.Context(), nil); return err },
		"Char.Subscribe, Listen": func(t *testing.T, c *gatt.Client) error {
			_, err := char(c, t).Subscribe(t.Context(), &gatt.SubscribeOptions{Listen: true})
			return err
		},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			old := hinted(0x2902)
			now := hinted(0x2902)
			now.attrs[9].typ = vendor(3) // in the place of vendor 2
			p, got := asked(now)
			c, _ := p.start(t, nil)
			wantNoError(t, c.ProveProfile(t.Context(), &old.profile))
			*got = nil
			wantIs(t, use(t, c), gatt.ErrStale)
			wantAsked(t, got, "040a000b00")
			if c.HasProfile() {
				t.Error("the table is still known")
			}
			// The handles stay refused, and nothing is asked.
			_, err := c.ReadHandle(t.Context(), 11)
			wantIs(t, err, gatt.ErrStale)
			wantAsked(t, got)
			_, err = c.Discover(t.Context())
			wantNoError(t, err)
			*got = nil
			_, err = c.ReadHandle(t.Context(), 11)
			wantNoError(t, err)
			wantAsked(t, got, "0a0b00")
		}))
	}
}

// A table with other services is not used.
func TestProveOtherServices(t *testing.T) {
	appended := hinted(0x2902)
	appended.service(u16(0x1812))
	other := newTable()
	other.service(u16(0x180F)).char(u16(0x2A19), propRN, []byte{77}).desc(0x2902)
	other.secondary(u16(0x1806)).char(u16(0x2A2B), propR, nil)
	other.service(vendor(1)).char(vendor(2), propRN, []byte{5}).desc(0x2902)
	for name, now := range map[string]*table{
		"longer": hinted(0x2902, 0x2901), "one more": appended, "another secondary one": other, "none": newTable(),
	} {
		t.Run(name, bubble(func(t *testing.T) {
			p := newPeer(now, 247)
			c, _ := p.start(t, nil)
			err := c.ProveProfile(t.Context(), &hinted(0x2902).profile)
			if err == nil || c.HasProfile() {
				t.Errorf("%v, known %v; want an error", err, c.HasProfile())
			}
		}))
	}
}

// A refusal for lack of security is no other table: it is repeated once the link is secure. Any other
// refusal proves nothing, so that the table has to be discovered.
func TestProofThatIsRefused(t *testing.T) {
	for code, stale := range map[att.Code]bool{
		att.CodeInsufficientEncryption: false, att.CodeRequestNotSupported: true, att.CodeAttributeNotFound: true,
	} {
		t.Run(code.String(), bubble(func(t *testing.T) {
			p, got := asked(hinted(0x2902))
			record := p.answerFirst
			refused := false
			p.answerFirst = func(pdu []byte) [][]byte {
				record(pdu)
				if att.Opcode(pdu[0]) == att.OpFindInformationReq && !refused {
					refused = true
					return [][]byte{refuse(att.OpFindInformationReq, 3, code).AppendPDU(nil)}
				}
				return nil
			}
			c, _ := p.start(t, nil)
			wantNoError(t, c.ProveProfile(t.Context(), p.profile.Clone()))
			*got = nil
			_, err := c.ReadHandle(t.Context(), 3)
			wantIs(t, err, code)
			if errors.Is(err, gatt.ErrStale) != stale {
				t.Errorf("error %v, stale: want %v", err, stale)
			}
			wantAsked(t, got, "0403000400")
			if _, err = c.ReadHandle(t.Context(), 3); errors.Is(err, gatt.ErrStale) != stale {
				t.Errorf("again: error %v, stale: want %v", err, stale)
			}
		}))
	}
}

// Several users of one characteristic ask once.
func TestUsersAskOnce(t *testing.T) { bubble(testUsersAskOnce)(t) }

func testUsersAskOnce(t *testing.T) {
	p, got := asked(hinted(0x2902))
	c, _ := p.start(t, nil)
	wantNoError(t, c.ProveProfile(t.Context(), p.profile.Clone()))
	*got = nil
	var done []<-chan error
	for range 3 {
		done = append(done, call(func() error { _, err := c.ReadHandle(t.Context(), 3); return err }))
	}
	for _, d := range done {
		wantNoError(t, returned(t, d))
	}
	wantAsked(t, got, "0403000400", "0a0300", "0a0300", "0a0300")
}
