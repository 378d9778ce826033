package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// deaf is a handler that counts data packets and ignores everything else.
type deaf struct{ packets int }

func (d *deaf) ACL(time.Time, bool, []byte) { d.packets++ }
func (d *deaf) Event(time.Time, hci.Event)  {}
func (d *deaf) Writable(time.Time)          {}
func (d *deaf) Expire(time.Time)            {}
func (d *deaf) Down(time.Time, error)       {}

// dataPath is a core with two links, driven as runLoop does it. Sent packets are
// dropped and their buffers recycled.
type dataPath struct {
	core
	handler  deaf
	link     *Link
	fragment []byte
	start    bool
	packet   []byte // an incoming data packet
	freed    []byte // the controller's word for one sent packet
}

func newDataPath(tb testing.TB) *dataPath {
	tb.Helper()
	p := &dataPath{fragment: make([]byte, 251)}
	p.setup(Config{NewLink: func(time.Time, *Link) LinkHandler { return &p.handler }})
	p.data = dataCredits{length: 251, total: 8, free: 8}
	p.link = p.addLink(connection{handle: 0x40, peer: peerA})
	p.addLink(connection{handle: 0x41, peer: peerB})
	p.packet = hci.AppendACL(nil, 0x40, true, p.fragment)
	p.freed = hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x40, Count: 1}}})
	return p
}

// Run is the task of a writer.
func (p *dataPath) Run(time.Time) {
	if p.link.Room() {
		p.link.SendACL(p.start, p.fragment)
	}
}

// in takes one data packet.
func (p *dataPath) in() { p.handlePacket(time.Time{}, p.packet) }

// outOne queues one data packet, sends it and has its buffer freed.
func (p *dataPath) outOne(tb testing.TB) {
	p.runTask(time.Time{}, p)
	if len(p.out) != 1 {
		tb.Fatalf("%d packets sent, want 1", len(p.out))
	}
	p.recycleBuffer(p.out[0])
	p.out = p.out[:0]
	p.handlePacket(time.Time{}, p.freed)
	p.start = !p.start
}

func TestDataAllocatesNothing(t *testing.T) {
	p := newDataPath(t)
	p.outOne(t) // makes the one buffer
	for _, test := range []struct {
		name string
		run  func()
	}{
		{"data packet in", p.in},
		{"data packet out, with its credit", func() { p.outOne(t) }},
	} {
		if n := testing.AllocsPerRun(1000, test.run); n != 0 {
			t.Errorf("%s: %v allocations, want none", test.name, n)
		}
	}
	if p.handler.packets != 1001 || p.data.free != 8 || p.stats != (Stats{}) {
		t.Errorf("%d packets came in, %d buffers are free, %+v; want 1001, 8 and nothing wrong", p.handler.packets, p.data.free, p.stats)
	}
}

func BenchmarkACLIn(b *testing.B) {
	p := newDataPath(b)
	b.SetBytes(int64(len(p.fragment)))
	b.ReportAllocs()
	for b.Loop() {
		p.in()
	}
}

func BenchmarkACLOut(b *testing.B) {
	p := newDataPath(b)
	b.SetBytes(int64(len(p.fragment)))
	b.ReportAllocs()
	for b.Loop() {
		p.outOne(b)
	}
}
