package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Node is a radio on the air: a *Controller, a *Peripheral or a *RawPeer.
type Node interface {
	radio() *radio
}

// Path is the radio path from one node to another.
type Path struct {
	// Loss is the probability, 0 to 1, that a packet does not arrive. 1 means
	// that the two nodes are out of range.
	Loss float64
	// RSSI is the received signal strength in dBm. Default: -50.
	RSSI int8
	// RSSINoise is the largest deviation of a packet from RSSI in dB. Deviations
	// are uniformly distributed.
	RSSINoise uint8
}

// radio is the part of a node that the air knows. A radio takes part in one
// connection event at a time: busy is the end of the present one, active lists
// the links with traffic.
type radio struct {
	air    *Air
	node   Node
	index  int
	name   string
	away   bool
	busy   instant
	begun  instant // end of the first exchange of the last event
	active []*link
	links  int
	onAir  Usage
	temper *temperState // nil: well behaved

	listening listening // as scanner and initiator
}

// register gives the node its place. Nodes get their index in the order of
// the calls that make them. It reports false on a closed air.
func (a *Air) register(node Node, name string) (*radio, bool) {
	a.mu.Lock()
	r := &radio{air: a, node: node, index: a.count, name: name}
	a.count++
	a.mu.Unlock()
	return r, a.post(func() { a.nodes = append(a.nodes, r) })
}

// SetPath sets the radio path between x and y in both directions.
func (a *Air) SetPath(x, y Node, p Path) {
	a.post(func() {
		a.setPath(x.radio(), y.radio(), p)
		a.setPath(y.radio(), x.radio(), p)
	})
}

// SetPathOneWay sets the radio path from one node to another.
func (a *Air) SetPathOneWay(from, to Node, p Path) {
	a.post(func() { a.setPath(from.radio(), to.radio(), p) })
}

// SetAway moves a node out of the range of all others, or back. Its links end by
// supervision timeout on both sides.
func (a *Air) SetAway(n Node, away bool) {
	a.post(func() {
		r := n.radio()
		r.away = away
		a.reassess(func(l *link) bool { return l.c.radio == r || l.p.radio == r })
	})
}

func (a *Air) setPath(from, to *radio, p Path) {
	a.paths[[2]int{from.index, to.index}] = &p
	a.reassess(func(l *link) bool {
		return l.c.radio == from && l.p.radio == to || l.p.radio == from && l.c.radio == to
	})
}

// reassess applies a change of paths to the links that it may concern.
func (a *Air) reassess(concerned func(*link) bool) {
	for _, l := range a.links {
		if concerned(l) {
			l.reassess()
		}
	}
}

func (a *Air) path(from, to *radio) *Path {
	if len(a.paths) > 0 {
		if p, ok := a.paths[[2]int{from.index, to.index}]; ok {
			return p
		}
	}
	return &a.cfg.Path
}

// lossBetween is the probability that a packet between the two is lost.
func (a *Air) lossBetween(from, to *radio) float64 {
	if from.away || to.away {
		return 1
	}
	return a.path(from, to).Loss
}

// arrives decides the fate of one packet.
func (a *Air) arrives(from, to *radio) bool { return !a.chance(a.lossBetween(from, to)) }

func (a *Air) rssi(from, to *radio) int8 {
	p := a.path(from, to)
	v := int(p.RSSI)
	if v == 0 {
		v = -50
	}
	if n := int(p.RSSINoise); n > 0 {
		v += a.rng.IntN(2*n+1) - n
	}
	return int8(min(max(v, -127), 20))
}

// Usage counts the activity of a radio.
type Usage struct {
	Sent, Received int64         // link layer packets of links
	OnAir          time.Duration // in connection events
	Listening      time.Duration // in scan windows, of the scan or of the initiator
	Advertised     int64         // advertising events
}

// Usage returns the activity of a node's radio so far. It waits for the air, so
// scripts must not call it.
func (a *Air) Usage(n Node) (u Usage) {
	a.runAndWait(func() { u = n.radio().usage() })
	return u
}

// usage includes the listening that is still going on.
func (r *radio) usage() Usage {
	u := r.onAir
	u.Listening = r.listening.listened(r.air.now)
	return u
}

// Short names of the two roles.
const (
	central    = hci.RoleCentral
	peripheral = hci.RolePeripheral
)
