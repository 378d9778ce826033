package hostile_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// liar is a controller that starts up rightly and answers most commands. Beside that it
// reports what has not happened, uses few handles again and again, and delivers frames of
// peers that say anything, cut anywhere.
type liar struct {
	ctl    *hcitest.Controller
	r      *rand.Rand
	has    hci.SupportedCommands
	lies   atomic.Bool // the start-up is over
	up     map[hci.Handle]bool
	peers  []hci.Addr
	dialed hci.Addr // of the initiation; the zero Addr if there is none
	dials  bool
	// buffers is what the host was told to have in one.
	buffers int
}

func newLiar(ctl *hcitest.Controller, r *rand.Rand) *liar {
	l := &liar{ctl: ctl, r: r, up: map[hci.Handle]bool{}, buffers: []int{27, 64, 251}[r.IntN(3)]}
	for i := range byte(4) {
		l.peers = append(l.peers, hci.Addr{MAC: hci.MAC{i, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrKind(i % 2)})
	}
	if r.IntN(2) == 0 {
		for i := range l.has {
			l.has[i] = 0xFF
		}
	}
	return l
}

// run lies until ctx ends.
func (l *liar) run(ctx context.Context) {
	for ctx.Err() == nil {
		tick, cancel := context.WithTimeout(ctx, time.Duration(l.r.IntN(50))*time.Millisecond)
		b, err := l.ctl.Sent(tick)
		cancel()
		switch {
		case err == nil && hci.PacketType(b[0]) == hci.PacketCommand:
			if p, err := hci.ParseCommand(b[1:]); err == nil {
				l.command(p)
			}
		case err == nil && hci.PacketType(b[0]) == hci.PacketACL:
			l.data(b[1:])
		case tick.Err() == nil: // the host has closed the transport
			return
		case l.lies.Load():
			l.lie()
		}
	}
}

func (l *liar) chance(percent int) bool { return l.r.IntN(100) < percent }

func (l *liar) octets(most int) []byte {
	b := make([]byte, l.r.IntN(most+1))
	for i := range b {
		b[i] = byte(l.r.Uint32())
	}
	return b
}

// handle returns one of a few handles, mostly of a link that is up.
func (l *liar) handle() hci.Handle {
	h := hci.Handle(l.r.IntN(5))
	if !l.up[h] && l.chance(80) {
		for h := range hci.Handle(4) {
			if l.up[h] {
				return h
			}
		}
	}
	return h
}

func (l *liar) peer() hci.Addr { return l.peers[l.r.IntN(len(l.peers))] }

// status returns success most of the time.
func (l *liar) status() hci.Status {
	if !l.lies.Load() || l.chance(85) {
		return hci.StatusSuccess
	}
	return hci.Status(l.r.IntN(0x48))
}

func (l *liar) send(ev hci.Event) { l.ctl.Send(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)) }

// later sends ev now, or in a while.
func (l *liar) later(ev hci.Event) {
	if l.chance(70) {
		l.send(ev)
		return
	}
	time.AfterFunc(time.Duration(l.r.IntN(5000))*time.Millisecond, func() { l.send(ev) })
}

// command answers a command.
func (l *liar) command(p hci.Params) {
	op, st := p.Opcode(), l.status()
	if op == hci.OpReset {
		clear(l.up)
		l.dials, st = false, hci.StatusSuccess
	}
	credits := uint8(1)
	if l.lies.Load() && op != hci.OpReset {
		credits = uint8(1 + l.r.IntN(3))
		switch l.r.IntN(1000) {
		case 0:
			return // no answer
		case 1:
			op = hci.OpReadRSSI
		case 2:
			credits = 0
			l.later(&hci.CommandComplete{NumPackets: 2})
		case 3:
			l.send(&hci.CommandStatus{Status: st, NumPackets: credits, Opcode: op}) // of the wrong kind, or twice
		}
	}
	early := l.chance(10)
	if early && st == hci.StatusSuccess {
		l.effect(p)
	}
	if _, ok := p.(hci.Procedure); ok {
		l.send(&hci.CommandStatus{Status: st, NumPackets: credits, Opcode: op})
	} else {
		l.send(&hci.CommandComplete{NumPackets: credits, Opcode: op, Return: l.returns(p, st)})
	}
	if !early && st == hci.StatusSuccess {
		l.effect(p)
	}
}

// returns returns the return parameters of a command.
func (l *liar) returns(p hci.Params, st hci.Status) []byte {
	ret := append([]byte{byte(st)}, make([]byte, 70)...)
	switch p := p.(type) {
	case hci.ReadLocalSupportedCommands:
		copy(ret[1:], l.has[:])
	case hci.LEReadLocalSupportedFeatures:
		copy(ret[1:], []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	case hci.ReadBDADDR:
		copy(ret[1:], []byte{1, 2, 3, 4, 5, 6})
	case hci.LEReadBufferSize, hci.LEReadBufferSizeV2:
		copy(ret[1:], []byte{byte(l.buffers), 0, 3, 0, 0, 0})
	case hci.LEReadFilterAcceptListSize, hci.LEReadResolvingListSize:
		ret[1] = 3
	case hci.LEReadMaximumDataLength:
		copy(ret[1:], []byte{0xFB, 0, 0x48, 0x08, 0xFB, 0, 0x48, 0x08})
	case hci.ReadRSSI:
		copy(ret[1:], []byte{byte(p.Handle), 0, 0xC8})
	}
	if l.lies.Load() && l.chance(2) {
		return ret[:1+l.r.IntN(8)]
	}
	return ret
}

// effect reports the outcome of a command that was accepted.
func (l *liar) effect(p hci.Params) {
	if l.lies.Load() && l.chance(5) {
		return // nothing comes of it
	}
	switch p := p.(type) {
	case hci.LECreateConnection:
		l.dial(p.Peer, p.FilterPolicy == 1)
	case hci.LEExtendedCreateConnection:
		l.dial(p.Peer, p.FilterPolicy == 1)
	case hci.LECreateConnectionCancel:
		if l.dials {
			l.dials = false
			l.later(&hci.LEConnectionComplete{Status: hci.StatusUnknownConnection, Peer: l.dialed})
		}
	case hci.Disconnect:
		delete(l.up, p.Handle)
		l.later(&hci.DisconnectionComplete{Handle: p.Handle, Reason: hci.StatusLocalHostTerminated})
	case hci.LEPeriodicAdvertisingCreateSync:
		l.later(&hci.LEPeriodicAdvertisingSyncEstablished{Status: l.status(), Sync: hci.Handle(l.r.IntN(4)), SID: p.SID, Advertiser: p.Advertiser, Interval: time.Second})
	case hci.LEConnectionUpdate:
		l.later(&hci.LEConnectionUpdateComplete{Status: l.status(), Handle: p.Handle, Params: l.params()})
	case hci.LEReadRemoteFeatures:
		l.later(&hci.LEReadRemoteFeaturesComplete{Status: l.status(), Handle: p.Handle, Features: hci.Features(l.r.Uint64())})
	case hci.ReadRemoteVersionInformation:
		l.later(&hci.ReadRemoteVersionInformationComplete{Status: l.status(), Handle: p.Handle, Version: 9})
	case hci.LESetPHY:
		l.later(&hci.LEPHYUpdateComplete{Status: l.status(), Handle: p.Handle, TX: hci.PHY2M, RX: hci.PHY2M})
	case hci.LEEnableEncryption:
		l.later(&hci.EncryptionChange{Status: l.status(), Handle: p.Handle, Enabled: 1})
	}
}

func (l *liar) params() hci.ConnParamsInUse {
	return hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Duration(1+l.r.IntN(320)) * 100 * time.Millisecond}
}

// dial makes the link that the host wants, or leaves it pending.
func (l *liar) dial(peer hci.Addr, list bool) {
	if list {
		peer = l.peer()
	}
	l.dials, l.dialed = true, peer
	if l.chance(30) {
		return
	}
	time.AfterFunc(time.Duration(l.r.IntN(500))*time.Millisecond, func() {
		// On the goroutine of a timer: the state belongs to run, and is not touched. The
		// host may have canceled the dial meanwhile.
		l.send(&hci.LEConnectionComplete{Handle: hci.Handle(peer.MAC[0]), Peer: peer, Params: hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: 2 * time.Second}})
	})
	l.up[hci.Handle(peer.MAC[0])] = true
}
