package l2cap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// Security is the protection that a link has, or that a channel requires. The
// zero value is a link in plain text with a peer without a bond.
type Security struct {
	Encrypted     bool
	Authenticated bool // the key is from a pairing with protection against a man in the middle
	Bonded        bool // there is a bond with the peer: its key can encrypt the link
	KeySize       int  // octets of the key, 7 to 16; 0 if the link is not encrypted
}

// Listener accepts the credit-based channels that the peer of one link opens to
// one PSM. Its methods may be called from any goroutine but the loop.
type Listener struct {
	m      *Mux
	psm    PSM
	set    settings
	queue  chan *Conn
	done   chan struct{}
	err    error // set before done is closed
	closed bool  // owned by the loop
}

var (
	errPSMTaken = errors.New("the SPSM has a listener already; close it first")
	errPSMFull  = errors.New("every dynamic SPSM has a listener; close one")
)

// Listen accepts channels to psm from now on; 0 picks a free dynamic PSM (0x0080
// to 0x00FF). Without a listener, requests are refused with "SPSM not
// supported". Listen may be called from any goroutine but the loop.
func (m *Mux) Listen(psm PSM, cfg *CoCConfig) (*Listener, error) {
	s, err := listenSettings(psm, cfg)
	if err = cmp.Or(err, m.cfg.Lacks); err != nil {
		return nil, listenError(psm, err)
	}
	l, err := callLoop(context.Background(), m, func(_ time.Time, reply func(*Listener, error)) {
		reply(m.coc.listen(psm, s))
	})
	if err != nil {
		return nil, listenError(psm, err)
	}
	return l, nil
}

// Listener returns the listener that Config.Listen opened for psm; nil if there
// is none. It may be called from any goroutine.
func (m *Mux) Listener(psm PSM) *Listener { return m.coc.fromStart[psm] }

func listenSettings(psm PSM, cfg *CoCConfig) (settings, error) {
	if psm > PSMLast {
		return settings{}, errPSM
	}
	return cfg.settings()
}

func listenError(psm PSM, err error) error {
	return fmt.Errorf("l2cap: listen on SPSM 0x%04X: %w", uint16(psm), err)
}

// serveAll sets the services of a valid Config.
func (k *channels) serveAll(cfgs map[PSM]*PacketService) {
	for psm, p := range cfgs {
		s := *p
		s.set, _ = p.CoC.enhancedSettings()
		if k.services == nil {
			k.services = map[PSM]*PacketService{}
		}
		k.services[psm] = &s
	}
}

// listenAll opens the listeners of a valid Config.
func (k *channels) listenAll(cfgs map[PSM]*CoCConfig) {
	for psm, cfg := range cfgs {
		if s, err := listenSettings(psm, cfg); err == nil {
			_, _ = k.listen(psm, s) // cannot fail: psm has no listener yet
		}
	}
	k.fromStart = maps.Clone(k.listeners)
}

func (k *channels) listen(psm PSM, s settings) (*Listener, error) {
	if psm == 0 {
		for psm = PSMFirstDynamic; k.listeners[psm] != nil || k.services[psm] != nil; psm++ {
		}
		if psm > PSMLast {
			return nil, errPSMFull
		}
	}
	if k.listeners[psm] != nil || k.services[psm] != nil {
		return nil, errPSMTaken
	}
	if k.listeners == nil {
		k.listeners = map[PSM]*Listener{}
	}
	l := &Listener{m: k.m, psm: psm, set: s, queue: make(chan *Conn, s.backlog), done: make(chan struct{})}
	k.listeners[psm] = l
	return l, nil
}

// PSM returns the PSM that the listener accepts channels to.
func (l *Listener) PSM() PSM { return l.psm }

// Accept waits for the next channel. The error wraps net.ErrClosed after Close
// or the end of the link, else the cause of ctx.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-ctx.Done():
	case <-l.done:
	}
	err := context.Cause(ctx)
	if isClosed(l.done) {
		err = l.err
	}
	return nil, fmt.Errorf("l2cap: accept on SPSM 0x%04X: %w", uint16(l.psm), err)
}

// Close stops listening and closes the channels that have not been accepted. It
// does not affect accepted channels, and always returns nil.
func (l *Listener) Close() error {
	l.m.link.Post(loop.Func(func(now time.Time) {
		k := &l.m.coc
		if k.listeners[l.psm] == l {
			delete(k.listeners, l.psm)
		}
		l.endListener(ErrClosed)
		for {
			select {
			case c := <-l.queue:
				k.disconnect(now, &c.endpoint, ErrClosed)
				continue
			default:
			}
			return
		}
	}))
	return nil
}

// endListener ends pending calls of Accept.
func (l *Listener) endListener(err error) {
	if !l.closed {
		l.closed, l.err = true, err
		close(l.done)
	}
}

// handleConnectReq handles LE Credit Based Connection Request (4.22).
func (k *channels) handleConnectReq(_ time.Time, id uint8, req leCreditBasedConnectionReq) {
	c, result := k.accept(req)
	if result != ResultSuccess {
		k.m.debug("channel refused", "psm", req.PSM, "result", result)
		k.m.sig.sendCommand(id, leCreditBasedConnectionRsp{Result: result})
		return
	}
	k.m.sig.sendCommand(id, leCreditBasedConnectionRsp{
		Destination: c.local, MTU: uint16(c.in.mtu), MPS: uint16(c.in.mps), Credits: uint16(c.in.window),
	})
}

// accept opens the channel that the peer requests, or returns why it is refused.
func (k *channels) accept(req leCreditBasedConnectionReq) (*Conn, Result) {
	l := k.listeners[req.PSM]
	if l == nil || l.set.enhanced {
		return nil, ResultSPSMNotSupported
	}
	if r := k.m.linkSecurity().meets(l.set.need); r != ResultSuccess {
		return nil, r
	}
	switch {
	case req.MTU < minMTU, req.MPS < minMTU, req.MPS > maxMPS:
		return nil, ResultUnacceptableParameters
	case !req.Source.dynamic():
		return nil, ResultInvalidSourceCID
	case k.remote[req.Source] != nil:
		return nil, ResultSourceCIDAllocated
	case len(l.queue) == cap(l.queue): // only the loop adds to it
		return nil, ResultNoResources
	}
	c := k.allocate(req.PSM, l.set)
	if c == nil {
		return nil, ResultNoResources
	}
	k.establish(&c.endpoint, req.Source, req.MTU, req.MPS, req.Credits)
	l.queue <- c
	return c, ResultSuccess
}

// linkSecurity returns how the link is protected.
func (m *Mux) linkSecurity() Security {
	if m.cfg.Security != nil {
		return m.cfg.Security(m.link)
	}
	if m.encrypted {
		return Security{Encrypted: true, KeySize: 16}
	}
	return Security{}
}

// meets returns the result with which a service that requires need refuses a
// link that is protected as s; ResultSuccess if it accepts the link (Vol 3, Part
// C, 10.3.1).
func (s Security) meets(need Security) Result {
	if !need.Encrypted && !need.Authenticated && need.KeySize == 0 {
		return ResultSuccess
	}
	switch {
	case !s.Encrypted && s.Bonded:
		return ResultInsufficientEncryption
	case !s.Encrypted, need.Authenticated && !s.Authenticated:
		return ResultInsufficientAuthentication
	case s.KeySize < need.KeySize:
		return ResultKeySizeTooShort
	}
	return ResultSuccess
}
