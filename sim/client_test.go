package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// client is a raw host with a link to a device.
type client struct {
	*rawHost
	handle hci.Handle
}

// dial connects to a device at an interval of 30 ms.
func (h *rawHost) dial(n Node) client {
	h.t.Helper()
	h.do(create(addressOf(n)))
	return client{h, h.connected().Handle}
}

func addressOf(n Node) hci.Addr {
	return n.(interface{ Address() hci.Addr }).Address()
}

// ask sends an ATT PDU.
func (c client) ask(pdu ...byte) {
	c.t.Helper()
	c.data(c.handle, true, frame(cidATT, pdu...))
}

// wantPDU waits for an ATT PDU, and passes over completed packets.
func (c client) wantPDU(pdu ...byte) {
	c.t.Helper()
	c.wantOn(cidATT, pdu...)
}

func (c client) wantOn(cid uint16, payload ...byte) {
	c.t.Helper()
	for {
		b := c.read()
		if b[0] == eventPacket && b[1] == hci.EvNumberOfCompletedPackets {
			continue
		}
		want := frame(cid, payload...)
		if b[0] != dataPacket || string(b[5:]) != string(want) {
			c.t.Fatalf("got % x, want frame % x", b, want)
		}
		return
	}
}

// wantEnd waits for the end of the link.
func (c client) wantEnd(reason hci.Status) {
	c.t.Helper()
	for {
		switch ev := c.event().(type) {
		case *hci.NumberOfCompletedPackets:
		case *hci.DisconnectionComplete:
			if ev.Reason != reason {
				c.t.Fatalf("link ended with %v, want %v", ev.Reason, reason)
			}
			return
		default:
			c.t.Fatalf("got %s, want the end of the link", describe(ev))
		}
	}
}

// wantAnyPDU waits for an ATT PDU with an opcode, and passes over the rest.
func (c client) wantAnyPDU(op byte) {
	c.t.Helper()
	for {
		if b := c.read(); b[0] == dataPacket && b[7] == cidATT && b[9] == op {
			return
		}
	}
}

func (c client) wantEndAfterAnything(reason hci.Status) {
	c.t.Helper()
	for {
		b := c.read()
		if b[0] != eventPacket || b[1] != hci.EvDisconnectionComplete {
			continue
		}
		if hci.Status(b[6]) != reason {
			c.t.Fatalf("ended with %#x, want %v", b[6], reason)
		}
		return
	}
}

// tryRead waits for a packet for a while.
func (h *rawHost) tryRead(d time.Duration) ([]byte, bool) {
	select {
	case b := <-h.in:
		return b, true
	case <-time.After(d):
		return nil, false
	}
}
