package gatt_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
	"github.com/moor-ble/moor/internal/loop"
)

// sink is a channel that loses everything.
type sink struct{ octets int }

func (s *sink) Send(pdu []byte)       { s.octets += len(pdu) }
func (s *sink) Room() bool            { return true }
func (s *sink) SetDeadline(time.Time) {}
func (s *sink) Close(error)           {}
func (s *sink) Post(t loop.Task) bool { t.Run(time.Time{}); return true }
func (s *sink) Done() <-chan struct{} { return nil }
func (s *sink) Err() error            { return nil }

func BenchmarkServer(b *testing.B) {
	for _, bb := range []struct {
		name string
		pdu  att.PDU
	}{
		{"read", att.ReadReq{Handle: gatttest.BatteryLevel}},
		{"discover", att.ReadByTypeReq{Start: 1, End: 0xFFFF, Type: gatt.UUID16(0x2803)}},
		{"write", att.WriteReq{Handle: gatttest.ConfigValue, Value: []byte("value")}},
		{"command", att.WriteCmd{Handle: gatttest.CommandValue, Value: []byte("value")}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			srv := newServer(b, gatttest.Reference())
			ch := &sink{}
			bearer := att.NewBearer(ch, &att.Config{Requests: srv.NewSession(gatt.PeerInfo{})})
			pdu, now := bb.pdu.AppendPDU(nil), time.Time{}
			b.ReportAllocs()
			for b.Loop() {
				bearer.Frame(now, pdu)
			}
		})
	}
}
