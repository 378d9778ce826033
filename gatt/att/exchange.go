package att

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/internal/wire"
)

// ExchangeMTU exchanges the MTU with the peer and returns it: the smaller of the
// MTUs of both sides, at least 23. A peer that does not support the exchange
// leaves the MTU as it is. Since the specification allows one exchange only,
// further calls send nothing and return the MTU. So does a call after the peer has
// asked by itself: both sides know both values then, and some peers do not answer
// another request. So does a call if this side accepts 23 octets only. With an
// error, too, the current MTU is returned.
func (b *Bearer) ExchangeMTU(ctx context.Context) (int, error) { return b.OfferMTU(ctx, b.rxMTU) }

// OfferMTU is ExchangeMTU with another MTU than Config.MTU, which bounds it. The first
// call decides. The bearer goes on accepting PDUs up to Config.MTU.
func (b *Bearer) OfferMTU(ctx context.Context, mtu int) (int, error) {
	mtu = min(mtu, b.rxMTU)
	if mtu <= DefaultMTU || b.agreed.Load() {
		return b.MTU(), nil
	}
	b.offer.CompareAndSwap(int32(b.rxMTU), int32(mtu))
	_, err := Do(ctx, b, ExchangeMTUReq{MTU: uint16(b.offer.Load())})
	if errors.Is(err, CodeRequestNotSupported) || errors.Is(err, ErrMTUExchanged) {
		err = nil
	}
	return b.MTU(), err
}

// handleMTURsp handles the answer to this side's MTU request; body is nil for an
// error. It runs on the loop, so that the answer counts even if the caller has
// returned.
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

// handleMTUReq answers the peer's MTU request. Only the first one has an effect;
// later ones get the same answer.
func (b *Bearer) handleMTUReq(r *wire.Reader) {
	req, err := readExchangeMTUReq(r)
	if err != nil {
		b.refuseRequest(CodeInvalidPDU)
		return
	}
	if !b.gaveMTU {
		// The response has three octets, which every MTU allows.
		b.gaveMTU = true
		b.agreeMTU(int(b.offer.Load()), int(req.MTU))
		b.agreed.Store(true)
	}
	b.Reply(ExchangeMTURsp{MTU: uint16(b.offer.Load())}.AppendPDU(b.scratch[:0]))
}

// agreeMTU sets the MTU to the smaller of both sides', but not below 23,
// whatever the peer says, nor below the current MTU, since PDUs of that length
// may be on air.
func (b *Bearer) agreeMTU(ours, theirs int) {
	agreed := min(max(min(ours, theirs), DefaultMTU), MaxMTU)
	if !b.exchanged || agreed < b.LeastMTU() {
		b.least.Store(int32(agreed))
	}
	b.exchanged = true
	b.mtu.Store(int32(max(agreed, b.MTU())))
}
