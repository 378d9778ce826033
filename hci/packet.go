package hci

import (
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// PacketType is the first octet of an H4 packet (Vol 4, Part A, 2).
type PacketType uint8

// The packet types.
const (
	PacketCommand PacketType = 0x01
	PacketACL     PacketType = 0x02
	PacketSCO     PacketType = 0x03
	PacketEvent   PacketType = 0x04
	PacketISO     PacketType = 0x05
)

// String returns the type's name, or its hexadecimal form.
func (t PacketType) String() string {
	switch t {
	case PacketCommand:
		return "command"
	case PacketACL:
		return "ACL data"
	case PacketSCO:
		return "SCO data"
	case PacketEvent:
		return "event"
	case PacketISO:
		return "ISO data"
	}
	return fmt.Sprintf("packet type 0x%02x", uint8(t))
}

// AppendCommand appends p as a whole H4 packet: type octet, opcode, length,
// parameters (Vol 4, Part E, 5.4.1). The error is a *ParamError.
func AppendCommand(b []byte, p Params) ([]byte, error) {
	at := len(b)
	b = append(b, uint8(PacketCommand))
	b = append(wire.AppendU16(b, uint16(p.Opcode())), 0)
	start := len(b)
	b, err := p.AppendParams(b)
	if err != nil {
		return nil, err
	}
	n := len(b) - start
	if n > maxParamsLen {
		return nil, &ParamError{p.Opcode(), "length of the parameters", fmt.Sprint(n), fmt.Sprintf("at most %d octets", maxParamsLen)}
	}
	wire.PutU8(b, at+commandHeaderLen, uint8(n))
	return b, nil
}

// ACLHeaderLen is the number of octets before the data of an H4 ACL packet: packet
// type, handle with flags, and length (Vol 4, Part E, 5.4.2).
const ACLHeaderLen = 1 + 4

// ACLHeader is the header of an ACL data packet (Vol 4, Part E, 5.4.2):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------+---+---+-------------------------------+
//	|        handle         |PB |BC |            length             |
//	+-----------------------+---+---+-------------------------------+
//
// PB is 00 in the first packet of an L2CAP frame from a host, 10 in the first one
// from a controller (or in a flushable one from a host), and 01 in the packets that
// continue a frame.
type ACLHeader struct {
	Handle    Handle
	Start     bool  // the first packet of an L2CAP frame
	Flushable bool  // with Start: PB is 10 instead of 00
	Broadcast uint8 // 0 on LE
	Len       uint16
}

// The values of the packet boundary flag.
const (
	pbFirst          = 0
	pbContinuation   = 1
	pbFirstFlushable = 2
)

// ParseACL decodes an ACL data packet without its H4 octet. data has the length in
// the header and aliases b; octets after it are ignored. Errors are *PacketError.
func ParseACL(b []byte) (h ACLHeader, data []byte, err error) {
	r := wire.NewReader(b)
	flags := r.U16()
	h = ACLHeader{Handle: Handle(flags & handleMask), Broadcast: uint8(flags >> 14), Len: r.U16()}
	switch flags >> 12 & 3 {
	case pbFirst:
		h.Start = true
	case pbFirstFlushable:
		h.Start, h.Flushable = true, true
	case pbContinuation:
	default:
		return ACLHeader{}, nil, NewPacketError("ACL data packet with packet boundary flag 3, which does not exist on LE", b, nil)
	}
	data = r.Bytes(int(h.Len))
	if r.Err() != nil {
		return ACLHeader{}, nil, NewPacketError("ACL data packet", b, r.Err())
	}
	return h, data, nil
}

// Append appends a whole H4 packet: type octet, header, data. The length is
// that of data, at most 65535 octets; h.Len is not used.
func (h ACLHeader) Append(b, data []byte) []byte {
	pb := uint16(pbContinuation)
	switch {
	case h.Start && h.Flushable:
		pb = pbFirstFlushable
	case h.Start:
		pb = pbFirst
	}
	data = data[:min(len(data), 0xFFFF)]
	b = wire.AppendU16(append(b, uint8(PacketACL)), uint16(h.Handle)&handleMask|pb<<12|uint16(h.Broadcast&3)<<14)
	return append(wire.AppendU16(b, uint16(len(data))), data...)
}

// AppendACL appends a whole H4 packet of a host: type octet, header, and data of at
// most 65535 octets. start marks the first packet of an L2CAP frame. For the packets
// of a controller use ACLHeader.Append with Flushable.
func AppendACL(b []byte, handle Handle, start bool, data []byte) []byte {
	return ACLHeader{Handle: handle, Start: start}.Append(b, data)
}

// SplitPacket returns the length of the H4 packet at the beginning of b, including
// its type octet; 0 if b does not hold all of it. The error is a *PacketError if
// the first octet is not a packet type: the byte stream is out of step.
func SplitPacket(b []byte) (n int, err error) {
	r := wire.NewReader(b)
	typ := PacketType(r.U8())
	if r.Err() != nil {
		return 0, nil
	}
	var length int
	switch typ {
	case PacketCommand, PacketSCO:
		r.Skip(2)
		length = int(r.U8())
	case PacketEvent:
		r.Skip(1)
		length = int(r.U8())
	case PacketACL:
		r.Skip(2)
		length = int(r.U16())
	case PacketISO:
		r.Skip(2)
		length = int(r.U16() & isoLengthMask)
	default:
		return 0, NewPacketError("unknown H4 "+typ.String(), b, nil)
	}
	before := r.Len()
	r.Skip(length)
	if r.Err() != nil {
		return 0, nil
	}
	return len(b) - before + length, nil
}

// isoLengthMask covers the length in an ISO data packet's header, whose two
// upper bits are reserved (Vol 4, Part E, 5.4.5).
const isoLengthMask = 0x3FFF
