package l2cap

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
)

// packetProto is the protocol on a PacketChannel: it records what happens.
type packetProto struct {
	ch     *PacketChannel
	frames []string
	log    []string
}

func (p *packetProto) Frame(_ time.Time, pdu []byte) {
	p.frames = append(p.frames, hex.EncodeToString(pdu))
}
func (p *packetProto) Writable(time.Time) { p.log = append(p.log, "writable") }
func (p *packetProto) Expire(now time.Time) {
	p.log = append(p.log, fmt.Sprint("expire ", now.Sub(epoch)))
}
func (p *packetProto) Down(_ time.Time, cause error) {
	p.log = append(p.log, fmt.Sprint("down ", cause))
}

// packetLink returns a link that is encrypted and has a service on SPSM 0x0027
// with MTU 64, MPS 64 and 3 credits, and its protocols in the order of their begin.
func packetLink(t *testing.T, most int) (*fakeLink, *[]*packetProto) {
	t.Helper()
	var all []*packetProto
	cfg := &Config{
		Security: func(Link) Security { return Security{Encrypted: true, KeySize: 16} },
		Packets: map[PSM]*PacketService{PSMEATT: {
			CoC: &CoCConfig{MTU: 64, MPS: 64, Credits: 3, Encrypted: true, KeySize: 7}, Most: most,
			Accept: func(_ time.Time, ch *PacketChannel) Handler {
				all = append(all, &packetProto{ch: ch})
				return all[len(all)-1]
			},
		}},
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return newCoCLink(t, cfg), &all
}

func TestEnhancedRefusals(t *testing.T) {
	plain, bonded := Security{}, Security{Bonded: true}
	short := Security{Encrypted: true, KeySize: 6}
	good := Security{Encrypted: true, KeySize: 16}
	for _, test := range []struct {
		name     string
		sec      Security
		req, rsp string
	}{
		{"no service", good, "17 05 0a00 2900 4000 4000 0100 5000", "18 05 0a00 0000 0000 0000 0200 0000"},
		{"not encrypted, no bond", plain, "17 05 0a00 2700 4000 4000 0100 5000", "18 05 0a00 0000 0000 0000 0500 0000"},
		{"not encrypted, bonded", bonded, "17 05 0a00 2700 4000 4000 0100 5000", "18 05 0a00 0000 0000 0000 0800 0000"},
		{"key too short", short, "17 05 0a00 2700 4000 4000 0100 5000", "18 05 0a00 0000 0000 0000 0700 0000"},
		{"MTU 63", good, "17 05 0c00 2700 3f00 4000 0100 5000 5100", "18 05 0c00 0000 0000 0000 0b00 0000 0000"},
		{"MPS 63", good, "17 05 0a00 2700 4000 3f00 0100 5000", "18 05 0a00 0000 0000 0000 0b00 0000"},
		{"MPS 65534", good, "17 05 0a00 2700 4000 feff 0100 5000", "18 05 0a00 0000 0000 0000 0b00 0000"},
		{"no credits", good, "17 05 0a00 2700 4000 4000 0000 5000", "18 05 0a00 0000 0000 0000 0c00 0000"},
		{"CID out of range", good, "17 05 0c00 2700 4000 4000 0100 5000 8000", "18 05 0c00 4000 4000 0300 0900 4000 0000"},
		{"CID twice", good, "17 05 0e00 2700 4000 4000 0100 5000 5000 5100", "18 05 0e00 4000 4000 0300 0a00 4000 0000 4100"},
		{"more than there may be", good, "17 05 1000 2700 4000 4000 0100 5000 5100 5200 5300", "18 05 1000 4000 4000 0300 0400 4000 4100 0000 0000"},
		{"all", good, "17 05 0c00 2700 4000 4000 0100 5000 5100", "18 05 0c00 4000 4000 0300 0000 4000 4100"},
		{"of the plain mode", good, "14 05 0a00 2700 5000 4000 4000 0100", "15 05 0a00 0000 0000 0000 0000 0200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, all := packetLink(t, 2)
				l.m.cfg.Security = func(Link) Security { return test.sec }
				l.recv(cidSignal, test.req)
				l.want("answer", "0005 "+test.rsp)
				if n := len(*all); n != len(l.m.coc.remote) || n != len(l.m.coc.packets) {
					t.Errorf("%d protocols, %d channels, %d with deadlines", n, len(l.m.coc.remote), len(l.m.coc.packets))
				}
			})
		})
	}
}

// Linux puts the last of its channels first, and reads the answer in the order of
// their CIDs.
func TestEnhancedLinuxOrder(t *testing.T) {
	for _, test := range []struct {
		sources string
		first   CID // at the other end of 0x0040
	}{
		{"4000 4100 4200", 0x40}, {"4200 4000 4100", 0x40}, {"4100 4000", 0x40}, {"4200 4100 4000", 0x42}, {"4100 4000 4200", 0x41},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, all := packetLink(t, 0)
			n := len(test.sources)/5 + 1
			l.recv(cidSignal, fmt.Sprintf("17 05 %02x00 2700 4000 4000 0100 %s", 8+2*n, test.sources))
			l.take()
			(*all)[0].ch.Send([]byte{1})
			l.want(test.sources, fmt.Sprintf("%04x 0100 01", uint16(test.first)))
		})
	}
}

// A PDU is cut into frames as the credits of the peer allow; the rest waits for
// credits. Each credit of this side is given back when its frame has been handled.
func TestPacketCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, all := packetLink(t, 0)
		l.recv(cidSignal, "17 05 0a00 2700 0002 4000 0200 5000") // MTU 512, MPS 64, 2 credits
		l.want("accepted", "0005 18 05 0a00 4000 4000 0300 0000 4000")
		p := (*all)[0]
		if p.ch.MTU() != 64 {
			t.Errorf("MTU %d, want the smaller one of both sides", p.ch.MTU())
		}
		l.recv(0x40, "0200 aabb")
		l.wantIdle("one credit is not worth an indication")
		l.recv(0x40, "4000"+strings.Repeat("11", 62))
		l.want("two credits back", "0005 16 01 0400 4000 0200")
		l.recv(0x40, "2233")
		if want := []string{"aabb", strings.Repeat("11", 62) + "2233"}; !slices.Equal(p.frames, want) {
			t.Errorf("frames %q, want %q", p.frames, want)
		}
		long := hex.EncodeToString(counting(150))
		p.ch.Send(counting(150))
		l.want("as the credits allow", "0050 9600"+long[:2*62], "0050 "+long[2*62:2*126])
		if p.ch.Room() {
			t.Error("room without credits")
		}
		p.ch.Send([]byte{1})
		l.wantIdle("no credits")
		l.recv(cidSignal, "16 06 0400 5000 0100")
		l.want("one more", "0050 "+long[2*126:])
		l.recv(cidSignal, "16 07 0400 5000 0300")
		l.want("the next PDU", "0050 0100 01")
		if want := []string{"writable"}; !slices.Equal(p.log, want) || !p.ch.Room() {
			t.Errorf("log %q, want %q", p.log, want)
		}
		p.ch.Send(bytes.Repeat([]byte{1}, 513))
		l.want("the channel ends with a PDU that nobody can take", "0005 06 02 0400 5000 4000")
		p.ch.Send([]byte{1})
		l.recv(0x40, "0200 aabb")
		l.recv(cidSignal, "07 02 0400 5000 4000")
		l.wantIdle("it has ended")
		if len(p.log) != 2 || len(p.frames) != 2 || len(l.m.coc.packets) != 0 || p.ch.Err() == nil {
			t.Errorf("log %q, frames %q, error %v", p.log, p.frames, p.ch.Err())
		}
	})
}

// What a hostile peer does on a channel ends that channel, not the link.
func TestPacketHostile(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(l *fakeLink, p *packetProto)
		want error
	}{
		{"SDU longer than the MTU", func(l *fakeLink, _ *packetProto) { l.recv(0x40, "4100 01") }, ErrViolation},
		{"frame longer than the MPS", func(l *fakeLink, _ *packetProto) { l.recv(0x40, "4000"+strings.Repeat("11", 63)) }, ErrViolation},
		{"too many credits", func(l *fakeLink, _ *packetProto) { l.recv(cidSignal, "16 06 0400 5000 ffff") }, ErrViolation},
		{"65 PDUs without credits", func(l *fakeLink, p *packetProto) {
			for range maxPacketQueue + 2 {
				p.ch.Send([]byte{1})
			}
			l.want("the one credit", "0050 0100 01", "0005 06 01 0400 5000 4000")
			l.sent = append(l.sent, packet{true, frameBytes(cidSignal, unhex(l.tb, "06 01 0400 5000 4000"))})
		}, ErrViolation},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, all := packetLink(t, 0)
				l.recv(cidSignal, "17 05 0a00 2700 4000 4000 0100 5000")
				l.take()
				p := (*all)[0]
				test.do(l, p)
				l.want("disconnected", "0005 06 01 0400 5000 4000")
				if !errors.Is(p.ch.Err(), test.want) || l.cause != nil {
					t.Errorf("channel %v, link %v", p.ch.Err(), l.cause)
				}
			})
		})
	}
}

// A flood of requests, and of channels that open and close, leaves nothing behind.
func TestPacketFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, all := packetLink(t, 0)
		for i := range 200 {
			l.recv(cidSignal, "17 05 1200 2700 4000 4000 0100 5000 5100 5200 5300 5400")
			if n := len(l.m.coc.local); n != 5 {
				t.Fatalf("round %d: %d channels", i, n)
			}
			l.recv(cidSignal, "17 06 1200 2700 4000 4000 0100 5500 5600 5700 5800 5900")
			if n := len(l.m.coc.local); n != 5 {
				t.Fatalf("round %d: %d channels, beyond the bound", i, n)
			}
			for _, p := range slices.Clone(l.m.coc.packets) {
				l.recv(cidSignal, fmt.Sprintf("06 07 0400 %02x00 %02x00", uint16(p.local), uint16(p.remote)))
			}
			if len(l.m.coc.local)+len(l.m.coc.remote)+len(l.m.coc.packets) != 0 {
				t.Fatalf("round %d: channels are left", i)
			}
			l.free()
		}
		if len(*all) != 1000 || l.cause != nil {
			t.Errorf("%d channels, link %v", len(*all), l.cause)
		}
		l.room = 0
		for range 100 { // a peer that takes no answers
			l.recv(cidSignal, "17 05 0a00 2700 4000 4000 0100 5000")
		}
		if n := len(l.take()); n != 16 {
			t.Errorf("%d answers are queued, want 16", n)
		}
	})
}

func TestOpenPackets(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer []string
		opened int
		err    error
		sent   []string
	}{
		{"all", []string{"18 01 0e00 0002 4000 0500 0000 5000 5100 5200"}, 3, nil, nil},
		{"pending, then all", []string{"18 01 0800 0000 0000 0000 0d00", "18 01 0e00 0002 4000 0500 0000 5000 5100 5200"}, 3, nil, nil},
		{"one of them", []string{"18 01 0e00 0002 4000 0500 0400 0000 5100 0000"}, 1, ResultNoResources, nil},
		{"a short list", []string{"18 01 0a00 0002 4000 0500 0000 5000"}, 1, ResultNoResources, nil},
		{"none", []string{"18 01 0800 0000 0000 0000 0800"}, 0, ResultInsufficientEncryption, nil},
		{"rejected", []string{"01 01 0200 0000"}, 0, RejectNotUnderstood, nil},
		{"MTU 63", []string{"18 01 0a00 3f00 4000 0500 0000 5000"}, 0, ErrViolation, []string{"0005 06 02 0400 5000 4000"}},
		{"no credits", []string{"18 01 0a00 4000 4000 0000 0000 5000"}, 0, ErrViolation, []string{"0005 06 02 0400 5000 4000"}},
		{"one CID for two", []string{"18 01 0c00 4000 4000 0100 0000 5000 5000"}, 0, ErrViolation, []string{"0005 06 02 0400 5000 4000"}},
		{"a CID out of range", []string{"18 01 0c00 4000 4000 0100 0000 5000 3f00"}, 0, ErrViolation, []string{"0005 06 02 0400 5000 4000"}},
		{"four", []string{"18 01 1000 4000 4000 0100 0000 5000 5100 5200 5300"}, 0, ErrViolation,
			[]string{"0005 06 02 0400 5000 4000", "0005 06 03 0400 5100 4100", "0005 06 04 0400 5200 4200"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, all := packetLink(t, 0)
				ch := start(func() (int, error) { return l.m.OpenPackets(t.Context(), PSMEATT, 3) })
				l.settle()
				l.want("request", "0005 17 01 0e00 2700 4000 4000 0300 4000 4100 4200")
				for _, a := range test.answer {
					pending(t, "OpenPackets", ch)
					l.recv(cidSignal, a)
				}
				n, err := ended(t, "OpenPackets", ch)
				if n != test.opened || !errors.Is(err, test.err) || len(*all) != test.opened {
					t.Errorf("%d channels, %d protocols, %v; want %d, %v", n, len(*all), err, test.opened, test.err)
				}
				l.want("then", test.sent...)
				l.advance(time.Minute)
				if n := len(l.m.coc.local); n != test.opened {
					t.Errorf("%d channels are left, want %d", n, test.opened)
				}
				l.down(hci.StatusConnectionTimeout)
				for _, p := range *all {
					if len(p.log) != 1 || !errors.Is(p.ch.Err(), hci.StatusConnectionTimeout) {
						t.Errorf("log %q, %v", p.log, p.ch.Err())
					}
				}
			})
		})
	}
}

// Both sides ask for channels at a time: those that open count for the bound.
func TestOpenPacketsCollide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, all := packetLink(t, 0)
		ch := start(func() (int, error) { return l.m.OpenPackets(t.Context(), PSMEATT, 3) })
		l.settle()
		l.recv(cidSignal, "17 05 1000 2700 4000 4000 0100 5000 5100 5200 5300")
		l.want("two are left", "0005 17 01 0e00 2700 4000 4000 0300 4000 4100 4200",
			"0005 18 05 1000 4000 4000 0300 0400 4300 4400 0000 0000")
		l.recv(cidSignal, "18 01 0e00 4000 4000 0100 0400 0000 0000 0000")
		if n, err := ended(t, "OpenPackets", ch); n != 0 || !errors.Is(err, ResultNoResources) || len(*all) != 2 {
			t.Errorf("%d channels, %d protocols, %v", n, len(*all), err)
		}
	})
}

func TestDialEnhanced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newCoCLink(t, nil), newCoCLink(t, nil)
		ln := listen(t, b, 0x80, &CoCConfig{Enhanced: true, Backlog: 4})
		ch := start(func() ([]*Conn, error) { return a.m.DialEnhanced(t.Context(), 0x80, 5, nil) })
		a.connect(b)
		conns, err := ended(t, "DialEnhanced", ch)
		if len(conns) != 4 || !errors.Is(err, ResultNoResources) {
			t.Fatalf("%d channels, %v; want 4 and no resources for the fifth", len(conns), err)
		}
		for i, c := range conns {
			w := writeSDU(t.Context(), c, []byte{byte(i)})
			a.connect(b)
			if _, err := ended(t, "WriteSDU", w); err != nil {
				t.Error(err)
			}
			x, err := ln.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ended(t, "ReadSDU", readSDU(t, x)); got != fmt.Sprintf("%02x", i) || err != nil {
				t.Errorf("channel %d: read %s, %v", i, got, err)
			}
		}
		for _, test := range []struct {
			mtu, mps int
			conns    []*Conn
			want     string
		}{
			{4096, 500, conns, ""},
			{4095, 500, conns[:1], "an MTU of 4095 for channel 0x0040, which has 4096: the MTU may not shrink"},
			{4096, 499, conns[:2], "an MPS of 499 for channel 0x0040, which has 500: the MPS of several channels may not shrink"},
			{4096, 64, conns[:1], ""},
			{63, 64, conns[:1], "an MTU of 63: give 64 to 65535"},
			{4096, 63, conns[:1], "an MPS of 63: give 64 to 65533"},
			{4096, 64, nil, "0 channels in one request: give 1 to 5"},
		} {
			r := start(func() (struct{}, error) {
				return struct{}{}, a.m.Reconfigure(t.Context(), test.mtu, test.mps, test.conns...)
			})
			a.connect(b)
			_, err := ended(t, "Reconfigure", r)
			if got := fmt.Sprint(err); test.want == "" && err != nil || test.want != "" && got != "l2cap: reconfigure channels: "+test.want {
				t.Errorf("MTU %d, MPS %d: %v, want %q", test.mtu, test.mps, err, test.want)
			}
			if e := b.m.coc.remote[conns[0].local]; test.want == "" && (int(e.peerMTU.Load()) != test.mtu || e.out.mps != test.mps) {
				t.Errorf("the peer has MTU %d and MPS %d, want %d and %d", e.peerMTU.Load(), e.out.mps, test.mtu, test.mps)
			}
		}
	})
}

// The call has returned when the peer accepts: the channels are closed.
func TestDialEnhancedAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ch := start(func() ([]*Conn, error) {
			return l.m.DialEnhanced(ctx, 0x80, 2, &CoCConfig{MTU: 64, MPS: 64, Credits: 1})
		})
		l.settle()
		l.want("request", "0005 17 01 0c00 8000 4000 4000 0100 4000 4100")
		cancel()
		l.settle()
		if c, err := ended(t, "DialEnhanced", ch); c != nil || err == nil {
			t.Errorf("%v, %v", c, err)
		}
		l.recv(cidSignal, "18 01 0c00 4000 4000 0100 0000 5000 5100")
		l.want("closed", "0005 06 02 0400 5000 4000", "0005 06 03 0400 5100 4100")
	})
}

// A peer may raise the MTU, and change the MPS of one channel.
func TestReconfigureRequests(t *testing.T) {
	for _, test := range []struct{ name, req, rsp string }{
		{"larger", "19 06 0800 8000 8000 5000 5100", "0000"},
		{"the same", "19 06 0800 4000 5000 5000 5100", "0000"},
		{"MTU smaller", "19 06 0600 3f00 5000 5000", "0400"},
		{"MTU smaller than before", "19 07 0600 4000 5000 5200", "0100"},
		{"MPS of one smaller", "19 06 0600 4000 4000 5000", "0000"},
		{"MPS of two smaller", "19 06 0800 4000 4f00 5000 5100", "0200"},
		{"MPS below 64", "19 06 0600 4000 3f00 5000", "0400"},
		{"unknown CID", "19 06 0800 8000 8000 5000 5900", "0300"},
		{"a channel of the plain mode", "19 06 0600 8000 8000 5f00", "0300"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _ := packetLink(t, 0)
				listen(t, l, 0x80, nil)
				l.recv(cidSignal, "17 05 0c00 2700 4000 5000 0100 5000 5100")
				l.recv(cidSignal, "17 05 0a00 2700 4100 5000 0100 5200")
				l.recv(cidSignal, "14 05 0a00 8000 5f00 4000 4000 0100")
				l.take()
				id := test.req[3:5]
				l.recv(cidSignal, test.req)
				l.want("answer", "0005 1a "+id+" 0200 "+test.rsp)
				if c := l.m.coc.remote[0x51]; (test.name == "larger") != (c.peerMTU.Load() == 128) {
					t.Errorf("MTU %d, MPS %d", c.peerMTU.Load(), c.out.mps)
				}
			})
		})
	}
}
