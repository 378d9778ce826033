package demo

import (
	"sync/atomic"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// tap is a transport that shows what passes: each command together with its
// answer, and each event. Of what comes in crowds it only counts.
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
			t.p.count(func(c *counts) { c.received++ })
		case hci.PacketEvent:
			t.event(r.Rest())
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
		t.p.count(func(c *counts) { c.sent++ })
	case hci.PacketCommand:
		t.command(r.Rest())
	default: // no other kind goes to an LE controller
	}
	return t.Transport.WritePacket(b)
}

func (t *tap) command(packet []byte) {
	cmd, err := hci.ParseCommand(packet)
	switch {
	case err != nil:
		t.p.event(err.Error())
	case t.muted.Load():
		t.p.count(func(c *counts) { c.commands++ })
	default:
		t.p.command(cmd.Opcode(), describeCommand(cmd))
	}
}

func (t *tap) event(packet []byte) {
	ev, err := hci.ParseEvent(packet)
	if err != nil {
		t.p.event(err.Error())
		return
	}
	switch ev := ev.(type) {
	case *hci.NumberOfCompletedPackets: // goes with the data
	case *hci.LEAdvertisingReport, *hci.LEExtendedAdvertisingReport:
		t.p.count(func(c *counts) { c.reports++ })
	case *hci.CommandComplete:
		r := wire.NewReader(ev.Return)
		t.p.answer(ev.Opcode, hci.Status(r.U8()))
	case *hci.CommandStatus:
		t.p.answer(ev.Opcode, ev.Status)
	default:
		if !t.muted.Load() {
			t.p.event(describeEvent(ev))
		}
	}
}
