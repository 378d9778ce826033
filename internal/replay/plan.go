package replay

import (
	"bytes"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// plan is a capture and the part of it that has been played. A record of the host is
// played when the host has sent it, one of the controller when it is on its way.
type plan struct {
	records []hci.SnoopRecord
	played  []bool
	// answers holds the index of the answer to each captured command; -1 without one.
	answers []int
	// last is the highest index of a played record of the host; -1 before the first.
	last int
}

func newPlan(records []hci.SnoopRecord) *plan {
	p := &plan{records: records, played: make([]bool, len(records)), answers: make([]int, len(records)), last: -1}
	waiting := map[hci.Opcode][]int{} // commands without an answer so far, in order
	for i, rec := range records {
		p.answers[i] = -1
		if op, ok := commandOpcode(rec); ok {
			waiting[op] = append(waiting[op], i)
		}
		op, ok := answeredOpcode(rec)
		if commands := waiting[op]; ok && len(commands) > 0 {
			p.answers[commands[0]], waiting[op] = i, commands[1:]
		}
	}
	return p
}

// commandOpcode returns the opcode of a command of the host.
func commandOpcode(rec hci.SnoopRecord) (op hci.Opcode, ok bool) {
	r := wire.NewReader(rec.Packet)
	if !rec.Sent || hci.PacketType(r.U8()) != hci.PacketCommand {
		return 0, false
	}
	op = hci.Opcode(r.U16())
	return op, r.Err() == nil
}

// answeredOpcode returns the opcode of the command that an event answers.
func answeredOpcode(rec hci.SnoopRecord) (op hci.Opcode, ok bool) {
	if rec.Sent || hci.PacketType(rec.Packet[0]) != hci.PacketEvent {
		return 0, false
	}
	ev, err := hci.ParseEvent(rec.Packet[1:])
	if err != nil {
		return 0, false
	}
	switch ev := ev.(type) {
	case *hci.CommandComplete:
		return ev.Opcode, ev.Opcode != 0
	case *hci.CommandStatus:
		return ev.Opcode, ev.Opcode != 0
	}
	return 0, false
}

// find returns the index of the captured packet that the host has sent now: the first
// equal one that has not been played, or else the first command with the same opcode, as
// commands may have random parameters.
func (p *plan) find(packet []byte) (index int, ok bool) {
	for i, rec := range p.records {
		if rec.Sent && !p.played[i] && bytes.Equal(rec.Packet, packet) {
			return i, true
		}
	}
	op, isCommand := commandOpcode(hci.SnoopRecord{Sent: true, Packet: packet})
	for i, rec := range p.records {
		if same, ok := commandOpcode(rec); isCommand && ok && same == op && !p.played[i] {
			return i, true
		}
	}
	return 0, false
}

// findAgain returns the index of the last answer to a command that the host repeats more
// often than the captured one did.
func (p *plan) findAgain(op hci.Opcode) (answer int, ok bool) {
	for i, rec := range p.records {
		if same, is := commandOpcode(rec); is && same == op && p.answers[i] >= 0 {
			answer, ok = p.answers[i], true
		}
	}
	return answer, ok
}

// left returns the records of the host that have not been played, except commands with an
// opcode that has.
func (p *plan) left() (left []hci.SnoopRecord) {
	sent := map[hci.Opcode]bool{}
	for i, rec := range p.records {
		if op, ok := commandOpcode(rec); ok && p.played[i] {
			sent[op] = true
		}
	}
	for i, rec := range p.records {
		if op, ok := commandOpcode(rec); rec.Sent && !p.played[i] && (!ok || !sent[op]) {
			left = append(left, rec)
		}
	}
	return left
}

// play marks a record of the host as sent. It returns the records of the controller that
// follow: the answer, and all that came before the next record of the host, except the
// answers to commands that the host has not sent.
func (p *plan) play(index int) (follow []int) {
	p.played[index] = true
	p.last = max(p.last, index)
	answer := p.answers[index]
	if answer >= 0 {
		p.played[answer] = true
		follow = append(follow, answer)
	}
	for i, rec := range p.records {
		if rec.Sent && i > p.last && !p.played[i] {
			break
		}
		if rec.Sent || p.played[i] || slices.Contains(p.answers, i) {
			continue
		}
		p.played[i] = true
		follow = append(follow, i)
	}
	slices.Sort(follow)
	return follow
}
