package sim

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/internal/wire"
)

// FuzzController hands a controller packets from a host that knows no rules,
// each with its length before it. Nothing of what it does may break the
// controller's accounts.
func FuzzController(f *testing.F) {
	var seed []byte
	add := func(p hci.Params) {
		b, err := hci.AppendCommand(nil, p)
		if err != nil {
			f.Fatal(err)
		}
		seed = append(append(seed, byte(len(b))), b...)
	}
	peer := hci.Addr{MAC: hci.MAC{1, 0, 0, 0x52, 0x4F, 0xCD}, Kind: hci.AddrRandom}
	for _, p := range []hci.Params{
		hci.SetEventMask{Mask: ^uint64(0)}, hci.LESetEventMask{Mask: ^uint64(0)},
		hci.LESetScanEnable{Enable: true}, create(peer), hci.LESetScanEnable{},
	} {
		add(p)
	}
	f.Add(seed)
	for _, p := range []hci.Params{
		hci.LESetDataLength{Handle: only, TXOctets: 251, TXTime: 2120 * time.Microsecond},
		hci.LESetPHY{Handle: only, TX: hci.PHYs2M, RX: hci.PHYs2M}, hci.ReadRemoteVersionInformation{Handle: only},
		hci.LEEnableEncryption{Handle: only}, hci.LEConnectionUpdate{Handle: only, Params: params},
	} {
		add(p)
	}
	seed = append(seed, 6, dataPacket, 0x40, 0, 1, 0, 9)
	f.Add(seed)
	add(hci.Disconnect{Handle: only, Reason: hci.StatusRemoteUserTerminated})
	add(hci.Reset{})
	f.Add(seed)
	for _, records := range replay.Seeds(f, "../testdata/btsnoop") {
		seed = nil
		for _, rec := range records {
			if n := len(rec.Packet); rec.Sent && n < 256 {
				seed = append(append(seed, byte(n)), rec.Packet...)
			}
		}
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, script []byte) {
		a := New(nil)
		defer func() { _ = a.Close() }()
		c := a.NewController(&ControllerConfig{ACLNum: 3, MaxLinks: 2})
		for range 3 {
			a.NewRawPeer(&RawPeerConfig{Interval: 20 * time.Millisecond})
		}
		a.runAndWait(func() {
			for r := wire.NewReader(script); r.Len() > 0; {
				c.receivePacket(append([]byte(nil), r.Bytes(min(int(r.U8()), r.Len()))...))
				for range 40 {
					a.fireNext(never - 1)
				}
				c.check(t)
			}
			c.powerOn()
			if c.held != 0 || c.node.links != 0 {
				t.Errorf("%d packets held and %d links after a reset", c.held, c.node.links)
			}
		})
	})
}

// check compares what the controller counts with what there is.
func (c *Controller) check(t *testing.T) {
	t.Helper()
	held, links := 0, 0
	for _, k := range c.conns {
		if k == nil {
			continue
		}
		links++
		held += k.held
		if k.held != k.endpoint.data.Len() {
			t.Errorf("link %#x has %d packets and counts %d", k.endpoint.handle, k.endpoint.data.Len(), k.held)
		}
	}
	if held != c.held || held > c.cfg.aclNum() {
		t.Errorf("%d packets held, %d counted, %d buffers", held, c.held, c.cfg.aclNum())
	}
	if links > c.cfg.maxLinks() || c.node.links < links {
		t.Errorf("%d links, %d counted, room for %d", links, c.node.links, c.cfg.maxLinks())
	}
}
