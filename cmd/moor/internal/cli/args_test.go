package cli

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/uuid"
)

func TestAttrArg(t *testing.T) {
	for _, c := range []struct {
		in   string
		want attrArg
		err  string
	}{
		{in: "2a19", want: attrArg{UUID: uuid.From16(0x2A19)}},
		{in: "2A19", want: attrArg{UUID: uuid.From16(0x2A19)}},
		{in: "1800", want: attrArg{UUID: uuid.From16(0x1800)}},
		{in: "0000180f-0000-1000-8000-00805f9b34fb", want: attrArg{UUID: uuid.From16(0x180F)}},
		{in: "0x0012", want: attrArg{Handle: 0x12}},
		{in: "0x12", want: attrArg{Handle: 0x12}},
		{in: "18", want: attrArg{Handle: 18}},
		{in: "65535", want: attrArg{Handle: 65535}},
		{in: "0", err: "outside 0x0001 to 0xffff"},
		{in: "0x0000", err: "outside 0x0001 to 0xffff"},
		{in: "65536", err: "outside 0x0001 to 0xffff"},
		{in: "0xzz", err: "neither a UUID nor a handle"},
		{in: "0x", err: "neither a UUID nor a handle"},
		{in: "Battery Level", want: attrArg{UUID: uuid.From16(0x2A19)}},
		{in: "heart rate measurement", want: attrArg{UUID: uuid.From16(0x2A37)}},
		{in: "battery", err: "neither a UUID nor a handle"},
		{in: "", err: "neither a UUID nor a handle"},
	} {
		var got attrArg
		err := got.UnmarshalText([]byte(c.in))
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %v, %v, want %v", c.in, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want one with %q", c.in, err, c.err)
		}
	}
}

func TestParseHex(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{in: "01ff", want: "01ff"},
		{in: "0x01FF", want: "01ff"},
		{in: "01 ff", want: "01ff"},
		{in: "01:ff-03,04_05", want: "01ff030405"},
		{in: "0x01 0x02", want: "0102"},
		{in: "", want: ""},
		{in: "1", err: "odd number"},
		{in: "01 2", err: `"2" has an odd number`},
		{in: "0xg1", err: `'g' is not a digit`},
		{in: "0x", err: "'x' is not a digit"},
		{in: "Grüße", err: "is not a digit"},
	} {
		got, err := parseHex([]string{c.in})
		switch {
		case c.err == "" && (err != nil || hex.EncodeToString(got) != c.want):
			t.Errorf("%q: %x, %v, want %s", c.in, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want one with %q", c.in, err, c.err)
		}
	}
}

func TestSpanArg(t *testing.T) {
	for _, c := range []struct {
		in       string
		min, max time.Duration
		err      string
	}{
		{in: "30ms", min: 30 * time.Millisecond, max: 30 * time.Millisecond},
		{in: "7.5ms-15ms", min: 7500 * time.Microsecond, max: 15 * time.Millisecond},
		{in: "30", err: "not a duration"},
		{in: "30ms-", err: "not a duration"},
		{in: "-30ms", err: "is negative"},
		{in: "10ms--30ms", err: "\"-30ms\" is negative"},
		{in: "50ms-30ms", err: "must not be above"},
		{in: "0s", err: "is too short"},
	} {
		var got spanArg
		err := got.UnmarshalText([]byte(c.in))
		switch {
		case c.err == "" && (err != nil || got != spanArg{c.min, c.max}):
			t.Errorf("%q: %v, %v", c.in, got, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want one with %q", c.in, err, c.err)
		}
	}
}

func TestPeerArg(t *testing.T) {
	for in, known := range map[string]bool{
		"C0:FF:EE:00:00:01": false, "c0:ff:ee:00:00:01/random": true, "C0:FF:EE:00:00:01/public": true,
	} {
		var p peerArg
		if err := p.UnmarshalText([]byte(in)); err != nil || p.Known != known || p.Addr.MAC.String() != "C0:FF:EE:00:00:01" {
			t.Errorf("%q: %v, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "kettle", "C0:FF:EE:00:00", "C0:FF:EE:00:00:01/purple"} {
		var p peerArg
		if err := p.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q is taken for an address", in)
		}
	}
}
