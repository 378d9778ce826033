package att

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

var vendor = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

const vendorHex = "ffeeddccbbaa99887766554433221100"

// samples holds one PDU of every kind: the opcode by its number in Vol 3, Part
// F, 3.4.8, the octets, and how many of them the shortest valid prefix has
// (values may be shorter, fixed fields may not).
var samples = []struct {
	pdu     PDU
	op      byte
	kind    Kind
	name    string
	hex     string
	minimum int
}{
	{ErrorRsp{OpReadReq, 0x002A, CodeReadNotPermitted}, 0x01, KindResponse, "error response", "01 0a 2a00 02", 5},
	{ExchangeMTUReq{517}, 0x02, KindRequest, "exchange MTU request", "02 0502", 3},
	{ExchangeMTURsp{247}, 0x03, KindResponse, "exchange MTU response", "03 f700", 3},
	{FindInformationReq{1, 0xFFFF}, 0x04, KindRequest, "find information request", "04 0100 ffff", 5},
	{FindInformationRsp{InformationFormat16, unhex("0100 0028 0200 0328")}, 0x05, KindResponse, "find information response", "05 01 0100 0028 0200 0328", 6},
	{FindInformationRsp{InformationFormat128, unhex("0300" + vendorHex)}, 0x05, KindResponse, "find information response", "05 02 0300" + vendorHex, 20},
	{FindByTypeValueReq{1, 0xFFFF, 0x2800, unhex("0f18")}, 0x06, KindRequest, "find by type value request", "06 0100 ffff 0028 0f18", 7},
	{FindByTypeValueRsp{unhex("0100 0500 1000 1000")}, 0x07, KindResponse, "find by type value response", "07 0100 0500 1000 1000", 5},
	{ReadByTypeReq{1, 0xFFFF, uuid.From16(0x2803)}, 0x08, KindRequest, "read by type request", "08 0100 ffff 0328", 7},
	{ReadByTypeReq{1, 0xFFFF, vendor}, 0x08, KindRequest, "read by type request", "08 0100 ffff " + vendorHex, 7},
	{ReadByTypeRsp{3, unhex("0200 aa 0500 bb")}, 0x09, KindResponse, "read by type response", "09 03 0200 aa 0500 bb", 5},
	{ReadReq{0x1234}, 0x0A, KindRequest, "read request", "0a 3412", 3},
	{ReadRsp{unhex("0102")}, 0x0B, KindResponse, "read response", "0b 0102", 1},
	{ReadBlobReq{0x1234, 22}, 0x0C, KindRequest, "read blob request", "0c 3412 1600", 5},
	{ReadBlobRsp{unhex("0102")}, 0x0D, KindResponse, "read blob response", "0d 0102", 1},
	{ReadMultipleReq{[]Handle{3, 5, 4}}, 0x0E, KindRequest, "read multiple request", "0e 0300 0500 0400", 5},
	{ReadMultipleRsp{unhex("0102")}, 0x0F, KindResponse, "read multiple response", "0f 0102", 1},
	{ReadByGroupTypeReq{1, 0xFFFF, uuid.From16(0x2800)}, 0x10, KindRequest, "read by group type request", "10 0100 ffff 0028", 7},
	{ReadByGroupTypeRsp{6, unhex("0100 0500 0018 0600 ffff 0f18")}, 0x11, KindResponse, "read by group type response", "11 06 0100 0500 0018 0600 ffff 0f18", 8},
	{WriteReq{0x0010, unhex("0100")}, 0x12, KindRequest, "write request", "12 1000 0100", 3},
	{WriteRsp{}, 0x13, KindResponse, "write response", "13", 1},
	{PrepareWriteReq{0x0010, 18, unhex("aabb")}, 0x16, KindRequest, "prepare write request", "16 1000 1200 aabb", 5},
	{PrepareWriteRsp{0x0010, 18, unhex("aabb")}, 0x17, KindResponse, "prepare write response", "17 1000 1200 aabb", 5},
	{ExecuteWriteReq{ExecuteWrite}, 0x18, KindRequest, "execute write request", "18 01", 2},
	{ExecuteWriteRsp{}, 0x19, KindResponse, "execute write response", "19", 1},
	{HandleValueNotification{0x0010, unhex("64")}, 0x1B, KindNotification, "handle value notification", "1b 1000 64", 3},
	{HandleValueIndication{0x0003, unhex("0100ffff")}, 0x1D, KindIndication, "handle value indication", "1d 0300 0100ffff", 3},
	{HandleValueConfirmation{}, 0x1E, KindConfirmation, "handle value confirmation", "1e", 1},
	{ReadMultipleVariableReq{[]Handle{3, 5}}, 0x20, KindRequest, "read multiple variable request", "20 0300 0500", 5},
	{ReadMultipleVariableRsp{unhex("0100 aa 0400 bb")}, 0x21, KindResponse, "read multiple variable response", "21 0100 aa 0400 bb", 1},
	{MultipleHandleValueNotification{unhex("0300 0100 aa 0500 0000")}, 0x23, KindNotification, "multiple handle value notification", "23 0300 0100 aa 0500 0000", 6},
	{WriteCmd{0x0010, unhex("01")}, 0x52, KindCommand, "write command", "52 1000 01", 3},
	{SignedWriteCmd{0x0010, unhex("01"), [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, 0xD2, KindCommand, "signed write command", "d2 1000 01 0102030405060708090a0b0c", 15},
}

// unhex returns the octets of hexadecimal text with blanks.
func unhex(s string) []byte {
	u := strings.ReplaceAll(s, " ", "")
	b := make([]byte, 0, len(u)/2)
	for i := 0; i < len(u); i += 2 {
		b = append(b, hexDigit(u[i])<<4|hexDigit(u[i+1]))
	}
	return b
}

func hexDigit(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c)) }

func TestPDUBothWays(t *testing.T) {
	seen := map[Opcode]bool{}
	for _, s := range samples {
		want := unhex(s.hex)
		op := s.pdu.Opcode()
		seen[op] = true
		if byte(op) != s.op || op.Kind() != s.kind || op.String() != s.name {
			t.Errorf("opcode %#02x %q %v, want %#02x %q %v", byte(op), op, op.Kind(), s.op, s.name, s.kind)
		}
		if got := s.pdu.AppendPDU([]byte{0xEE}); !bytes.Equal(got, append([]byte{0xEE}, want...)) {
			t.Errorf("%v: appended % x, want ee % x", op, got, want)
		}
		got, err := Parse(want)
		if err != nil {
			t.Errorf("%v: %v", op, err)
		} else if d := cmp.Diff(s.pdu, got); d != "" {
			t.Errorf("%v: parsed (-want +got):\n%s", op, d)
		}
	}
	for op := range opcodeNames {
		if !seen[op] {
			t.Errorf("no sample of %v", op)
		}
	}
}

// Every prefix of a PDU is an error, or a valid PDU that encodes to the prefix.
func TestPDUPrefixes(t *testing.T) {
	for _, s := range samples {
		b := unhex(s.hex)
		shortest := -1
		for n := range len(b) + 1 {
			p, err := Parse(b[:n:n])
			var mal *MalformedError
			switch {
			case err == nil:
				if shortest < 0 {
					shortest = n
				}
				if got := p.AppendPDU(nil); !bytes.Equal(got, b[:n]) {
					t.Errorf("prefix % x became % x", b[:n], got)
				}
			case n > 0 && (!errors.As(err, &mal) || mal.Op != s.pdu.Opcode()):
				t.Errorf("prefix % x: error %v, want a MalformedError of the %v", b[:n], err, s.pdu.Opcode())
			}
		}
		if shortest != s.minimum {
			t.Errorf("%v %s: shortest valid prefix has %d octets, want %d", s.pdu.Opcode(), s.hex, shortest, s.minimum)
		}
	}
}

func TestParseRejects(t *testing.T) {
	tests := []struct{ hex, want string }{
		{"", "att: empty PDU"},
		{"7f", "att: unknown opcode 0x7f"},
		{"02 1700 00", "att: malformed exchange MTU request: trailing bytes: 1"},
		{"05 03 0100 0028", "att: malformed find information response: unknown format 0x03"},
		{"05 01", "att: malformed find information response: list without entries"},
		{"05 01 0100 0028 02", "att: malformed find information response: list of 5 octets, not a multiple of the entry size 4"},
		{"05 01 0200 0028 0200 0328", "att: malformed find information response: handle 0x0002 after 0x0002 in a list whose handles must rise"},
		{"05 01 0000 0028", "att: malformed find information response: handle 0x0000 after 0x0000 in a list whose handles must rise"},
		{"07 0100 0500 0500 0900", "att: malformed find by type value response: handle 0x0005 after 0x0005 in a list whose handles must rise"},
		{"07 0500 0400", "att: malformed find by type value response: group 0x0005-0x0004 ends before it starts"},
		{"08 0100 ffff 00280000", "att: malformed read by type request: UUID of 4 octets, want 2 or 16"},
		{"08 0100 ffff 002800", "att: malformed read by type request: UUID of 3 octets, want 2 or 16"},
		{"09 00 0100", "att: malformed read by type response: entry size 0, want at least 2"},
		{"09 01 01", "att: malformed read by type response: entry size 1, want at least 2"},
		{"09 02", "att: malformed read by type response: list without entries"},
		{"09 03 0200 aa 0100 bb", "att: malformed read by type response: handle 0x0001 after 0x0002 in a list whose handles must rise"},
		{"0e 0300", "att: malformed read multiple request: handles in 2 octets, want two or more handles"},
		{"11 03 010005", "att: malformed read by group type response: entry size 3, want at least 4"},
		{"11 06 0100 0500 0018 06", "att: malformed read by group type response: list of 7 octets, not a multiple of the entry size 6"},
		{"11 06 0100 0500 0018 0300 0900 0118", "att: malformed read by group type response: handle 0x0003 after 0x0005 in a list whose handles must rise"},
		{"23 0300 0500 aa", "att: malformed multiple handle value notification: input too short"},
		{"d2 1000 0102030405060708090a0b", "att: malformed signed write command: input too short"},
	}
	for _, tt := range tests {
		p, err := Parse(unhex(tt.hex))
		if err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%s) = %v, %v, want error %q", tt.hex, p, err, tt.want)
		}
	}
	if _, err := Parse([]byte{0x7F}); !errors.Is(err, ErrUnknownOpcode) {
		t.Errorf("error %v, want ErrUnknownOpcode", err)
	}
}

// answer reads a response as Do does.
func answer[R any](q Request[R], hex string) (R, error) {
	r := wire.NewReader(unhex(hex)[1:])
	return q.readResponse(&r)
}

func TestResponseMustStayInRange(t *testing.T) {
	_, info := answer(FindInformationReq{2, 9}, "05 01 0100 0028")
	_, find := answer(FindByTypeValueReq{2, 9, 0x2800, nil}, "07 0a00 0a00")
	_, typ := answer(ReadByTypeReq{2, 9, uuid.From16(0x2803)}, "09 03 0800 aa 0a00 bb")
	_, group := answer(ReadByGroupTypeReq{2, 9, uuid.From16(0x2800)}, "11 06 0100 0500 0018")
	_, variable := answer(ReadMultipleVariableReq{[]Handle{2, 3}}, "21 0000 0000 0000")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{info, "handles 0x0001 to 0x0001 in the answer, but only 0x0002 to 0x0009 were asked for"},
		{find, "handles 0x000a to 0x000a in the answer, but only 0x0002 to 0x0009 were asked for"},
		{typ, "handles 0x000a to 0x000a in the answer, but only 0x0002 to 0x0009 were asked for"},
		{group, "handles 0x0001 to 0x0001 in the answer, but only 0x0002 to 0x0009 were asked for"},
		{variable, "3 values in the answer, but 2 were asked for"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("error %v, want %q", tt.err, tt.want)
		}
	}
	// A group may end behind the requested range, as services do.
	if _, err := answer(ReadByGroupTypeReq{2, 9, uuid.From16(0x2800)}, "11 06 0200 ffff 0018"); err != nil {
		t.Error(err)
	}
}

func TestListsWalk(t *testing.T) {
	p, _ := Parse(unhex("05 02 0300" + vendorHex + "0400" + vendorHex))
	var info []Information
	for e := range p.(FindInformationRsp).All() {
		info = append(info, e)
	}
	if d := cmp.Diff([]Information{{3, vendor}, {4, vendor}}, info); d != "" {
		t.Error(d)
	}
	p, _ = Parse(unhex("11 06 0100 0500 0018 0600 ffff 0f18"))
	var groups []GroupData
	for e := range p.(ReadByGroupTypeRsp).All() {
		groups = append(groups, e)
	}
	if d := cmp.Diff([]GroupData{{1, 5, unhex("0018")}, {6, 0xFFFF, unhex("0f18")}}, groups); d != "" {
		t.Error(d)
	}
	p, _ = Parse(unhex("21 0100 aa 0400 bb"))
	var values []VariableValue
	for e := range p.(ReadMultipleVariableRsp).All() {
		values = append(values, e)
	}
	if d := cmp.Diff([]VariableValue{{1, unhex("aa")}, {4, unhex("bb")}}, values); d != "" {
		t.Error(d)
	}
	p, _ = Parse(unhex("23 0300 0100 aa 0500 0000"))
	var many []AttributeData
	for e := range p.(MultipleHandleValueNotification).All() {
		many = append(many, e)
	}
	if d := cmp.Diff([]AttributeData{{3, unhex("aa")}, {5, []byte{}}}, many); d != "" {
		t.Error(d)
	}
}

func TestListsFill(t *testing.T) {
	var info FindInformationRsp
	for h := Handle(1); info.Add(23, Information{h, uuid.From16(0x2800)}); h++ {
	}
	if len(info.Data) != 5*4 {
		t.Errorf("MTU 23 took %d octets of 16-bit entries, want 20", len(info.Data))
	}
	if info.Add(517, Information{9, vendor}) {
		t.Error("a 128-bit UUID went into a list of 16-bit UUIDs")
	}
	var find FindByTypeValueRsp
	for h := Handle(1); find.Add(23, HandleRange{h, h}); h++ {
	}
	if len(find.Data) != 5*4 {
		t.Errorf("MTU 23 took %d octets of ranges, want 20", len(find.Data))
	}
	long := make([]byte, 512)
	var typ ReadByTypeRsp
	if !typ.Add(517, AttributeData{1, long}) || typ.Length != 255 || len(typ.Data) != 255 {
		t.Errorf("a long value gave entry size %d in %d octets, want 255: the first 253 octets of the value", typ.Length, len(typ.Data))
	}
	if typ.Add(517, AttributeData{2, long}) || !typ.Add(517, AttributeData{2, long[:253]}) || typ.Add(517, AttributeData{3, long[:253]}) {
		t.Error("only values of the same whole length belong in a list, and only while they fit")
	}
	typ = ReadByTypeRsp{}
	if !typ.Add(23, AttributeData{1, long}) || len(typ.Data) != 21 {
		t.Errorf("MTU 23 took %d octets of a long value, want ATT_MTU-2 with the handle", len(typ.Data))
	}
	var group ReadByGroupTypeRsp
	if !group.Add(517, GroupData{1, 2, long}) || group.Length != 255 || len(group.Data) != 255 {
		t.Errorf("a long group value gave entry size %d, want 255", group.Length)
	}
	if group.Add(517, GroupData{3, 4, long[:2]}) || group.Add(300, GroupData{3, 4, long[:251]}) {
		t.Error("a group of another length, or one too many, went into the list")
	}
	var variable ReadMultipleVariableRsp
	variable.Add(23, long[:19])
	variable.Add(23, long[:19])
	if got := variable.AppendPDU(nil); len(got) != 23 {
		t.Errorf("a list for MTU 23 has %d octets", len(got))
	}
	var many MultipleHandleValueNotification
	if !many.Add(23, AttributeData{1, long[:8]}) || many.Add(23, AttributeData{2, long[:7]}) || !many.Add(23, AttributeData{2, long[:6]}) {
		t.Error("MTU 23 holds 22 octets of handles, lengths and values, uncut")
	}
}

// Iterating over a list does not allocate.
func TestListsWalkWithoutAllocation(t *testing.T) {
	b := unhex("09 07 0200 0203000028 0400 0205000128 0600 0207000228")
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		rd := wire.NewReader(b[1:])
		rsp, err := ReadByTypeReq{1, 0xFFFF, uuid.UUID{}}.readResponse(&rd)
		if err != nil {
			t.Fatal(err)
		}
		for e := range rsp.All() {
			sum += len(e.Value)
		}
	}); n != 0 || sum == 0 {
		t.Errorf("%v allocations a list (sum %d), want none", n, sum)
	}
	b = unhex("05 01 0100 0028 0200 0328")
	if n := testing.AllocsPerRun(100, func() {
		rd := wire.NewReader(b[1:])
		rsp, err := FindInformationReq{1, 0xFFFF}.readResponse(&rd)
		if err != nil {
			t.Fatal(err)
		}
		for e := range rsp.All() {
			sum += int(e.Handle)
		}
	}); n != 0 {
		t.Errorf("%v allocations a list, want none", n)
	}
}

func TestNamesOfUnknownValues(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Opcode(0x7F).String(), "opcode(0x7f)"},
		{Kind(0x77).String(), "kind(0x77)"},
		{Code(0x00).String(), "code 0x00"},
		{Code(0x7F).Error(), "att: code 0x7f"},
		{Code(0x80).String(), "application error 0x80"},
		{Code(0x9F).String(), "application error 0x9f"},
		{Code(0xA0).String(), "code 0xa0"},
		{CodeOutOfRange.Error(), "att: out of range"},
		{Handle(0x2A).String(), "0x002a"},
		{HandleRange{1, 5}.String(), "0x0001-0x0005"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	if k := Opcode(0x45).Kind(); k != KindCommand {
		t.Errorf("an unknown opcode with the command flag is a %v, want a command", k)
	}
	if k := Opcode(0x24).Kind(); k != KindUnknown {
		t.Errorf("an unknown opcode is a %v, want unknown", k)
	}
}

// Codes of Vol 3, Part F, Table 3.4, and CSS, Part B, 1.2.
func TestCodes(t *testing.T) {
	for code, want := range map[Code]string{
		0x01: "invalid handle", 0x02: "read not permitted", 0x03: "write not permitted", 0x04: "invalid PDU",
		0x05: "insufficient authentication", 0x06: "request not supported", 0x07: "invalid offset",
		0x08: "insufficient authorization", 0x09: "prepare queue full", 0x0A: "attribute not found",
		0x0B: "attribute not long", 0x0C: "encryption key size too short", 0x0D: "invalid attribute value length",
		0x0E: "unlikely error", 0x0F: "insufficient encryption", 0x10: "unsupported group type",
		0x11: "insufficient resources", 0x12: "database out of sync", 0x13: "value not allowed",
		0xFC: "write request rejected", 0xFD: "client characteristic configuration descriptor improperly configured",
		0xFE: "procedure already in progress", 0xFF: "out of range",
	} {
		if code.String() != want {
			t.Errorf("code %#02x is %q, want %q", uint8(code), code.String(), want)
		}
	}
	err := error(ErrorRsp{OpReadReq, 0x002A, CodeReadNotPermitted}.Err())
	if !errors.Is(err, CodeReadNotPermitted) || err.Error() != "att: read request of handle 0x002a: read not permitted (0x02)" {
		t.Errorf("error %q", err)
	}
	err = ErrorRsp{OpExchangeMTUReq, HandleNone, CodeRequestNotSupported}.Err()
	if err.Error() != "att: exchange MTU request: request not supported (0x06)" {
		t.Errorf("error %q", err)
	}
}

// A parsed PDU survives a round trip.
func FuzzPDU(f *testing.F) {
	for _, s := range samples {
		f.Add(s.pdu.AppendPDU(nil))
	}
	for _, records := range replay.Seeds(f, "../../testdata/btsnoop") {
		const attribute = 0x0004 // the channel of ATT
		for _, pdu := range slices.Concat(replay.Frames(records, attribute, false), replay.Frames(records, attribute, true)) {
			f.Add(pdu)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			var mal *MalformedError
			if !errors.As(err, &mal) && !errors.Is(err, ErrUnknownOpcode) && len(b) != 0 {
				t.Fatalf("% x: untyped error %v", b, err)
			}
			return
		}
		again := p.AppendPDU(nil)
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("% x was accepted, but then % x: %v", b, again, err)
		}
		if d := cmp.Diff(p, q); d != "" {
			t.Fatalf("% x: %s", b, d)
		}
	})
}
