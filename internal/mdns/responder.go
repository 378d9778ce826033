package mdns

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

const (
	// refreshTime is how often Announce looks for new interfaces and addresses.
	refreshTime = 15 * time.Second
	// repeatTime is when an announcement is repeated, and how long an answer to everybody is
	// not (RFC 6762, 6 and 8.3).
	repeatTime = time.Second
)

// Announce announces a service until ctx ends, and then takes leave. reaches tells at which
// addresses of this machine the service is reached; interfaces without one are left out.
// Without an interface Announce returns an error that says why; later it waits for one.
func Announce(ctx context.Context, s Service, reaches func(netip.Addr) bool) error {
	n, ok := s.names()
	if !ok {
		return fmt.Errorf("mdns: %q of %s on %q is no name: a label has at most 63 octets", s.Instance, s.Type, s.Host)
	}
	r := &responder{service: s, names: n, reaches: reaches, links: newLinks(ctx), told: map[*link]time.Time{}}
	defer r.links.close()
	fresh, err := r.links.refresh()
	if err != nil {
		return err
	}
	r.answerQuestions(ctx, fresh)
	return nil
}

// responder announces a service. It belongs to one goroutine.
type responder struct {
	service Service
	names   names
	reaches func(netip.Addr) bool
	links   *links
	told    map[*link]time.Time // the last answer to everybody
}

// everything is what an announcement says.
var everything = wanted{service: true, instance: true, host: true}

func (r *responder) answerQuestions(ctx context.Context, fresh []*link) {
	refresh := time.NewTicker(refreshTime)
	defer refresh.Stop()
	repeat := time.NewTimer(repeatTime)
	defer repeat.Stop()
	r.tellAll(fresh, false)
	for {
		select {
		case <-ctx.Done():
			r.tellAll(r.links.open, true)
			return
		case p := <-r.links.packets:
			r.reply(p, time.Now())
		case <-repeat.C:
			r.tellAll(fresh, false)
			fresh = nil
		case <-refresh.C:
			// An error says that there is no interface for now.
			if found, _ := r.links.refresh(); len(found) > 0 {
				fresh = found
				r.tellAll(fresh, false)
				repeat.Reset(repeatTime)
			}
			for l := range r.told {
				if time.Since(r.told[l]) > repeatTime {
					delete(r.told, l)
				}
			}
		}
	}
}

// tellAll announces the service on some interfaces, or takes leave there.
func (r *responder) tellAll(to []*link, goodbye bool) {
	for _, l := range to {
		a := r.answerOn(l, everything)
		a.goodbye = goodbye
		r.sendOn(l, a)
	}
}

// answerOn returns an answer with the addresses that an interface has.
func (r *responder) answerOn(l *link, w wanted) *answer {
	a := &answer{service: &r.service, names: r.names, wanted: w}
	for _, p := range l.prefixes {
		if r.reaches(p.Addr()) {
			a.addrs = append(a.addrs, p.Addr())
		}
	}
	return a
}

// sendOn sends an answer to everybody at an interface, unless the service is not reached
// there.
func (r *responder) sendOn(l *link, a *answer) {
	if len(a.addrs) == 0 {
		return
	}
	if b, err := a.pack(); err == nil { // a service that Announce has taken fits a packet
		l.send(b)
	}
}

// reply answers a packet.
func (r *responder) reply(p packet, now time.Time) {
	q, ok := parseQuestion(p.data)
	if !ok {
		return
	}
	w, alone := q.wants(r.names)
	if !w.any() {
		return
	}
	a := r.answerOn(p.link, w)
	legacy := p.from.Port() != group.Port()
	switch {
	case legacy:
		a.legacy = &q
		r.sendTo(p, a)
	case alone:
		r.sendTo(p, a)
	case now.Sub(r.told[p.link]) >= repeatTime:
		r.told[p.link] = now
		r.sendOn(p.link, a)
	}
}

// sendTo sends an answer to the asker alone, if it is in a subnet of the interface.
func (r *responder) sendTo(p packet, a *answer) {
	if len(a.addrs) == 0 || !p.link.reaches(p.from.Addr()) {
		return
	}
	if b, err := a.pack(); err == nil {
		_, _ = p.link.conn.WriteToUDPAddrPort(b, p.from) // an asker that is gone asks no more
	}
}
