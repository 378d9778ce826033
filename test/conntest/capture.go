//go:build kernel || peers

package conntest

import (
	"bytes"
	"sync"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// Capture is a capture of the packets between a host and its controller, for
// controller.Config.Snoop.
type Capture struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (c *Capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

// Requests returns the ATT requests that this host has sent so far.
func (c *Capture) Requests(t *testing.T) []att.Opcode {
	t.Helper()
	return c.opcodes(t, true, att.KindRequest)
}

// Responses returns the ATT responses that this host has received so far.
func (c *Capture) Responses(t *testing.T) []att.Opcode {
	t.Helper()
	return c.opcodes(t, false, att.KindResponse)
}

// opcodes returns the opcodes of one kind in one direction.
func (c *Capture) opcodes(t *testing.T, sent bool, kind att.Kind) []att.Opcode {
	t.Helper()
	c.mu.Lock()
	all := bytes.Clone(c.buf.Bytes())
	c.mu.Unlock()
	var ops []att.Opcode
	for rec, err := range hci.ReadSnoop(bytes.NewReader(all)) {
		if err != nil {
			t.Fatal(err)
		}
		if op, ok := opcode(rec.Packet); rec.Sent == sent && ok && op.Kind() == kind {
			ops = append(ops, op)
		}
	}
	return ops
}

// opcode returns the opcode of the ATT PDU that begins in an H4 packet.
func opcode(h4 []byte) (op att.Opcode, ok bool) {
	const continuing, attribute = 0x1000, 0x0004
	r := wire.NewReader(h4)
	if hci.PacketType(r.U8()) != hci.PacketACL {
		return 0, false
	}
	flags := r.U16()
	r.Skip(4) // lengths of the packet and of the PDU
	if cid := r.U16(); cid != attribute || flags&0x3000 == continuing {
		return 0, false
	}
	op = att.Opcode(r.U8())
	return op, r.Err() == nil
}
