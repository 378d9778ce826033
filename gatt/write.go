package gatt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/gatt/att"
)

// PrepareMismatchError says that the peer repeated a part of a long or reliable
// write otherwise than it was sent. Nothing was written.
type PrepareMismatchError struct {
	Handle att.Handle // of the attribute
	Offset int        // of the part in the value
}

// Error names the part.
func (e *PrepareMismatchError) Error() string {
	return fmt.Sprintf("gatt: peer repeated the part at offset %d for handle %s otherwise than it was sent; nothing was written", e.Offset, e.Handle)
}

// WriteHandle writes an attribute with one request and waits for the answer. The
// value has at most the MTU less three octets, else the error is an
// *[att.TooLongError]; see [Client.WriteLong].
func (c *Client) WriteHandle(ctx context.Context, h att.Handle, value []byte) error {
	return c.writeOnce(ctx, nil, h, value)
}

func (c *Client) writeOnce(ctx context.Context, cond att.Condition, h att.Handle, value []byte) error {
	_, err := do(ctx, c, cond, att.WriteReq{Handle: h, Value: value})
	return err
}

// WriteNoResponse writes an attribute with a command, which the peer does not
// answer: it may have done nothing. The call returns when the link has taken the
// command, and so keeps to the pace of the link; if ctx ends before, the command
// is not sent. The value has at most the MTU less three octets, else the error
// is an *[att.TooLongError]. It does not allocate memory.
func (c *Client) WriteNoResponse(ctx context.Context, h att.Handle, value []byte) error {
	return c.b.WriteCommand(ctx, nil, h, value)
}

// WriteLong writes a value of up to 512 octets. If it does not fit one request,
// it is sent in parts that the peer queues and repeats. When all have been
// repeated as they were sent, the peer is told to write them; else, or if ctx
// ends, it is told to drop them.
//
// If ctx ends after the peer has been told to write, it is not known whether it
// has.
func (c *Client) WriteLong(ctx context.Context, h att.Handle, value []byte) error {
	return c.writeLong(ctx, nil, h, value)
}

func (c *Client) writeLong(ctx context.Context, cond att.Condition, h att.Handle, value []byte) error {
	if len(value) <= c.MTU()-3 {
		return c.writeOnce(ctx, cond, h, value)
	}
	return c.writePrepared(ctx, cond, []HandleValue{{Handle: h, Value: value}})
}

// WriteReliable writes one or more values, all of them or none, in the order
// given, after the peer has repeated them as they were sent. It can be used with
// characteristics that have the extended property reliable write. See WriteLong
// for values and ctx.
func (c *Client) WriteReliable(ctx context.Context, values ...HandleValue) error {
	if len(values) == 0 {
		return fmt.Errorf("gatt: reliable write of nothing: give at least one value")
	}
	return c.writePrepared(ctx, nil, values)
}

// writePrepared fills the peer's queue and has it written. The queue is one for
// the whole link, so one caller at a time does this.
func (c *Client) writePrepared(ctx context.Context, cond att.Condition, values []HandleValue) (err error) {
	for _, v := range values {
		if len(v.Value) > MaxValue {
			return fmt.Errorf("gatt: handle %s: %d octets: %w", v.Handle, len(v.Value), ErrValueTooLong)
		}
	}
	if err := c.preparing.enter(ctx, c); err != nil {
		return err
	}
	defer c.preparing.leave()
	defer func() {
		if err != nil && !emptied(err) {
			// Whatever went wrong, and even if nobody waits anymore: what is in
			// the queue must not be written by the next one.
			att.Detach(c.b, att.ExecuteWriteReq{Flags: att.ExecuteCancel})
		}
	}()
	for _, v := range values {
		if err := c.prepareWrite(ctx, cond, v); err != nil {
			return err
		}
	}
	_, err = do(ctx, c, cond, att.ExecuteWriteReq{Flags: att.ExecuteWrite})
	return err
}

// emptied reports whether err says that the peer executed its queue, if in vain,
// and so emptied it (Vol 3, Part F, 3.4.6.3). One that holds the client to be out
// of sync did not get as far.
func emptied(err error) bool {
	refused, ok := errors.AsType[*att.Error](err)
	return ok && refused.Req == att.OpExecuteWriteReq && refused.Code != att.CodeDatabaseOutOfSync
}

// prepareWrite sends one value in parts and compares what the peer repeats.
func (c *Client) prepareWrite(ctx context.Context, cond att.Condition, v HandleValue) error {
	const head = 5
	rest := bytes.NewReader(v.Value)
	part := make([]byte, c.MTU()-head)
	for offset := 0; ; {
		n, _ := rest.Read(part) // 0 for an empty value, which is one part too
		req := att.PrepareWriteReq{Handle: v.Handle, Offset: uint16(offset), Value: part[:n]}
		rsp, err := do(ctx, c, cond, req)
		if err != nil {
			return err
		}
		if rsp.Handle != req.Handle || rsp.Offset != req.Offset || !bytes.Equal(rsp.Value, req.Value) {
			return &PrepareMismatchError{Handle: v.Handle, Offset: offset}
		}
		if offset += n; rest.Len() == 0 {
			return nil
		}
	}
}
