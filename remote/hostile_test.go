package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/remote"
)

// FuzzProxy has a proxy send any messages once it is open, and at the beginning of a link:
// nothing panics, the connect ends, and everything is given back.
func FuzzProxy(f *testing.F) {
	seed := func(ms ...esphome.Message) {
		var b []byte
		for _, m := range ms {
			p, err := esphome.Pack(m)
			if err != nil {
				f.Fatal(err)
			}
			b = append(b, byte(p.ID), byte(len(p.Payload)))
			b = append(b, p.Payload...)
		}
		f.Add(b)
	}
	a := fakeAddress
	up := &esphome.DeviceConnection{Address: a, Connected: true, MTU: 247}
	seed(up, &esphome.ServicesResponse{Address: a, Services: fakeTable}, &esphome.ServicesDone{Address: a}, &esphome.ReadResponse{Address: a, Handle: 3, Data: []byte{1}})
	seed(up, &esphome.ServicesResponse{Address: a, Services: append(fakeTable, fakeTable...)}, &esphome.ServicesDone{Address: a})
	seed(up, &esphome.ServicesDone{Address: a}, &esphome.GATTError{Address: a, Error: -1}, &esphome.DeviceConnection{Address: a, Error: 0x3E}, up, up)
	seed(up, &esphome.GATTError{Address: a, Error: 0x85}, &esphome.NotifyData{Address: a, Handle: 3, Data: make([]byte, 100)})
	seed(&esphome.DeviceConnection{Address: a, Connected: true, MTU: 1 << 30}, &esphome.SetParamsResponse{Address: a}, &esphome.WriteResponse{Address: a, Handle: 1 << 31})
	seed(&esphome.Slots{Free: 1 << 31, Limit: 1, Allocated: []esphome.Address{a, 1 << 60}}, &esphome.ScannerState{State: 99})
	seed(&esphome.Advertisements{Reports: []esphome.Advertisement{{Address: a, Kind: 200, RSSI: 1 << 30, Data: make([]byte, 120)}, {Address: 1 << 63}}})
	seed(&esphome.PairResponse{Address: a}, &esphome.UnpairResponse{Address: a}, &esphome.HelloResponse{Major: 9}, &esphome.DeviceInfoResponse{})
	seed(&esphome.DisconnectRequest{}, up)
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) { playScript(t, script) })
	})
}

// playScript plays the messages of a script: number, length, and payload of each.
func playScript(t *testing.T, script []byte) {
	l := newLab(t)
	send := func(f *fake) {
		for rest := script; len(rest) >= 2; {
			n := min(int(rest[1]), len(rest)-2)
			f.mu.Lock()
			conn := f.conn
			f.mu.Unlock()
			if conn.WritePacked(esphome.Packed{ID: esphome.MessageID(rest[0]), Payload: rest[2 : 2+n]}) != nil {
				return
			}
			rest = rest[2+n:]
		}
	}
	l.fake(&fake{answer: func(f *fake, m esphome.Message) bool {
		if r, ok := m.(*esphome.DeviceRequest); ok && r.Type != esphome.Disconnect {
			send(f)
			return true
		}
		return false
	}})
	m := l.manager(connmgr.Config{Adapters: []string{"esphome:fake"}, Policy: &connmgr.Policy{
		AttemptTimeout: 5 * time.Second, SafetyTimeout: 10 * time.Second, MaxAttempts: 2, NoWake: true,
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := m.Establish(ctx, addrOf(1).String(), nil)
	if ctx.Err() != nil {
		t.Error("the connect has not ended")
	}
	if err == nil {
		_, _ = c.Read(ctx, battery, level)
		c.Close()
	}
}

// TestHostileBeginnings: a listener that is no proxy, that says nothing, that breaks off, and
// one that is no Bluetooth proxy.
func TestHostileBeginnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		for name, serve := range map[string]func(net.Conn){
			"silent": func(net.Conn) {},
			"closes": func(c net.Conn) { c.Close() },
			"talks":  func(c net.Conn) { go func() { _, _ = c.Write([]byte("SSH-2.0-OpenSSH\r\n")); c.Close() }() },
		} {
			l.serve("bad:6053", func(c net.Conn) {
				t.Cleanup(func() { c.Close() })
				serve(c)
			})
			begin := time.Now()
			if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:bad"}}, nil); err == nil {
				t.Errorf("%s: no error", name)
			} else if d := time.Since(begin); d > 20*time.Second {
				t.Errorf("%s: %v after %v", name, err, d)
			}
		}
		l.fake(&fake{flags: esphome.FlagPassiveScan})
		if _, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:fake"}}, nil); err == nil {
			t.Error("no Bluetooth proxy: no error")
		}
	})
}

// TestSecondGreetings: a proxy counts as what its first greetings say, also where it ends the connection at once.
// The race detector sees more of it.
func TestSecondGreetings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{answer: func(f *fake, m esphome.Message) bool {
			switch m.(type) {
			case *esphome.HelloRequest:
				f.send(&esphome.HelloResponse{Major: 1, Minor: 14}, &esphome.HelloResponse{Major: 9})
				return true
			case *esphome.DeviceInfoRequest:
				info := esphome.DeviceInfoResponse{Name: "first", Proxy: esphome.AllFlags}
				f.send(&info, &esphome.DeviceInfoResponse{Name: "second"})
				f.mu.Lock()
				defer f.mu.Unlock()
				f.conn.Close()
				return true
			}
			return false
		}})
		for range 100 {
			synctest.Wait() // until the fake has seen the end of the last connection
			_, err := l.tryManager(connmgr.Config{Adapters: []string{"esphome:fake"}}, nil)
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) || strings.Contains(err.Error(), "second") {
				t.Fatalf("got %v", err)
			}
		}
		f.change(func() { f.answer = nil })
		l.fakeManager()
	})
}

// TestSilentProxy: a proxy that falls silent is given up after 90 s.
func TestSilentProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		f := l.fake(&fake{flags: esphome.AllFlags &^ esphome.FlagScannerState})
		m := l.fakeManager()
		f.change(func() { f.answer = func(*fake, esphome.Message) bool { return true } })
		begin := time.Now()
		for e := range m.Events(within(t, 200*time.Second)) {
			if c, ok := e.(connmgr.AdapterChanged); ok && c.State == connmgr.AdapterDown {
				if d := time.Since(begin); d < 90*time.Second || d > 95*time.Second {
					t.Errorf("after %v: %v", d, c.Err)
				}
				return
			}
		}
		t.Error("the proxy was not given up")
	})
}

// TestParseAddress: the forms of addresses.
func TestParseAddress(t *testing.T) {
	for in, want := range map[string]remote.Address{
		"esphome:attic":                            {Network: "tcp", Target: "attic:6053", Name: "attic"},
		"esphome:Attic.local:7":                    {Network: "tcp", Target: "Attic.local:7", Name: "attic"},
		"esphome:[fe80::1]:7":                      {Network: "tcp", Target: "[fe80::1]:7", Name: "fe80::1"},
		"esphome:[fe80::1]":                        {Network: "tcp", Target: "[fe80::1]:6053", Name: "fe80::1"},
		"esphome:unix:/run/moor":                   {Network: "unix", Target: "/run/moor"},
		"esphome:attic?key-file=/etc/a%20key":      {Network: "tcp", Target: "attic:6053", Name: "attic", KeyFile: "/etc/a key"},
		"esphome:unix:/run/moor?key-file=/etc/key": {Network: "unix", Target: "/run/moor", KeyFile: "/etc/key"},
	} {
		if got, err := remote.ParseAddress(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "hci0", "esphome:", "esphome:unix:", "esphome:a:b:c", "esphome:a/b", "esphome:a:99999", "esphome:a?key=x", "esphome:a?key-file=",
		"esphome:a?key-file=%zz", "esphome:a?what=x",
	} {
		if got, err := remote.ParseAddress(in); err == nil {
			t.Errorf("%q: %+v", in, got)
		}
	}
}
