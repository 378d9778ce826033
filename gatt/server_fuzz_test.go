package gatt_test

import (
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
)

// fuzzConfig returns the reference table with permissions and a queue of
// prepared writes, and a service with an include.
func fuzzConfig() *gatt.ServerConfig {
	cfg := gatttest.Reference()
	cfg.Services = append(cfg.Services, gatt.ServiceDef{
		UUID: gatt.UUID16(0x1815), Handle: 0x40, End: 0xFFFF,
		Includes: []gatt.IncludeDef{{UUID: gatttest.VendorService}, {UUID: gatt.UUID16(0x180F)}},
		Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A56), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropIndicate, ReliableWrite: true,
			Value: []byte{1, 2, 3, 4}, MinLen: 4, MaxLen: 4,
		}, {
			UUID: gatt.UUID16(0x2A58), Properties: gatt.PropRead | gatt.PropWrite,
			Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}, Write: gatt.Require{Authentication: true}},
		}},
	})
	return cfg
}

// Every request of a client is answered once, by its response or by an error
// that names it, not longer than the MTU. Nothing else is answered.
func FuzzServer(f *testing.F) {
	seed := func(pdus ...att.PDU) {
		var b []byte
		for _, p := range pdus {
			pdu := p.AppendPDU(nil)
			b = append(append(b, byte(len(pdu))), pdu...)
		}
		f.Add(b, uint16(23))
		f.Add(b, uint16(100))
	}
	all := gatt.UUID16
	seed(att.ReadByGroupTypeReq{Start: 1, End: 0xFFFF, Type: all(0x2800)}, att.FindInformationReq{Start: 1, End: 0xFFFF})
	seed(att.ReadByTypeReq{Start: 1, End: 0xFFFF, Type: all(0x2803)}, att.ReadByTypeReq{Start: 1, End: 0xFFFF, Type: all(0x2902)})
	seed(att.FindByTypeValueReq{Start: 1, End: 0xFFFF, Type: 0x2800, Value: []byte{0x0F, 0x18}})
	seed(att.ReadReq{Handle: 0x2B}, att.ReadBlobReq{Handle: 0x2B, Offset: 500}, att.ReadMultipleReq{Handles: []att.Handle{3, 0x2B}})
	seed(att.ReadMultipleVariableReq{Handles: []att.Handle{3, 5, 0x2B}})
	seed(
		att.PrepareWriteReq{Handle: 0x29, Value: []byte("ab")}, att.PrepareWriteReq{Handle: 0x43 + 1, Offset: 2, Value: []byte("cd")},
		att.PrepareWriteReq{Handle: 0x1E, Value: []byte{1, 0}}, att.ExecuteWriteReq{Flags: att.ExecuteWrite},
	)
	seed(att.WriteReq{Handle: 0x0B, Value: []byte{7}}, att.WriteReq{Handle: 9, Value: []byte{2, 0}}, att.WriteReq{Handle: 0x1E, Value: []byte{1, 0}})
	seed(att.WriteCmd{Handle: 0x21, Value: []byte("x")}, att.SignedWriteCmd{Handle: 0x21}, att.HandleValueConfirmation{})
	f.Fuzz(func(t *testing.T, b []byte, mtu uint16) {
		srv := newServer(t, fuzzConfig())
		w := newWire(t, srv, 23+int(mtu)%495, gatt.PeerInfo{})
		for n := 0; len(b) > 0; n++ {
			size := min(int(b[0]), len(b)-1)
			pdu := b[1 : 1+size]
			b = b[1+size:]
			if len(pdu) == 0 {
				continue
			}
			switch att.Opcode(pdu[0]).Kind() {
			case att.KindResponse, att.KindNotification, att.KindIndication:
				continue // not for the server
			default:
			}
			w.b.Frame(w.now, pdu)
			w.checkAnswer(att.Opcode(pdu[0]))
			if n%8 == 7 {
				setServices(t, srv, fuzzConfig().Services[n/8%2:])
				w.confirm()
			}
		}
	})
}

// checkAnswer checks what was sent because of one PDU.
func (w *wire) checkAnswer(op att.Opcode) {
	w.t.Helper()
	var answers []att.PDU
	for _, b := range w.sent {
		p, err := att.Parse(b)
		if err != nil || len(b) > w.b.MTU() {
			w.t.Fatalf("%v: sent % x (MTU %d): %v", op, b, w.b.MTU(), err)
		}
		if p.Opcode() != att.OpHandleValueIndication {
			answers = append(answers, p)
		}
	}
	if k := op.Kind(); k != att.KindRequest && k != att.KindUnknown {
		if len(answers) != 0 {
			w.t.Fatalf("%v was answered: %v", op, answers)
		}
		w.confirm()
		return
	}
	if len(answers) != 1 {
		w.t.Fatalf("%v: %d answers, want 1: %v", op, len(answers), answers)
	}
	if e, ok := answers[0].(att.ErrorRsp); ok {
		if e.Request != op || e.Code == 0 {
			w.t.Fatalf("%v was answered by %+v", op, e)
		}
	} else if answers[0].Opcode() != op+1 {
		w.t.Fatalf("%v was answered by %v", op, answers[0].Opcode())
	}
	w.confirm()
}

// confirm confirms indications until there are no more.
func (w *wire) confirm() {
	for len(w.sent) > 0 {
		last := w.sent[len(w.sent)-1]
		w.sent = nil
		if att.Opcode(last[0]) == att.OpHandleValueIndication {
			w.b.Frame(w.now, att.HandleValueConfirmation{}.AppendPDU(nil))
		}
	}
}
