package l2cap

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

// DialEnhanced opens n channels of the enhanced credit-based mode to psm of the
// peer with one request (Vol 3, Part A, 4.25); n is 1 to 5. The peer may refuse
// some of them: then it returns those that have opened, and a *ConnectError with
// the reason. See Dial.
func (m *Mux) DialEnhanced(ctx context.Context, psm PSM, n int, cfg *CoCConfig) ([]*Conn, error) {
	s, err := cfg.enhancedSettings()
	if err == nil {
		err = checkEnhanced(psm, n)
	}
	if err = cmp.Or(err, m.cfg.Lacks); err != nil {
		return nil, &ConnectError{PSM: psm, Err: err}
	}
	d := &enhancedDial{reply: make(chan result[enhancedAnswer], 1)}
	postCall(ctx, m, d.reply, func(now time.Time) { m.coc.dialEnhanced(now, psm, n, s, d) })
	a, err := awaitReply(ctx, m, d.reply)
	if err != nil {
		m.link.Post(loop.Func(func(now time.Time) { m.coc.abandonEnhanced(now, d) }))
	} else {
		err = a.err
	}
	if err != nil {
		return a.conns, &ConnectError{PSM: psm, Err: err}
	}
	return a.conns, nil
}

// enhancedDial is one call of DialEnhanced.
type enhancedDial struct {
	reply     chan result[enhancedAnswer]
	abandoned bool // owned by the loop; DialEnhanced has returned
}

// enhancedAnswer is the result of DialEnhanced.
type enhancedAnswer struct {
	conns []*Conn
	err   error // why channels are missing
}

func (k *channels) dialEnhanced(now time.Time, psm PSM, n int, s settings, d *enhancedDial) {
	var cs []*endpoint
	for range n {
		c := k.allocate(psm, s)
		if c == nil {
			k.forgetAll(cs)
			d.reply <- result[enhancedAnswer]{err: ErrNoCID}
			return
		}
		c.enhanced = true
		cs = append(cs, &c.endpoint)
	}
	k.openEnhanced(now, s, cs, func(now time.Time, opened []*endpoint, err error) {
		a := enhancedAnswer{err: err}
		for _, c := range opened {
			if d.abandoned {
				k.disconnect(now, c, ErrClosed)
				continue
			}
			a.conns = append(a.conns, c.user.(*Conn))
		}
		d.reply <- result[enhancedAnswer]{v: a}
	})
}

// abandonEnhanced closes the channels of a call of DialEnhanced that has returned:
// those that have opened, and those that open later.
func (k *channels) abandonEnhanced(now time.Time, d *enhancedDial) {
	d.abandoned = true
	select {
	case r := <-d.reply:
		for _, c := range r.v.conns {
			k.disconnect(now, &c.endpoint, ErrClosed)
		}
	default:
	}
}

// OpenPackets opens up to n channels to a PacketService of the peer, with one
// request, and returns their number: it is smaller than n if
// PacketService.Most channels are open then, or if the peer refuses some. psm must
// be in Config.Packets, whose Accept creates the protocols. The error is a
// *ConnectError; with it, some channels may have opened. OpenPackets may be called
// from any goroutine but the loop.
func (m *Mux) OpenPackets(ctx context.Context, psm PSM, n int) (int, error) {
	p := m.coc.services[psm]
	err := checkEnhanced(psm, n)
	if p == nil {
		err = fmt.Errorf("no PacketService: put one into Config.Packets")
	}
	if err = cmp.Or(err, m.cfg.Lacks); err != nil {
		return 0, &ConnectError{PSM: psm, Err: err}
	}
	type answer struct {
		n   int
		err error
	}
	a, err := callLoop(ctx, m, func(now time.Time, reply func(answer, error)) {
		k := &m.coc
		if r := m.linkSecurity().meets(p.set.need); r != ResultSuccess {
			reply(answer{}, r)
			return
		}
		k.openService(now, psm, n, func(n int, err error) { reply(answer{n, err}, nil) })
	})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return a.n, &ConnectError{PSM: psm, Err: err}
	}
	return a.n, nil
}

// openService requests up to n channels to a service, and calls done with the
// number of those that have opened.
func (k *channels) openService(now time.Time, psm PSM, n int, done func(n int, err error)) {
	p := k.services[psm]
	var cs []*endpoint
	for range min(n, p.most()-k.countPackets(psm)) {
		if c := k.allocatePacket(psm, p.set); c != nil {
			cs = append(cs, &c.endpoint)
		}
	}
	if len(cs) == 0 {
		done(0, nil)
		return
	}
	k.openEnhanced(now, p.set, cs, func(now time.Time, opened []*endpoint, err error) {
		for _, c := range opened {
			c.user.(*PacketChannel).startHandler(now, p.Accept)
		}
		done(len(opened), err)
	})
}

// checkEnhanced checks the arguments of a request for channels.
func checkEnhanced(psm PSM, n int) error {
	switch {
	case psm < PSMFirst || psm > PSMLast:
		return errPSM
	case n < 1 || n > maxEnhancedChannels:
		return fmt.Errorf("%d channels in one request: ask for 1 to %d", n, maxEnhancedChannels)
	}
	return nil
}

// forgetAll forgets channels that nobody has requested.
func (k *channels) forgetAll(cs []*endpoint) {
	for _, c := range cs {
		k.forget(c)
	}
}
