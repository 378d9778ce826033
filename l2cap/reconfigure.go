package l2cap

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrReconfigure means that the peer refused other limits of channels; the error
// also says why.
var ErrReconfigure = errors.New("the peer refused to reconfigure the channels")

// String returns the result in words and its code.
func (r reconfigureResult) String() string {
	words := map[reconfigureResult]string{
		reconfigureSuccess: "success", reconfigureSmallerMTU: "the MTU may not shrink",
		reconfigureSmallerMPS: "the MPS of several channels may not shrink",
		reconfigureInvalidCID: "invalid CID", reconfigureUnacceptable: "unacceptable parameters",
	}[r]
	if words == "" {
		return fmt.Sprintf("result 0x%04X", uint16(r))
	}
	return fmt.Sprintf("%s (0x%04X)", words, uint16(r))
}

// Reconfigure changes the longest SDU and frame that this side accepts on one to
// five channels of the enhanced mode of one link (Vol 3, Part A, 4.27). The MTU
// may not shrink, nor may the MPS of several channels. The error wraps
// ErrReconfigure, a *RejectError, a *TimeoutError after 30 s, or the end of the
// link or of ctx. Reconfigure may be called from any goroutine but the loop.
func (m *Mux) Reconfigure(ctx context.Context, mtu, mps int, conns ...*Conn) error {
	_, err := callLoop(ctx, m, func(now time.Time, reply func(struct{}, error)) {
		cs := make([]*endpoint, len(conns))
		for i, c := range conns {
			cs[i] = &c.endpoint
		}
		if err := checkReconfigure(m, mtu, mps, cs); err != nil {
			reply(struct{}{}, err)
			return
		}
		m.coc.startReconfigure(now, mtu, mps, cs, func(err error) { reply(struct{}{}, err) })
	})
	if err != nil {
		return fmt.Errorf("l2cap: reconfigure channels: %w", err)
	}
	return nil
}

// startReconfigure asks the peer to accept other limits, which are in force with
// its answer.
func (k *channels) startReconfigure(now time.Time, mtu, mps int, cs []*endpoint, done func(error)) {
	req := creditBasedReconfigureReq{MTU: uint16(mtu), MPS: uint16(mps)}
	for _, c := range cs {
		req.Destinations = append(req.Destinations, c.local)
	}
	k.m.sig.sendRequest(now, req, func(_ time.Time, answer signal, err error) {
		rsp, ok := answer.(creditBasedReconfigureRsp)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("%w: answered by %v", ErrViolation, answer.Code())
		case rsp.Result != reconfigureSuccess:
			err = fmt.Errorf("%w: %v", ErrReconfigure, rsp.Result)
		default:
			for _, c := range cs {
				c.in.mtu, c.in.mps = max(c.in.mtu, mtu), mps
			}
		}
		done(err)
	})
}

// checkReconfigure checks a request of this side.
func checkReconfigure(m *Mux, mtu, mps int, cs []*endpoint) error {
	switch {
	case len(cs) < 1 || len(cs) > maxEnhancedChannels:
		return fmt.Errorf("%d channels in one request: give 1 to %d", len(cs), maxEnhancedChannels)
	case mtu < minEnhanced || mtu > 0xFFFF:
		return fmt.Errorf("an MTU of %d: give %d to 65535", mtu, minEnhanced)
	case mps < minEnhanced || mps > maxMPS:
		return fmt.Errorf("an MPS of %d: give %d to %d", mps, minEnhanced, maxMPS)
	}
	for _, c := range cs {
		switch {
		case c.m != m || c.state != open || !c.enhanced:
			return fmt.Errorf("channel %v is not an open channel of the enhanced mode on this link", c.local)
		case mtu < c.in.mtu:
			return fmt.Errorf("an MTU of %d for channel %v, which has %d: the MTU may not shrink", mtu, c.local, c.in.mtu)
		case mps < c.in.mps && len(cs) > 1:
			return fmt.Errorf("an MPS of %d for channel %v, which has %d: the MPS of several channels may not shrink", mps, c.local, c.in.mps)
		}
	}
	return nil
}

// handleReconfigureReq handles Credit Based Reconfigure Request (4.27), for all of
// its channels or none. It names them by the CIDs of its sender.
func (k *channels) handleReconfigureReq(id uint8, req creditBasedReconfigureReq) {
	result := k.reconfigure(req)
	if result != reconfigureSuccess {
		k.m.debug("reconfiguration refused", "result", result)
	}
	k.m.sig.sendCommand(id, creditBasedReconfigureRsp{Result: result})
}

func (k *channels) reconfigure(req creditBasedReconfigureReq) reconfigureResult {
	if req.MTU < minEnhanced || req.MPS < minEnhanced || req.MPS > maxMPS {
		return reconfigureUnacceptable
	}
	var cs []*endpoint
	for _, cid := range req.Destinations {
		c := k.remote[cid]
		if c == nil || !c.enhanced || c.state != open {
			return reconfigureInvalidCID
		}
		cs = append(cs, c)
	}
	for _, c := range cs {
		if int32(req.MTU) < c.peerMTU.Load() {
			return reconfigureSmallerMTU
		}
		if len(cs) > 1 && int(req.MPS) < c.out.mps {
			return reconfigureSmallerMPS
		}
	}
	for _, c := range cs {
		c.peerMTU.Store(int32(req.MTU))
		c.out.mps = int(req.MPS)
	}
	return reconfigureSuccess
}
