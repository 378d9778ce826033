package esphome_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/esphome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = esphome.Identity{Name: "moor-test", MAC: "02c0ffee0001"}

// accepted is the outcome of one end's handshake.
type accepted struct {
	conn *esphome.Conn
	err  error
}

// handshake makes both ends of a connection.
func handshake(t *testing.T, server, client *esphome.Key) (s, c accepted) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	done := make(chan accepted)
	go func() {
		conn, err := esphome.Accept(t.Context(), a, server, identity)
		if err == nil { // a client without a key has nothing to wait for
			_, _ = conn.Read()
		}
		done <- accepted{conn, err}
	}()
	c.conn, c.err = esphome.Connect(t.Context(), b, client)
	if c.err == nil {
		if err := c.conn.Write(&esphome.PingRequest{}); err != nil {
			c.err = err
		} else if client == nil && server != nil {
			_, c.err = c.conn.Read()
		}
	}
	return <-done, c
}

func TestHandshake(t *testing.T) {
	key, other := esphome.NewKey(), esphome.NewKey()
	tests := []struct {
		name           string
		server, client *esphome.Key
		wantS, wantC   error
	}{
		{"plain", nil, nil, nil, nil},
		{"noise", &key, &key, nil, nil},
		{"wrong key", &key, &other, esphome.ErrWrongKey, esphome.ErrWrongKey},
		{"the client has no key", &key, nil, esphome.ErrPeerPlain, esphome.ErrPeerEncrypts},
		{"the server has no key", nil, &key, esphome.ErrPeerEncrypts, esphome.ErrPeerPlain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := handshake(t, tt.server, tt.client)
			if !errors.Is(s.err, tt.wantS) || !errors.Is(c.err, tt.wantC) {
				t.Fatalf("server: %v, want %v; client: %v, want %v", s.err, tt.wantS, c.err, tt.wantC)
			}
			if tt.wantC == nil && tt.client != nil && (c.conn.Identity() != identity || !c.conn.Encrypted()) {
				t.Errorf("the client heard of %+v, encrypted %v", c.conn.Identity(), c.conn.Encrypted())
			}
		})
	}
}

// TestMessagesCross sends messages of all lengths both ways.
func TestMessagesCross(t *testing.T) {
	key := esphome.NewKey()
	for _, k := range []*esphome.Key{nil, &key} {
		s, c := handshake(t, k, k)
		if s.err != nil || c.err != nil {
			t.Fatal(s.err, c.err)
		}
		for _, ends := range [][2]*esphome.Conn{{s.conn, c.conn}, {c.conn, s.conn}} {
			for _, n := range []int{0, 1, 127, 128, 5000, 65000} {
				want := &esphome.NotifyData{Address: 1, Handle: 2, Data: bytes.Repeat([]byte{7}, n)}
				if n == 0 {
					want.Data = nil
				}
				sent := make(chan error, 1)
				go func() { sent <- ends[0].Write(&esphome.PingRequest{}, want) }()
				for _, want := range []esphome.Message{&esphome.PingRequest{}, want} {
					if got, err := ends[1].Read(); err != nil || !reflect.DeepEqual(got, want) {
						t.Fatalf("%d octets: got %T, %v", n, got, err)
					}
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestTooLongForAFrame: the error names both lengths, and the connection lives on.
func TestTooLongForAFrame(t *testing.T) {
	key := esphome.NewKey()
	s, c := handshake(t, &key, &key)
	if s.err != nil || c.err != nil {
		t.Fatal(s.err, c.err)
	}
	go func() { _ = c.conn.Write(&esphome.PingRequest{}, &esphome.NotifyData{Data: make([]byte, 65536)}) }()
	if m, err := s.conn.Read(); err != nil {
		t.Fatal(m, err)
	}
	go func() { _ = c.conn.Write(&esphome.PingResponse{}) }()
	if m, err := s.conn.Read(); err != nil || !reflect.DeepEqual(m, &esphome.PingResponse{}) {
		t.Fatalf("after the error: %T, %v", m, err)
	}
	err := c.conn.Write(&esphome.NotifyData{Data: make([]byte, 65536)})
	if err == nil || !strings.Contains(err.Error(), "payload of 65540 octets: a frame holds 65515") {
		t.Errorf("got %v", err)
	}
}

// TestPlainFrame holds frames octet by octet.
func TestPlainFrame(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	conn, err := esphome.Connect(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_ = conn.Write(&esphome.ReadRequest{Address: 1, Handle: 200}, &esphome.Advertisements{Reports: []esphome.Advertisement{{Data: make([]byte, 200)}}})
	}()
	got := make([]byte, 8+4+206)
	if _, err := io.ReadFull(a, got); err != nil {
		t.Fatal(err)
	}
	if want := "00054908011" + "0c801" + "00ce015d" + "0acb0122c801"; !strings.HasPrefix(hex.EncodeToString(got), want) {
		t.Errorf("got % x", got[:20])
	}
}

// played is a connection whose other end has sent some octets and is gone.
type played struct {
	net.Conn
	r io.Reader
}

func (p *played) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p *played) Write(b []byte) (int, error) { return len(b), nil }
func (p *played) Close() error                { return nil }
func (p *played) RemoteAddr() net.Addr        { return &net.TCPAddr{} }

// TestHostileOctets plays octets to a server, which fails with an error that says why.
func TestHostileOctets(t *testing.T) {
	key := esphome.NewKey()
	tests := []struct {
		name, octets string // then the end of the stream
		key          *esphome.Key
		want         string
	}{
		{"nothing", "", &key, "EOF"},
		{"HTTP to a plain server", "474554", nil, "begins with 0x47"},
		{"HTTP to a server with Noise", "474554", &key, "begins with 0x47"},
		{"a plain payload that is too long", "00ffff7f01", nil, "a frame holds 65535"},
		{"a varint without end", "00ffffffffff", nil, "varint"},
		{"a plain frame cut off", "000507", nil, "unexpected EOF"},
		{"a hello that is too long", "010100", &key, "a frame holds 128"},
		{"a hello cut off", "010005aa", &key, "unexpected EOF"},
		{"an empty handshake", "010000" + "010000", &key, "empty message"},
		{"another first octet", "010000" + "01000105", &key, "begins with 0x05"},
		{"a short message 1", "010000" + "0100020000", &key, "different keys"},
		{"a payload that is no message", "00014908", nil, "message 73"},
		{"zeros", strings.Repeat("00", 3) + "000149ff", nil, "message 73"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			octets, err := hex.DecodeString(tt.octets)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := esphome.Accept(t.Context(), &played{r: bytes.NewReader(octets)}, tt.key, identity)
			for err == nil {
				_, err = conn.Read()
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestHandshakeIsBounded: a client that says nothing is given up when ctx ends.
func TestHandshakeIsBounded(t *testing.T) {
	key := esphome.NewKey()
	for _, k := range []*esphome.Key{nil, &key} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer b.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begin := time.Now()
			if _, err := esphome.Accept(ctx, a, k, identity); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	k := esphome.NewKey()
	if got, err := esphome.ParseKey(" " + k.String() + "\n"); got != k || err != nil || len(k.String()) != 44 {
		t.Errorf("got %v, %v of %v", got, err, k)
	}
	for _, s := range []string{"", "abc", k.String()[:40], k.String() + "AAAA"} {
		if _, err := esphome.ParseKey(s); err == nil || strings.Contains(err.Error(), k.String()[:8]) {
			t.Errorf("%q: got %v", s, err)
		}
	}
}

// FuzzAccept plays octets to a server, whose key the fuzzer does not know.
func FuzzAccept(f *testing.F) {
	f.Add([]byte{0, 0, 7}, false)
	f.Add([]byte{1, 0, 0, 1, 0, 1, 0}, true)
	f.Fuzz(func(_ *testing.T, octets []byte, encrypt bool) {
		var key *esphome.Key
		if encrypt {
			key = &esphome.Key{}
		}
		conn, err := esphome.Accept(context.Background(), &played{r: bytes.NewReader(octets)}, key, identity)
		for err == nil {
			_, err = conn.Read()
		}
	})
}

// FuzzConnect plays octets to a client.
func FuzzConnect(f *testing.F) {
	f.Add([]byte{0, 0, 8}, false)
	f.Add([]byte{1, 0, 3, 1, 'a', 0, 1, 0, 2, 0, 1}, true)
	f.Add([]byte("\x01\x00\x02\x01a\x01\x00\x16\x01Handshake MAC failure"), true)
	f.Fuzz(func(_ *testing.T, octets []byte, encrypt bool) {
		var key *esphome.Key
		if encrypt {
			key = &esphome.Key{}
		}
		conn, err := esphome.Connect(context.Background(), &played{r: bytes.NewReader(octets)}, key)
		for err == nil {
			_, err = conn.Read()
		}
	})
}
