package hci

import "slices"

// The kinds of records in a capture of the Linux monitor that are packets. Their flags
// are the index of the adapter and the kind, 16 bits each, and the packets have no H4
// octet. Other kinds tell of adapters and programs.
const (
	monitorCommand = 2
	monitorEvent   = 3
	monitorACLSent = 4
	monitorACL     = 5
	monitorSCOSent = 6
	monitorSCO     = 7
	monitorISOSent = 18
	monitorISO     = 19
)

// takeMonitorFlags completes the record of a packet in a capture of the Linux monitor, and
// reports whether it is one.
func (rec *SnoopRecord) takeMonitorFlags(flags uint32) bool {
	var typ PacketType
	rec.Index, rec.Sent = uint16(flags>>16), false
	switch kind := uint16(flags); kind {
	case monitorCommand:
		typ, rec.Sent = PacketCommand, true
	case monitorEvent:
		typ = PacketEvent
	case monitorACLSent, monitorACL:
		typ, rec.Sent = PacketACL, kind == monitorACLSent
	case monitorSCOSent, monitorSCO:
		typ, rec.Sent = PacketSCO, kind == monitorSCOSent
	case monitorISOSent, monitorISO:
		typ, rec.Sent = PacketISO, kind == monitorISOSent
	default:
		return false
	}
	rec.Packet = slices.Insert(rec.Packet, 0, byte(typ))
	return true
}
