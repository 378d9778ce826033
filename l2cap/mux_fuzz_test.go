package l2cap

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/internal/wire"
)

// FuzzMux runs a random sequence of fragments, frames, calls, time and room on a
// Mux. After each step its counts must be consistent, and the end of the link
// must end everything on it.
func FuzzMux(f *testing.F) {
	for _, s := range muxSeeds() {
		f.Add(s)
	}
	for _, records := range replay.Seeds(f, "../testdata/btsnoop") {
		var script []byte
		for _, frame := range replay.Frames(records, uint16(cidSignal), false) {
			script = append(append(script, muxFrame, 1, byte(len(frame))), frame...)
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<10 {
			return
		}
		defer time.AfterFunc(10*time.Second, func() { panic("the Mux does not return") }).Stop()
		m := newMuxWorld(t)
		for m.script = wire.NewReader(script); m.script.Len() > 0 && m.link.cause == nil; {
			m.step()
			m.check()
		}
		m.end()
	})
}

const (
	muxFragment = iota // a packet as it stands in the script
	muxFrame           // a frame on one of the channels that mean something
	muxTime
	muxFree // the controller has sent all, and has other room from now on
	muxAccept
	muxDial
	muxRead
	muxWrite
	muxClose
	muxRequest // this side asks for connection parameters
	muxDialEnhanced
	muxOpenPackets
	muxReconfigure
	muxSend // a PDU on a PacketChannel
	muxSteps
)

// muxSeeds are scripts without faults: one side opens a channel, data goes both
// ways, and one side closes it.
func muxSeeds() [][]byte {
	open := []byte{muxFrame, 1, 14, 0x14, 1, 10, 0, 0x80, 0, 0x50, 0, 100, 0, 30, 0, 5, 0, muxAccept}
	dialed := []byte{muxDial, muxFrame, 1, 14, 0x15, 1, 10, 0, 0x55, 0, 50, 0, 23, 0, 9, 0, 0, 0}
	data := []byte{muxFrame, 3, 5, 3, 0, 1, 2, 3, muxRead, 0, muxWrite, 0, 40, muxFree, 20}
	give := []byte{muxFrame, 1, 8, 0x16, 2, 4, 0, 0x50, 0, 9, 0}
	leave := []byte{muxFrame, 1, 8, 0x06, 3, 4, 0, 0x40, 0, 0x50, 0}
	var seeds [][]byte
	for _, parts := range [][][]byte{
		{open, data, give, leave}, {dialed, data, {muxClose, 0, muxTime, 40}}, {open, dialed, data, data},
		{{muxFrame, 0, 3, 1, 2, 3, muxFragment, 1, 3, 9, 0, 4, muxFragment, 0, 2, 0, 1}},
		{{muxFrame, 1, 16, 0x17, 1, 12, 0, 0x27, 0, 64, 0, 64, 0, 5, 0, 0x50, 0, 0x51, 0, muxFrame, 3, 5, 3, 0, 1, 2, 3, muxSend, 0, 70, muxFree, 20,
			muxFrame, 1, 12, 0x19, 2, 8, 0, 80, 0, 70, 0, 0x50, 0, 0x51, 0}, leave},
		{{muxDialEnhanced, 1, muxFrame, 1, 16, 0x18, 1, 12, 0, 64, 0, 64, 0, 5, 0, 0, 0, 0x50, 0, 0x51, 0, muxReconfigure, 0, 1}, data},
		{{muxOpenPackets, 1, muxFrame, 1, 16, 0x18, 1, 12, 0, 64, 0, 64, 0, 5, 0, 0, 0, 0x50, 0, 0x51, 0, muxSend, 1, 60}, data},
		{{muxRequest, muxFrame, 1, 6, 0x13, 1, 2, 0, 0, 0, muxTime, 31}},
	} {
		var s []byte
		for _, p := range parts {
			s = append(s, p...)
		}
		seeds = append(seeds, s)
	}
	return seeds
}

// muxWorld is a Mux whose calls all run at once, on the test's goroutine.
type muxWorld struct {
	t      *testing.T
	link   *fakeLink
	script wire.Reader
	ln     *Listener
	conns  []*Conn
	dials  []*dial
	wide   []*enhancedDial
	gone   context.Context // has ended: calls must not wait
}

func newMuxWorld(t *testing.T) *muxWorld {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	m := &muxWorld{t: t, link: newFakeLink(t, hci.RolePeripheral, &Config{
		ATT: (&proto{}).on(),
		Packets: map[PSM]*PacketService{PSMEATT: {
			CoC:    &CoCConfig{MTU: 100, MPS: 64, Credits: 3},
			Accept: func(time.Time, *PacketChannel) Handler { return &proto{} },
		}},
	}), gone: gone}
	var err error
	if m.ln, err = m.link.m.Listen(0x80, smallCoC); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *muxWorld) octet(n int) int { return int(m.script.U8()) % n }

func (m *muxWorld) octets(n int) []byte { return m.script.Bytes(min(n, m.script.Len())) }

func (m *muxWorld) conn() *Conn {
	if n := m.octet(4); len(m.conns) > 0 {
		return m.conns[n%len(m.conns)]
	}
	return nil
}

func (m *muxWorld) step() {
	l := m.link
	switch m.octet(muxSteps) {
	case muxFragment:
		start := m.octet(2) == 1
		l.m.ACL(l.now, start, m.octets(m.octet(64)))
	case muxFrame:
		cid := []CID{cidATT, cidSignal, cidSMP, cidFirst, cidFirst + 1, cidFirst + 2}[m.octet(6)]
		l.recvBytes(cid, m.octets(m.octet(80)))
	case muxTime:
		l.advance(time.Duration(m.octet(60)) * time.Second)
	case muxFree:
		l.room = m.octet(32)
		l.free()
	case muxAccept:
		if c, err := m.ln.Accept(m.gone); err == nil {
			m.conns = append(m.conns, c)
		}
	case muxDial:
		set, _ := smallCoC.settings()
		d := &dial{reply: make(chan result[*Conn], 1)}
		m.dials = append(m.dials, d)
		l.m.coc.dial(l.now, 0x80, set, d)
	case muxRead:
		if c := m.conn(); c != nil {
			_, _ = c.ReadSDU(m.gone)
		}
	case muxWrite:
		if c, n := m.conn(), m.octet(80); c != nil {
			_ = c.WriteSDU(m.gone, make([]byte, n))
		}
	case muxClose:
		if c := m.conn(); c != nil {
			_ = c.Close()
		}
	case muxRequest:
		_, _ = l.m.Counters(m.gone)
	case muxDialEnhanced:
		set, _ := (&CoCConfig{MTU: 100, MPS: 64, Credits: 3}).enhancedSettings()
		d := &enhancedDial{reply: make(chan result[enhancedAnswer], 1)}
		m.wide = append(m.wide, d)
		l.m.coc.dialEnhanced(l.now, 0x80, 1+m.octet(5), set, d)
	case muxOpenPackets:
		k := &l.m.coc
		if p, n := k.services[PSMEATT], 1+m.octet(5); k.countPackets(PSMEATT)+n <= p.most() {
			k.openService(l.now, PSMEATT, n, func(int, error) {})
		}
	case muxReconfigure:
		if c, up := m.conn(), m.octet(100); c != nil && c.enhanced && checkReconfigure(l.m, 100+up, 64+up, []*endpoint{&c.endpoint}) == nil {
			l.m.coc.startReconfigure(l.now, 100+up, 64+up, []*endpoint{&c.endpoint}, func(error) {})
		}
	case muxSend:
		if i, n := m.octet(5), m.octet(120); i < len(l.m.coc.packets) {
			c := l.m.coc.packets[i]
			_ = c.Room()
			c.Send(make([]byte, n))
		}
	}
	for _, d := range m.wide {
		select {
		case r := <-d.reply:
			m.conns = append(m.conns, r.v.conns...)
		default:
		}
	}
	for _, d := range m.dials {
		select {
		case r := <-d.reply:
			if r.err == nil {
				m.conns = append(m.conns, r.v)
			}
		default:
		}
	}
}

// check compares the counts of the Mux with each other.
func (m *muxWorld) check() {
	k, s := &m.link.m.coc, &m.link.m.sig
	if len(k.local) > 64 || len(s.pending) > 65 {
		m.t.Fatalf("%d channels, %d requests pending", len(k.local), len(s.pending))
	}
	for cid, c := range k.local {
		if c.local != cid || c.state == closed || c.state != opening && k.remote[c.remote] != c {
			m.t.Fatalf("channel %v is under %v, in state %d, and its remote end leads elsewhere", c.local, cid, c.state)
		}
		unread, owed := 0, int(c.in.owed.Load())
		if c, ok := c.user.(*Conn); ok {
			unread = len(c.sdus)
		}
		if in := &c.in; c.state == open && (in.held < 0 || owed < 0 || in.held+owed+unread != in.window) {
			m.t.Fatalf("channel %v: %d credits held, %d owed, %d for what is unread, of %d", cid, in.held, owed, unread, in.window)
		}
		if c.out.credits < 0 || c.out.credits > maxCredits {
			m.t.Fatalf("channel %v: %d credits of the peer", cid, c.out.credits)
		}
		if p, ok := c.user.(*PacketChannel); ok && len(p.queue) > maxPacketQueue {
			m.t.Fatalf("channel %v: %d PDUs wait", cid, len(p.queue))
		}
		if c.in.begun && len(c.in.sdu) > c.in.want || c.in.want > c.in.mtu {
			m.t.Fatalf("channel %v: %d octets of an SDU of %d, the MTU is %d", cid, len(c.in.sdu), c.in.want, c.in.mtu)
		}
	}
	if n := k.countPackets(PSMEATT); n > 5 || len(k.packets) > n {
		m.t.Fatalf("%d channels to a service, %d in use", n, len(k.packets))
	}
	if n := len(m.link.m.in.buf); n > attMTU {
		m.t.Fatalf("%d octets in reassembly", n)
	}
	// Answers without room are bounded; everything else waits for room.
	if n := len(m.link.sent); n > m.link.room+flood.Limit+64*3 {
		m.t.Fatalf("%d packets are queued, with room for %d", n, m.link.room)
	}
}

func (m *muxWorld) end() {
	m.link.advance(time.Minute)
	if n := len(m.link.m.sig.pending); n != 0 {
		m.t.Fatalf("%d requests are pending after a minute of silence", n)
	}
	m.link.down(hci.StatusConnectionTimeout)
	for _, c := range m.conns {
		if c.Err() == nil {
			m.t.Fatalf("channel %v outlives its link", c.CID())
		}
	}
	for _, d := range m.dials {
		select {
		case r := <-d.reply:
			if r.err == nil && r.v.Err() == nil {
				m.t.Fatal("a dial gave a channel that outlives its link")
			}
		default:
		}
	}
	for range 100 {
		c, err := m.ln.Accept(m.gone)
		if err != nil {
			return
		}
		if c.Err() == nil { // what waited may still be taken
			m.t.Fatal("accepted a channel that outlives its link")
		}
	}
	m.t.Fatal("a dead link has channels without end")
}
