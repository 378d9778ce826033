package hci

import (
	"github.com/moor-ble/moor/internal/wire"
)

// CommandComplete answers a command (Vol 4, Part E, 7.7.14).
type CommandComplete struct {
	NumPackets uint8  // how many commands the controller accepts from now on
	Opcode     Opcode // 0 if it answers none and only tells NumPackets
	// Return holds the return parameters, beginning with the status octet. It is
	// empty for opcode 0. It is also empty if a controller omits the status; the
	// event still answers the command. Return aliases the decoded packet.
	Return []byte
}

func (*CommandComplete) event() (code, subevent uint8) { return EvCommandComplete, 0 }

func (e *CommandComplete) readParams(r *wire.Reader) error {
	e.NumPackets, e.Opcode = r.U8(), Opcode(r.U16())
	e.Return = r.Rest()
	return nil
}

func (e *CommandComplete) appendParams(b []byte) []byte {
	b = wire.AppendU16(append(b, e.NumPackets), uint16(e.Opcode))
	return append(b, e.Return...)
}

// CommandStatus accepts or refuses a command that starts a procedure, or refuses an
// unknown command (Vol 4, Part E, 7.7.15).
type CommandStatus struct {
	Status     Status
	NumPackets uint8  // how many commands the controller accepts from now on
	Opcode     Opcode // 0 if it answers none and only tells NumPackets
}

func (*CommandStatus) event() (code, subevent uint8) { return EvCommandStatus, 0 }

func (e *CommandStatus) readParams(r *wire.Reader) error {
	e.Status, e.NumPackets, e.Opcode = Status(r.U8()), r.U8(), Opcode(r.U16())
	return nil
}

func (e *CommandStatus) appendParams(b []byte) []byte {
	return wire.AppendU16(append(b, uint8(e.Status), e.NumPackets), uint16(e.Opcode))
}

// HardwareError reports a failure of the controller (Vol 4, Part E, 7.7.16).
type HardwareError struct {
	Code uint8 // defined by the manufacturer
}

func (*HardwareError) event() (code, subevent uint8) { return EvHardwareError, 0 }

func (e *HardwareError) readParams(r *wire.Reader) error {
	e.Code = r.U8()
	return nil
}

func (e *HardwareError) appendParams(b []byte) []byte { return append(b, e.Code) }

// CompletedPackets is the number of data packets of a link whose buffers are free.
type CompletedPackets struct {
	Handle Handle
	Count  uint16
}

// NumberOfCompletedPackets returns data buffers to the host (Vol 4, Part E, 7.7.19).
type NumberOfCompletedPackets struct {
	Counts []CompletedPackets
}

func (*NumberOfCompletedPackets) event() (code, subevent uint8) { return EvNumberOfCompletedPackets, 0 }

func (e *NumberOfCompletedPackets) readParams(r *wire.Reader) error {
	e.Counts = e.Counts[:0]
	for n := r.U8(); n > 0 && r.Err() == nil; n-- {
		e.Counts = append(e.Counts, CompletedPackets{Handle: readHandle(r), Count: r.U16()})
	}
	return nil
}

func (e *NumberOfCompletedPackets) appendParams(b []byte) []byte {
	counts := e.Counts[:min(len(e.Counts), maxCounts)]
	b = append(b, uint8(len(counts)))
	for _, c := range counts {
		b = wire.AppendU16(appendHandle(b, c.Handle), c.Count)
	}
	return b
}

// maxCounts is the number of handles that fit one event.
const maxCounts = (maxParamsLen - 1) / 4

// DataBufferOverflow reports that the host has sent more data packets than there were
// buffers (Vol 4, Part E, 7.7.26).
type DataBufferOverflow struct {
	LinkType uint8 // 0 synchronous, 1 ACL, 2 ISO
}

func (*DataBufferOverflow) event() (code, subevent uint8) { return EvDataBufferOverflow, 0 }

func (e *DataBufferOverflow) readParams(r *wire.Reader) error {
	e.LinkType = r.U8()
	return nil
}

func (e *DataBufferOverflow) appendParams(b []byte) []byte { return append(b, e.LinkType) }

// VendorEvent is an event in a format of the manufacturer (Vol 4, Part E, 5.4.4).
type VendorEvent struct {
	Data []byte // aliases the decoded packet
}

func (*VendorEvent) event() (code, subevent uint8) { return EvVendor, 0 }

func (e *VendorEvent) readParams(r *wire.Reader) error {
	e.Data = r.Rest()
	return nil
}

func (e *VendorEvent) appendParams(b []byte) []byte { return append(b, e.Data...) }

// UnknownEvent is an event without a struct in this package.
type UnknownEvent struct {
	Code, Subevent uint8  // Subevent is 0 unless Code is EvLEMeta
	Data           []byte // the parameters after the codes; aliases the decoded packet
}

func (e *UnknownEvent) event() (code, subevent uint8) { return e.Code, e.Subevent }

func (e *UnknownEvent) readParams(r *wire.Reader) error {
	e.Data = r.Rest()
	return nil
}

func (e *UnknownEvent) appendParams(b []byte) []byte { return append(b, e.Data...) }

func appendHandle(b []byte, h Handle) []byte { return wire.AppendU16(b, uint16(h)) }
