package att

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/internal/wire"
)

// ExchangeMTU agrees with the peer on the MTU, and returns it: the smaller of
// what both can receive, at least 23. A peer that does not support the exchange
// leaves it as it is. Further calls ask nothing and return the MTU, as the
// specification allows one exchange only; so does a call after the peer has asked
// by itself, since both sides know both values then and some peers do not answer
// another request, and a call where we can receive no more than 23 octets. On an error, too, the MTU that is in force is
// returned.
func (b *Bearer) ExchangeMTU(ctx context.Context) (int, error) {
	if b.rxMTU == DefaultMTU || b.agreed.Load() {
		return b.MTU(), nil
	}
	_, err := Do(ctx, b, ExchangeMTUReq{MTU: uint16(b.rxMTU)})
	if errors.Is(err, CodeRequestNotSupported) || errors.Is(err, ErrMTUExchanged) {
		err = nil
	}
	return b.MTU(), err
}

// handleMTURsp takes the answer to our MTU request: the body of the response, nil
// for an error. Called on the loop, so that the answer counts even if the caller
// has gone.
func (b *Bearer) handleMTURsp(t *transaction, body []byte) {
	b.askedMTU = true
	asked := wire.NewReader(t.pdu)
	asked.U8()
	req, err := readExchangeMTUReq(&asked)
	if err != nil || body == nil {
		return
	}
	r := wire.NewReader(body)
	if rsp, err := readExchangeMTURsp(&r); err == nil {
		b.agreeMTU(int(req.MTU), int(rsp.MTU))
	}
}

// handleMTUReq answers the peer's MTU request. Only the first has an effect; a later
// one is answered the same, since it must be answered.
func (b *Bearer) handleMTUReq(r *wire.Reader) {
	req, err := readExchangeMTUReq(r)
	if err != nil {
		b.refuseRequest(CodeInvalidPDU)
		return
	}
	if !b.gaveMTU {
		// The response itself is three octets, which every MTU allows.
		b.gaveMTU = true
		b.agreeMTU(b.rxMTU, int(req.MTU))
		b.agreed.Store(true)
	}
	b.Reply(ExchangeMTURsp{MTU: uint16(b.rxMTU)}.AppendPDU(b.scratch[:0]))
}

// agreeMTU sets the MTU to the smaller of both sides' but not below 23, whatever a
// peer says, nor below what is in force: PDUs may be on their way.
func (b *Bearer) agreeMTU(ours, theirs int) {
	mtu := min(max(min(ours, theirs), b.MTU()), MaxMTU)
	b.mtu.Store(int32(mtu))
}
