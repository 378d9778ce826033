package host_test

import (
	"io"
	"sync"
	"testing"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// canned is a controller with next to no cost, so that a benchmark measures the stack: it
// answers commands from a table, connects and completes data packets at once, and answers
// every ATT request with a Write Response or a short Read Response.
//
// It never makes the loop wait: in has room for all answers that can be outstanding, one
// for a command and one for each data buffer.
type canned struct {
	in     chan []byte
	bursts chan int // how often unasked is to come now
	closed chan struct{}
	once   sync.Once
	// Packets that it sends often, encoded once.
	completed, written, value, mtu []byte
	// unasked is the packet that a burst repeats; set before the first burst.
	unasked []byte
	left    int // of the burst; the reader's
}

const benchHandle hci.Handle = 0x40

var benchPeer = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}

func newCanned() *canned {
	c := &canned{in: make(chan []byte, 64), bursts: make(chan int, 1), closed: make(chan struct{})}
	c.written, c.value, c.mtu = frame(0x13), frame(0x0B, 1, 2, 3, 4), frame(0x03, 0xF7, 0x00)
	c.completed = event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: benchHandle, Count: 1}}})
	return c
}

func event(ev hci.Event) []byte { return hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev) }

func (c *canned) ReadPacket(b []byte) (int, error) {
	for {
		if c.left > 0 {
			c.left--
			return copy(b, c.unasked), nil
		}
		select {
		case p := <-c.in:
			return copy(b, p), nil
		case c.left = <-c.bursts:
		case <-c.closed:
			return 0, io.EOF
		}
	}
}

func (c *canned) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *canned) WritePacket(b []byte) error {
	if hci.PacketType(b[0]) == hci.PacketACL {
		c.acl(b)
		return nil
	}
	p, err := hci.ParseCommand(b[1:])
	if err != nil {
		return err
	}
	ret := []byte{0}
	switch p.(type) {
	case hci.LECreateConnection:
		c.in <- event(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
		c.in <- event(&hci.LEConnectionComplete{Handle: benchHandle, Peer: benchPeer, Params: hci.ConnParamsInUse{Interval: 7500e3, Timeout: 4e9}})
		return nil
	case hci.Disconnect:
		c.in <- event(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
		c.in <- event(&hci.DisconnectionComplete{Handle: benchHandle, Reason: hci.StatusLocalHostTerminated})
		return nil
	case hci.ReadLocalVersionInformation:
		ret = make([]byte, 9)
	case hci.ReadLocalSupportedCommands:
		ret = make([]byte, 65)
	case hci.LEReadLocalSupportedFeatures:
		ret = make([]byte, 9)
	case hci.ReadBDADDR:
		ret = []byte{0, 9, 9, 9, 9, 9, 9}
	case hci.LEReadBufferSize:
		ret = []byte{0, 251, 0, 8}
	}
	c.in <- event(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: ret})
	return nil
}

// acl answers an ATT request that comes in one packet.
func (c *canned) acl(b []byte) {
	c.in <- c.completed
	const att0 = 1 + 4 + 4 // H4, ACL and L2CAP headers
	switch att.Opcode(b[att0]) {
	case att.OpWriteReq:
		c.in <- c.written
	case att.OpReadReq:
		c.in <- c.value
	case att.OpExchangeMTUReq:
		c.in <- c.mtu
	}
}

// frame returns an ACL packet with one ATT PDU in it.
func frame(pdu ...byte) []byte {
	return hci.AppendACL(nil, benchHandle, true, append([]byte{byte(len(pdu)), byte(len(pdu) >> 8), 4, 0}, pdu...))
}

// benchProfile has one value, which can be written, read and subscribed to.
var benchProfile = &gatt.Profile{Services: []gatt.Service{{
	UUID: service, Handle: 1, End: 4, Primary: true,
	Characteristics: []gatt.Characteristic{{
		UUID: level, Handle: 2, Value: 3, End: 4,
		Properties:  gatt.PropRead | gatt.PropNotify | gatt.PropWrite | gatt.PropWriteWithoutResponse,
		Descriptors: []gatt.Descriptor{{UUID: gatt.UUID16(0x2902), Handle: 4}},
	}},
}}}

// cannedHost returns a host on a canned controller, with one value that it notifies.
func cannedHost(tb testing.TB) (*canned, *host.Host) {
	tb.Helper()
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{UUID: service, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropNotify},
	}}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { srv.Close() })
	tr := newCanned()
	h, err := host.Open(tb.Context(), tr, &host.Config{HCI: controller.Config{DisableTuning: true}, Server: srv})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { h.Close() })
	return tr, h
}

// cannedChar returns the value of benchProfile on a link of cannedHost.
func cannedChar(tb testing.TB) (*canned, *gatt.Char) {
	tb.Helper()
	tr, h := cannedHost(tb)
	c, err := h.Connect(tb.Context(), benchPeer, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := c.GATT().ExchangeMTU(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	c.GATT().SetProfile(benchProfile)
	ch, err := c.GATT().Char(tb.Context(), service, level)
	if err != nil {
		tb.Fatal(err)
	}
	return tr, ch
}

// payload is the longest value of a notification that fills one link layer
// packet of 251 octets.
const payload = 244

// subscribed makes cannedChar send notifications in bursts.
func subscribed(tb testing.TB) (*canned, *gatt.Subscription) {
	tb.Helper()
	tr, ch := cannedChar(tb)
	sub, err := ch.Subscribe(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tr.unasked = frame(append([]byte{0x1B, 3, 0}, make([]byte, payload)...)...)
	return tr, sub
}
