package gatt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// ErrValueTooLong means that a value is longer than MaxValue.
var ErrValueTooLong = fmt.Errorf("value longer than %d octets", MaxValue)

// HandleValue is the value of an attribute.
type HandleValue struct {
	Handle att.Handle
	Value  []byte
}

// Read returns the whole value of a characteristic. It discovers the
// characteristic if it is not known; see [Client.Char].
func (c *Client) Read(ctx context.Context, svc, chr UUID) ([]byte, error) {
	ch, err := c.Char(ctx, svc, chr)
	if err != nil {
		return nil, err
	}
	return ch.Read(ctx)
}

// ReadHandle reads an attribute with one request, which truncates the value to
// the MTU less one octet; see [Client.ReadLong]. The value belongs to the
// caller. Like every request for a handle, it fails with ErrStale if the peer has
// indicated a change there since the latest whole table of [Client.Discover],
// [Client.Rediscover] or [Client.SetProfile].
func (c *Client) ReadHandle(ctx context.Context, h att.Handle) ([]byte, error) {
	k := c.checkHandle(h)
	if err := c.prove(ctx, k, h); err != nil {
		return nil, err
	}
	rsp, err := do(ctx, c, k, att.ReadReq{Handle: h})
	if err = k.finishRead(err); err != nil {
		return nil, err
	}
	return rsp.Value, nil
}

// ReadLong reads the whole value of an attribute, with further requests if the
// first answer has the greatest possible length. The value belongs to the
// caller.
func (c *Client) ReadLong(ctx context.Context, h att.Handle) ([]byte, error) {
	k := c.checkHandle(h)
	v, err := c.readLong(ctx, k, h)
	if err = k.finishRead(err); err != nil {
		return nil, err
	}
	return v, nil
}

func (c *Client) readLong(ctx context.Context, cond att.Condition, h att.Handle) ([]byte, error) {
	if err := c.prove(ctx, cond, h); err != nil {
		return nil, err
	}
	before := c.b.LeastMTU() // it may change meanwhile
	rsp, err := do(ctx, c, cond, att.ReadReq{Handle: h})
	if err != nil {
		return nil, err
	}
	if mtu, cut := c.cutBy(len(rsp.Value), readHead, before); cut {
		return c.readRest(ctx, cond, h, rsp.Value, mtu)
	}
	return rsp.Value, nil
}

// readRest reads the rest of a value that begins with v. The peer goes by mtu or
// a larger one.
func (c *Client) readRest(ctx context.Context, cond att.Condition, h att.Handle, v []byte, mtu int) ([]byte, error) {
	guess := mtu == att.DefaultMTU && c.b.LeastMTU() > att.DefaultMTU
	for last := mtu; last >= mtu-readHead && len(v) < MaxValue; {
		rsp, err := do(ctx, c, cond, att.ReadBlobReq{Handle: h, Offset: uint16(len(v))})
		// A whole value may have the length that the default MTU allows, and not every
		// peer refuses the read behind its end by the right code.
		if _, refused := errors.AsType[*att.Error](err); endsLongRead(err) || guess && refused {
			break
		}
		guess = false
		if err != nil {
			return nil, err
		}
		v = append(v, rsp.Value...)
		last, mtu = len(rsp.Value), min(mtu, c.b.LeastMTU())
	}
	if len(v) > MaxValue {
		return nil, fmt.Errorf("gatt: handle %s: peer sent a %w", h, ErrValueTooLong)
	}
	return v, nil
}

// cutBy reports whether the peer may have cut off a value of n octets that stands
// behind head others in a PDU, and by which MTU. That is the least one that both
// sides may go by, now or before the value was requested, or the default, which
// some peers go by whatever has been exchanged.
func (c *Client) cutBy(n, head, before int) (mtu int, cut bool) {
	if mtu = min(before, c.b.LeastMTU()); n >= mtu-head {
		return mtu, true
	}
	return att.DefaultMTU, n == att.DefaultMTU-head
}

// endsLongRead reports whether an error means that the value ended exactly with
// the previous answer: the offset is its length, the attribute is not long, or
// the peer does not support Read Blob.
func endsLongRead(err error) bool {
	return errors.Is(err, att.CodeInvalidOffset) || errors.Is(err, att.CodeAttributeNotLong) ||
		errors.Is(err, att.CodeRequestNotSupported)
}

const (
	readHead   = 1   // octets before the value of a Read or Read Blob Response
	byTypeHead = 4   // octets before the first value of a Read By Type Response
	mostByType = 253 // octets of a value in it, as the length of an entry has one octet
)

// ReadByUUID reads all attributes of a type in a range of handles; the zero
// range means all handles. An answer holds values of up to the MTU less four
// octets, at most 253; further requests read the rest. If there is no such
// attribute, the error wraps ErrNotFound. If one of them cannot be read, the
// values before it are returned with the error.
func (c *Client) ReadByUUID(ctx context.Context, u UUID, r att.HandleRange) ([]HandleValue, error) {
	if r == (att.HandleRange{}) {
		r = att.HandleRange{Start: att.HandleMin, End: att.HandleMax}
	}
	if !r.Valid() {
		return nil, fmt.Errorf("gatt: handles %s: a range must start at 0x0001 or above and must not end before its start", r)
	}
	var found []HandleValue
	for {
		before := c.b.LeastMTU()
		rsp, err := do(ctx, c, nil, att.ReadByTypeReq{Start: r.Start, End: r.End, Type: u})
		switch {
		case errors.Is(err, att.CodeAttributeNotFound) && len(found) > 0:
			return found, nil
		case errors.Is(err, att.CodeAttributeNotFound):
			return nil, fmt.Errorf("gatt: attribute of type %s: %w: %w", u, ErrNotFound, err)
		case err != nil:
			return found, err
		}
		alone := len(rsp.Data) == int(rsp.Length)
		for e := range rsp.All() {
			if len(found) == c.cfg.maxAttributes() {
				return found, fmt.Errorf("gatt: attributes of type %s: %w", u, ErrTooManyAttributes)
			}
			v := e.Value
			mtu, cut := c.cutBy(len(v), byTypeHead, before)
			switch {
			case len(v) == mostByType:
				mtu, cut = min(before, c.b.LeastMTU()), true
			case !alone: // there was room for more
				cut = false
			}
			if cut {
				if v, err = c.readRest(ctx, nil, e.Handle, slices.Clip(v), mtu); err != nil {
					return found, err
				}
			}
			found = append(found, HandleValue{Handle: e.Handle, Value: v})
			r.Start = after(e.Handle)
		}
		if !r.Valid() {
			return found, nil
		}
	}
}

// ReadMultiple reads two or more attributes with one request. It returns the
// concatenated values, truncated to the MTU less one octet: the caller must know
// the lengths of all but the last. Peers may not support it.
func (c *Client) ReadMultiple(ctx context.Context, handles ...att.Handle) ([]byte, error) {
	ks, err := c.checkMultiple(ctx, handles)
	if err != nil {
		return nil, err
	}
	rsp, err := do(ctx, c, ks, att.ReadMultipleReq{Handles: handles})
	if err != nil {
		return nil, err
	}
	return rsp.Values, ks.Check()
}

// ReadMultipleVariable reads two or more attributes with one request. The values
// are in the order of handles. The answer is truncated to the MTU: the last
// value may be shorter than its Length, and further values may be missing. Peers
// may not support it.
func (c *Client) ReadMultipleVariable(ctx context.Context, handles ...att.Handle) ([]att.VariableValue, error) {
	ks, err := c.checkMultiple(ctx, handles)
	if err != nil {
		return nil, err
	}
	rsp, err := do(ctx, c, ks, att.ReadMultipleVariableReq{Handles: handles})
	if err == nil {
		err = ks.Check()
	}
	if err != nil {
		return nil, err
	}
	values := make([]att.VariableValue, 0, len(handles))
	for v := range rsp.All() {
		values = append(values, v)
	}
	return values, nil
}

// checkMultiple returns the condition of a request for several attributes.
func (c *Client) checkMultiple(ctx context.Context, handles []att.Handle) (handleCheckList, error) {
	if len(handles) < 2 {
		return nil, fmt.Errorf("gatt: read multiple of %d handles: give two or more, or use ReadHandle", len(handles))
	}
	ks := c.checkHandles(handles)
	for i, h := range handles {
		if err := c.prove(ctx, ks[i], h); err != nil {
			return nil, err
		}
	}
	return ks, nil
}
