package sim

import (
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// temperState is the temper of one radio. Its rules count over all links.
type temperState struct {
	Temper
	radio *radio
	since instant
	used  []ruleUse // of each rule
	adv   AdvChange // in force
	timer timer     // of the next AdvChange
}

// ruleUse counts the occurrences that a rule has let pass and those on which it
// has acted.
type ruleUse struct{ skipped, acted int }

// setTemper replaces the radio's temper. Must run on the air's goroutine.
func (r *radio) setTemper(t Temper) {
	if r.temper != nil {
		r.air.disarm(&r.temper.timer)
		r.temper = nil
	}
	if !t.isGood() {
		r.temper = &temperState{Temper: t, radio: r, since: r.air.now, used: make([]ruleUse, len(t.Rules))}
		r.temper.timer.fire = r.temper.changeAdvertising
		r.temper.changeAdvertising()
	}
	for _, v := range r.air.advertisers {
		if v.radio == r {
			v.obeyTemper()
		}
	}
}

// isGood reports whether the temper changes nothing.
func (t *Temper) isGood() bool {
	return len(t.Rules)+len(t.Advertising)+len(t.ParamRequests)+len(t.SecurityRequests)+len(t.Notifications) == 0
}

// changeAdvertising puts the present AdvChange into force and waits for the
// next.
func (s *temperState) changeAdvertising() {
	a := s.radio.air
	age := a.now.since(s.since)
	for _, c := range s.Advertising {
		if c.At > age {
			a.arm(&s.timer, s.since.plus(c.At))
			break
		}
		s.adv = c
	}
	for _, v := range a.advertisers {
		if v.radio == s.radio {
			v.obeyTemper()
		}
	}
}

// occurrence is an event on a link, to match Rules with. accepts, if set, restricts the
// reactions.
type occurrence struct {
	on      Trigger
	opcode  att.Opcode
	handle  att.Handle
	request bool // the opcode is a request
	// interval is the connection interval; zero if the rules do not ask for it.
	interval time.Duration
	accepts  func(Reaction) bool
}

// matchRule returns the first rule for an occurrence that acts, or nil.
func (s *temperState) matchRule(o *occurrence) *Rule {
	age := s.radio.air.now.since(s.since)
	for i := range s.Rules {
		r := &s.Rules[i]
		if !r.covers(o) || age < r.From || r.Until > 0 && age >= r.Until {
			continue
		}
		switch u := &s.used[i]; {
		case r.Times > 0 && u.acted == r.Times:
		case u.skipped < r.Skip:
			u.skipped++
		case r.Chance > 0 && !s.radio.air.chance(r.Chance):
		default:
			u.acted++
			return r
		}
	}
	return nil
}

// covers reports whether the rule concerns an occurrence, regardless of time.
func (r *Rule) covers(o *occurrence) bool {
	switch {
	case r.On == OnRequest && o.on == OnSubscribe: // which is a request too
	case r.On != o.on:
		return false
	}
	if r.On == OnRequest && r.Opcode == 0 && !o.request {
		return false
	}
	if r.Below > 0 && o.interval >= r.Below {
		return false
	}
	return (r.Opcode == 0 || r.Opcode == o.opcode) && (r.Handle == 0 || r.Handle == o.handle) &&
		(o.accepts == nil || o.accepts(r.Do))
}

// endsLink reports whether the reaction ends the link or the traffic on it.
func (r Reaction) endsLink() bool { return r == HangUp || r == FallSilent || r == Crash || r == Stall }

// deniesAnswer reports whether the reaction is about the answer of a link layer
// procedure.
func (r Reaction) deniesAnswer() bool { return r == Ignore || r == Refuse }

// readsFrames reports whether the temper has to see L2CAP frames.
func (s *temperState) readsFrames() bool {
	for _, r := range s.Rules {
		if r.On == OnRequest || r.On == OnSubscribe || r.On == OnSecurityRefused {
			return true
		}
	}
	for _, p := range s.ParamRequests {
		if !p.LinkLayer {
			return true
		}
	}
	return false
}

// obeyTemper applies the radio's temper to what the advertiser was asked to do.
func (v *advertiser) obeyTemper() {
	v.connectable, v.silent = v.asked.connectable, false
	interval := v.asked.interval
	if s := v.radio.temper; s != nil {
		v.connectable = v.connectable && !s.adv.NotConnectable
		v.silent = s.adv.Off
		interval = or(s.adv.Interval, interval)
	}
	changed := interval != v.interval
	v.interval = interval
	switch now := v.radio.air.now; {
	case !v.on || v.channel >= 0: // the next event obeys
	case v.parked && v.silent:
	case v.parked:
		v.next = max(v.next, now)
		v.unpark()
	case v.silent || changed:
		v.next = now.plus(v.spread())
		v.radio.air.disarm(&v.timer)
		v.scheduleEvent()
	}
}

// repeat calls f after a time and then every so often, as long as the link is up.
func (e *endpoint) repeat(after, every time.Duration, f func()) {
	a := e.link.air
	t := &timer{}
	t.fire = func() {
		if e.dead {
			return
		}
		f()
		if every > 0 {
			a.arm(t, a.now.plus(every))
		}
	}
	a.arm(t, a.now.plus(after))
}
