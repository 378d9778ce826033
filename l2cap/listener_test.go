package l2cap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/hci"
)

func listen(t *testing.T, l *fakeLink, psm PSM, cfg *CoCConfig) *Listener {
	t.Helper()
	ch := start(func() (*Listener, error) { return l.m.Listen(psm, cfg) })
	l.settle()
	ln, err := ended(t, "Listen", ch)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

const openReq = "14 05 0a00 8000 5500 3200 1700 0300"

func TestAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		ln := listen(t, l, 0x80, smallCoC)
		ch := start(func() (*Conn, error) { return ln.Accept(t.Context()) })
		pending(t, "Accept", ch)
		l.recv(cidSignal, openReq)
		l.want("success", "0005 15 05 0a00 4000 4000 2000 0400 0000")
		c, err := ended(t, "Accept", ch)
		if err != nil || c.PSM() != 0x80 || c.MTU() != 50 {
			t.Fatalf("accepted %+v, %v", c, err)
		}
		l.recvSDU("aabb")
		if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "aabb" || err != nil {
			t.Errorf("read %s, %v", got, err)
		}
		w := writeSDU(t.Context(), c, []byte{1, 2})
		l.settle()
		l.want("to the peer's end", "0055 0200 0102")
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
		}
	})
}

// A peer may ask for a channel with its first packet.
func TestListenFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &Config{Listen: map[PSM]*CoCConfig{0x80: smallCoC}}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		l := newCoCLink(t, cfg)
		l.recv(cidSignal, openReq)
		l.want("success", "0005 15 05 0a00 4000 4000 2000 0400 0000")
		c, err := ended(t, "Accept", start(func() (*Conn, error) { return l.m.Listener(0x80).Accept(t.Context()) }))
		if err != nil || c.PSM() != 0x80 {
			t.Fatalf("accepted %+v, %v", c, err)
		}
		if l.m.Listener(0x81) != nil {
			t.Error("a listener that nobody asked for")
		}
		ch := start(func() (*Listener, error) { return l.m.Listen(0x80, nil) })
		l.settle()
		if _, err := ended(t, "Listen", ch); !errors.Is(err, errPSMTaken) {
			t.Errorf("listening twice: %v", err)
		}
	})
	for _, cfg := range []Config{
		{Listen: map[PSM]*CoCConfig{0: nil}},
		{Listen: map[PSM]*CoCConfig{0x100: nil}},
		{Listen: map[PSM]*CoCConfig{0x80: {MTU: 22}}},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "listen on SPSM 0x0") {
			t.Errorf("%v: %v", cfg.Listen, err)
		}
	}
}

func TestAcceptRefuses(t *testing.T) {
	encrypted := &hci.EncryptionChange{Enabled: 1}
	for _, tt := range []struct {
		name   string
		cfg    CoCConfig
		secure *Security
		event  hci.Event
		in     string
		want   Result
	}{
		{"other SPSM", CoCConfig{}, nil, nil, "14 05 0a00 8100 5500 3200 1700 0300", ResultSPSMNotSupported},
		{"SPSM 0", CoCConfig{}, nil, nil, "14 05 0a00 0000 5500 3200 1700 0300", ResultSPSMNotSupported},
		{"MTU 22", CoCConfig{}, nil, nil, "14 05 0a00 8000 5500 1600 1700 0300", ResultUnacceptableParameters},
		{"MPS 22", CoCConfig{}, nil, nil, "14 05 0a00 8000 5500 3200 1600 0300", ResultUnacceptableParameters},
		{"MPS 65534", CoCConfig{}, nil, nil, "14 05 0a00 8000 5500 3200 feff 0300", ResultUnacceptableParameters},
		{"MPS 65533", CoCConfig{}, nil, nil, "14 05 0a00 8000 5500 3200 fdff 0300", ResultSuccess},
		{"source below the dynamic CIDs", CoCConfig{}, nil, nil, "14 05 0a00 8000 3f00 3200 1700 0300", ResultInvalidSourceCID},
		{"source above the dynamic CIDs", CoCConfig{}, nil, nil, "14 05 0a00 8000 8000 3200 1700 0300", ResultInvalidSourceCID},
		{"plain link", CoCConfig{Encrypted: true}, nil, nil, openReq, ResultInsufficientAuthentication},
		{"plain link, bonded", CoCConfig{Encrypted: true}, &Security{Bonded: true}, nil, openReq, ResultInsufficientEncryption},
		{"encrypted by an event", CoCConfig{Encrypted: true, KeySize: 16}, nil, encrypted, openReq, ResultSuccess},
		{"encryption that failed", CoCConfig{Encrypted: true}, nil, &hci.EncryptionChange{Status: hci.StatusKeyMissing, Enabled: 1}, openReq, ResultInsufficientAuthentication},
		{"key of unknown origin", CoCConfig{Authenticated: true}, nil, encrypted, openReq, ResultInsufficientAuthentication},
		{"authenticated", CoCConfig{Authenticated: true}, &Security{Encrypted: true, Authenticated: true, KeySize: 16}, nil, openReq, ResultSuccess},
		{"short key", CoCConfig{Encrypted: true, KeySize: 16}, &Security{Encrypted: true, KeySize: 7}, nil, openReq, ResultKeySizeTooShort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := &Config{}
				if tt.secure != nil {
					cfg.Security = func(Link) Security { return *tt.secure }
				}
				l := newCoCLink(t, cfg)
				tt.cfg.MTU, tt.cfg.MPS, tt.cfg.Credits = 64, 32, 4
				ln := listen(t, l, 0x80, &tt.cfg)
				if tt.event != nil {
					l.m.Event(l.now, tt.event)
				}
				l.recv(cidSignal, tt.in)
				if tt.want == ResultSuccess {
					l.want("success", "0005 15 05 0a00 4000 4000 2000 0400 0000")
					return
				}
				l.want("refused", fmt.Sprintf("0005 15 05 0a00 0000 0000 0000 0000 %02x00", uint16(tt.want)))
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if c, err := ln.Accept(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("accepted %v, %v", c, err)
				}
			})
		})
	}
}

func TestBacklogAndDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		ln := listen(t, l, 0x80, &CoCConfig{MTU: 64, MPS: 32, Credits: 4, Backlog: 2})
		l.recv(cidSignal, "14 05 0a00 8000 5500 3200 1700 0300")
		l.recv(cidSignal, "14 06 0a00 8000 5500 3200 1700 0300")
		l.recv(cidSignal, "14 07 0a00 8000 5600 3200 1700 0300")
		l.recv(cidSignal, "14 08 0a00 8000 5700 3200 1700 0300")
		l.want("answers",
			"0005 15 05 0a00 4000 4000 2000 0400 0000",
			"0005 15 06 0a00 0000 0000 0000 0000 0a00", // source CID already allocated
			"0005 15 07 0a00 4100 4000 2000 0400 0000",
			"0005 15 08 0a00 0000 0000 0000 0000 0400") // no resources
		if c, err := ln.Accept(t.Context()); err != nil || c.CID() != 0x40 {
			t.Fatalf("accepted %v, %v", c, err)
		}
		l.recv(cidSignal, "14 09 0a00 8000 5700 3200 1700 0300")
		l.want("a place in the backlog", "0005 15 09 0a00 4200 4000 2000 0400 0000")
		go ln.Close()
		l.settle()
		l.want("not accepted, so closed", "0005 06 01 0400 5600 4100", "0005 06 02 0400 5700 4200")
		if _, err := ln.Accept(t.Context()); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept on a closed listener: %v", err)
		}
		l.recv(cidSignal, "14 0a 0a00 8000 5a00 3200 1700 0300")
		l.want("nobody listens", "0005 15 0a 0a00 0000 0000 0000 0000 0200")
	})
}

func TestListenPSMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		first := listen(t, l, 0, nil)
		if first.PSM() != 0x80 || listen(t, l, 0, nil).PSM() != 0x81 {
			t.Errorf("dynamic SPSMs do not begin at 0x80 and go on: %#x", first.PSM())
		}
		again := start(func() (*Listener, error) { return l.m.Listen(0x80, nil) })
		l.settle()
		if _, err := ended(t, "Listen", again); !errors.Is(err, errPSMTaken) {
			t.Errorf("second listener on an SPSM: %v", err)
		}
		go first.Close()
		l.settle()
		if ln := listen(t, l, 0, nil); ln.PSM() != 0x80 {
			t.Errorf("SPSM %#x, want the free one", ln.PSM())
		}
		for range 0x100 - 0x82 {
			listen(t, l, 0, nil)
		}
		full := start(func() (*Listener, error) { return l.m.Listen(0, nil) })
		l.settle()
		if _, err := ended(t, "Listen", full); !errors.Is(err, errPSMFull) {
			t.Errorf("129th dynamic SPSM: %v", err)
		}
	})
}
