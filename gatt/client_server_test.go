package gatt_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
	"github.com/moor-ble/moor/internal/gatttest"
	"github.com/moor-ble/moor/internal/loop"
)

// serverSide is the channel of a server that answers on the loop of its client.
type serverSide struct {
	*atttest.Channel // of the client; for what ends
	requests         int
	b                *att.Bearer
	sent             [][]byte
}

func (s *serverSide) Send(pdu []byte)       { s.sent = append(s.sent, bytes.Clone(pdu)) }
func (s *serverSide) Room() bool            { return true }
func (s *serverSide) SetDeadline(time.Time) {}
func (s *serverSide) Close(error)           {}
func (s *serverSide) Post(t loop.Task) bool { return s.Channel.Post(t) }

// answer is the peer of the client's channel.
func (s *serverSide) answer(pdu []byte) [][]byte {
	if att.Opcode(pdu[0]).Kind() == att.KindRequest {
		s.requests++
	}
	s.b.Frame(time.Now(), pdu)
	sent := s.sent
	s.sent = nil
	return sent
}

// newClientOf returns a client of a server.
func newClientOf(t *testing.T, cfg *gatt.ServerConfig, mtu int) (*gatt.Client, *serverSide) {
	t.Helper()
	return newClientOfServer(t, newServer(t, cfg), mtu)
}

func newClientOfServer(t *testing.T, srv *gatt.Server, mtu int) (*gatt.Client, *serverSide) {
	t.Helper()
	side := &serverSide{}
	c, ch := clientOf(t, side.answer, nil)
	side.Channel = ch
	side.b = att.NewBearer(side, &att.Config{MTU: mtu, Requests: srv.NewSession(gatt.PeerInfo{})})
	return c, side
}

// TestClientAndServer: the client discovers the table that the server offers, on
// the reference table within the bounds for requests, including the exchange of
// the MTU.
func TestClientAndServer(t *testing.T) {
	for mtu, most := range map[int]int{23: 20, 247: 10} {
		t.Run(fmt.Sprintf("MTU %d", mtu), bubble(func(t *testing.T) {
			c, side := newClientOf(t, gatttest.Reference(), mtu)
			got, err := c.ExchangeMTU(t.Context())
			if err != nil || got != mtu {
				t.Fatalf("MTU %d, %v", got, err)
			}
			p, err := c.Discover(t.Context())
			wantNoError(t, err)
			if diff := cmp.Diff(gatttest.ReferenceProfile(), p); diff != "" {
				t.Error(diff)
			}
			if side.requests > most {
				t.Errorf("%d requests, want at most %d", side.requests, most)
			}
			t.Logf("%d requests", side.requests)
			v, err := c.Read(t.Context(), u16(0x180A), u16(0x2A29))
			if err != nil || string(v) != "moor-ble" {
				t.Errorf("read %q, %v", v, err)
			}
			before, err := c.DatabaseHash(t.Context())
			wantNoError(t, err)
			if before == [16]byte{} {
				t.Error("hash of zeros")
			}
			wantNoError(t, c.EnableServiceChanged(t.Context()))
			wantNoError(t, c.WriteClientSupportedFeatures(t.Context()))
		}))
	}
}

// TestServerProfileIsWhatClientsDiscover: a characteristic ends before the next
// declaration or with its service, whatever handles are free in between (Vol 3,
// Part G, 3.3).
func TestServerProfileIsWhatClientsDiscover(t *testing.T) {
	bubble(testServerProfileIsWhatClientsDiscover)(t)
}

func testServerProfileIsWhatClientsDiscover(t *testing.T) {
	srv := newServer(t, &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{
		{UUID: u16(0xFF01), Handle: 0x10, End: 0x2F, Characteristics: []gatt.CharDef{
			{UUID: u16(0x2A28), Properties: propR},
			{UUID: u16(0x2A29), Handle: 0x18, Properties: propR | propN, Descriptors: []gatt.DescDef{
				{UUID: u16(0x2901), Handle: 0x1C},
			}},
			{UUID: u16(0x2A00), Handle: 0x20, Properties: propR},
		}},
		{UUID: u16(0xFF02), Handle: 0x40, Includes: []gatt.IncludeDef{{UUID: u16(0xFF01)}}},
		{UUID: u16(0xFF03), Handle: 0x50, End: 0xFFFF, Characteristics: []gatt.CharDef{{UUID: u16(0x2A28), Properties: propR}}},
	}})
	c, _ := newClientOfServer(t, srv, 247)
	p, err := c.Discover(t.Context())
	wantNoError(t, err)
	if diff := cmp.Diff(p, srv.Profile()); diff != "" {
		t.Errorf("Server.Profile (-discovered +got):\n%s", diff)
	}
	var ends []att.Handle
	for _, chr := range p.Services[0].Characteristics {
		ends = append(ends, chr.End)
	}
	if diff := cmp.Diff([]att.Handle{0x17, 0x1F, 0x2F}, ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	// The same end is in the answer to Find By Type Value.
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("06 0100 ffff 0328 02 1200 282a", "07 1100 1700")
	w.receive("06 0100 ffff 0328 02 5200 282a", "07 5100 ffff")
}
