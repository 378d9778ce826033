package l2cap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

// Link is the link under a Mux, implemented by *controller.Link. The methods
// before Role must run on the loop.
type Link interface {
	// SendACL queues one ACL data packet of at most MaxACLData octets, which it
	// copies. On a dead link it does nothing.
	SendACL(start bool, data []byte)
	MaxACLData() int
	// Room reports whether the link's queue is below its bound. After false,
	// Mux.Writable is called once. SendACL is allowed regardless.
	Room() bool
	// SetDeadline requests one call of Mux.Expire at t; the zero time cancels
	// it.
	SetDeadline(t time.Time)
	// StartDisconnect ends the link with reason; Err then wraps cause.
	StartDisconnect(reason hci.Status, cause error)
	// StartUpdate asks the controller for new connection parameters. It calls
	// done on the loop.
	StartUpdate(p hci.ConnParams, done func(now time.Time, got hci.ConnParamsInUse, err error))
	// RefuseKey replies to LE Long Term Key Request that there is no key.
	RefuseKey()
	// ReplyParamRequest answers LE Remote Connection Parameter Request.
	ReplyParamRequest(req *hci.LERemoteConnectionParameterRequest, accept bool)

	Role() hci.Role
	Peer() hci.Addr
	Handle() hci.Handle
	loop.Poster
}

// Config configures a Mux, which does not modify it.
type Config struct {
	// ATT and SMP create the protocols of the fixed channels. NewMux calls them
	// on the loop. Without ATT, frames on its channel are dropped. Without SMP,
	// a Pairing Request is answered with "pairing not supported", and all other
	// frames on its channel are dropped.
	ATT, SMP func(now time.Time, ch *Channel) Handler
	// Params decides on connection parameters that the peer requests.
	Params ParamPolicy
	// Security returns how a link is protected, for listeners that require
	// protection. It is called on the loop and must not block. If it is nil, a
	// link counts as encrypted after an Encryption Change event, with an
	// unauthenticated 16-octet key.
	Security func(l Link) Security
	// Listen has the PSMs that every link listens on from its first packet on: a
	// peer may open a channel before the program can call [Mux.Listen].
	// [Mux.Listener] returns their listeners. The map is read for each link and
	// must not change. See Validate.
	Listen map[PSM]*CoCConfig
	// Packets has the protocols that run on the loop, on channels of the enhanced
	// credit-based mode. The map is read for each link and must not change. See
	// Validate.
	Packets map[PSM]*PacketService
	// Lacks is the reason, with its remedy, why the link has no credit-based channels: Dial,
	// DialEnhanced, OpenPackets and Listen fail with it. Default none.
	Lacks error
	// Logger logs dropped and refused packets, at level -4. Nil disables
	// logging.
	Logger *slog.Logger
}

// Validate returns an error if Listen or Packets is invalid, which NewMux cannot report. A
// nil Config is valid.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	for psm, cfg := range c.Listen {
		if _, err := listenSettings(psm, cfg); err != nil || psm == 0 {
			return listenError(psm, cmp.Or(err, errPSM))
		}
	}
	for psm, p := range c.Packets {
		_, err := p.CoC.enhancedSettings()
		if err == nil {
			err = checkEnhanced(psm, 1)
		}
		if err == nil && c.Listen[psm] != nil {
			err = errPSMTaken
		}
		if err == nil && p.Accept == nil {
			err = errors.New("PacketService.Accept is nil: give a function that creates the protocol")
		}
		if err != nil {
			return listenError(psm, err)
		}
	}
	return nil
}

// levelPacket is the log level of messages about single packets.
const levelPacket = slog.Level(-4)

// Counters counts the packets that a Mux has dropped or refused. All of them are
// faults of the peer or of the controller.
type Counters struct {
	Orphans    uint64 // continuation fragments without a start
	Unfinished uint64 // frames dropped because another one began
	Mismatched uint64 // frames dropped because they had more data than their header said
	Empty      uint64 // fragments without data
	TooLong    uint64 // frames longer than their channel accepts
	UnknownCID uint64 // frames for channels that do not exist
	Rejected   uint64 // signaling commands answered with Command Reject
	Ignored    uint64 // signaling commands not answered
}

// Mux multiplexes the channels of one link. It is the link's
// controller.LinkHandler. The methods of LinkHandler must run on the loop; all
// others may be called from any other goroutine.
//
// A Mux holds at most one frame in reassembly, no longer than the largest MTU of
// the open channels: 517 octets for ATT, 65 for SMP, 23 for signaling, the MPS
// of each credit-based channel. Longer frames are not stored. The memory is
// allocated when the first fragmented frame arrives.
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

	armed     time.Time // the link's deadline
	expiring  bool
	encrypted bool
	dead      error            // not nil after Down
	clock     func() time.Time // where no caller gives the time; tests replace it

	peerParams atomic.Pointer[hci.ConnParams] // the latest that the peer was granted
}

// NewMux creates the Mux of a link, and the protocols that cfg names. cfg must
// be valid; nil means no protocols. Must run on the loop.
func NewMux(now time.Time, l Link, cfg *Config) *Mux {
	m := &Mux{link: l, out: framer{link: l}, clock: time.Now}
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
	m.coc.serveAll(m.cfg.Packets)
	m.coc.listenAll(m.cfg.Listen)
	m.att.makeHandler(now, m.cfg.ATT)
	m.smp.makeHandler(now, m.cfg.SMP)
	return m
}

// Counters returns the counts so far. The error wraps the end of the link or of
// ctx.
func (m *Mux) Counters(ctx context.Context) (Counters, error) {
	c, err := callLoop(ctx, m, func(_ time.Time, reply func(Counters, error)) { reply(m.counters, nil) })
	if err != nil {
		return c, fmt.Errorf("l2cap: counters: %w", err)
	}
	return c, nil
}

// limit returns the longest payload that channel cid accepts, and whether there
// is such a channel.
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

// ACL handles the payload of one ACL data packet. Must run on the loop.
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

// refusePairing answers a Pairing Request on a link without SMP (Vol 3, Part H,
// 3.5.5).
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

// Event handles an event of the link. Must run on the loop.
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
		if m.smp.handler == nil { // without an answer, the link would be lost (Vol 6, Part B, 5.1.3.1)
			m.link.RefuseKey()
			return
		}
	}
	m.att.passEvent(now, ev)
	m.smp.passEvent(now, ev)
}

// Writable tells the Mux that the link has room again. Must run on the loop.
func (m *Mux) Writable(now time.Time) {
	if m.dead == nil {
		m.turns.serveWaiting(now)
	}
}

// Expire handles deadlines that have passed. Must run on the loop.
func (m *Mux) Expire(now time.Time) {
	if m.dead != nil {
		return
	}
	m.armed = time.Time{}
	m.expiring = true
	m.att.expireHandler(now)
	m.smp.expireHandler(now)
	m.coc.expirePackets(now)
	m.sig.expirePending(now)
	m.params.expireQuestion(now)
	m.expiring = false
	m.rearm()
}

// rearm sets the link's deadline to the earliest of those that share it.
func (m *Mux) rearm() {
	if m.expiring || m.dead != nil {
		return
	}
	t := earlier(m.att.deadline, m.smp.deadline)
	t = earlier(t, m.sig.deadline())
	t = earlier(t, m.params.deadline)
	t = earlier(t, m.coc.deadline())
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

// Down ends everything that runs on the link. Must run on the loop.
func (m *Mux) Down(now time.Time, cause error) {
	if m.dead != nil {
		return
	}
	m.dead = linkDown(cause)
	m.in.reset()
	m.params.endQuestion(m.dead)
	m.sig.failPending(now, m.dead)
	m.att.endHandler(now, cause)
	m.smp.endHandler(now, cause)
	m.coc.endAll(now, m.dead)
}

func (m *Mux) debug(msg string, args ...any) {
	m.cfg.Logger.Log(context.Background(), levelPacket, "l2cap: "+msg, args...)
}
