package connmgr_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// A bonded device that supports enhanced bearers gets three of them, a second after the
// first use of the link.
func TestEnhancedBearers(t *testing.T) { inBubble(t, testEnhancedBearers) }

func testEnhancedBearers(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	for _, test := range []struct {
		o    connmgr.Options
		want int
	}{
		{connmgr.Options{}, 0}, // not encrypted
		{connmgr.Options{Pair: true}, 3},
		{connmgr.Options{}, 3},
		{connmgr.Options{DisableEATT: true}, 0},
	} {
		c := l.establish(1, &test.o)
		if n := c.GATT().Bearer().EnhancedBearers(); n != 0 {
			t.Errorf("%d bearers at once", n)
		}
		time.Sleep(3 * second)
		if n := c.GATT().Bearer().EnhancedBearers(); n != test.want || c.Err() != nil {
			t.Errorf("pair %v, disable %v: %d bearers, want %d", test.o.Pair, test.o.DisableEATT, n, test.want)
		}
		c.Close()
		l.wantTraits()
	}
}

// crosser is a device that answers on the last of its enhanced bearers whatever it is
// asked on any.
type crosser struct {
	chs []*l2cap.PacketChannel
	n   int // of bearers that it answers on properly
}

type crossed struct {
	d  *crosser
	ch *l2cap.PacketChannel
	at int
}

func (x *crosser) accept(_ time.Time, ch *l2cap.PacketChannel) l2cap.Handler {
	x.chs = append(x.chs, ch)
	return &crossed{x, ch, len(x.chs)}
}

func (x *crossed) Frame(_ time.Time, pdu []byte) {
	if att.Opcode(pdu[0]) != att.OpReadReq {
		return
	}
	to := x.ch
	if x.at > x.d.n {
		to = x.d.chs[0]
	}
	to.Send([]byte{byte(att.OpReadRsp), 1})
}

func (*crossed) Writable(time.Time)    {}
func (*crossed) Expire(time.Time)      {}
func (*crossed) Down(time.Time, error) {}

// A device that answers on the wrong bearer loses the enhanced ones, not the link. It is
// remembered, so that the next link does without them.
func TestEnhancedBearersCrossed(t *testing.T) { inBubble(t, testEnhancedBearersCrossed) }

func testEnhancedBearersCrossed(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, connmgr.Config{StateDir: dir})
	x := &crosser{n: 1}
	l.put(&sim.PeripheralConfig{
		Name: "lock", Address: address(1), DisableGATT: true,
		Host: host.Config{SMP: &smp.Config{}, DisableEATT: true, L2CAP: l2cap.Config{Packets: map[l2cap.PSM]*l2cap.PacketService{
			l2cap.PSMEATT: {CoC: &l2cap.CoCConfig{Encrypted: true}, Accept: x.accept},
		}}},
		Services: []gatt.ServiceDef{
			{UUID: gatt.UUID16(0x1801), Characteristics: []gatt.CharDef{
				{UUID: gatt.UUID16(0x2A05), Properties: gatt.PropIndicate},
				{UUID: gatt.UUID16(0x2B29), Properties: gatt.PropRead | gatt.PropWrite},
				{UUID: gatt.UUID16(0x2B2A), Properties: gatt.PropRead},
				{UUID: gatt.UUID16(0x2B3A), Properties: gatt.PropRead, Value: []byte{1}},
			}},
			{UUID: battery, Characteristics: []gatt.CharDef{{UUID: level, Properties: gatt.PropRead, Value: []byte{1}}}},
		},
	})
	c := l.establish(1, &connmgr.Options{Pair: true})
	time.Sleep(3 * second)
	if err := c.GATT().Bearer().EnhancedErr(); !errors.Is(err, att.ErrWrongBearer) || c.GATT().Bearer().AllEnhanced() != 0 || c.Err() != nil {
		t.Errorf("bearers %v, %d left, link %v", err, c.GATT().Bearer().AllEnhanced(), c.Err())
	}
	l.wantLevel(c, 1)
	c.Close()
	l.wantTraits("eatt 1")
	opened := len(x.chs)
	if opened < 2 {
		t.Errorf("%d channels", opened)
	}
	c = l.establish(1, nil)
	time.Sleep(3 * second)
	if len(x.chs) != opened || c.Err() != nil {
		t.Errorf("%d channels on the second link, link %v", len(x.chs)-opened, c.Err())
	}
	l.wantLevel(c, 1)
	c.Close()
	kept, err := connmgr.KeptTraits(dir)
	if err != nil || len(kept) != 1 || len(kept[0].Traits) != 1 || kept[0].Traits[0].Step != connmgr.StepEATT {
		t.Errorf("kept %+v, %v", kept, err)
	}
	time.Sleep(2 * time.Hour) // it is tried again, and has become better meanwhile
	x.n = 100
	c = l.establish(1, nil)
	time.Sleep(3 * second)
	if n := c.GATT().Bearer().EnhancedBearers(); n != 3 {
		t.Errorf("%d bearers", n)
	}
	c.Close()
	l.wantTraits()
}
