package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// rawDial is a RawPeer's attempt to connect.
type rawDial struct {
	listener
	to     hci.Addr
	params linkParams
	link   *RawLink // once the request has been sent
	result chan dialResult
}

type dialResult struct {
	link *RawLink
	err  error
}

// Connect connects to an advertiser as central. It returns when the link is up or
// ctx is done.
func (p *RawPeer) Connect(ctx context.Context, to hci.Addr, params hci.ConnParams) (*RawLink, error) {
	d := &rawDial{to: to, params: newLinkParams(params), result: make(chan dialResult, 1)}
	d.listener = listener{
		node: p.node, initiating: true, interval: 60 * time.Millisecond, window: 60 * time.Millisecond, phys: hci.PHYs1M,
		hears: func(v *advertiser) { p.initiate(d, v) },
	}
	if !p.air.runAndWait(func() {
		if p.dial != nil {
			d.result <- dialResult{err: fmt.Errorf("sim: %s is connecting already", p.node.name)}
			return
		}
		p.dial = d
		p.air.listen(&d.listener)
	}) {
		return nil, errClosed
	}
	select {
	case r := <-d.result:
		return r.link, r.err
	case <-ctx.Done():
	}
	p.air.post(func() {
		p.air.deafen(&d.listener)
		if p.dial == d && d.link == nil {
			p.dial = nil
			d.result <- dialResult{err: context.Cause(ctx)}
		}
	})
	r := <-d.result
	if r.link != nil {
		r.link.Disconnect(hci.StatusRemoteUserTerminated)
		r.err = context.Cause(ctx)
	}
	return nil, r.err
}

// initiate handles an advertisement that the peer receives while it connects.
func (p *RawPeer) initiate(d *rawDial, v *advertiser) {
	a := p.air
	if v.own != d.to || !v.connectable || !a.arrives(p.node, v.radio) || !v.owner.allowsConnect(v, p.cfg.Address) {
		return
	}
	a.deafen(&d.listener)
	l := a.newLink(a.now.plus(interFrameSpace+hci.PHY1M.Airtime(connectLen)), d.params)
	d.link = p.attach(l, central, v.own)
	v.owner.acceptLink(v, l, p.cfg.Address)
	l.schedule()
}
