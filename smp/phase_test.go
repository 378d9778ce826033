package smp

import (
	"errors"
	"testing"
	"time"
)

// TestPhases changes the invitation, and ends the writing of a bond, in each phase.
func TestPhases(t *testing.T) {
	i, cause := &invitation{}, errors.New("cause")
	for _, tt := range []struct {
		from                       phase
		invited, uninvited, stored string // the name of the phase after each
	}{
		{idle{}, "inviting", "idle", "idle"},
		{inviting{&invitation{}}, "inviting", "idle", "inviting"},
		{exchanging{&attempt{}}, "exchanging", "exchanging", "exchanging"},
		{delivering{&attempt{}}, "delivering", "delivering", "delivering"},
		{saving{}, "saving", "saving", "idle"},
		{saving{i}, "saving", "saving", "inviting"},
		{dead{cause}, "dead", "dead", "dead"},
	} {
		name := tt.from.phaseName()
		for _, step := range []struct {
			what string
			do   func(m *Machine)
			want string
		}{
			{"invite", func(m *Machine) { m.setInvitation(i) }, tt.invited},
			{"end the invitation", func(m *Machine) { m.setInvitation(nil) }, tt.uninvited},
			{"bond written", (*Machine).endSaving, tt.stored},
		} {
			m := &Machine{phase: tt.from}
			step.do(m)
			if got := m.phase.phaseName(); got != step.want {
				t.Errorf("%s, %s: now %s, want %s", name, step.what, got, step.want)
			}
			switch {
			case step.what == "invite" && (step.want == "inviting" || step.want == "saving") && m.invitation() != i:
				t.Errorf("%s, %s: the invitation is %v", name, step.what, m.invitation())
			case step.what == "end the invitation" && m.invitation() != nil:
				t.Errorf("%s, %s: the invitation is %v", name, step.what, m.invitation())
			}
			if (m.attempt() != nil) != (name == "exchanging" || name == "delivering") {
				t.Errorf("%s, %s: the attempt is %v", name, step.what, m.attempt())
			}
			if (m.deadCause() != nil) != (name == "dead") {
				t.Errorf("%s, %s: the cause of the end is %v", name, step.what, m.deadCause())
			}
		}
	}
}

// TestTimeoutWhileSaving lets the central ignore an invitation that was sent while a bond
// is being written. The end of the writing does not revive the link.
func TestTimeoutWhileSaving(t *testing.T) {
	m := &Machine{ch: &fakeChannel{}, phase: saving{&invitation{}}}
	m.mgr = &Manager{}
	waiting := make(chan outcome, 1)
	m.encrypts = append(m.encrypts, waiting)
	m.Expire(time.Now())
	if o := <-waiting; !errors.Is(o.err, ErrTimeout) {
		t.Errorf("Encrypt got %v, want the timeout", o.err)
	}
	m.endSaving()
	if err := m.deadCause(); !errors.Is(err, ErrTimeout) {
		t.Errorf("the link is %s, want it dead", m.phase.phaseName())
	}
	m = &Machine{ch: &fakeChannel{}, phase: saving{}}
	m.Expire(time.Now()) // nothing of the peer is awaited
	if m.phase != (saving{}) {
		t.Errorf("without an invitation the link is %s, want saving", m.phase.phaseName())
	}
}
