package gatt

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/gatt/att"
)

// Signer signs an ATT PDU, which begins with its opcode, with the signing key
// that this host distributed to the peer (Vol 3, Part H, 2.4.5). Two signatures
// of the same PDU differ.
type Signer func(ctx context.Context, pdu []byte) ([12]byte, error)

// WriteSigned writes an attribute with a signed command, for bonded peers on
// unencrypted links (Vol 3, Part G, 4.9.2). The peer does not answer. The value
// has at most the MTU less fifteen octets; a longer one gives an
// *[att.TooLongError]. On an encrypted link, use WriteNoResponse.
func (c *Client) WriteSigned(ctx context.Context, h att.Handle, value []byte, sign Signer) error {
	k := c.checkHandle(h)
	return k.finishWrite(c.writeSigned(ctx, k, h, value, sign))
}

func (c *Client) writeSigned(ctx context.Context, cond att.Condition, h att.Handle, value []byte, sign Signer) error {
	if err := c.prove(ctx, cond, h); err != nil {
		return err
	}
	cmd := att.SignedWriteCmd{Handle: h, Value: value}
	pdu := cmd.AppendPDU(nil)
	sig, err := sign(ctx, pdu[:len(pdu)-len(cmd.Signature)])
	if err != nil {
		return fmt.Errorf("gatt: signed write to handle %s: %w", h, err)
	}
	cmd.Signature = sig
	if err := cond.Check(); err != nil {
		return err
	}
	return c.b.Command(ctx, cmd)
}

// WriteSigned writes a value with a signed command; see [Client.WriteSigned].
func (ch *Char) WriteSigned(ctx context.Context, value []byte, sign Signer) error {
	if err := ch.Check(); err != nil {
		return err
	}
	return ch.c.writeSigned(ctx, ch, ch.info.Value, value, sign)
}
