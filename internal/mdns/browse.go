package mdns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of what Browse keeps.
const (
	maxFound = 256 // instances, and as many hosts
	maxAddrs = 16  // of a host
)

// Found is a service that Browse has found.
type Found struct {
	Service
	// Addrs are its addresses: those of IPv4 first.
	Addrs []netip.Addr
}

// Browse asks for the services of a type until ctx ends, and returns those that answer, in
// the order of their names. It fails if no interface can be asked.
func Browse(ctx context.Context, serviceType string) ([]Found, error) {
	service, ok := localName(serviceType)
	if !ok {
		return nil, nil
	}
	ls := newLinks(ctx)
	defer ls.close()
	if _, err := ls.refresh(); err != nil {
		return nil, err
	}
	b := &browser{service: service, instances: map[string]*Found{}, hosts: map[string][]netip.Addr{}}
	again := time.NewTicker(repeatTime)
	defer again.Stop()
	b.ask(ls)
	for {
		select {
		case <-ctx.Done():
			return b.found(), nil
		case p := <-ls.packets:
			for _, r := range parseAnswers(p.data) {
				b.note(r)
			}
		case <-again.C:
			b.ask(ls)
		}
	}
}

// browser gathers answers. It belongs to one goroutine. Names are in lower case.
type browser struct {
	service   dnsmessage.Name
	instances map[string]*Found
	hosts     map[string][]netip.Addr
}

// ask asks for instances, and for what is missing of those that are known.
func (b *browser) ask(ls *links) {
	const perPacket = 32
	questions := []dnsmessage.Question{{Name: b.service, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}
	add := func(n string, t dnsmessage.Type) {
		if n, err := dnsmessage.NewName(n); err == nil && len(questions) < perPacket {
			questions = append(questions, dnsmessage.Question{Name: n, Type: t, Class: dnsmessage.ClassINET})
		}
	}
	for instance, f := range b.instances {
		if f.Port == 0 || f.Text == nil {
			add(instance, dnsmessage.TypeALL)
		} else if len(b.hosts[f.Host]) == 0 {
			add(f.Host, dnsmessage.TypeALL)
		}
	}
	packet, err := packQuestion(questions)
	if err != nil {
		return // names that were read from packets fit one
	}
	for _, l := range ls.open {
		l.send(packet)
	}
}

// instance returns the instance of a name; nil for names of other services, and for too
// many.
func (b *browser) instance(n dnsmessage.Name) *Found {
	key := strings.ToLower(n.String())
	if f := b.instances[key]; f != nil {
		return f
	}
	label, ok := strings.CutSuffix(key, "."+strings.ToLower(b.service.String()))
	if !ok || label == "" || len(b.instances) >= maxFound {
		return nil
	}
	f := &Found{Service: Service{Instance: label}}
	b.instances[key] = f
	return f
}

// note notes a record.
func (b *browser) note(r dnsmessage.Resource) {
	switch body := r.Body.(type) {
	case *dnsmessage.PTRResource:
		switch {
		case !sameName(r.Header.Name, b.service):
		case r.Header.TTL == 0: // a goodbye
			delete(b.instances, strings.ToLower(body.PTR.String()))
		default:
			b.instance(body.PTR)
		}
	case *dnsmessage.SRVResource:
		if f := b.instance(r.Header.Name); f != nil && r.Header.TTL > 0 {
			f.Host, f.Port = strings.ToLower(body.Target.String()), body.Port
		}
	case *dnsmessage.TXTResource:
		if f := b.instance(r.Header.Name); f != nil && r.Header.TTL > 0 {
			f.Text = body.TXT
		}
	case *dnsmessage.AResource:
		b.noteAddr(r.Header, netip.AddrFrom4(body.A))
	case *dnsmessage.AAAAResource:
		b.noteAddr(r.Header, netip.AddrFrom16(body.AAAA))
	}
}

// noteAddr notes an address of a host.
func (b *browser) noteAddr(h dnsmessage.ResourceHeader, a netip.Addr) {
	key := strings.ToLower(h.Name.String())
	addrs, known := b.hosts[key]
	if h.TTL == 0 || a.IsLinkLocalUnicast() || slices.Contains(addrs, a) || len(addrs) >= maxAddrs || !known && len(b.hosts) >= maxFound {
		return
	}
	b.hosts[key] = append(addrs, a)
}

// found returns the instances whose port is known.
func (b *browser) found() (all []Found) {
	for _, f := range b.instances {
		if f.Port == 0 {
			continue
		}
		one := *f
		one.Type = strings.TrimSuffix(b.service.String(), ".local.")
		one.Addrs = slices.SortedFunc(slices.Values(b.hosts[f.Host]), netip.Addr.Compare)
		one.Host = strings.TrimSuffix(f.Host, ".local.")
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.Instance, b.Instance) })
	return all
}
