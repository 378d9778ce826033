package mdns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ErrNoInterface means that no interface carries multicast DNS.
var ErrNoInterface = errors.New("mdns: no interface with an IPv4 address is up")

// link is an interface with its socket.
type link struct {
	ifi      net.Interface
	prefixes []netip.Prefix // of its addresses
	conn     *net.UDPConn
}

// packet is one that an interface has received.
type packet struct {
	link *link
	data []byte
	from netip.AddrPort
}

// maxPacket is the longest packet (RFC 6762, 17).
const maxPacket = 9000

// links are the interfaces in use.
type links struct {
	ctx     context.Context
	readers sync.WaitGroup
	packets chan packet
	open    []*link
}

// newLinks returns links whose packets arrive until ctx ends.
func newLinks(ctx context.Context) *links { return &links{ctx: ctx, packets: make(chan packet, 16)} }

// refresh opens the interfaces that are new, and closes those that are gone or have other
// addresses. It returns the new ones, and an error if there is none at all.
func (ls *links) refresh() (fresh []*link, err error) {
	present, err := interfaces()
	if err != nil {
		return nil, err
	}
	same := func(a, b *link) bool { return a.ifi.Index == b.ifi.Index && slices.Equal(a.prefixes, b.prefixes) }
	ls.open = slices.DeleteFunc(ls.open, func(old *link) bool {
		if slices.ContainsFunc(present, func(l *link) bool { return same(l, old) }) {
			return false
		}
		old.conn.Close()
		return true
	})
	var errs []error
	for _, l := range present {
		if slices.ContainsFunc(ls.open, func(old *link) bool { return same(l, old) }) {
			continue
		}
		if l.conn, err = listenMulticast(&l.ifi); err != nil {
			errs = append(errs, err)
			continue
		}
		ls.open = append(ls.open, l)
		fresh = append(fresh, l)
		ls.readers.Go(func() { ls.read(l) })
	}
	switch {
	case len(ls.open) > 0:
		return fresh, nil
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	}
	return nil, ErrNoInterface
}

// read reads the packets of an interface until its socket is closed.
func (ls *links) read(l *link) {
	b := make([]byte, maxPacket)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of a packet that was sent before
		}
		select {
		case ls.packets <- packet{l, slices.Clone(b[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}:
		case <-ls.ctx.Done():
		}
	}
}

// close closes all of them.
func (ls *links) close() {
	for _, l := range ls.open {
		l.conn.Close()
	}
	ls.readers.Wait()
}

// send sends a packet to everybody. An interface that cannot send now is refreshed later.
func (l *link) send(b []byte) { _, _ = l.conn.WriteToUDPAddrPort(b, group) }

// reaches reports whether an address is in a subnet of the interface.
func (l *link) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// interfaces returns the interfaces that are up and carry multicast; loopback alone if
// there is no other.
func interfaces() (all []*link, err error) {
	present, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var loopback []*link
	for _, ifi := range present {
		if ifi.Flags&net.FlagUp == 0 {
			continue
		}
		l := &link{ifi: ifi, prefixes: prefixesOf(&ifi)}
		switch {
		case !slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() }):
		case ifi.Flags&net.FlagLoopback != 0:
			loopback = append(loopback, l)
		case ifi.Flags&net.FlagMulticast != 0:
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return loopback, nil
	}
	return all, nil
}

// prefixesOf returns the addresses of an interface with their subnets, without those that
// mean nothing elsewhere.
func prefixesOf(ifi *net.Interface) (all []netip.Prefix) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil // it has just gone
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ones, _ := n.Mask.Size()
		if ip = ip.Unmap(); ok && !ip.IsLinkLocalUnicast() {
			all = append(all, netip.PrefixFrom(ip, ones))
		}
	}
	return all
}
