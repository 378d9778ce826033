//go:build figures

package figures

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// canned is a transport whose controller accepts every command at once: a link to the peer
// that is dialed comes up, and a link that is disconnected goes down. It costs next to
// nothing, so that a profile of a host on it is one of the host.
type canned struct {
	in     chan []byte // packets for the host
	closed chan struct{}
	next   hci.Handle // of the next link
}

func newCanned() *canned {
	return &canned{in: make(chan []byte, 64), closed: make(chan struct{}), next: 1}
}

func (c *canned) ReadPacket(p []byte) (int, error) {
	select {
	case b := <-c.in:
		return copy(p, b), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *canned) Close() error {
	close(c.closed)
	return nil
}

func (c *canned) sendEvents(evs ...hci.Event) {
	for _, ev := range evs {
		select {
		case c.in <- hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev):
		case <-c.closed:
		}
	}
}

func (c *canned) WritePacket(p []byte) error {
	if hci.PacketType(p[0]) != hci.PacketCommand {
		return nil
	}
	op := hci.Opcode(binary.LittleEndian.Uint16(p[1:]))
	params := p[4:]
	accepted := &hci.CommandStatus{NumPackets: 1, Opcode: op}
	switch op {
	case hci.OpLECreateConnection:
		peer := hci.Addr{Kind: hci.AddrKind(params[5])}
		copy(peer.MAC[:], params[6:12])
		up := &hci.LEConnectionComplete{Handle: c.next, Peer: peer, Params: hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: 4 * time.Second}}
		c.next++
		c.sendEvents(accepted, up)
	case hci.OpDisconnect:
		h := hci.Handle(binary.LittleEndian.Uint16(params))
		c.sendEvents(accepted, &hci.DisconnectionComplete{Handle: h, Reason: hci.StatusLocalHostTerminated})
	default:
		ret := make([]byte, 70) // success, and zeros for what it is asked
		if op == hci.OpLEReadBufferSize {
			ret[1], ret[3] = 27, 8
		}
		c.sendEvents(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret})
	}
	return nil
}

// linksGrowth bounds the cost of a connect, and of a close, among 3,000 links by that among
// 100.
const linksGrowth = 1.5

// TestManyLinks measures the CPU time of the host for a connect and for a close while many
// links are up.
func TestManyLinks(t *testing.T) {
	few, many := costOfLinks(t, 100), costOfLinks(t, 3000)
	figure(t, "ManyLinks/connect", many.connect/few.connect, 0, linksGrowth, "x-cpu")
	figure(t, "ManyLinks/close", many.close/few.close, 0, linksGrowth, "x-cpu")
}

// linkCost is the CPU time of the host for one connect and one close, in microseconds.
type linkCost struct{ connect, close float64 }

// costOfLinks returns the medians of rounds of which each connects to a hundred peers and
// closes the hundred oldest links.
func costOfLinks(t *testing.T, n int) linkCost {
	t.Helper()
	const round, rounds = 100, 30
	h, err := host.Open(t.Context(), newCanned(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var conns []*host.Conn
	var made uint32
	connect := func(n int) {
		for range n {
			var peer hci.Addr
			made++
			binary.LittleEndian.PutUint32(peer.MAC[:], made)
			c, err := h.ConnectPlain(t.Context(), peer, nil)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
	}
	connect(n - round)
	var connecting, closing []float64
	for range rounds {
		begin := cpuTime(t)
		connect(round)
		middle := cpuTime(t)
		for _, c := range conns[:round] {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		conns = conns[round:]
		connecting = append(connecting, (middle-begin).Seconds()*1e6/round)
		closing = append(closing, (cpuTime(t)-middle).Seconds()*1e6/round)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	slices.Sort(connecting)
	slices.Sort(closing)
	c := linkCost{connecting[rounds/2], closing[rounds/2]}
	figure(t, fmt.Sprintf("ManyLinks/%d/connect", n), c.connect, 0, 100, "us-cpu")
	figure(t, fmt.Sprintf("ManyLinks/%d/close", n), c.close, 0, 100, "us-cpu")
	return c
}
