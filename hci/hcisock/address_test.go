package hcisock

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Address
		out  string // what String gives, "" for in
	}{
		{"hci0", Address{Kind: KindIndex}, ""},
		{"hci65534", Address{Kind: KindIndex, Index: 65534}, ""},
		{"00:1A:7D:DA:71:13", Address{Kind: KindMAC, MAC: hci.MAC{0x13, 0x71, 0xDA, 0x7D, 0x1A, 0x00}}, ""},
		{"00:1a:7d:da:71:13", Address{Kind: KindMAC, MAC: hci.MAC{0x13, 0x71, 0xDA, 0x7D, 0x1A, 0x00}}, "00:1A:7D:DA:71:13"},
		{"tcp:127.0.0.1:6402", Address{Kind: KindTCP, Name: "127.0.0.1:6402"}, ""},
		{"tcp:[::1]:1", Address{Kind: KindTCP, Name: "[::1]:1"}, ""},
		{"tcp::9000", Address{Kind: KindTCP, Name: ":9000"}, ""},
		{"unix:/tmp/bt-server-bredrle", Address{Kind: KindUnix, Name: "/tmp/bt-server-bredrle"}, ""},
		{"serial:/dev/ttyS0", Address{Kind: KindSerial, Name: "/dev/ttyS0", Baud: 115200}, "serial:/dev/ttyS0?baud=115200&flow=rtscts"},
		{"serial:/dev/ttyACM0?flow=none&baud=1000000", Address{Kind: KindSerial, Name: "/dev/ttyACM0", Baud: 1000000, NoRTSCTS: true}, "serial:/dev/ttyACM0?baud=1000000&flow=none"},
		{"fd:3", Address{Kind: KindFD, Index: 3}, ""},
		{"fd:bluetooth", Address{Kind: KindFD, Name: "bluetooth"}, ""},
		{"sim:demo", Address{Kind: KindSim, Name: "demo"}, ""},
		{"sim:", Address{Kind: KindSim}, ""},
	} {
		got, err := ParseAddress(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
			continue
		}
		want := c.out
		if want == "" {
			want = c.in
		}
		if got.String() != want {
			t.Errorf("ParseAddress(%q).String() = %q, want %q", c.in, got.String(), want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, c := range []struct{ in, says string }{
		{"", "not a known form"},
		{"hci", `adapter index "" is not a number`},
		{"hci-1", `"-1" is not a number from 0 to 65534`},
		{"hci00", `"00" is not a number`},
		{"hci65535", `"65535" is not a number from 0 to 65534`},
		{"hci0x", `"0x" is not a number`},
		{"wlan0", "not a known form"},
		{"00:1A:7D:DA:71", "not a known form"},
		{"usb:1", "not a known form"},
		{"tcp:localhost", "missing port"},
		{"tcp:localhost:http", `port "http" is not a number from 1 to 65535`},
		{"tcp:localhost:0", `port "0"`},
		{"unix:", "no path"},
		{"serial:", "no device path"},
		{"serial:?baud=9600", "no device path"},
		{"serial:/dev/ttyS0?baud=fast", `baud "fast" is not a speed`},
		{"serial:/dev/ttyS0?baud=0", `baud "0" is not a speed`},
		{"serial:/dev/ttyS0?baud=9600&baud=1", "baud is given 2 times"},
		{"serial:/dev/ttyS0?flow=xon", `flow "xon" is neither rtscts nor none`},
		{"serial:/dev/ttyS0?parity=even", `unknown setting "parity"`},
		{"serial:/dev/ttyS0?%zz", "invalid URL escape"},
		{"fd:", "neither a descriptor number nor a name"},
		{"fd:99999999999", "is not a number from 0 to"},
		{"fd:a:b", "neither a descriptor number nor a name"},
	} {
		_, err := ParseAddress(c.in)
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != CauseAddress {
			t.Errorf("ParseAddress(%q): error %v, want an *OpenError about the address", c.in, err)
			continue
		}
		for _, part := range []string{c.says, `"` + c.in + `"`, "use hci0, AA:BB:CC:DD:EE:FF, tcp:HOST:PORT"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("ParseAddress(%q): error %q does not say %q", c.in, err, part)
			}
		}
	}
}

func TestAddressOfUnknownKindPrintsAsHex(t *testing.T) {
	if s := (Address{Kind: 0xEE}).String(); s != "address kind 0xEE" {
		t.Errorf("got %q", s)
	}
	if s := Cause(0xEE).String(); s != "cause 0xEE" {
		t.Errorf("got %q", s)
	}
	if s := LinkKind(0xEE).String(); s != "link kind 0xEE" {
		t.Errorf("got %q", s)
	}
	if s := LinkState(0xEE).String(); s != "link state 0xEE" {
		t.Errorf("got %q", s)
	}
}

func TestOpenLeavesSimToItsPackage(t *testing.T) {
	_, err := Open(t.Context(), "sim:demo", nil)
	var e *OpenError
	if !errors.As(err, &e) || e.Cause != CauseAddress || !strings.Contains(e.Remedy, "package sim") {
		t.Errorf("error %v, want one that points to package sim", err)
	}
}

func TestOpenRefusesKindItDoesNotKnow(t *testing.T) {
	_, err := Address{Kind: 0xEE}.Open(t.Context(), nil)
	var e *OpenError
	if !errors.As(err, &e) || e.Cause != CauseAddress {
		t.Errorf("error %v, want an *OpenError about the address", err)
	}
}

func TestOpenWithEndedContext(t *testing.T) {
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for _, a := range []string{"hci0", "00:11:22:33:44:55", "tcp:127.0.0.1:1", "fd:3"} {
		_, err := Open(ctx, a, nil)
		var e *OpenError
		if !errors.Is(err, why) || !errors.As(err, &e) || e.Cause != CauseCanceled {
			t.Errorf("Open(%q): %v, want the context's cause", a, err)
		}
	}
}

// String of a parsed address parses to the same address.
func FuzzParseAddress(f *testing.F) {
	for _, a := range []Address{
		{Kind: KindIndex, Index: 7},
		{Kind: KindMAC, MAC: hci.MAC{1, 2, 3, 4, 5, 6}},
		{Kind: KindTCP, Name: "[fe80::1%eth0]:9"},
		{Kind: KindUnix, Name: "/tmp/x"},
		{Kind: KindSerial, Name: "/dev/ttyS0", Baud: 9600, NoRTSCTS: true},
		{Kind: KindFD, Index: 3},
		{Kind: KindFD, Name: "name"},
		{Kind: KindSim, Name: "demo"},
	} {
		f.Add(a.String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			var e *OpenError
			if !errors.As(err, &e) || e.Cause != CauseAddress {
				t.Fatalf("ParseAddress(%q): %v is no *OpenError about the address", s, err)
			}
			return
		}
		b, err := ParseAddress(a.String())
		if err != nil || a != b {
			t.Fatalf("ParseAddress(%q) = %+v, but its String %q gives %+v, %v", s, a, a.String(), b, err)
		}
	})
}
