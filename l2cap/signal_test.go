package l2cap

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

var sampleSignals = []struct {
	code  Code
	name  string
	sig   signal
	bytes string // with identifier 7
}{
	{0x01, "Command Reject", commandReject{Reason: RejectNotUnderstood}, "01 07 0200 0000"},
	{0x01, "Command Reject", commandReject{Reason: RejectMTUExceeded, MTU: 23}, "01 07 0400 0100 1700"},
	{0x01, "Command Reject", commandReject{Reason: RejectInvalidCID, Local: 0x40, Remote: 0x41}, "01 07 0600 0200 4000 4100"},
	{0x06, "Disconnection Request", disconnectionReq{0x40, 0x41}, "06 07 0400 4000 4100"},
	{0x07, "Disconnection Response", disconnectionRsp{0x40, 0x41}, "07 07 0400 4000 4100"},
	{0x12, "Connection Parameter Update Request", connectionParameterUpdateReq{6, 3200, 499, 0x0C80}, "12 07 0800 0600 800c f301 800c"},
	{0x13, "Connection Parameter Update Response", connectionParameterUpdateRsp{paramsRejected}, "13 07 0200 0100"},
	{0x14, "LE Credit Based Connection Request", leCreditBasedConnectionReq{0x80, 0x40, 512, 247, 10}, "14 07 0a00 8000 4000 0002 f700 0a00"},
	{0x15, "LE Credit Based Connection Response", leCreditBasedConnectionRsp{0x41, 512, 247, 10, ResultNoResources}, "15 07 0a00 4100 0002 f700 0a00 0400"},
	{0x16, "Flow Control Credit", flowControlCreditInd{0x40, 65535}, "16 07 0400 4000 ffff"},
	{0x17, "Credit Based Connection Request", creditBasedConnectionReq{0x27, 64, 64, 1, []CID{0x40, 0x41}}, "17 07 0c00 2700 4000 4000 0100 4000 4100"},
	{0x18, "Credit Based Connection Response", creditBasedConnectionRsp{64, 64, 1, ResultInvalidParameters, []CID{0, 0x41}}, "18 07 0c00 4000 4000 0100 0c00 0000 4100"},
	{0x18, "Credit Based Connection Response", creditBasedConnectionRsp{Result: ResultSPSMNotSupported}, "18 07 0800 0000 0000 0000 0200"},
	{0x19, "Credit Based Reconfigure Request", creditBasedReconfigureReq{128, 64, []CID{0x40}}, "19 07 0600 8000 4000 4000"},
	{0x1A, "Credit Based Reconfigure Response", creditBasedReconfigureRsp{reconfigureInvalidCID}, "1a 07 0200 0300"},
	{0x0A, "signaling command 0x0A", unknownSignal{0x0A, []byte{2, 0}}, "0a 07 0200 0200"},
}

func TestSignalCodec(t *testing.T) {
	for _, tt := range sampleSignals {
		want := unhex(t, tt.bytes)
		if tt.sig.Code() != tt.code || tt.code.String() != tt.name {
			t.Errorf("%T: code 0x%02x %q, want 0x%02x %q", tt.sig, uint8(tt.sig.Code()), tt.code, uint8(tt.code), tt.name)
		}
		if got := appendSignal([]byte("x"), 7, tt.sig); !bytes.Equal(got, append([]byte("x"), want...)) {
			t.Errorf("%v: appended % x, want % x", tt.code, got[1:], want)
		}
		id, got, err := parseSignal(want)
		if err != nil || id != 7 || !cmp.Equal(got, tt.sig) {
			t.Errorf("%v: parsed %d %+v, %v; want 7 %+v", tt.code, id, got, err, tt.sig)
		}
		for n := range want {
			var se *SignalError
			if _, _, err := parseSignal(want[:n]); !errors.As(err, &se) || !errors.Is(err, wire.ErrShort) {
				t.Errorf("%v: first %d bytes: error %v, want a *SignalError that is ErrShort", tt.code, n, err)
			}
		}
		if _, _, err := parseSignal(append(want, 0)); !errors.Is(err, wire.ErrTrailing) {
			t.Errorf("%v: a byte more than the length says: error %v, want ErrTrailing", tt.code, err)
		}
	}
}

func TestSignalLengths(t *testing.T) {
	for name, b := range map[string]string{
		"long Disconnection Request":           "06 07 0500 4000 4100 00",
		"short Connection Parameter Request":   "12 07 0600 0600 800c f301",
		"no channel in the enhanced request":   "17 07 0800 2700 4000 4000 0100",
		"six channels in the enhanced request": "17 07 1400 2700 4000 4000 0100 4000 4100 4200 4300 4400 4500",
		"half a channel":                       "19 07 0700 8000 4000 4000 41",
		"empty":                                "",
	} {
		var se *SignalError
		if _, s, err := parseSignal(unhex(t, b)); !errors.As(err, &se) {
			t.Errorf("%s: parsed as %+v, error %v", name, s, err)
		}
	}
}

func TestCodesAsText(t *testing.T) {
	for got, want := range map[string]string{
		Result(0x0004).String():              "no resources available (0x0004)",
		Result(0x00FE).Error():               "result 0x00FE",
		Result(0x0001).String():              "result 0x0001",
		RejectReason(2).Error():              "invalid CID in request (0x0002)",
		RejectReason(9).String():             "reason 0x0009",
		Code(0xEE).String():                  "signaling command 0xEE",
		CID(0x40).String():                   "0x0040",
		ResultUnacceptableParameters.Error(): "unacceptable parameters (0x000B)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for r := range Result(0x20) {
		if known := r.name() != ""; known != (r == 0 || r == 2 || r >= 4 && r <= 0xF) {
			t.Errorf("%v: has a name: %v", r, known)
		}
	}
}

// TestSignalAnswers tests the answers to everything that a peer may send on the
// signaling channel of a central without channels.
func TestSignalAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
	}{
		{"unknown code", "0a 05 0200 0200", "01 05 0200 0000"},
		{"code 0", "00 05 0000", "01 05 0200 0000"},
		{"identifier 0", "06 00 0400 4000 4100", ""},
		{"unknown code, identifier 0", "0a 00 0200 0200", ""},
		{"only a code", "06", ""},
		{"code and identifier", "06 05", "01 05 0200 0000"},
		{"length beyond the frame", "12 05 0900 0600 800c f301 800c", "01 05 0200 0000"},
		{"length 65535", "12 05 ffff", "01 05 0200 0000"},
		{"wrong length for the command", "06 05 0200 4000", "01 05 0200 0000"},
		{"two requests in a frame", "06 05 0400 4000 4100 06 06 0400 4200 4300", "01 05 0200 0000"},
		{"a response, then a request", "13 05 0200 0000 06 06 0400 4200 4300", "01 06 0200 0000"},
		{"identifier 0, then a request", "06 00 0400 4000 4100 0a 06 0000", "01 06 0200 0000"},
		{"two responses", "13 05 0200 0000 07 06 0400 4200 4300", ""},
		{"frame beyond the signaling MTU", "0a 05 1400 00000000000000000000000000000000000000000000", "01 05 0400 0100 1700"},
		{"responses beyond the signaling MTU", "13 05 0200 0000 13 06 0200 0000 13 06 0200 0000 07 06 0400 4200 4300", ""},
		{"response nobody waits for", "13 05 0200 0000", ""},
		{"connection response nobody waits for", "15 05 0a00 4100 0002 f700 0a00 0000", ""},
		{"disconnection response nobody waits for", "07 05 0400 4000 4100", ""},
		{"enhanced responses", "1a 05 0200 0000", ""},
		{"malformed response", "13 05 0100 00", ""},
		{"Command Reject", "01 05 0200 0000", ""},
		{"disconnection of an unknown channel", "06 05 0400 4000 4100", "01 05 0600 0200 4000 4100"},
		{"credits for an unknown channel", "16 05 0400 4100 0100", "01 05 0600 0200 0000 4100"},
		{"channel to an SPSM without listener", "14 05 0a00 8000 4000 0002 f700 0a00", "15 05 0a00 0000 0000 0000 0000 0200"},
		{"enhanced channels", "17 05 0c00 2700 4000 4000 0100 4000 4100", "18 05 0c00 0000 0000 0000 0200 0000 0000"},
		{"enhanced reconfiguration", "19 05 0600 8000 4000 4000", "1a 05 0200 0300"},
		{"empty frame", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newFakeLink(t, hci.RoleCentral, nil)
			l.recv(cidSignal, tt.in)
			if tt.want == "" {
				l.wantIdle("no answer is due")
			} else {
				l.want("answer", "0005 "+tt.want)
			}
			l.recv(cidSignal, "0a 09 0000")
			l.want("the channel lives on", "0005 01 09 0200 0000")
		})
	}
}

func TestSignalTooLongAnsweredAtItsFirstFragment(t *testing.T) {
	l := newFakeLink(t, hci.RoleCentral, nil)
	l.m.ACL(l.now, true, unhex(t, "00ff 0500 14 05 fc00"))
	l.want("rejected although 65 kB are missing", "0005 01 05 0400 0100 1700")
	l.m.ACL(l.now, false, make([]byte, 27))
	l.wantIdle("the rest is skipped")
	c, err := l.m.Counters(t.Context())
	if want := (Counters{TooLong: 1, Rejected: 1}); err != nil || c != want {
		t.Errorf("counters %+v, %v; want %+v", c, err, want)
	}
}

func TestSignalFloodIsNotAnsweredForever(t *testing.T) {
	l := newFakeLink(t, hci.RoleCentral, nil)
	l.room = 3
	for range 1000 {
		l.recv(cidSignal, "0a 05 0000")
	}
	if got, want := len(l.sent), 3+16; got != want {
		t.Errorf("queued %d answers for a peer that takes none, want %d", got, want)
	}
	l.free()
	l.recv(cidSignal, "0a 06 0000")
	l.want("answered again once there is room", "0005 01 06 0200 0000")
}

func TestPairingRequestWithoutSMP(t *testing.T) {
	l := newFakeLink(t, hci.RolePeripheral, nil)
	l.recv(cidSMP, "01 03 00 01 10 00 00")
	l.want("pairing is not supported", "0006 05 05")
	l.recv(cidSMP, "0b 01")
	l.recv(cidSMP, "05 05")
	l.recv(cidSMP, "")
	l.recvBytes(cidSMP, append([]byte{1}, make([]byte, 65)...))
	l.wantIdle("nothing else is answered")
}

func TestIdentifiersSkipThoseInUse(t *testing.T) {
	l := newFakeLink(t, hci.RolePeripheral, nil)
	m := l.m
	answers := 0
	m.sig.sendRequest(l.now, disconnectionReq{1, 2}, func(_ time.Time, s signal, err error) {
		answers++
		if s != (disconnectionRsp{1, 2}) || err != nil {
			t.Errorf("answer %v, %v", s, err)
		}
	})
	l.want("first identifier", "0005 06 01 0400 0100 0200")
	for i := 2; i <= 255; i++ {
		m.sig.sendIndication(flowControlCreditInd{1, 1})
	}
	l.take()
	m.sig.sendIndication(flowControlCreditInd{1, 1})
	l.want("neither 0 nor 1, which is pending", "0005 16 02 0400 0100 0100")
	l.recv(cidSignal, "13 01 0200 0000")
	l.recv(cidSignal, "07 02 0400 0100 0200")
	if answers != 0 {
		t.Error("answered by another command or identifier")
	}
	l.recv(cidSignal, "07 01 0400 0100 0200")
	l.recv(cidSignal, "07 01 0400 0100 0200")
	if answers != 1 {
		t.Errorf("answered %d times, want once", answers)
	}
	if !l.deadline.IsZero() {
		t.Error("the deadline of an answered request is still set")
	}
}

// FuzzSignal parses octets as a signaling command: a valid command must be
// encoded to the same octets. A link that receives it answers at most once, with
// a response to the identifier of a request in it, and stays usable.
func FuzzSignal(f *testing.F) {
	for _, s := range sampleSignals {
		f.Add(appendSignal(nil, 7, s.sig))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if id, s, err := parseSignal(in); err == nil {
			out := appendSignal(nil, id, s)
			if id2, s2, err := parseSignal(out); err != nil || id != id2 || !cmp.Equal(s, s2) {
				t.Fatalf("%+v written as % x and read as %+v, %v", s, out, s2, err)
			}
			if s.Code() != codeCommandReject && !bytes.Equal(in, out) {
				t.Fatalf("% x read as %+v and written as % x", in, s, out)
			}
		} else if se := (*SignalError)(nil); !errors.As(err, &se) {
			t.Fatalf("error %v is no *SignalError", err)
		}
		if len(in) > maxPayload {
			return
		}
		l := newFakeLink(t, hci.RoleCentral, nil)
		l.maxACL = 100
		if _, err := l.m.Listen(0x80, nil); err != nil {
			t.Fatal(err)
		}
		l.recvBytes(cidSignal, in)
		if len(l.sent) > 1 {
			t.Fatalf("%d answers to % x", len(l.sent), in)
		}
		for _, p := range l.sent {
			id, s, err := parseSignal(p.data[headerLen:])
			if err != nil || !s.Code().isResponse() || id == 0 || bytes.IndexByte(in, id) < 0 {
				t.Fatalf("answer % x to % x", p.data, in)
			}
		}
		l.sent = nil
		l.recv(cidSignal, "0a 09 0000")
		l.want("the channel lives on", "0005 01 09 0200 0000")
	})
}
