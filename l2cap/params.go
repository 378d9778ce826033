package l2cap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// askLimit bounds the wait for ParamPolicy.Ask. The peer gives up after 30 s;
// the difference leaves time for the answer to arrive.
const askLimit = 25 * time.Second

// Units of the connection parameters on air.
const (
	intervalStep = 1250 * time.Microsecond
	timeoutStep  = 10 * time.Millisecond
)

// ParamPolicy decides on connection parameters that the peer requests, over
// L2CAP (Vol 3, Part A, 4.20) or in the link layer (Vol 6, Part B, 5.1.7).
// Requests outside the specification's ranges are always rejected. The zero
// ParamPolicy accepts all others.
type ParamPolicy struct {
	// Reject rejects every request.
	Reject bool
	// MinInterval and MaxInterval bound the connection interval. A request whose
	// range overlaps them is accepted with the overlap; any other is rejected. 0
	// means the specification's bounds, 7.5 ms and 4 s.
	MinInterval, MaxInterval time.Duration
	// MaxLatency bounds the peripheral latency, in connection events. 0 means
	// the specification's bound, 499; a negative value means no latency.
	MaxLatency int
	// MaxTimeout bounds the supervision timeout. 0 means the specification's
	// bound, 32 s.
	MaxTimeout time.Duration
	// Ask, if not nil, decides on the requests that the fields above accept. It
	// returns the parameters to use, which may be those of req, and whether to
	// accept the request. It runs on a goroutine of its own and may take up to
	// 25 s, after which the request is rejected; ctx ends then, or with the
	// link. While Ask runs, and while an update is in progress, further requests
	// of the peer are rejected.
	Ask func(ctx context.Context, req ParamRequest) (hci.ConnParams, bool)
}

// ParamRequest is a peer's request for connection parameters.
type ParamRequest struct {
	Peer   hci.Addr
	Handle hci.Handle
	// LinkLayer reports whether the request came in the link layer rather than
	// over L2CAP.
	LinkLayer bool
	// Params are valid and within the policy's bounds.
	Params hci.ConnParams
}

// narrow returns the part of q that the policy accepts; ok is false if there is
// none.
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

// paramControl handles requests for connection parameters in both directions. It
// belongs to the loop.
type paramControl struct {
	m        *Mux
	updating bool // an update that the peer requested is in progress
	asking   bool // Ask has not returned
	sent     bool // a request of this side is unanswered

	// The open question to Ask; answer is nil if there is none.
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

// handleLinkLayerReq handles LE Remote Connection Parameter Request.
func (c *paramControl) handleLinkLayerReq(now time.Time, ev *hci.LERemoteConnectionParameterRequest) {
	req := *ev // ev belongs to the decoder
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

// decide calls answer, now or later, exactly once unless the link ends first.
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

// settleQuestion answers the question to Ask, if it is still open.
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

// RequestParams asks the central for connection parameters with a Connection
// Parameter Update Request (Vol 3, Part A, 4.20), and returns once the central
// has accepted them. The parameters in use then change with an LE Connection
// Update Complete event. The error wraps ErrParamsRejected, *RejectError,
// *TimeoutError after 30 s, ErrBusy while an earlier request is unanswered, or
// the end of the link or of ctx. After a refusal the specification demands a
// pause of 30 s (Vol 3, Part C, 9.3.12). Only a peripheral may use it.
// RequestParams may be called from any goroutine but the loop.
func (m *Mux) RequestParams(ctx context.Context, p hci.ConnParams) error {
	if err := m.requestParams(ctx, p); err != nil {
		return fmt.Errorf("l2cap: request connection parameters: %w", err)
	}
	return nil
}

func (m *Mux) requestParams(ctx context.Context, p hci.ConnParams) error {
	if m.link.Role() != hci.RolePeripheral {
		return errors.New("this host is the central of the link: use controller.Link.Update")
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

// params returns the requested parameters in units of time; they may be invalid.
func (s connectionParameterUpdateReq) params() hci.ConnParams {
	return hci.ConnParams{
		IntervalMin: time.Duration(s.IntervalMin) * intervalStep,
		IntervalMax: time.Duration(s.IntervalMax) * intervalStep,
		Latency:     s.Latency,
		Timeout:     time.Duration(s.Timeout) * timeoutStep,
	}
}

// paramsRequest returns the request for valid parameters.
func paramsRequest(p hci.ConnParams) connectionParameterUpdateReq {
	return connectionParameterUpdateReq{
		IntervalMin: uint16(p.IntervalMin / intervalStep),
		IntervalMax: uint16(p.IntervalMax / intervalStep),
		Latency:     p.Latency,
		Timeout:     uint16(p.Timeout / timeoutStep),
	}
}
