package mdns

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Times to live, in seconds (RFC 6762, 10).
const (
	hostTTL    = 120  // of records with the name or the address of a host
	serviceTTL = 4500 // of the others
	legacyTTL  = 10   // of answers to an asker that is no multicast DNS program
)

const (
	// flush says that a record replaces all others of its name (RFC 6762, 10.2). In a
	// question, the same bit asks for an answer to the asker alone (5.4).
	flush = 1 << 15
	// enumeration lists the types of services on a network (RFC 6763, 9).
	enumeration = "_services._dns-sd._udp.local."
	// maxText is the longest string of a TXT record, in octets.
	maxText = 255
)

// Service is a service on the network.
type Service struct {
	// Instance is its name, a single label of at most 63 octets without dots.
	Instance string
	// Type is its type, such as _esphomelib._tcp.
	Type string
	// Host is the label of its host, without the domain.
	Host string
	Port uint16
	// Text describes it, in strings of the form key=value of at most 255 octets. Longer ones
	// are left out.
	Text []string
}

// localName makes a name of labels; ok is false if they are none.
func localName(labels ...string) (n dnsmessage.Name, ok bool) {
	n, err := dnsmessage.NewName(strings.Join(labels, ".") + ".local.")
	return n, err == nil
}

// names are the names of a service.
type names struct{ service, instance, host, enumeration dnsmessage.Name }

func (s *Service) names() (n names, ok bool) {
	var known [3]bool
	n.service, known[0] = localName(s.Type)
	n.instance, known[1] = localName(s.Instance, s.Type)
	n.host, known[2] = localName(s.Host)
	n.enumeration = dnsmessage.MustNewName(enumeration)
	return n, known == [3]bool{true, true, true}
}

// sameName compares names as DNS does.
func sameName(a, b dnsmessage.Name) bool { return strings.EqualFold(a.String(), b.String()) }

// question is what a packet asks.
type question struct {
	id        uint16
	questions []dnsmessage.Question
	known     []dnsmessage.Resource // which the asker knows already
}

// maxRecords is how many records of a packet are read.
const maxRecords = 256

// parseQuestion reads a packet. ok is false for one that asks nothing.
func parseQuestion(packet []byte) (q question, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || h.Response || h.OpCode != 0 {
		return q, false
	}
	q.id = h.ID
	for len(q.questions) < maxRecords {
		one, err := p.Question()
		if err != nil {
			break
		}
		q.questions = append(q.questions, one)
	}
	if p.SkipAllQuestions() != nil {
		return q, false
	}
	for len(q.known) < maxRecords {
		r, err := p.Answer()
		if err != nil {
			break
		}
		q.known = append(q.known, r)
	}
	return q, len(q.questions) > 0
}

// wants reports which records of a service answer a question, and whether the asker alone
// is to have them.
func (q *question) wants(n names) (w wanted, alone bool) {
	alone = true
	for _, one := range q.questions {
		of := func(types ...dnsmessage.Type) bool {
			if !slices.Contains(append(types, dnsmessage.TypeALL), one.Type) {
				return false
			}
			alone = alone && one.Class&flush != 0
			return true
		}
		switch {
		case sameName(one.Name, n.service):
			w.service = w.service || of(dnsmessage.TypePTR) && !q.knows(n)
		case sameName(one.Name, n.enumeration):
			w.enumeration = w.enumeration || of(dnsmessage.TypePTR)
		case sameName(one.Name, n.instance):
			w.instance = w.instance || of(dnsmessage.TypeSRV, dnsmessage.TypeTXT)
		case sameName(one.Name, n.host):
			w.host = w.host || of(dnsmessage.TypeA, dnsmessage.TypeAAAA)
		}
	}
	return w, alone
}

// knows reports whether the asker knows the instance for more than half of its time.
func (q *question) knows(n names) bool {
	for _, r := range q.known {
		if ptr, ok := r.Body.(*dnsmessage.PTRResource); ok && sameName(ptr.PTR, n.instance) && r.Header.TTL >= serviceTTL/2 {
			return true
		}
	}
	return false
}

// wanted are the records of a service that a packet holds.
type wanted struct{ enumeration, service, instance, host bool }

func (w wanted) any() bool { return w != wanted{} }

// answer is a packet with records of a service.
type answer struct {
	service *Service
	names   names
	addrs   []netip.Addr
	wanted  wanted
	// legacy is the question of an asker that is no multicast DNS program (RFC 6762, 6.7).
	legacy *question
	// goodbye says that the records hold no more.
	goodbye bool
}

// ttl returns a time to live, as far as the answer allows it.
func (a *answer) ttl(seconds uint32) uint32 {
	switch {
	case a.goodbye:
		return 0
	case a.legacy != nil:
		return min(seconds, legacyTTL)
	}
	return seconds
}

// header returns the header of a record. unique ones have one holder.
func (a *answer) header(n dnsmessage.Name, seconds uint32, unique bool) dnsmessage.ResourceHeader {
	class := dnsmessage.ClassINET
	if unique && a.legacy == nil {
		class |= flush
	}
	return dnsmessage.ResourceHeader{Name: n, Class: class, TTL: a.ttl(seconds)}
}

// pack returns the packet: with the instance come its text and its addresses, so that no
// further question is needed.
func (a *answer) pack() ([]byte, error) {
	h := dnsmessage.Header{Response: true, Authoritative: true}
	if a.legacy != nil {
		h.ID = a.legacy.id
	}
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	if a.legacy != nil {
		if err := b.StartQuestions(); err != nil {
			return nil, err
		}
		for _, q := range a.legacy.questions {
			q.Class &^= flush
			if err := b.Question(q); err != nil {
				return nil, err
			}
		}
	}
	if err := b.StartAnswers(); err != nil {
		return nil, err
	}
	for _, add := range []func(*dnsmessage.Builder) error{a.addPointers, a.addInstance, a.addAddresses} {
		if err := add(&b); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

func (a *answer) addPointers(b *dnsmessage.Builder) error {
	if a.wanted.enumeration {
		if err := b.PTRResource(a.header(a.names.enumeration, serviceTTL, false), dnsmessage.PTRResource{PTR: a.names.service}); err != nil {
			return err
		}
	}
	if a.wanted.service {
		return b.PTRResource(a.header(a.names.service, serviceTTL, false), dnsmessage.PTRResource{PTR: a.names.instance})
	}
	return nil
}

func (a *answer) addInstance(b *dnsmessage.Builder) error {
	if !a.wanted.service && !a.wanted.instance {
		return nil
	}
	srv := dnsmessage.SRVResource{Port: a.service.Port, Target: a.names.host}
	if err := b.SRVResource(a.header(a.names.instance, hostTTL, true), srv); err != nil {
		return err
	}
	var text []string
	for _, t := range a.service.Text {
		if len(t) > 0 && len(t) <= maxText {
			text = append(text, t)
		}
	}
	if len(text) == 0 {
		text = []string{""} // RFC 6763, 6.1
	}
	return b.TXTResource(a.header(a.names.instance, serviceTTL, true), dnsmessage.TXTResource{TXT: text})
}

func (a *answer) addAddresses(b *dnsmessage.Builder) error {
	if w := a.wanted; !w.service && !w.instance && !w.host {
		return nil
	}
	for _, addr := range a.addrs {
		h := a.header(a.names.host, hostTTL, true)
		var err error
		if addr.Is4() {
			err = b.AResource(h, dnsmessage.AResource{A: addr.As4()})
		} else {
			err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: addr.As16()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// packQuestion returns a packet that asks for names.
func packQuestion(questions []dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	for _, q := range questions {
		if err := b.Question(q); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// parseAnswers reads the records of an answer, as far as they can be read.
func parseAnswers(packet []byte) (all []dnsmessage.Resource) {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return nil
	}
	for _, next := range []func() (dnsmessage.Resource, error){p.Answer, p.Authority, p.Additional} {
		for len(all) < maxRecords {
			r, err := next()
			if err != nil {
				break // the end of the section, or of what can be read
			}
			all = append(all, r)
		}
	}
	return all
}
