package gatt_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	iwire "github.com/moor-ble/moor/internal/wire"
)

// FuzzClientDiscovery answers a discovery with answers of the fuzzer: script is
// a list of answers, each behind its length. They get the opcode that the client
// expects unless their first octet says otherwise. After the last one, the peer
// finds nothing.
//
// Discovery must end, with a valid table: handles ascend, ends are not before
// starts, and every attribute lies where it belongs.
func FuzzClientDiscovery(f *testing.F) {
	for _, mtu := range []int{23, 247} {
		var script []byte
		p := newPeer(referenceTable(), mtu)
		c, _ := clientOf(f, func(pdu []byte) [][]byte {
			answers := p.answer(pdu)
			script = append(append(script, byte(len(answers[0])), 0), answers[0][1:]...)
			return answers
		}, nil)
		if _, err := c.Discover(f.Context()); err != nil {
			f.Fatal(err)
		}
		f.Add(script)
	}
	f.Add([]byte{0, 0, 7, 0, 6, 1, 0, 9, 0, 0, 0x18, 6, 1, 0x10, 10, 0, 0x0A, 9, 0, 7, 2, 0, 2, 3, 0, 0, 0x2A})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) { fuzzClientDiscovery(t, script) })
	})
}

func fuzzClientDiscovery(t *testing.T, script []byte) {
	r := iwire.NewReader(script)
	asked := 0
	c, _ := clientOf(t, func(pdu []byte) [][]byte {
		asked++
		body := r.Bytes(int(r.U8()))
		if len(body) == 0 {
			return [][]byte{att.ErrorRsp{Request: att.Opcode(pdu[0]), Code: att.CodeAttributeNotFound}.AppendPDU(nil)}
		}
		op := body[0]
		if op == 0 {
			op = pdu[0] + 1
		}
		return [][]byte{append([]byte{op}, body[1:]...)}
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	p, err := c.Discover(ctx)
	if asked > len(script)+16 {
		t.Errorf("%d requests for a script of %d octets", asked, len(script))
	}
	if err != nil {
		if _, ok := errors.AsType[*gatt.DiscoveryError](err); !ok {
			t.Errorf("untyped error %v", err)
		}
		return
	}
	checkProfile(t, p)
}

// checkProfile fails the test if a table is invalid.
func checkProfile(t *testing.T, p *gatt.Profile) {
	t.Helper()
	var last att.Handle
	for _, s := range p.Services {
		if s.Handle <= last || s.End < s.Handle {
			t.Errorf("service %s after handle %s", s.Range(), last)
		}
		last = s.End
		for _, inc := range s.Includes {
			if !s.Range().Contains(inc.Handle) {
				t.Errorf("include at %s in service %s", inc.Handle, s.Range())
			}
		}
		before := s.Handle
		for _, chr := range s.Characteristics {
			if chr.Handle <= before || chr.Value <= chr.Handle || chr.End < chr.Value || chr.End > s.End {
				t.Errorf("characteristic %s, value %s, end %s in service %s after %s", chr.Handle, chr.Value, chr.End, s.Range(), before)
			}
			before = chr.End
			at := chr.Value
			for _, d := range chr.Descriptors {
				if d.Handle <= at || d.Handle > chr.End {
					t.Errorf("descriptor %s after %s in a characteristic that ends at %s", d.Handle, at, chr.End)
				}
				at = d.Handle
			}
		}
	}
}
