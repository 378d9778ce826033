package l2cap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// askLimit bounds the wait for ParamPolicy.Ask. It leaves the answer some time
// to arrive before the peer gives up, after 30 s.
const askLimit = 25 * time.Second

// Steps of the connection parameters on air.
const (
	intervalStep = 1250 * time.Microsecond
	timeoutStep  = 10 * time.Millisecond
)

// ParamPolicy decides about connection parameters that the peer asks for, be it
// over L2CAP (Vol 3, Part A, 4.20) or in the link layer (Vol 6, Part B, 5.1.7).
// Requests outside of the specification's ranges are rejected in any case. The
// zero ParamPolicy accepts all others.
type ParamPolicy struct {
	// Reject rejects every request.
	Reject bool
	// MinInterval and MaxInterval bound the connection interval. A request whose
	// range overlaps is accepted with the overlap, any other rejected. 0: the
	// specification's 7.5 ms and 4 s.
	MinInterval, MaxInterval time.Duration
	// MaxLatency bounds the peripheral latency in connection events. 0: the
	// specification's 499; negative: none.
	MaxLatency int
	// MaxTimeout bounds the supervision timeout. 0: the specification's 32 s.
	MaxTimeout time.Duration
	// Ask, if set, decides about the requests that the fields above let through.
	// It returns the parameters to use, for instance those of req, and whether
	// the request is accepted. It has a goroutine of its own and may take up to
	// 25 s, after which the request is rejected; ctx ends then, or with the
	// link. While it runs, and while an update is under way, further requests of
	// the peer are rejected.
	Ask func(ctx context.Context, req ParamRequest) (hci.ConnParams, bool)
}

// ParamRequest is a request for connection parameters by a peer.
type ParamRequest struct {
	Peer   hci.Addr
	Handle hci.Handle
	// LinkLayer reports whether the peer asked in the link layer rather than
	// over L2CAP.
	LinkLayer bool
	// Params are valid, and narrowed to the policy's bounds.
	Params hci.ConnParams
}

// narrow returns the part of p that the bounds of the policy allow.
func (p *ParamPolicy) narrow(q hci.ConnParams) (hci.ConnParams, bool) {
	if p.Reject || q.Validate() != nil {
		return q, false
	}
	if p.MinInterval > 0 {
		up := (p.MinInterval + intervalStep - 1) / intervalStep * intervalStep
		q.IntervalMin = max(q.IntervalMin, up)
	}
	if p.MaxInterval > 0 {
		q.IntervalMax = min(q.IntervalMax, p.MaxInterval/intervalStep*intervalStep)
	}
	switch {
	case q.IntervalMin > q.IntervalMax,
		p.MaxLatency > 0 && int(q.Latency) > p.MaxLatency,
		p.MaxLatency < 0 && q.Latency > 0,
		p.MaxTimeout > 0 && q.Timeout > p.MaxTimeout:
		return q, false
	}
	return q, true
}

// paramControl handles requests for connection parameters in both directions.
// It belongs to the loop.
type paramControl struct {
	m        *Mux
	updating bool // an update that the peer asked for is under way
	asking   bool // Ask has not returned
	sent     bool // a request of this side is unanswered

	// The question that Ask is to answer; answer is nil once it has been.
	answer   func(now time.Time, p hci.ConnParams, ok bool)
	deadline time.Time
	cancel   context.CancelCauseFunc
}

// handleUpdateReq handles Connection Parameter Update Request.
func (c *paramControl) handleUpdateReq(now time.Time, id uint8, req connectionParameterUpdateReq) {
	m := c.m
	if m.link.Role() != hci.RoleCentral {
		// Only a central takes this request (4.20).
		m.sig.rejectCommand(id, req.Code(), commandReject{Reason: RejectNotUnderstood})
		return
	}
	c.decide(now, req.params(), false, func(now time.Time, p hci.ConnParams, ok bool) {
		if !ok {
			m.debug("connection parameters rejected", "asked", req.params())
			m.sig.sendCommand(id, connectionParameterUpdateRsp{Result: paramsRejected})
			return
		}
		m.sig.sendCommand(id, connectionParameterUpdateRsp{Result: paramsAccepted})
		m.peerParams.Store(&p)
		c.updating = true
		m.link.StartUpdate(p, func(_ time.Time, got hci.ConnParamsInUse, err error) {
			c.updating = false
			m.debug("connection parameters updated for the peer", "asked", p, "got", got, "error", err)
		})
	})
}

// handleLinkLayerReq handles the link layer's request, whichever role asks.
func (c *paramControl) handleLinkLayerReq(now time.Time, ev *hci.LERemoteConnectionParameterRequest) {
	req := *ev // the event's memory is the decoder's
	c.decide(now, req.Params, true, func(_ time.Time, p hci.ConnParams, ok bool) {
		req.Params = p
		if ok {
			c.m.peerParams.Store(&p)
		}
		c.m.link.ReplyParamRequest(&req, ok)
	})
}

// PeerParams returns the connection parameters that the peer has asked for on this
// link and was granted, be it over L2CAP or in the link layer; ok is false if it
// has not asked. Any goroutine may call it.
func (m *Mux) PeerParams() (p hci.ConnParams, ok bool) {
	if granted := m.peerParams.Load(); granted != nil {
		return *granted, true
	}
	return p, false
}

// decide calls answer, now or later, exactly once unless the link ends.
func (c *paramControl) decide(now time.Time, p hci.ConnParams, linkLayer bool, answer func(time.Time, hci.ConnParams, bool)) {
	policy := &c.m.cfg.Params
	narrowed, ok := policy.narrow(p)
	switch {
	case !ok, c.updating, c.asking:
		answer(now, p, false)
	case policy.Ask == nil:
		answer(now, narrowed, true)
	default:
		link := c.m.link
		c.askPolicy(now, policy.Ask, ParamRequest{link.Peer(), link.Handle(), linkLayer, narrowed}, answer)
	}
}

func (c *paramControl) askPolicy(now time.Time, ask func(context.Context, ParamRequest) (hci.ConnParams, bool), req ParamRequest, answer func(time.Time, hci.ConnParams, bool)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c.asking, c.answer, c.cancel, c.deadline = true, answer, cancel, now.Add(askLimit)
	c.m.rearm()
	go func() {
		p, ok := ask(ctx, req)
		cancel(nil)
		c.m.link.Post(loop.Func(func(now time.Time) {
			c.asking = false
			if err := p.Validate(); ok && err != nil {
				c.m.debug("parameters from ParamPolicy.Ask are invalid, request rejected", "error", err)
				ok = false
			}
			c.settleQuestion(now, p, ok)
		}))
	}()
}

// settleQuestion answers the question that Ask was given, if it is still open.
func (c *paramControl) settleQuestion(now time.Time, p hci.ConnParams, ok bool) {
	answer := c.answer
	c.answer, c.deadline = nil, time.Time{}
	if answer != nil {
		answer(now, p, ok)
	}
	c.m.rearm()
}

func (c *paramControl) expireQuestion(now time.Time) {
	if c.answer != nil && !c.deadline.After(now) {
		c.cancel(context.DeadlineExceeded)
		c.settleQuestion(now, hci.ConnParams{}, false)
	}
}

func (c *paramControl) endQuestion(err error) {
	if c.cancel != nil {
		c.cancel(err)
	}
	c.answer, c.deadline = nil, time.Time{}
}

// RequestParams asks the central for connection parameters, by a Connection
// Parameter Update Request (Vol 3, Part A, 4.20), and returns once it has
// accepted; what it then sets comes as an LE Connection Update Complete event.
// The error unwraps to ErrParamsRejected, *RejectError, *TimeoutError after
// 30 s, ErrBusy while an earlier request is unanswered, or to the end of the
// link or of ctx. After a refusal the specification wants 30 s of patience
// (Vol 3, Part C, 9.3.12). It is for the peripheral, and for any goroutine but
// the loop.
func (m *Mux) RequestParams(ctx context.Context, p hci.ConnParams) error {
	if err := m.requestParams(ctx, p); err != nil {
		return fmt.Errorf("l2cap: request connection parameters: %w", err)
	}
	return nil
}

func (m *Mux) requestParams(ctx context.Context, p hci.ConnParams) error {
	if m.link.Role() != hci.RolePeripheral {
		return errors.New("this host is the central of the link; update them through the link itself")
	}
	if err := p.Validate(); err != nil {
		return err
	}
	_, err := callLoop(ctx, m, func(now time.Time, reply func(struct{}, error)) {
		if m.params.sent {
			reply(struct{}{}, ErrBusy)
			return
		}
		m.params.sent = true
		m.sig.sendRequest(now, paramsRequest(p), func(_ time.Time, answer signal, err error) {
			m.params.sent = false
			if rsp, ok := answer.(connectionParameterUpdateRsp); ok && rsp.Result != paramsAccepted {
				err = ErrParamsRejected
			}
			reply(struct{}{}, err)
		})
	})
	return err
}

// params returns the request's values in units of time; they may be invalid.
func (s connectionParameterUpdateReq) params() hci.ConnParams {
	return hci.ConnParams{
		IntervalMin: time.Duration(s.IntervalMin) * intervalStep,
		IntervalMax: time.Duration(s.IntervalMax) * intervalStep,
		Latency:     s.Latency,
		Timeout:     time.Duration(s.Timeout) * timeoutStep,
	}
}

// paramsRequest is the reverse of params, for valid parameters.
func paramsRequest(p hci.ConnParams) connectionParameterUpdateReq {
	return connectionParameterUpdateReq{
		IntervalMin: uint16(p.IntervalMin / intervalStep),
		IntervalMax: uint16(p.IntervalMax / intervalStep),
		Latency:     p.Latency,
		Timeout:     uint16(p.Timeout / timeoutStep),
	}
}
