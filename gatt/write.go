package gatt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/gatt/att"
)

// PrepareMismatchError means that the peer echoed a part of a long or reliable
// write that differs from the part sent. Nothing was written.
type PrepareMismatchError struct {
	Handle att.Handle // of the attribute
	Offset int        // of the part in the value
}

// Error names the attribute and the offset.
func (e *PrepareMismatchError) Error() string {
	return fmt.Sprintf("gatt: peer echoed another part than was sent at offset %d of handle %s; nothing was written", e.Offset, e.Handle)
}

// WriteHandle writes an attribute with one request and waits for the answer. The
// value has at most the MTU less three octets; a longer one gives an
// *[att.TooLongError]. See [Client.WriteLong].
func (c *Client) WriteHandle(ctx context.Context, h att.Handle, value []byte) error {
	k := c.checkHandle(h)
	return k.finishWrite(c.writeOnce(ctx, k, h, value))
}

func (c *Client) writeOnce(ctx context.Context, cond att.Condition, h att.Handle, value []byte) error {
	if err := c.prove(ctx, cond, h); err != nil {
		return err
	}
	_, err := do(ctx, c, cond, att.WriteReq{Handle: h, Value: value})
	return err
}

// WriteNoResponse writes an attribute with a command, which the peer does not
// answer, even if it refuses it. The call returns when the link has accepted the
// command, and so keeps to the pace of the link; if ctx ends before, the command
// is not sent. The value has at most the MTU less three octets; a longer one
// gives an *[att.TooLongError]. WriteNoResponse does not allocate.
func (c *Client) WriteNoResponse(ctx context.Context, h att.Handle, value []byte) error {
	k := c.checkHandle(h)
	if err := c.prove(ctx, k, h); err != nil {
		return err
	}
	return k.finishWrite(c.b.WriteCommand(ctx, k, h, value))
}

// WriteLong writes a value of up to 512 octets. If it does not fit one request,
// it is sent in parts, which the peer queues and echoes. If all echoes are
// right, the peer is told to write the queue. If not, or if ctx ends, it is told
// to discard the queue.
//
// If ctx ends while the peer writes, the result is unknown.
func (c *Client) WriteLong(ctx context.Context, h att.Handle, value []byte) error {
	k := c.checkHandle(h)
	return k.finishWrite(c.writeLong(ctx, k, h, value))
}

func (c *Client) writeLong(ctx context.Context, cond att.Condition, h att.Handle, value []byte) error {
	if len(value) <= c.MTU()-3 {
		return c.writeOnce(ctx, cond, h, value)
	}
	return c.writePrepared(ctx, cond, []HandleValue{{Handle: h, Value: value}})
}

// WriteReliable writes one or more values in the given order, all of them or
// none, after the peer has echoed all parts correctly. It is for characteristics
// with the extended property Reliable Write. See WriteLong for the values and
// ctx.
func (c *Client) WriteReliable(ctx context.Context, values ...HandleValue) error {
	if len(values) == 0 {
		return fmt.Errorf("gatt: reliable write of nothing: give at least one value")
	}
	handles := make([]att.Handle, len(values))
	for i := range values {
		handles[i] = values[i].Handle
	}
	return c.writePrepared(ctx, c.checkHandles(handles), values)
}

// writePrepared fills the peer's queue and has it executed. Only one caller at a
// time may do so, since there is one queue for the link.
func (c *Client) writePrepared(ctx context.Context, cond att.Condition, values []HandleValue) (err error) {
	for _, v := range values {
		if len(v.Value) > MaxValue {
			return fmt.Errorf("gatt: handle %s: %d octets: %w", v.Handle, len(v.Value), ErrValueTooLong)
		}
		if err := c.prove(ctx, cond, v.Handle); err != nil {
			return err
		}
	}
	if err := c.preparing.enter(ctx, c); err != nil {
		return err
	}
	defer c.preparing.leave()
	defer func() {
		if err != nil && !emptied(err) {
			// The next writer must not execute these parts, whatever the error
			// and even if the caller does not wait any more.
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

// emptied reports whether err means that the peer has executed, and so emptied,
// its queue, even without success (Vol 3, Part F, 3.4.6.3). With Database Out Of
// Sync it has not.
func emptied(err error) bool {
	refused, ok := errors.AsType[*att.Error](err)
	return ok && refused.Req == att.OpExecuteWriteReq && refused.Code != att.CodeDatabaseOutOfSync
}

// prepareWrite sends one value in parts and compares the echoes.
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
