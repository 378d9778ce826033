package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// RawPeerConfig holds the properties of a RawPeer. Zero fields have the stated
// defaults.
type RawPeerConfig struct {
	// Name appears in the log. Default: peer and the node's index.
	Name string
	// Address is its address on the air. Default: a static random address derived
	// from the node's index.
	Address hci.Addr
	// Type is the type of legacy advertising. Default: AdvInd, connectable. Target
	// is the address to which directed advertising is sent.
	Type   hci.AdvType
	Target hci.Addr
	// Extended selects extended advertising with up to 1650 octets of data. It is
	// connectable if Type is AdvInd. SID is the advertising set identifier.
	Extended bool
	SID      uint8
	// AdvData and ScanResponse are sent unchecked.
	AdvData, ScanResponse []byte
	// Interval is the advertising interval, at least 1 ms. Default: 100 ms.
	Interval time.Duration
	// With Silent the peer does not advertise until SetAdvertising. With Once it
	// stops advertising at its first link.
	Silent, Once bool
	// MaxLinks is the number of links at which it stops advertising. Default: 1.
	MaxLinks int
	// Features are the LE features of its link layer. Default: DefaultFeatures.
	Features hci.Features
	// MaxOctets is the longest payload of its link layer packets, 27 to 251
	// octets. Default: 251.
	MaxOctets int
	// With Mute its link layer acknowledges control PDUs but never answers them.
	Mute bool
	// Key returns the long term key for a central that starts encryption.
	// Default: there is no key.
	Key func(rand [8]byte, ediv uint16) (key [16]byte, ok bool)
	// Temper is its misbehavior. Default: it is well behaved.
	Temper Temper
	// Script is its behavior on its links. Without Script.Frame and Script.Data,
	// received frames are queued for RawLink.Receive.
	Script Script
}

// Script is the behavior of a RawPeer: functions that run on the air's
// goroutine. They must not block and must not keep the slices that they are
// given. They may call the methods of RawLink that do not wait.
type Script struct {
	Up    func(l *RawLink)
	Frame func(l *RawLink, cid uint16, payload []byte) // an L2CAP frame
	Data  func(l *RawLink, start bool, data []byte)    // the payload of one link layer data packet
	Sent  func(l *RawLink)                             // a frame that was sent has been acknowledged
	Event func(l *RawLink, ev hci.Event)               // the outcome of a control procedure
	Down  func(l *RawLink, reason hci.Status)
}

// RawPeer is a node without a host: a script or a test sends and receives its
// L2CAP frames octet by octet. It advertises, and it can connect as central.
type RawPeer struct {
	air  *Air
	node *radio
	cfg  RawPeerConfig
	adv  *advertiser
	able abilities

	accepted inbox[*RawLink]

	// The rest belongs to the air's goroutine.
	links map[*endpoint]*RawLink
	quiet bool // does not advertise
	busy  bool // is not connectable
	dial  *rawDial
}

// NewRawPeer adds a peer to the air. A nil cfg is the zero RawPeerConfig.
func (a *Air) NewRawPeer(cfg *RawPeerConfig) *RawPeer {
	p := &RawPeer{air: a, links: map[*endpoint]*RawLink{}}
	if cfg != nil {
		p.cfg = *cfg
	}
	var open bool
	p.node, open = a.register(p, p.cfg.Name)
	i := p.node.index
	if p.node.name == "" {
		p.node.name = fmt.Sprintf("peer%d", i)
	}
	if p.cfg.Address == (hci.Addr{}) {
		p.cfg.Address = hci.Addr{MAC: hci.MAC{byte(i), byte(i >> 8), 0x00, 0x52, 0x4F, 0xCD}, Kind: hci.AddrRandom}
	}
	n := min(max(27, or(p.cfg.MaxOctets, 251)), 251)
	p.able = abilities{
		features: or(p.cfg.Features, DefaultFeatures), version: 0x0C, company: 0xFFFF,
		maxTx: n, maxRx: n, defaultTx: n, defaultTime: timeFor(n),
		preferTx: hci.PHYs1M | hci.PHYs2M, preferRx: hci.PHYs1M | hci.PHYs2M, mute: p.cfg.Mute,
	}
	p.adv = newAdvertiser(p.node, p)
	p.quiet = p.cfg.Silent
	p.accepted.init()
	if !open {
		p.accepted.closeInbox(errClosed)
	}
	a.post(func() {
		p.node.setTemper(p.cfg.Temper)
		p.advertise()
	})
	return p
}

func (p *RawPeer) radio() *radio { return p.node }

// Address returns the peer's address on the air.
func (p *RawPeer) Address() hci.Addr { return p.cfg.Address }

// SetAdvertising starts or stops advertising.
func (p *RawPeer) SetAdvertising(on bool) {
	p.air.post(func() {
		if p.quiet = !on; p.quiet {
			p.adv.stopAdvertising()
		}
		p.advertise()
	})
}

// SetAdvData changes the advertising data and the scan response. It copies
// both slices.
func (p *RawPeer) SetAdvData(adv, response []byte) {
	adv, response = append([]byte(nil), adv...), append([]byte(nil), response...)
	p.air.post(func() {
		p.cfg.AdvData, p.cfg.ScanResponse = adv, response
		p.adv.data, p.adv.response = adv, response
	})
}

// SetAddress changes the address, as a device with private addresses does
// regularly.
func (p *RawPeer) SetAddress(a hci.Addr) {
	p.air.post(func() { p.cfg.Address, p.adv.own = a, a })
}

// SetConnectable selects connectable or non-connectable advertising. A peer
// that is not connectable is heard by scanners, but does not answer connects.
func (p *RawPeer) SetConnectable(on bool) {
	p.air.post(func() {
		p.busy = !on
		if p.adv.on {
			p.adv.asked.connectable = p.connectable()
			p.adv.obeyTemper()
		}
	})
}

// connectable reports whether the peer accepts connects.
func (p *RawPeer) connectable() bool {
	return !p.busy && p.cfg.Type != hci.AdvScanInd && p.cfg.Type != hci.AdvNonconnInd
}

// Accept waits for the next link.
func (p *RawPeer) Accept(ctx context.Context) (*RawLink, error) { return p.accepted.takeNext(ctx) }

// advertise starts advertising unless the peer is quiet or has all its links.
func (p *RawPeer) advertise() {
	if p.quiet || p.adv.on || len(p.links) >= or(p.cfg.MaxLinks, 1) {
		return
	}
	t := p.cfg.Type
	p.adv.startAdvertising(advertisement{
		own: p.cfg.Address, peer: p.cfg.Target,
		connectable: p.connectable(),
		scannable:   t == hci.AdvScanInd || t == hci.AdvInd && !p.cfg.Extended,
		directed:    t == hci.AdvDirectInd || t == hci.AdvDirectIndLow,
		legacy:      !p.cfg.Extended, data: p.cfg.AdvData, response: p.cfg.ScanResponse, sid: p.cfg.SID,
		primary: hci.PHY1M, secondary: hci.PHY1M, txPower: 127,
		interval: max(time.Millisecond, or(p.cfg.Interval, 100*time.Millisecond)), channels: 7,
	})
}

// endPeer is called when the air has been closed.
func (p *RawPeer) endPeer() {
	p.accepted.closeInbox(errClosed)
	for _, l := range p.links {
		l.reason = hci.StatusLocalHostTerminated
		close(l.down)
		l.frames.closeInbox(errClosed)
	}
	clear(p.links)
	if p.dial != nil {
		p.dial.result <- dialResult{err: errClosed}
		p.dial = nil
	}
}

func (p *RawPeer) refreshAddress(*advertiser)               {}
func (p *RawPeer) scanRequested(*advertiser, hci.Addr)      {}
func (p *RawPeer) advertisingEnded(*advertiser, hci.Status) {}
func (p *RawPeer) allowsScan(*advertiser, hci.Addr) bool    { return true }

// allowsConnect implements advOwner.
func (p *RawPeer) allowsConnect(v *advertiser, from hci.Addr) bool {
	return !v.directed || v.peer == from
}

// acceptLink implements advOwner.
func (p *RawPeer) acceptLink(v *advertiser, l *link, peer hci.Addr) {
	v.stopAdvertising()
	p.attach(l, peripheral, peer)
	if p.cfg.Once {
		p.quiet = true
	}
	p.advertise()
}

// attach makes the peer's end of a link.
func (p *RawPeer) attach(l *link, role hci.Role, peer hci.Addr) *RawLink {
	e := l.attach(role, p.node, (*rawOwner)(p), p.cfg.Address, peer)
	rl := &RawLink{peer: p, endpoint: e, from: peer, role: role, down: make(chan struct{})}
	rl.frames.init()
	e.aux = rl
	p.links[e] = rl
	return rl
}

var _ advOwner = (*RawPeer)(nil)
