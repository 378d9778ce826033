package l2cap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// PSM identifies the protocol of a credit-based channel; the specification calls
// it SPSM. 0x0001 to 0x007F are assigned by the Bluetooth SIG, 0x0080 to 0x00FF
// are dynamic, free for any use (Vol 3, Part A, 4.22).
type PSM uint16

// Bounds of PSM.
const (
	PSMFirst        PSM = 0x0001
	PSMFirstDynamic PSM = 0x0080
	PSMLast         PSM = 0x00FF
)

// CoCConfig sets the limits of this side of a credit-based channel. Nil and zero
// fields mean the defaults. The unread data of a channel takes at most
// (Credits+1)·MTU octets.
type CoCConfig struct {
	// MTU is the longest SDU that this side accepts, 23 to 65535 octets. 0 means
	// 2048.
	MTU int
	// MPS is the longest frame that this side accepts, 23 to 65533 octets. 0
	// means 247, which fills one link-layer packet of 251.
	MPS int
	// Credits is both the number of frames that the peer may send ahead and the
	// number of SDUs that may be unread, 1 to 1024. 0 means 16.
	Credits int

	// Backlog is the number of channels that may wait for Listener.Accept;
	// further ones are refused with "no resources". 0 means 8.
	Backlog int
	// Encrypted and Authenticated make a Listener refuse channels on a link that
	// is not encrypted or whose key is not authenticated. KeySize makes it
	// refuse channels on a link whose key is shorter, in octets.
	Encrypted, Authenticated bool
	KeySize                  int
	// Enhanced makes a Listener accept channels of the enhanced credit-based mode
	// alone: a peer opens up to five with one request. MTU and MPS must be at
	// least 64 then.
	Enhanced bool
}

// settings is a validated CoCConfig with its defaults filled in.
type settings struct {
	mtu, mps, credits, backlog int
	need                       Security
	enhanced                   bool
}

func (c *CoCConfig) settings() (settings, error) {
	if c == nil {
		c = &CoCConfig{}
	}
	s := settings{need: Security{Encrypted: c.Encrypted, Authenticated: c.Authenticated, KeySize: c.KeySize}}
	for _, f := range []struct {
		name             string
		set, def, lo, hi int
		to               *int
	}{
		{"MTU", c.MTU, 2048, minMTU, 0xFFFF, &s.mtu},
		{"MPS", c.MPS, 247, minMTU, maxMPS, &s.mps},
		{"Credits", c.Credits, 16, 1, 1024, &s.credits},
		{"Backlog", c.Backlog, 8, 1, 1024, &s.backlog},
	} {
		*f.to = f.set
		if f.set == 0 {
			*f.to = f.def
		}
		if *f.to < f.lo || *f.to > f.hi {
			return s, fmt.Errorf("CoCConfig.%s is %d, want %d to %d, or 0 for %d", f.name, f.set, f.lo, f.hi, f.def)
		}
	}
	if c.Enhanced {
		s.enhanced = true
		if s.mtu < minEnhanced || s.mps < minEnhanced {
			return s, fmt.Errorf("CoCConfig.MTU is %d and MPS is %d, the enhanced mode wants %d or more", s.mtu, s.mps, minEnhanced)
		}
	}
	return s, nil
}

// channels is the set of credit-based channels of a link. It belongs to the
// loop.
//
//	state    | entered by                     | left by
//	---------|--------------------------------|--------------------------------
//	opening  | request sent                   | response, reject, timeout
//	open     | response sent or received      | violation, Close, peer's request
//	closing  | Disconnection Request sent     | response, reject, timeout,
//	         |                                |  peer's request
type channels struct {
	m         *Mux
	local     map[CID]*endpoint // by this side's CID, in any state
	remote    map[CID]*endpoint // by the peer's CID, open and closing
	listeners map[PSM]*Listener
	fromStart map[PSM]*Listener      // never changed
	services  map[PSM]*PacketService // never changed
	packets   []*PacketChannel       // open
	prefix    [sduLengthLen]byte
}

type connState uint8

const (
	opening connState = iota
	open
	closing
	closed
)

// limit returns the longest frame that channel cid accepts, and whether there is
// such a channel.
func (k *channels) limit(cid CID) (int, bool) {
	c := k.local[cid]
	if c == nil || c.state == opening {
		return 0, false
	}
	return c.in.mps, true
}

// handleKFrame handles one K-frame.
func (k *channels) handleKFrame(now time.Time, f frame) {
	if c := k.local[f.cid]; c != nil && c.state == open {
		c.handleKFrame(now, f.payload)
	}
}

// handleTooLong ends the channel on which the peer has begun a frame longer than
// its MPS (3.4.3).
func (k *channels) handleTooLong(now time.Time, f frame) {
	if c := k.local[f.cid]; c != nil && c.state == open {
		k.disconnect(now, c, fmt.Errorf("%w: a frame of %d octets, the MPS is %d", ErrViolation, f.length, c.in.mps))
	}
}

// allocate creates a channel for a Conn with a free CID; nil if all are in use.
func (k *channels) allocate(psm PSM, s settings) *Conn {
	cid, ok := k.freeCID()
	if !ok {
		return nil
	}
	c := newConn(k.m, psm, cid, s)
	k.local[cid] = &c.endpoint
	return c
}

// freeCID returns a CID that no channel of this side has; ok is false if all are
// in use.
func (k *channels) freeCID() (cid CID, ok bool) {
	if k.local == nil {
		k.local, k.remote = map[CID]*endpoint{}, map[CID]*endpoint{}
	}
	for cid = cidFirst; cid <= cidLast; cid++ {
		if k.local[cid] == nil {
			return cid, true
		}
	}
	return 0, false
}

// establish opens an opening channel with the peer's parameters.
func (k *channels) establish(c *endpoint, remote CID, mtu, mps, credits uint16) {
	c.state, c.remote = open, remote
	c.out = outflow{mps: min(int(mps), maxMPS), credits: int(credits)}
	c.peerMTU.Store(int32(mtu))
	k.remote[remote] = c
}

func (k *channels) forget(c *endpoint) {
	c.state = closed
	if k.local[c.local] == c {
		delete(k.local, c.local)
	}
	if k.remote[c.remote] == c {
		delete(k.remote, c.remote)
	}
}

// disconnect ends an open channel from this side. Its CID stays in use until the
// peer has answered.
func (k *channels) disconnect(now time.Time, c *endpoint, cause error) {
	if c.state != open {
		return
	}
	k.m.debug("channel ended here", "cid", c.local, "psm", c.psm, "cause", cause)
	c.state = closing
	c.user.endUser(now, &ChannelError{PSM: c.psm, CID: c.local, Local: true, Err: cause})
	k.m.sig.sendRequest(now, disconnectionReq{Destination: c.remote, Source: c.local},
		func(time.Time, signal, error) { k.forget(c) })
}

// handleDisconnectReq handles Disconnection Request (4.6).
func (k *channels) handleDisconnectReq(now time.Time, id uint8, req disconnectionReq) {
	c := k.local[req.Destination]
	if c == nil || c.state == opening {
		k.m.sig.rejectCommand(id, req.Code(), commandReject{Reason: RejectInvalidCID, Local: req.Destination, Remote: req.Source})
		return
	}
	if c.remote != req.Source {
		k.m.sig.ignoreCommand("source does not match the channel", req.Code())
		return
	}
	k.m.sig.sendCommand(id, disconnectionRsp(req))
	if c.state == open {
		c.user.endUser(now, &ChannelError{PSM: c.psm, CID: c.local, Err: ErrPeerClosed})
	}
	k.forget(c)
}

// handleCreditInd handles Flow Control Credit Ind (4.24).
func (k *channels) handleCreditInd(now time.Time, id uint8, ind flowControlCreditInd) {
	c := k.remote[ind.Source]
	switch {
	case c == nil:
		k.m.sig.rejectCommand(id, ind.Code(), commandReject{Reason: RejectInvalidCID, Remote: ind.Source})
	case c.state != open:
	case ind.Credits == 0:
		// A duty of the sender: the receiver must ignore it (10.1).
		k.m.sig.ignoreCommand("grants no credits", ind.Code())
	default:
		if err := c.out.addCredits(ind.Credits); err != nil {
			k.disconnect(now, c, err)
			return
		}
		c.user.pumpFrames(now)
	}
}

// endAll ends all channels and listeners with the link.
func (k *channels) endAll(now time.Time, err error) {
	for _, c := range k.local {
		if c.state == open {
			c.user.endUser(now, &ChannelError{PSM: c.psm, CID: c.local, Err: err})
		}
		c.state = closed
	}
	for _, l := range k.listeners {
		l.endListener(err)
	}
	k.local, k.remote, k.listeners = nil, nil, nil
}

// dial is one call of Dial.
type dial struct {
	reply     chan result[*Conn]
	abandoned bool // owned by the loop; Dial has returned
}

// Dial opens a credit-based channel to psm of the peer. The error is a
// *ConnectError that wraps the peer's Result, a *RejectError, a *TimeoutError
// after 30 s, or the end of the link or of ctx. If the channel opens after the
// end of ctx, it is closed at once. Dial may be called from any goroutine but
// the loop.
func (m *Mux) Dial(ctx context.Context, psm PSM, cfg *CoCConfig) (*Conn, error) {
	s, err := cfg.settings()
	if err == nil && (psm < PSMFirst || psm > PSMLast) {
		err = errPSM
	}
	if err = cmp.Or(err, m.cfg.Lacks); err != nil {
		return nil, &ConnectError{PSM: psm, Err: err}
	}
	d := &dial{reply: make(chan result[*Conn], 1)}
	postCall(ctx, m, d.reply, func(now time.Time) { m.coc.dial(now, psm, s, d) })
	c, err := awaitReply(ctx, m, d.reply)
	if err != nil {
		abandon := make(chan result[*Conn], 1)
		postCall(context.Background(), m, abandon, func(now time.Time) { m.coc.abandon(now, d) })
		return nil, &ConnectError{PSM: psm, Err: err}
	}
	return c, nil
}

var errPSM = errors.New("not an SPSM of an LE link: give 0x0001 to 0x00FF")

func (k *channels) dial(now time.Time, psm PSM, s settings, d *dial) {
	c := k.allocate(psm, s)
	if c == nil {
		d.reply <- result[*Conn]{err: ErrNoCID}
		return
	}
	req := leCreditBasedConnectionReq{
		PSM: psm, Source: c.local, MTU: uint16(s.mtu), MPS: uint16(s.mps), Credits: uint16(s.credits),
	}
	k.m.sig.sendRequest(now, req, func(now time.Time, answer signal, err error) {
		if err == nil {
			err = k.handleConnectRsp(now, &c.endpoint, answer)
		}
		switch {
		case err != nil:
			if c.state == opening {
				k.forget(&c.endpoint)
			}
			d.reply <- result[*Conn]{err: err}
		case d.abandoned:
			k.disconnect(now, &c.endpoint, ErrClosed)
		default:
			d.reply <- result[*Conn]{v: c}
		}
	})
}

// handleConnectRsp handles LE Credit Based Connection Response (4.23). A success
// with invalid parameters ends the channel that the peer has opened.
func (k *channels) handleConnectRsp(now time.Time, c *endpoint, answer signal) error {
	rsp, ok := answer.(leCreditBasedConnectionRsp)
	switch {
	case !ok:
		return fmt.Errorf("%w: answered by %v", ErrViolation, answer.Code())
	case rsp.Result != ResultSuccess:
		return rsp.Result
	case !rsp.Destination.dynamic():
		return fmt.Errorf("%w: a channel with CID %v, want %v to %v", ErrViolation, rsp.Destination, cidFirst, cidLast)
	case k.remote[rsp.Destination] != nil:
		return fmt.Errorf("%w: a channel with CID %v, which is in use", ErrViolation, rsp.Destination)
	}
	k.establish(c, rsp.Destination, rsp.MTU, rsp.MPS, rsp.Credits)
	if rsp.MTU < minMTU || rsp.MPS < minMTU {
		err := fmt.Errorf("%w: a channel with MTU %d and MPS %d, the least is %d", ErrViolation, rsp.MTU, rsp.MPS, minMTU)
		k.disconnect(now, c, err)
		return err
	}
	return nil
}

// abandon closes the channel that a call of Dial opens or has opened, after Dial
// has returned.
func (k *channels) abandon(now time.Time, d *dial) {
	d.abandoned = true
	select {
	case r := <-d.reply:
		if r.v != nil {
			k.disconnect(now, &r.v.endpoint, ErrClosed)
		}
	default:
	}
}
