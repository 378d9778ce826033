package demo

import (
	"sync/atomic"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// tap is a transport that shows its packets: each command with its answer, and each
// event. It only counts data packets and advertising reports.
type tap struct {
	hci.Transport
	p     *printer
	muted atomic.Bool
}

// ReadPacket reads a packet and shows it.
func (t *tap) ReadPacket(b []byte) (int, error) {
	n, err := t.Transport.ReadPacket(b)
	if err == nil {
		r := wire.NewReader(b[:n])
		switch hci.PacketType(r.U8()) {
		case hci.PacketACL:
			t.p.countPacket(func(c *counts) { c.received++ })
		case hci.PacketEvent:
			t.showEvent(r.Rest())
		default: // no other kind comes from an LE controller
		}
	}
	return n, err
}

// WritePacket shows a packet and writes it.
func (t *tap) WritePacket(b []byte) error {
	r := wire.NewReader(b)
	switch hci.PacketType(r.U8()) {
	case hci.PacketACL:
		t.p.countPacket(func(c *counts) { c.sent++ })
	case hci.PacketCommand:
		t.showCommand(r.Rest())
	default: // no other kind goes to an LE controller
	}
	return t.Transport.WritePacket(b)
}

func (t *tap) showCommand(packet []byte) {
	cmd, err := hci.ParseCommand(packet)
	switch {
	case err != nil:
		t.p.printEvent(err.Error())
	case t.muted.Load():
		t.p.countPacket(func(c *counts) { c.commands++ })
	default:
		t.p.holdCommand(cmd.Opcode(), describeCommand(cmd))
	}
}

func (t *tap) showEvent(packet []byte) {
	ev, err := hci.ParseEvent(packet)
	if err != nil {
		t.p.printEvent(err.Error())
		return
	}
	switch ev := ev.(type) {
	case *hci.NumberOfCompletedPackets: // counted with the data packets
	case *hci.LEAdvertisingReport, *hci.LEExtendedAdvertisingReport:
		t.p.countPacket(func(c *counts) { c.reports++ })
	case *hci.CommandComplete:
		r := wire.NewReader(ev.Return)
		t.p.printAnswer(ev.Opcode, hci.Status(r.U8()))
	case *hci.CommandStatus:
		t.p.printAnswer(ev.Opcode, ev.Status)
	default:
		if !t.muted.Load() {
			t.p.printEvent(describeEvent(ev))
		}
	}
}
