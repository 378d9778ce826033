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
	side := &serverSide{}
	c, ch := clientOf(t, side.answer, nil)
	side.Channel = ch
	side.b = att.NewBearer(side, &att.Config{MTU: mtu, Requests: newServer(t, cfg).NewSession(gatt.PeerInfo{})})
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
