package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// EntryKind is the kind of an Entry.
type EntryKind uint8

// The kinds of entries.
const (
	LogToController EntryKind = iota // an HCI packet from a host
	LogToHost                        // an HCI packet to a host
	LogData                          // a data packet that has arrived on a link
	LogControl                       // a control PDU that has arrived on a link
	LogLinkUp                        // a link exists for a node
	LogLinkDown                      // a link has ended for a node
)

// String returns a short name.
func (k EntryKind) String() string {
	names := [...]string{"host>", "host<", "data", "control", "up", "down"}
	if int(k) < len(names) {
		return names[k]
	}
	return "?"
}

// Entry is one event of the log, see Config.Log.
type Entry struct {
	Time time.Time
	Kind EntryKind
	Node string // the node that it concerns
	Peer string // the other side of a link
	Link uint64 // number of the link, from 1; 0 for HCI
	// Packet is the H4 packet of HCI, the payload of data, or the opcode of a
	// control PDU. It is valid during the call only.
	Packet []byte
	Status hci.Status // the reason for the end of a link
}

func (a *Air) logHCI(c *Controller, head, tail []byte, out bool) {
	if a.cfg.Log == nil {
		return
	}
	kind := LogToHost
	if out {
		kind = LogToController
	}
	if len(tail) > 0 {
		head = append(append([]byte(nil), head...), tail...)
	}
	a.cfg.Log(Entry{Time: a.wallTime(a.now), Kind: kind, Node: c.node.name, Packet: head})
}

func (a *Air) logEnd(e *endpoint, kind EntryKind, packet []byte, st hci.Status) {
	if a.cfg.Log == nil {
		return
	}
	a.cfg.Log(Entry{
		Time: a.wallTime(a.now), Kind: kind, Node: e.radio.name, Peer: e.other().radio.name,
		Link: e.link.id, Packet: packet, Status: st,
	})
}
