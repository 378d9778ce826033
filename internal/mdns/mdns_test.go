package mdns

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var attic = Service{Instance: "attic", Type: "_esphomelib._tcp", Host: "attic", Port: 6053, Text: []string{"mac=02ffee000001"}}

var addrs = []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}

// ask makes a packet of questions.
func ask(t testing.TB, questions ...dnsmessage.Question) []byte {
	t.Helper()
	b, err := packQuestion(questions)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func about(n string, t dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(n), Type: t, Class: dnsmessage.ClassINET}
}

// answerTo returns the answer of a service to a packet; nil for none.
func answerTo(t testing.TB, s Service, packet []byte, legacy bool) []byte {
	t.Helper()
	q, ok := parseQuestion(packet)
	n, named := s.names()
	if !named {
		t.Fatalf("%+v has no name", s)
	}
	w, _ := q.wants(n)
	if !ok || !w.any() {
		return nil
	}
	a := &answer{service: &s, names: n, addrs: addrs, wanted: w}
	if legacy {
		a.legacy = &q
	}
	b, err := a.pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAnswer: the octets of an answer, with all that a client needs.
func TestAnswer(t *testing.T) {
	got := hex.EncodeToString(answerTo(t, attic, ask(t, about("_ESPHomeLib._tcp.local.", dnsmessage.TypePTR)), false))
	want := strings.Join([]string{
		"0000 8400 0000 0005 0000 0000", // a response, with authority, five records
		"0b 5f657370686f6d656c6962 04 5f746370 05 6c6f63616c 00", "000c 0001 00001194 0008", "05 6174746963 c00c",
		"c02e", "0021 8001 00000078 0013", "0000 0000 17a5 05 6174746963 05 6c6f63616c 00",
		"c02e", "0010 8001 00001194 0011", "10 6d61633d303266666565303030303031",
		"05 6174746963 c01d", "0001 8001 00000078 0004", "c0000207",
		"c072", "001c 8001 00000078 0010", "20010db8000000000000000000000007",
	}, "")
	if want = strings.ReplaceAll(want, " ", ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestQuestions(t *testing.T) {
	ptr := dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("_esphomelib._tcp.local."), Class: dnsmessage.ClassINET, TTL: 4000},
		Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("Attic._esphomelib._tcp.local.")},
	}
	knows := func(ttl uint32) []byte {
		ptr.Header.TTL = ttl
		m := dnsmessage.Message{Questions: []dnsmessage.Question{about("_esphomelib._tcp.local.", dnsmessage.TypePTR)}, Answers: []dnsmessage.Resource{ptr}}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	response := ask(t, about("_esphomelib._tcp.local.", dnsmessage.TypePTR))
	response[2] |= 0x80
	for _, tt := range []struct {
		name  string
		query []byte
		want  wanted
	}{
		{"the service", ask(t, about("_esphomelib._tcp.local.", dnsmessage.TypePTR)), wanted{service: true}},
		{"another service", ask(t, about("_http._tcp.local.", dnsmessage.TypePTR)), wanted{}},
		{"another type", ask(t, about("_esphomelib._tcp.local.", dnsmessage.TypeA)), wanted{}},
		{"the types", ask(t, about("_services._dns-sd._udp.local.", dnsmessage.TypePTR)), wanted{enumeration: true}},
		{"the instance", ask(t, about("attic._esphomelib._tcp.local.", dnsmessage.TypeSRV)), wanted{instance: true}},
		{"the text", ask(t, about("attic._esphomelib._tcp.local.", dnsmessage.TypeTXT)), wanted{instance: true}},
		{"another instance", ask(t, about("cellar._esphomelib._tcp.local.", dnsmessage.TypeSRV)), wanted{}},
		{"the host", ask(t, about("attic.local.", dnsmessage.TypeAAAA)), wanted{host: true}},
		{"everything of the host", ask(t, about("ATTIC.local.", dnsmessage.TypeALL)), wanted{host: true}},
		{"known", knows(serviceTTL / 2), wanted{}},
		{"known not for long", knows(serviceTTL/2 - 1), wanted{service: true}},
		{"a response", response, wanted{}},
		{"nothing", nil, wanted{}},
		{"no question", make([]byte, 12), wanted{}},
	} {
		q, _ := parseQuestion(tt.query)
		n, _ := attic.names()
		if got, _ := q.wants(n); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestLegacyAnswer: an asker that is no multicast DNS program gets its question back, its
// number, and records that it keeps for ten seconds at most.
func TestLegacyAnswer(t *testing.T) {
	q := ask(t, about("attic.local.", dnsmessage.TypeA))
	q[0], q[1] = 0x12, 0x34
	got := hex.EncodeToString(answerTo(t, attic, q, true))
	want := strings.ReplaceAll("1234 8400 0001 0002 0000 0000"+"05 6174746963 05 6c6f63616c 00 0001 0001"+
		"c00c 0001 0001 0000000a 0004 c0000207"+"c00c 001c 0001 0000000a 0010 20010db8000000000000000000000007", " ", "")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	n, ok := localName("_esphomelib._tcp")
	if !ok {
		t.Fatal("no name")
	}
	return &browser{service: n, instances: map[string]*Found{}, hosts: map[string][]netip.Addr{}}
}

// TestBrowserReadsAnswers that a responder gives, and forgets one that takes leave.
func TestBrowserReadsAnswers(t *testing.T) {
	b := newBrowser(t)
	packet := answerTo(t, attic, ask(t, about("_esphomelib._tcp.local.", dnsmessage.TypePTR)), false)
	for _, r := range parseAnswers(packet) {
		b.note(r)
	}
	want := []Found{{Service: attic, Addrs: addrs}}
	if got := b.found(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	n, _ := attic.names()
	a := &answer{service: &attic, names: n, addrs: addrs, wanted: everything, goodbye: true}
	bye, err := a.pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range parseAnswers(bye) {
		b.note(r)
	}
	if got := b.found(); len(got) != 0 {
		t.Errorf("after the goodbye: %+v", got)
	}
}

// TestBrowserIsBounded: a network of liars fills no memory.
func TestBrowserIsBounded(t *testing.T) {
	b := newBrowser(t)
	for i := range 10_000 {
		s := attic
		s.Instance, s.Host = fmt.Sprintf("i%d", i), fmt.Sprintf("h%d", i)
		for _, r := range parseAnswers(answerTo(t, s, ask(t, about("_esphomelib._tcp.local.", dnsmessage.TypePTR)), false)) {
			b.note(r)
		}
	}
	for i := range 100 {
		b.noteAddr(dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("h0.local."), TTL: 1}, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	if len(b.instances) != maxFound || len(b.hosts) != maxFound || len(b.hosts["h0.local."]) != maxAddrs {
		t.Errorf("%d instances, %d hosts, %d addresses", len(b.instances), len(b.hosts), len(b.hosts["h0.local."]))
	}
}

func TestWrongNames(t *testing.T) {
	for _, s := range []Service{
		{Instance: strings.Repeat("a", 300), Type: "_esphomelib._tcp", Host: "a"},
	} {
		if err := Announce(t.Context(), s, nil); err == nil || !strings.Contains(err.Error(), "is no name") {
			t.Errorf("%.20s: %v", s.Instance, err)
		}
	}
}

// TestNetwork: what one end announces on the network of this machine, the other finds
// there, and no more once it has taken leave.
func TestNetwork(t *testing.T) {
	s := attic
	s.Instance = fmt.Sprintf("moor-test-%d", time.Now().UnixNano())
	s.Host = s.Instance
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Announce(ctx, s, func(a netip.Addr) bool { return a.Is4() }) }()
	look := func() (found []Found) {
		within, stop := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer stop()
		all, err := Browse(within, s.Type)
		if errors.Is(err, ErrNoInterface) {
			cancel()
			<-ended
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(f Found) bool { return f.Instance != s.Instance })
	}
	found := look()
	if len(found) != 1 || !reflect.DeepEqual(found[0].Service, s) || len(found[0].Addrs) == 0 {
		t.Errorf("found %+v", found)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if found := look(); len(found) != 0 {
		t.Errorf("after the goodbye: %+v", found)
	}
}

// FuzzQuestion: whatever asks, an answer is one that a browser reads.
func FuzzQuestion(f *testing.F) {
	f.Add(ask(f, about("_esphomelib._tcp.local.", dnsmessage.TypePTR)))
	f.Add(ask(f, about("attic.local.", dnsmessage.TypeA), about("attic._esphomelib._tcp.local.", dnsmessage.TypeALL)))
	f.Fuzz(func(t *testing.T, packet []byte) {
		q, ok := parseQuestion(packet)
		n, _ := attic.names()
		w, _ := q.wants(n)
		if !ok || !w.any() {
			return
		}
		a := &answer{service: &attic, names: n, addrs: addrs, wanted: w}
		b, err := a.pack()
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if w.enumeration {
			want++
		}
		if w.service {
			want++
		}
		if w.service || w.instance {
			want += 2
		}
		if w.service || w.instance || w.host {
			want += len(addrs)
		}
		if got := parseAnswers(b); len(got) != want {
			t.Errorf("%+v: %d records, want %d", w, len(got), want)
		}
		a.legacy = &q
		if _, err := a.pack(); err != nil {
			t.Errorf("a legacy answer: %v", err)
		}
	})
}

// FuzzAnswers: whatever answers, a browser stays within its bounds, and what it has found
// can be asked for.
func FuzzAnswers(f *testing.F) {
	f.Add(answerTo(f, attic, ask(f, about("_esphomelib._tcp.local.", dnsmessage.TypePTR)), false))
	f.Fuzz(func(t *testing.T, packet []byte) {
		b := newBrowser(t)
		all := parseAnswers(packet)
		if len(all) > maxRecords {
			t.Fatalf("%d records", len(all))
		}
		for _, r := range all {
			b.note(r)
		}
		b.ask(&links{})
		for _, one := range b.found() {
			if one.Port == 0 || one.Instance == "" {
				t.Errorf("found %+v", one)
			}
		}
	})
}
