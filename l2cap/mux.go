package l2cap

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// Link is what a Mux needs of the link under it; *controller.Link has it. Methods
// before Role are for the loop.
type Link interface {
	// SendACL queues one ACL data packet of at most MaxACLData octets, which it
	// copies. On a dead link it does nothing.
	SendACL(start bool, data []byte)
	MaxACLData() int
	// Room reports whether the link's queue is below its bound. After false,
	// Mux.Writable is called once. SendACL is allowed regardless.
	Room() bool
	// SetDeadline asks for one call of Mux.Expire; the zero time takes it back.
	SetDeadline(t time.Time)
	// StartDisconnect ends the link. cause becomes part of what Err returns.
	StartDisconnect(reason hci.Status, cause error)
	// StartUpdate asks the controller for connection parameters.
	StartUpdate(p hci.ConnParams, done func(now time.Time, got hci.ConnParamsInUse, err error))
	// RefuseKey answers the link layer's request for a key with "none".
	RefuseKey()
	// ReplyParamRequest answers the link layer's request for parameters.
	ReplyParamRequest(req *hci.LERemoteConnectionParameterRequest, accept bool)

	Role() hci.Role
	Peer() hci.Addr
	Handle() hci.Handle
	loop.Poster
}

// Config tells a Mux what stands on it. It is not modified.
type Config struct {
	// ATT and SMP make the protocols of the fixed channels, on the loop, while
	// the Mux is made. Without ATT, its frames are dropped. Without SMP, a
	// Pairing Request is answered with "pairing not supported" and all else on
	// its channel is dropped.
	ATT, SMP func(now time.Time, ch *Channel) Handler
	// Params decides about connection parameters that the peer asks for.
	Params ParamPolicy
	// Security says how a link is protected, for listeners that require it. It
	// is called on the loop and must not block. nil: a link is taken as
	// encrypted when an event has said so, with a full-size key that is not
	// authenticated and not bonded.
	Security func(l Link) Security
	// Listen has the SPSMs that each link takes channels to from its first packet
	// on: a peer may ask before anybody has called [Mux.Listen]. [Mux.Listener]
	// returns their listeners. It is read for each link, and must not change. See
	// Validate.
	Listen map[PSM]*CoCConfig
	// Logger gets what is dropped or refused, at level -4. nil: silent.
	Logger *slog.Logger
}

// Validate says what is wrong with the Config, as NewMux cannot: a nil one is
// right.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	for psm, cfg := range c.Listen {
		if _, err := listenSettings(psm, cfg); err != nil || psm == 0 {
			return listenError(psm, cmp.Or(err, errPSM))
		}
	}
	return nil
}

// levelPacket is the log level of what concerns single packets.
const levelPacket = slog.Level(-4)

// Counters say what a Mux has dropped. All of it is the peer's or the
// controller's doing.
type Counters struct {
	Orphans    uint64 // continuation fragments without a start
	Unfinished uint64 // frames dropped because another one began
	Mismatched uint64 // frames dropped because more came than their header said
	Empty      uint64 // fragments without data
	TooLong    uint64 // frames longer than their channel takes
	UnknownCID uint64 // frames for channels that do not exist
	Rejected   uint64 // signalling commands answered with Command Reject
	Ignored    uint64 // signalling commands not answered at all
}

// Mux joins the channels of one link. It is the link's controller.LinkHandler. The
// methods of LinkHandler must run on the loop; all others may be called from any
// other goroutine.
//
// A Mux holds at most one frame in reassembly. Its bound is the largest MTU of
// the channels that are open: 517 for ATT, 65 for SMP, 23 for signalling, the
// MPS of each credit-based channel; longer frames are not stored at all. The
// memory is allocated when a frame first comes in pieces.
type Mux struct {
	link     Link
	cfg      Config
	counters Counters

	out    framer
	in     reassembly
	turns  turns
	att    *Channel
	smp    *Channel
	sig    signaler
	params paramControl
	coc    channels

	armed     time.Time // what the link's deadline is set to
	expiring  bool
	encrypted bool
	dead      error // not nil once Down was called

	peerParams atomic.Pointer[hci.ConnParams] // the latest that the peer was granted
}

// NewMux makes the Mux of a link, and through cfg, which must be valid, the
// protocols on it. nil means no protocols. On the loop.
func NewMux(now time.Time, l Link, cfg *Config) *Mux {
	m := &Mux{link: l, out: framer{link: l}}
	if cfg != nil {
		m.cfg = *cfg
	}
	if m.cfg.Logger == nil {
		m.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m.in = reassembly{limit: m.limit, counters: &m.counters}
	m.turns.m = m
	m.sig.m, m.params.m, m.coc.m = m, m, m
	m.att, m.smp = newChannel(m, cidATT), newChannel(m, cidSMP)
	m.coc.listenAll(m.cfg.Listen)
	m.att.makeHandler(now, m.cfg.ATT)
	m.smp.makeHandler(now, m.cfg.SMP)
	return m
}

// Counters returns the counts so far. The error is the end of the link or of
// ctx.
func (m *Mux) Counters(ctx context.Context) (Counters, error) {
	c, err := callLoop(ctx, m, func(_ time.Time, reply func(Counters, error)) { reply(m.counters, nil) })
	if err != nil {
		return c, fmt.Errorf("l2cap: counters: %w", err)
	}
	return c, nil
}

// limit returns the longest payload that channel cid takes.
func (m *Mux) limit(cid CID) (int, bool) {
	switch cid {
	case cidATT:
		return attMTU, m.att.handler != nil
	case cidSMP:
		return smpMTU, true
	case cidSignal:
		return signalMTU, true
	default:
		return m.coc.limit(cid)
	}
}

// ACL takes the payload of one ACL data packet.
func (m *Mux) ACL(now time.Time, start bool, data []byte) {
	if m.dead != nil {
		return
	}
	f, what := m.in.addFragment(start, data)
	switch what {
	case incomplete:
	case complete:
		m.routeFrame(now, f)
	case tooLong:
		m.debug("frame too long", "cid", f.cid, "length", f.length)
		switch f.cid {
		case cidSignal:
			m.sig.handleOversized(f.payload)
		default:
			m.coc.handleTooLong(now, f)
		}
	case refused:
		m.debug("frame for an unknown channel", "cid", f.cid, "length", f.length)
	case dropped:
		m.debug("fragment dropped", "start", start, "length", len(data))
	}
}

func (m *Mux) routeFrame(now time.Time, f frame) {
	switch f.cid {
	case cidATT:
		m.att.passFrame(now, f.payload)
	case cidSMP:
		if m.smp.handler == nil {
			m.refusePairing(f.payload)
			return
		}
		m.smp.passFrame(now, f.payload)
	case cidSignal:
		m.sig.handleFrame(now, f.payload)
	default:
		m.coc.handleKFrame(now, f)
	}
}

// refusePairing refuses to pair, for a link without SMP (Vol 3, Part H, 3.5.5).
func (m *Mux) refusePairing(pdu []byte) {
	const (
		pairingRequest      = 0x01
		pairingFailed       = 0x05
		pairingNotSupported = 0x05
	)
	r := wire.NewReader(pdu)
	if r.U8() == pairingRequest && m.sig.admitAnswer() {
		m.out.sendFrame(cidSMP, nil, []byte{pairingFailed, pairingNotSupported})
	}
}

// Event takes an event of the link.
func (m *Mux) Event(now time.Time, ev hci.Event) {
	if m.dead != nil {
		return
	}
	switch ev := ev.(type) {
	case *hci.LERemoteConnectionParameterRequest:
		m.params.handleLinkLayerReq(now, ev)
		return
	case *hci.EncryptionChange:
		if ev.Status == hci.StatusSuccess {
			m.encrypted = ev.Enabled != 0
		}
	case *hci.LELongTermKeyRequest:
		if m.smp.handler == nil { // a link that is not answered is lost (Vol 6, Part B, 5.1.3.1)
			m.link.RefuseKey()
			return
		}
	}
	m.att.passEvent(now, ev)
	m.smp.passEvent(now, ev)
}

// Writable says that the link has room again.
func (m *Mux) Writable(now time.Time) {
	if m.dead == nil {
		m.turns.serveWaiting(now)
	}
}

// Expire is called when the deadline has come that the Mux asked for.
func (m *Mux) Expire(now time.Time) {
	if m.dead != nil {
		return
	}
	m.armed = time.Time{}
	m.expiring = true
	m.att.expireHandler(now)
	m.smp.expireHandler(now)
	m.sig.expirePending(now)
	m.params.expireQuestion(now)
	m.expiring = false
	m.rearm()
}

// rearm sets the link's deadline to the earliest of all that share it.
func (m *Mux) rearm() {
	if m.expiring || m.dead != nil {
		return
	}
	t := earlier(m.att.deadline, m.smp.deadline)
	t = earlier(t, m.sig.deadline())
	t = earlier(t, m.params.deadline)
	if !t.Equal(m.armed) {
		m.armed = t
		m.link.SetDeadline(t)
	}
}

// earlier returns the earlier of two deadlines, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Down ends all that stands on the link.
func (m *Mux) Down(now time.Time, cause error) {
	if m.dead != nil {
		return
	}
	m.dead = linkDown(cause)
	m.in.reset()
	m.params.endQuestion(m.dead)
	m.sig.failPending(now, m.dead)
	m.coc.endAll(m.dead)
	m.att.endHandler(now, cause)
	m.smp.endHandler(now, cause)
}

func (m *Mux) debug(msg string, args ...any) {
	m.cfg.Logger.Log(context.Background(), levelPacket, "l2cap: "+msg, args...)
}
