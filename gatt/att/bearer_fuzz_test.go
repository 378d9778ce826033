package att_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

// FuzzBearerClient sends a PDU of the fuzzer, and then the right answer, to a
// bearer with an outstanding request. The request must end: with its response,
// the peer's error, a malformed response, or the end of the bearer with a broken
// rule. The bearer must answer nothing but requests.
func FuzzBearerClient(f *testing.F) {
	for _, p := range []att.PDU{
		att.ReadRsp{Value: []byte{1, 2}},
		att.ReadBlobRsp{Value: []byte{1, 2}},
		att.ErrorRsp{Request: att.OpReadReq, Handle: 3, Code: att.CodeInvalidHandle},
		att.ErrorRsp{Request: att.OpReadByTypeReq, Handle: 1, Code: att.CodeAttributeNotFound},
		att.ErrorRsp{Request: att.OpWriteReq, Handle: 3, Code: att.CodeInvalidHandle},
		att.ReadByTypeRsp{Length: 7, Data: []byte{2, 0, 2, 3, 0, 0, 0x2A}},
		att.ReadByGroupTypeRsp{Length: 6, Data: []byte{1, 0, 9, 0, 0, 0x18}},
		att.FindInformationRsp{Format: 1, Data: []byte{1, 0, 2, 0x29}},
		att.ExchangeMTURsp{MTU: 100},
		att.ExchangeMTUReq{MTU: 100},
		att.PrepareWriteRsp{Handle: 3, Offset: 2, Value: []byte{9}},
		att.HandleValueNotification{Handle: 3, Value: []byte{9}},
		att.HandleValueIndication{Handle: 3, Value: []byte{9}},
		att.MultipleHandleValueNotification{Data: []byte{3, 0, 1, 0, 9, 5, 0, 0, 0}},
	} {
		for kind := range uint8(6) {
			f.Add(kind, p.AppendPDU(nil))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, pdu []byte) {
		synctest.Test(t, func(t *testing.T) { fuzzBearerClient(t, kind, pdu) })
	})
}

func fuzzBearerClient(t *testing.T, kind uint8, pdu []byte) {
	b, ch := newBearer(t, nil)
	done := make(chan error, 1)
	go func() {
		var err error
		switch kind % 6 {
		case 0:
			_, err = att.Do(t.Context(), b, att.ReadReq{Handle: 3})
		case 1:
			_, err = att.Do(t.Context(), b, att.ReadByTypeReq{Start: 1, End: 0xFFFF})
		case 2:
			_, err = att.Do(t.Context(), b, att.ReadByGroupTypeReq{Start: 1, End: 0xFFFF})
		case 3:
			_, err = att.Do(t.Context(), b, att.FindInformationReq{Start: 1, End: 9})
		case 4:
			_, err = att.Do(t.Context(), b, att.PrepareWriteReq{Handle: 3, Offset: 2, Value: []byte{9}})
		case 5:
			_, err = b.ExchangeMTU(t.Context())
		}
		done <- err
	}()
	synctest.Wait()
	ch.Do(func(now time.Time) { b.Frame(now, pdu) })
	if mtu := b.MTU(); mtu < 23 || mtu > 517 {
		t.Errorf("MTU %d", mtu)
	}
	ch.Do(func(now time.Time) {
		b.Frame(now, att.ErrorRsp{
			Request: [...]att.Opcode{0x0A, 0x08, 0x10, 0x04, 0x16, 0x02}[kind%6], Code: att.CodeUnlikelyError,
		}.AppendPDU(nil))
	})
	synctest.Wait()
	select {
	case err := <-done:
		var pe *att.ProtocolError
		var ae *att.Error
		var me *att.MalformedError
		if err != nil && !errors.As(err, &pe) && !errors.As(err, &ae) && !errors.As(err, &me) {
			t.Errorf("untyped error %v", err)
		}
		if errors.As(err, &pe) != (b.Err() != nil) {
			t.Errorf("the call ended with %v, the bearer with %v", err, b.Err())
		}
	default:
		t.Errorf("a request is still waiting after its answer")
	}
	if b.Err() == nil && ch.Closed() != nil {
		t.Errorf("closed with %v but no error", ch.Closed())
	}
}
