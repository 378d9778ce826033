package hci

import (
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// Event is an event of a controller, a pointer to one of the event structs of this
// package (Vol 4, Part E, 7.7).
type Event interface {
	// event returns the codes of the event. subevent is 0 unless code is EvLEMeta.
	event() (code, subevent uint8)
	// readParams reads the parameters after the codes and assigns every field. The
	// caller checks r.Err; the result is an error of contradictory parameters.
	readParams(r *wire.Reader) error
	// appendParams appends the parameters after the codes.
	appendParams(b []byte) []byte
}

// The event codes (Vol 4, Part E, 7.7).
const (
	EvDisconnectionComplete                uint8 = 0x05
	EvEncryptionChange                     uint8 = 0x08
	EvReadRemoteVersionInformationComplete uint8 = 0x0C
	EvCommandComplete                      uint8 = 0x0E
	EvCommandStatus                        uint8 = 0x0F
	EvHardwareError                        uint8 = 0x10
	EvNumberOfCompletedPackets             uint8 = 0x13
	EvDataBufferOverflow                   uint8 = 0x1A
	EvEncryptionKeyRefreshComplete         uint8 = 0x30
	EvLEMeta                               uint8 = 0x3E
	EvEncryptionChangeV2                   uint8 = 0x59
	EvVendor                               uint8 = 0xFF
)

// The subevent codes of EvLEMeta (Vol 4, Part E, 7.7.65).
const (
	EvLEConnectionComplete                 uint8 = 0x01
	EvLEAdvertisingReport                  uint8 = 0x02
	EvLEConnectionUpdateComplete           uint8 = 0x03
	EvLEReadRemoteFeaturesComplete         uint8 = 0x04
	EvLELongTermKeyRequest                 uint8 = 0x05
	EvLERemoteConnectionParameterRequest   uint8 = 0x06
	EvLEDataLengthChange                   uint8 = 0x07
	EvLEReadLocalP256PublicKeyComplete     uint8 = 0x08
	EvLEGenerateDHKeyComplete              uint8 = 0x09
	EvLEEnhancedConnectionComplete         uint8 = 0x0A
	EvLEPHYUpdateComplete                  uint8 = 0x0C
	EvLEExtendedAdvertisingReport          uint8 = 0x0D
	EvLEPeriodicAdvertisingSyncEstablished uint8 = 0x0E
	EvLEPeriodicAdvertisingReport          uint8 = 0x0F
	EvLEPeriodicAdvertisingSyncLost        uint8 = 0x10
	EvLEScanTimeout                        uint8 = 0x11
	EvLEAdvertisingSetTerminated           uint8 = 0x12
	EvLEScanRequestReceived                uint8 = 0x13
	EvLEChannelSelectionAlgorithm          uint8 = 0x14
	EvLEEnhancedConnectionCompleteV2       uint8 = 0x29
)

// DefaultEventMask is the mask of SetEventMask after a reset (Vol 4, Part E, 7.3.1):
// the events of early versions of the specification, some of whose bits are
// reserved today. LE events are not among them.
const DefaultEventMask uint64 = 0x00001FFFFFFFFFFF

// EventMask returns the mask of SetEventMask that enables the given events, codes 0x01
// to 0x40 (Vol 4, Part E, 7.3.1).
func EventMask(codes ...uint8) uint64 { return maskOf(codes, 1) }

// EventMask2 returns the mask of SetEventMaskPage2 that enables the given events,
// codes 0x40 to 0x7F (Vol 4, Part E, 7.3.69).
func EventMask2(codes ...uint8) uint64 { return maskOf(codes, 0x40) }

// LEEventMask returns the mask of LESetEventMask that enables the given subevents,
// 0x01 to 0x40 (Vol 4, Part E, 7.8.1).
func LEEventMask(subevents ...uint8) uint64 { return maskOf(subevents, 1) }

func maskOf(codes []uint8, first uint8) (m uint64) {
	for _, c := range codes {
		if c >= first {
			m |= 1 << (c - first)
		}
	}
	return m
}

// eventHeaderLen is the length of code and length octet (Vol 4, Part E, 5.4.4).
const eventHeaderLen = 2

// Decoder decodes events into storage that it owns and reuses, so that it does not
// allocate once each kind of event has occurred. The zero Decoder is ready for use.
// It must not be used by two goroutines at the same time.
type Decoder struct {
	r wire.Reader
	eventStorage
}

// Event decodes an event packet without its H4 octet: code, length, parameters
// (Vol 4, Part E, 5.4.4). The event is valid until the next call, and its slices
// alias b. An event without a struct in this package becomes an *UnknownEvent. Octets
// beyond the known parameters, and beyond the packet, are ignored. Errors are
// *PacketError.
func (d *Decoder) Event(b []byte) (Event, error) {
	d.r = wire.NewReader(b)
	code := d.r.U8()
	d.r = d.r.Sub(int(d.r.U8()))
	if err := d.r.Err(); err != nil {
		return nil, NewPacketError("event packet", loggableEvent(b), err)
	}
	var subevent uint8
	if code == EvLEMeta {
		if subevent = d.r.U8(); d.r.Err() != nil {
			return nil, NewPacketError("LE Meta event", b, d.r.Err())
		}
	}
	ev := d.storage(code, subevent)
	err := ev.readParams(&d.r)
	if e := d.r.Err(); e != nil {
		err = e
	}
	if err != nil {
		return nil, NewPacketError(eventName(code, subevent), loggableEvent(b), err)
	}
	return ev, nil
}

// loggableEvent returns the part of an event packet that may appear in an error: all
// of it, or only its codes if the parameters include a key or a random number.
func loggableEvent(b []byte) []byte {
	r := wire.NewReader(b)
	code := r.U8()
	r.Skip(1)
	secret := false
	switch code {
	case EvLEMeta:
		secret = r.U8() == EvLEGenerateDHKeyComplete
	case EvCommandComplete:
		r.Skip(1)
		op := Opcode(r.U16())
		secret = op == OpLERand || op == OpLEEncrypt
	}
	if secret {
		return b[:len(b)-r.Len()]
	}
	return b
}

// ParseEvent is [Decoder.Event] without reuse: the caller owns the event. Its slices
// alias b.
func ParseEvent(b []byte) (Event, error) {
	var d Decoder
	return d.Event(b)
}

// AppendEvent appends ev as a packet without its H4 octet: code, length, parameters.
// Times are rounded down to a step. Reports and counts beyond the 255 octets of an
// event are omitted, and other data is truncated. An advertising report event without
// reports is one that decoders refuse.
func AppendEvent(b []byte, ev Event) []byte {
	code, subevent := ev.event()
	at := len(b)
	b = append(b, code, 0)
	if code == EvLEMeta {
		b = append(b, subevent)
	}
	return finishEvent(ev.appendParams(b), at)
}

// finishEvent sets the length octet of the event that begins at index at.
func finishEvent(b []byte, at int) []byte {
	b = b[:min(len(b), at+eventHeaderLen+maxParamsLen)]
	wire.PutU8(b, at+1, uint8(len(b)-at-eventHeaderLen))
	return b
}

// AppendCommandComplete appends a Command Complete event without its H4 octet
// (Vol 4, Part E, 7.7.14). ret holds the return parameters; nil means none. They
// follow only the status success. After another status only a connection handle at
// their beginning is appended (Vol 4, Part E, 4.5).
func AppendCommandComplete(b []byte, numPackets uint8, op Opcode, st Status, ret interface{ AppendReturn([]byte) []byte }) []byte {
	at := len(b)
	b = append(b, EvCommandComplete, 0, numPackets)
	b = append(wire.AppendU16(b, uint16(op)), uint8(st))
	switch echo, ok := ret.(interface{ echoReturn([]byte) []byte }); {
	case ret == nil:
	case st == StatusSuccess:
		b = ret.AppendReturn(b)
	case ok:
		b = echo.echoReturn(b)
	}
	return finishEvent(b, at)
}

// eventName returns the name of an event in the specification.
func eventName(code, subevent uint8) string {
	names, key := eventNames, code
	if code == EvLEMeta {
		names, key = leEventNames, subevent
	}
	if s, ok := names[key]; ok {
		return s
	}
	if code == EvLEMeta {
		return fmt.Sprintf("LE event 0x%02x", subevent)
	}
	return fmt.Sprintf("event 0x%02x", code)
}

var eventNames = map[uint8]string{
	EvDisconnectionComplete:                "Disconnection Complete",
	EvEncryptionChange:                     "Encryption Change",
	EvReadRemoteVersionInformationComplete: "Read Remote Version Information Complete",
	EvCommandComplete:                      "Command Complete",
	EvCommandStatus:                        "Command Status",
	EvHardwareError:                        "Hardware Error",
	EvNumberOfCompletedPackets:             "Number Of Completed Packets",
	EvDataBufferOverflow:                   "Data Buffer Overflow",
	EvEncryptionKeyRefreshComplete:         "Encryption Key Refresh Complete",
	EvEncryptionChangeV2:                   "Encryption Change [v2]",
	EvVendor:                               "Vendor Event",
}

var leEventNames = map[uint8]string{
	EvLEConnectionComplete:                 "LE Connection Complete",
	EvLEAdvertisingReport:                  "LE Advertising Report",
	EvLEConnectionUpdateComplete:           "LE Connection Update Complete",
	EvLEReadRemoteFeaturesComplete:         "LE Read Remote Features Complete",
	EvLELongTermKeyRequest:                 "LE Long Term Key Request",
	EvLERemoteConnectionParameterRequest:   "LE Remote Connection Parameter Request",
	EvLEDataLengthChange:                   "LE Data Length Change",
	EvLEReadLocalP256PublicKeyComplete:     "LE Read Local P-256 Public Key Complete",
	EvLEGenerateDHKeyComplete:              "LE Generate DHKey Complete",
	EvLEEnhancedConnectionComplete:         "LE Enhanced Connection Complete",
	EvLEPHYUpdateComplete:                  "LE PHY Update Complete",
	EvLEExtendedAdvertisingReport:          "LE Extended Advertising Report",
	EvLEPeriodicAdvertisingSyncEstablished: "LE Periodic Advertising Sync Established",
	EvLEPeriodicAdvertisingReport:          "LE Periodic Advertising Report",
	EvLEPeriodicAdvertisingSyncLost:        "LE Periodic Advertising Sync Lost",
	EvLEScanTimeout:                        "LE Scan Timeout",
	EvLEAdvertisingSetTerminated:           "LE Advertising Set Terminated",
	EvLEScanRequestReceived:                "LE Scan Request Received",
	EvLEChannelSelectionAlgorithm:          "LE Channel Selection Algorithm",
	EvLEEnhancedConnectionCompleteV2:       "LE Enhanced Connection Complete [v2]",
}
