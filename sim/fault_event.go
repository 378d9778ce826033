package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// EventFault spoils events: it loses, doubles, delays and reorders them. Command
// Complete, Command Status and Number Of Completed Packets are events too.
type EventFault struct {
	// Code is the event code; 0 means every event. Subevent is the code of an LE
	// event (Code 0x3E); 0 means every LE event.
	Code, Subevent uint8
	// Match, if set, restricts it to the events for which it returns true. It runs
	// on the air's goroutine: it must neither block nor keep the event.
	Match func(ev hci.Event) bool
	// Times is the number of events that it spoils; 0 means one. The first Skip
	// events pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which it spoils an event. 0 means 1.
	// An event that it leaves alone does not count for Times.
	Chance float64
	// MinLinks restricts it to times at which at least so many links are up.
	MinLinks int

	// Drop loses the event. The controller's state changes as if it was sent.
	Drop bool
	// Delay makes the event late.
	Delay time.Duration
	// Copies are sent in addition.
	Copies int
	// Behind is the number of later events that overtake the event. It is sent
	// after Delay at the latest, or after 1 s if that is zero.
	Behind int
}

func (e EventFault) installFault(f *faults) { f.events = append(f.events, &e) }

// overtaken is an event that waits for others to overtake it.
type overtaken struct {
	packet []byte
	left   int // events that are still to overtake it
	copies int
	expiry *timer
}

// takeEventFault returns the fault that spoils an event packet, or nil.
func (c *Controller) takeEventFault(b []byte) *EventFault {
	code, sub := eventKind(b)
	match := func(f *EventFault) bool {
		if f.Code != 0 && (f.Code != code || f.Subevent != 0 && f.Subevent != sub) {
			return false
		}
		if f.Match == nil {
			return true
		}
		ev, err := hci.ParseEvent(b[1:])
		return err == nil && f.Match(ev)
	}
	return takeFault(c, &c.faults.events, match,
		func(f *EventFault) limits { return limits{&f.Times, &f.Skip, f.Chance, f.MinLinks} })
}

// eventKind returns the code of an event packet and the subevent code of an LE
// event.
func eventKind(b []byte) (code, sub uint8) {
	r := wire.NewReader(b)
	r.Skip(1)
	code = r.U8()
	r.Skip(1)
	if code == hci.EvLEMeta {
		sub = r.U8()
	}
	return code, sub
}

// dispatchEvent sends an event packet after a while, as faults would have it.
// It does not keep b.
func (c *Controller) dispatchEvent(b []byte, delay time.Duration) {
	var f *EventFault
	if len(c.faults.events) > 0 {
		f = c.takeEventFault(b)
	}
	switch {
	case f == nil:
		c.sendLater(delay, b)
	case f.Drop:
		return
	case f.Behind > 0:
		c.holdEvent(b, f)
		return
	default:
		for range f.Copies + 1 {
			c.sendLater(delay+f.Delay, b)
		}
	}
	if len(c.overtaken) > 0 {
		c.countOvertaking()
	}
}

// holdEvent keeps an event until others have overtaken it.
func (c *Controller) holdEvent(b []byte, f *EventFault) {
	o := &overtaken{packet: append([]byte(nil), b...), left: f.Behind, copies: f.Copies, expiry: &timer{}}
	o.expiry.fire = func() {
		o.left = 0
		c.sendOvertaken()
	}
	c.overtaken = append(c.overtaken, o)
	c.air.arm(o.expiry, c.air.now.plus(or(f.Delay, time.Second)))
}

// countOvertaking counts an event that has been sent past those that wait.
func (c *Controller) countOvertaking() {
	for _, o := range c.overtaken {
		o.left--
	}
	c.sendOvertaken()
}

func (c *Controller) sendOvertaken() {
	waiting := c.overtaken
	c.overtaken = nil
	for _, o := range waiting {
		if o.left > 0 {
			c.overtaken = append(c.overtaken, o)
			continue
		}
		c.air.disarm(o.expiry)
		for range o.copies + 1 {
			c.toHost(o.packet, nil)
		}
	}
}

// outcome is the event to which a command leads.
type outcome struct {
	code, sub uint8
	byHandle  bool // the event names the handle of the command
}

// outcomes are the events to which commands lead.
var outcomes = map[hci.Opcode]outcome{
	hci.OpDisconnect:                   {hci.EvDisconnectionComplete, 0, true},
	hci.OpReadRemoteVersionInformation: {hci.EvReadRemoteVersionInformationComplete, 0, true},
	hci.OpLEReadRemoteFeatures:         {hci.EvLEMeta, hci.EvLEReadRemoteFeaturesComplete, true},
	hci.OpLEConnectionUpdate:           {hci.EvLEMeta, hci.EvLEConnectionUpdateComplete, true},
	hci.OpLESetPHY:                     {hci.EvLEMeta, hci.EvLEPHYUpdateComplete, true},
	hci.OpLEEnableEncryption:           {hci.EvEncryptionChange, 0, true}, // or Encryption Key Refresh Complete
	hci.OpLECreateConnection:           {hci.EvLEMeta, hci.EvLEConnectionComplete, false},
	hci.OpLEExtendedCreateConnection:   {hci.EvLEMeta, hci.EvLEConnectionComplete, false},
	hci.OpLECreateConnectionCancel:     {hci.EvLEMeta, hci.EvLEConnectionComplete, false},
	hci.OpLEReadLocalP256PublicKey:     {hci.EvLEMeta, hci.EvLEReadLocalP256PublicKeyComplete, false},
	hci.OpLEGenerateDHKey:              {hci.EvLEMeta, hci.EvLEGenerateDHKeyComplete, false},
}

// heldAnswer is the answer to a command that waits for the command's outcome.
type heldAnswer struct {
	reply   reply
	fault   *CommandFault
	outcome outcome
	handle  hci.Handle
}

// holdAnswer keeps the answer to command b until the outcome of the command has
// been sent, and reports whether it does.
func (c *Controller) holdAnswer(r reply, f *CommandFault, b []byte) bool {
	o, ok := outcomes[r.op]
	if !f.AfterEvent || !ok || r.st != hci.StatusSuccess {
		return false
	}
	h := heldAnswer{reply: r, fault: f, outcome: o}
	if o.byHandle {
		p := wire.NewReader(b)
		p.Skip(3) // opcode and length
		h.handle = hci.Handle(p.U16())
	}
	c.heldAnswers = append(c.heldAnswers, h)
	return true
}

// releaseAnswers sends the answers whose outcome is event packet b. The end of
// a link is the outcome of everything on it.
func (c *Controller) releaseAnswers(b []byte) {
	code, sub := eventKind(b)
	switch {
	case code == hci.EvEncryptionKeyRefreshComplete:
		code = hci.EvEncryptionChange
	case sub == hci.EvLEEnhancedConnectionComplete:
		sub = hci.EvLEConnectionComplete
	}
	r := wire.NewReader(b)
	r.Skip(4) // type, code, length and status
	if code == hci.EvLEMeta {
		r.Skip(1)
	}
	handle := hci.Handle(r.U16())
	held := c.heldAnswers
	c.heldAnswers = nil
	for _, h := range held {
		if h.outcome.endsWith(code, sub, h.handle == handle) {
			c.spoilAnswer(h.reply, h.fault)
		} else {
			c.heldAnswers = append(c.heldAnswers, h)
		}
	}
}

func (o outcome) endsWith(code, sub uint8, sameHandle bool) bool {
	if o.byHandle && !sameHandle {
		return false
	}
	return o.code == code && o.sub == sub || o.byHandle && code == hci.EvDisconnectionComplete
}
