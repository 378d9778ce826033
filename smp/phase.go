package smp

// phase is the state of pairing on a link. It is one value, so that phases which exclude
// each other cannot overlap. The table at Machine has the transitions.
type phase interface{ phaseName() string }

type (
	// idle: none of the others.
	idle struct{}
	// inviting: the central has not reacted to the Security Request of this host.
	inviting struct{ *invitation }
	// exchanging: PDUs of a pairing are exchanged.
	exchanging struct{ *attempt }
	// delivering: all PDUs of the pairing are sent, and the peer has yet to receive the
	// last ones.
	delivering struct{ *attempt }
	// saving: the new bond is being written.
	saving struct {
		// reencrypt is the invitation to encrypt again; nil if there is none. If a link
		// loses its encryption in this phase, Encrypt invites the central.
		reencrypt *invitation
	}
	// dead: the peer did not answer within 30 s, or the link is down.
	dead struct{ cause error }
)

func (idle) phaseName() string       { return "idle" }
func (inviting) phaseName() string   { return "inviting" }
func (exchanging) phaseName() string { return "exchanging" }
func (delivering) phaseName() string { return "delivering" }
func (saving) phaseName() string     { return "saving" }
func (dead) phaseName() string       { return "dead" }

// invitation is a Security Request of this host, which the central answers by
// encryption or by a Pairing Request.
type invitation struct {
	pair *PairOptions // of the pairing that it is for; nil if it is for encryption alone
}

// isFor reports whether it was the caller's options that led to the invitation.
func (i *invitation) isFor(c caller) bool { return i.pair == c.options }

// attempt returns the pairing that is exchanging or delivering; nil if there is none.
func (m *Machine) attempt() *attempt {
	switch p := m.phase.(type) {
	case exchanging:
		return p.attempt
	case delivering:
		return p.attempt
	}
	return nil
}

// invitation returns the Security Request that awaits its answer; nil if there is none.
func (m *Machine) invitation() *invitation {
	switch p := m.phase.(type) {
	case inviting:
		return p.invitation
	case saving:
		return p.reencrypt
	}
	return nil
}

// invitedPairing returns the options of the pairing that this host has asked the
// central for; nil if it has not.
func (m *Machine) invitedPairing() *PairOptions {
	if i := m.invitation(); i != nil {
		return i.pair
	}
	return nil
}

// setInvitation begins to wait for the answer to i, or ends the wait if i is nil.
func (m *Machine) setInvitation(i *invitation) {
	switch m.phase.(type) {
	case saving:
		m.phase = saving{i}
	case idle, inviting:
		m.phase = idle{}
		if i != nil {
			m.phase = inviting{i}
		}
	}
}

func (m *Machine) isSaving() bool {
	_, ok := m.phase.(saving)
	return ok
}

// endSaving ends the phase saving. A link that has died meanwhile stays dead.
func (m *Machine) endSaving() {
	if p, ok := m.phase.(saving); ok {
		m.phase = idle{}
		m.setInvitation(p.reencrypt)
	}
}

// deadCause returns why SMP on the link has ended; nil if it has not.
func (m *Machine) deadCause() error {
	if p, ok := m.phase.(dead); ok {
		return p.cause
	}
	return nil
}
