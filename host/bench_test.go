package host_test

import (
	"io"
	"sync"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// canned is a controller for benchmarks that costs next to nothing: it answers
// commands from a table, connects at once, completes data packets at once, and
// answers every ATT request with a Write Response or a short Read Response.
type canned struct {
	in     chan []byte
	closed chan struct{}
	once   sync.Once
	// What it says again and again, made once.
	completed, written, value, mtu []byte
}

const benchHandle hci.Handle = 0x40

var benchPeer = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}

func newCanned() *canned {
	c := &canned{in: make(chan []byte, 256), closed: make(chan struct{})}
	c.written, c.value, c.mtu = frame(0x13), frame(0x0B, 1, 2, 3, 4), frame(0x03, 0xF7, 0x00)
	c.completed = event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: benchHandle, Count: 1}}})
	return c
}

func event(ev hci.Event) []byte { return hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev) }

func (c *canned) ReadPacket(b []byte) (int, error) {
	select {
	case p := <-c.in:
		return copy(b, p), nil
	case <-c.closed:
		return 0, io.EOF
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

// benchChar has a value that can be written, read and subscribed to.
var benchProfile = &gatt.Profile{Services: []gatt.Service{{
	UUID: service, Handle: 1, End: 4, Primary: true,
	Characteristics: []gatt.Characteristic{{
		UUID: level, Handle: 2, Value: 3, End: 4,
		Properties:  gatt.PropRead | gatt.PropNotify | gatt.PropWrite | gatt.PropWriteWithoutResponse,
		Descriptors: []gatt.Descriptor{{UUID: gatt.UUID16(0x2902), Handle: 4}},
	}},
}}}

func benchConn(b *testing.B) (*canned, *host.Conn, *gatt.Char) {
	b.Helper()
	tr := newCanned()
	h, err := host.Open(b.Context(), tr, &host.Config{HCI: hci.Config{DisableTuning: true}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Device().Close() })
	c, err := h.Connect(b.Context(), benchPeer, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.GATT().ExchangeMTU(b.Context()); err != nil {
		b.Fatal(err)
	}
	c.GATT().SetProfile(benchProfile)
	ch, err := c.GATT().Char(b.Context(), service, level)
	if err != nil {
		b.Fatal(err)
	}
	return tr, c, ch
}

// BenchmarkNotificationReceived takes 244-octet notifications from the
// transport to the subscriber, through both goroutines of the device.
func BenchmarkNotificationReceived(b *testing.B) {
	tr, _, ch := benchConn(b)
	sub, err := ch.Subscribe(b.Context(), &gatt.SubscribeOptions{Queue: 512})
	if err != nil {
		b.Fatal(err)
	}
	pdu := append([]byte{0x1B, 3, 0}, make([]byte, 244)...)
	packet := frame(pdu...)
	b.SetBytes(244)
	b.ReportAllocs()
	go func() {
		for {
			select {
			case tr.in <- packet:
			case <-tr.closed:
				return
			}
		}
	}()
	for b.Loop() {
		if _, err := sub.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandOver is the floor for the one above: the same octets over a
// bare channel between two goroutines, copied once.
func BenchmarkHandOver(b *testing.B) {
	in, done := make(chan []byte, 256), make(chan struct{})
	packet := make([]byte, 256)
	b.SetBytes(244)
	b.ReportAllocs()
	go func() {
		for {
			select {
			case in <- packet:
			case <-done:
				return
			}
		}
	}()
	var sink []byte
	for b.Loop() {
		sink = append([]byte(nil), <-in...)
	}
	close(done)
	_ = sink
}

// BenchmarkWriteWithoutResponse sends 244 octets at a time to the transport.
func BenchmarkWriteWithoutResponse(b *testing.B) {
	_, _, ch := benchConn(b)
	value := make([]byte, 244)
	b.SetBytes(244)
	b.ReportAllocs()
	for b.Loop() {
		if err := ch.WriteNoResponse(b.Context(), value); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is one ATT read, request to response.
func BenchmarkRead(b *testing.B) {
	_, _, ch := benchConn(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
