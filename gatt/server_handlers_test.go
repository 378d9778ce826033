package gatt_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// program is a service with handlers that do what the test says.
//
//	0x0003  read and written by handlers, 0x0004 CCCD
//	0x0006  kept by the server
//	0x0008  written by the same handler
type program struct {
	read      func(context.Context, *gatt.ReadRequest) ([]byte, error)
	write     func(context.Context, *gatt.WriteRequest) error
	subscribe func(context.Context, *gatt.SubscribeRequest) error
}

func (p *program) config() *gatt.ServerConfig {
	write := func(ctx context.Context, r *gatt.WriteRequest) error { return p.write(ctx, r) }
	const rw = gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse
	return &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x1815),
		Characteristics: []gatt.CharDef{
			{
				UUID: gatt.UUID16(0x2A56), Properties: rw | gatt.PropNotify | gatt.PropIndicate, MaxLen: 40,
				Read:      func(ctx context.Context, r *gatt.ReadRequest) ([]byte, error) { return p.read(ctx, r) },
				Write:     write,
				Subscribe: func(ctx context.Context, r *gatt.SubscribeRequest) error { return p.subscribe(ctx, r) },
			},
			{UUID: gatt.UUID16(0x2A58), Properties: rw, Value: []byte("kept")},
			{UUID: gatt.UUID16(0x2A56), Properties: rw, Value: []byte{9}, Write: write},
		},
	}}}
}

// serve runs a session on a channel with a loop of its own.
func serve(t *testing.T, cfg *gatt.ServerConfig, peer gatt.PeerInfo) (*gatt.Server, *gatt.Session, *atttest.Channel) {
	srv := newServer(t, cfg)
	s, ch := connect(t, srv, peer)
	return srv, s, ch
}

func connect(t *testing.T, srv *gatt.Server, peer gatt.PeerInfo) (*gatt.Session, *atttest.Channel) {
	s := srv.NewSession(peer)
	ch := atttest.New(t, nil)
	b := att.NewBearer(ch, &att.Config{Requests: s})
	ch.Attach(b)
	ch.Do(func(now time.Time) { s.Bind(now, b) })
	return s, ch
}

func TestServerReadHandler(t *testing.T) { synctest.Test(t, testServerReadHandler) }

func testServerReadHandler(t *testing.T) {
	p := &program{}
	_, s, ch := serve(t, p.config(), gatt.PeerInfo{Key: "who"})
	var got []string
	p.read = func(_ context.Context, r *gatt.ReadRequest) ([]byte, error) {
		got = append(got, fmt.Sprintf("%v %s %v %d", r.Session == s, r.Session.Peer().Key, r.Handle, r.Offset))
		return []byte("value of the program, long"), nil
	}
	ch.Receive("0a 0300")
	ch.Want("0b 76616c7565206f66207468652070726f6772616d2c20") // 22 octets
	ch.Receive("0c 0300 1600")
	ch.Want("0d 6c6f6e67")
	ch.Receive("0c 0300 1b00")
	ch.Want("01 0c 0300 07")
	ch.Receive("0e 0600 0300")
	ch.Want("0f 6b657074 76616c7565206f66207468652070726f6772")
	ch.Receive("20 0600 0800")
	ch.Want("21 0400 6b657074 0100 09")
	ch.Receive("20 0300 0600")
	ch.Want("21 1a00 76616c7565206f66207468652070726f6772616d")
	ch.Receive("08 0100 ffff 562a")
	ch.Want("09 15 0300 76616c7565206f66207468652070726f677261")
	want := []string{
		"true who 0x0003 0", "true who 0x0003 22", "true who 0x0003 27", "true who 0x0003 0", "true who 0x0003 0", "true who 0x0003 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("handler was asked for (-want +got):\n%s", d)
	}
	p.read = func(context.Context, *gatt.ReadRequest) ([]byte, error) { return []byte{9}, nil }
	ch.Receive("06 0100 ffff 562a 09")
	ch.Want("07 0300 0300 0800 0800")
	ch.Receive("08 0100 ffff 562a")
	ch.Want("09 03 0300 09 0800 09")
	ch.WantIdle()
}

func TestServerHandlerErrors(t *testing.T) { synctest.Test(t, testServerHandlerErrors) }

func testServerHandlerErrors(t *testing.T) {
	p := &program{}
	_, _, ch := serve(t, p.config(), gatt.PeerInfo{})
	for _, tt := range []struct {
		err  error
		code string
	}{
		{att.CodeInsufficientAuthorization, "08"},
		{fmt.Errorf("sensor: %w", att.Code(0x80)), "80"},
		{&att.Error{Req: att.OpReadReq, Code: att.CodeOutOfRange}, "ff"},
		{errors.New("anything"), "0e"},
		{att.Code(0), "0e"},
	} {
		p.read = func(context.Context, *gatt.ReadRequest) ([]byte, error) { return nil, tt.err }
		p.write = func(context.Context, *gatt.WriteRequest) error { return tt.err }
		p.subscribe = func(context.Context, *gatt.SubscribeRequest) error { return tt.err }
		for _, request := range []string{"0a 0300", "0c 0300 0100", "08 0100 ffff 562a", "12 0300 01"} {
			ch.Receive(request)
			ch.Want("01" + request[:2] + "0300" + tt.code)
		}
		ch.Receive("0e 0600 0300")
		ch.Want("01 0e 0300" + tt.code)
		ch.Receive("12 0400 0100")
		ch.Want("01 12 0400" + tt.code)
		ch.Receive("0a 0400")
		ch.Want("0b 0000")
		ch.Receive("06 0100 ffff 562a 09") // what cannot be read is not found
		ch.Want("07 0800 0800")
		ch.Receive("52 0300 01")
		ch.WantIdle()
	}
	p.read = func(context.Context, *gatt.ReadRequest) ([]byte, error) { return make([]byte, 513), nil }
	ch.Receive("0a 0300")
	ch.Want("01 0a 0300 0e") // no attribute is that long
}

func TestServerWriteHandler(t *testing.T) { synctest.Test(t, testServerWriteHandler) }

func testServerWriteHandler(t *testing.T) {
	p := &program{}
	_, _, ch := serve(t, p.config(), gatt.PeerInfo{})
	var got []string
	p.write = func(_ context.Context, r *gatt.WriteRequest) error {
		got = append(got, fmt.Sprintf("%v+%d %q command=%v", r.Handle, r.Offset, r.Value, r.Command))
		if r.Handle == 8 {
			return att.CodeValueNotAllowed
		}
		return nil
	}
	ch.Receive("12 0300 6162")
	ch.Want("13")
	ch.Receive("52 0300 63")
	ch.WantIdle()
	// Adjoining parts make one call.
	ch.Receive("16 0300 0000 6162", "16 0300 0200 6364", "16 0600 0000 78", "16 0300 0400 65", "16 0300 0600 66", "18 01")
	ch.Want("17 0300 0000 6162", "17 0300 0200 6364", "17 0600 0000 78", "17 0300 0400 65", "17 0300 0600 66", "19")
	ch.Receive("0a 0600")
	ch.Want("0b 78")
	// A refusal: what the server keeps does not change.
	ch.Receive("16 0600 0000 79", "16 0800 0000 01", "16 0300 0000 67", "18 01")
	ch.Want("17 0600 0000 79", "17 0800 0000 01", "17 0300 0000 67", "01 18 0800 13")
	ch.Receive("0a 0600")
	ch.Want("0b 78")
	// Too long by the definition: the handler is not asked.
	ch.Receive("16 0300 2800 01", "18 01")
	ch.Want("17 0300 2800 01", "01 18 0300 0d")
	want := []string{
		`0x0003+0 "ab" command=false`, `0x0003+0 "c" command=true`,
		`0x0003+0 "abcd" command=false`, `0x0003+4 "e" command=false`, `0x0003+6 "f" command=false`,
		`0x0008+0 "\x01" command=false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("handler was given (-want +got):\n%s", d)
	}
}

func TestServerSubscribeHandler(t *testing.T) { synctest.Test(t, testServerSubscribeHandler) }

func testServerSubscribeHandler(t *testing.T) {
	p := &program{}
	_, s, ch := serve(t, p.config(), gatt.PeerInfo{})
	var got []string
	then := make(chan string, 4)
	p.subscribe = func(_ context.Context, r *gatt.SubscribeRequest) error {
		n, i := r.Session.Subscribed(r.Handle)
		got = append(got, fmt.Sprintln(r.Handle, "was", n, i, "wants", r.Notify, r.Indicate))
		r.Then = func() {
			n, i := r.Session.Subscribed(r.Handle)
			then <- fmt.Sprint(n, i)
		}
		return nil
	}
	for _, v := range []string{"0100", "0100", "0300", "0000"} {
		ch.Receive("12 0400" + v)
		ch.Want("13")
		ch.Receive("0a 0400")
		ch.Want("0b" + v)
	}
	want := "0x0003 was false false wants true false\n" +
		"0x0003 was true false wants true true\n" + // to write the same again is no news
		"0x0003 was true true wants false false\n"
	if d := cmp.Diff(want, strings.Join(got, "")); d != "" {
		t.Errorf("handler was told (-want +got):\n%s", d)
	}
	close(then)
	var applied []string
	for v := range then {
		applied = append(applied, v)
	}
	if d := cmp.Diff([]string{"true false", "true true", "false false"}, applied); d != "" {
		t.Errorf("Then found (-want +got):\n%s", d)
	}
	if n, i := s.Subscribed(6); n || i {
		t.Error("a value without configuration is subscribed to")
	}
}

// PDUs that arrive while a handler runs wait, in order.
func TestServerKeepsOrder(t *testing.T) { synctest.Test(t, testServerKeepsOrder) }

func testServerKeepsOrder(t *testing.T) {
	p := &program{}
	_, _, ch := serve(t, p.config(), gatt.PeerInfo{})
	ready := make(chan struct{})
	var mu sync.Mutex
	var got []byte
	p.write = func(_ context.Context, r *gatt.WriteRequest) error {
		<-ready
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Value...)
		return nil
	}
	p.read = func(context.Context, *gatt.ReadRequest) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got), nil
	}
	ch.Receive("52 0300 01", "52 0300 02", "12 0300 03", "52 0300 04", "0a 0300", "0a 0600")
	ch.WantIdle()
	close(ready)
	ch.Want("13", "0b 01020304", "0b 6b657074")
	ch.WantIdle()
}

// 32 of the waiting commands are kept.
func TestServerBoundsCommands(t *testing.T) { synctest.Test(t, testServerBoundsCommands) }

func testServerBoundsCommands(t *testing.T) {
	var log strings.Builder
	p := &program{}
	cfg := p.config()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, _, ch := serve(t, cfg, gatt.PeerInfo{})
	ready := make(chan struct{})
	n := 0
	p.write = func(context.Context, *gatt.WriteRequest) error { <-ready; n++; return nil }
	for range 1 + 32 + 5 {
		ch.Receive("52 0300 01")
	}
	ch.Receive("0a 0600") // a request finds room all the same
	close(ready)
	ch.Want("0b 6b657074")
	if n != 1+32 {
		t.Errorf("%d commands reached the handler, want 33", n)
	}
	if got := strings.Count(log.String(), `op="write command" why="too many wait for a handler"`); got != 5 {
		t.Errorf("%d drops logged, want 5:\n%s", got, log.String())
	}
}

func TestServerHandlerEndsWithTheLink(t *testing.T) {
	synctest.Test(t, testServerHandlerEndsWithTheLink)
}

func testServerHandlerEndsWithTheLink(t *testing.T) {
	p := &program{}
	_, _, ch := serve(t, p.config(), gatt.PeerInfo{})
	why := errors.New("out of range")
	ended := make(chan error, 1)
	p.write = func(ctx context.Context, _ *gatt.WriteRequest) error {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	}
	ch.Receive("12 0300 01", "52 0300 02")
	ch.Disconnect(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("handler's context ended with %v, want %v", err, why)
	}
	ch.WantIdle()
}

func TestServerClose(t *testing.T) { synctest.Test(t, testServerClose) }

func testServerClose(t *testing.T) {
	p := &program{}
	srv, _, ch := serve(t, p.config(), gatt.PeerInfo{})
	ended := false
	p.read = func(ctx context.Context, _ *gatt.ReadRequest) ([]byte, error) {
		<-ctx.Done()
		ended = true
		return nil, ctx.Err()
	}
	ch.Receive("0a 0300")
	srv.Close()
	if !ended {
		t.Error("Close returned while a handler ran")
	}
	ch.Want("01 0a 0300 0e")
	ch.Receive("0a 0300")
	ch.Want("01 0a 0000 0e")
	ch.Receive("12 0300 01")
	ch.Want("01 12 0300 0e")
	ch.Receive("0a 0600")
	ch.Want("0b 6b657074")
}

// A handler may use the server, and the table may change meanwhile.
func TestServerChangesUnderHandler(t *testing.T) { synctest.Test(t, testServerChangesUnderHandler) }

func testServerChangesUnderHandler(t *testing.T) {
	p := &program{}
	srv, s, ch := serve(t, p.config(), gatt.PeerInfo{})
	p.subscribe = func(ctx context.Context, _ *gatt.SubscribeRequest) error {
		other := p.config().Services
		other[0].Characteristics[0].UUID = gatt.UUID16(0x2A57)
		return srv.SetServices(ctx, other)
	}
	ch.Receive("12 0400 0100")
	ch.Want("13")
	if n, _ := s.Subscribed(3); n {
		t.Error("subscribed to a characteristic that took the place of another")
	}
	p.subscribe = func(context.Context, *gatt.SubscribeRequest) error { return nil }
	p.write = func(ctx context.Context, r *gatt.WriteRequest) error {
		return r.Session.Notify(ctx, r.Handle, r.Value)
	}
	ch.Receive("12 0400 0100", "12 0300 aa")
	ch.Want("13", "1b 0300 aa", "13")
}

// store is a ClientStore that is slow and may fail.
type store struct {
	mu    sync.Mutex
	saved []string
	kept  []gatt.ClientState
	err   error
}

func (s *store) Clients() ([]gatt.ClientState, error) { return s.kept, s.err }

func (s *store) SaveClient(c gatt.ClientState) error {
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = append(s.saved, fmt.Sprint("save ", c.Key, c.Features, len(c.Subscriptions)))
	s.kept = []gatt.ClientState{c}
	return s.err
}

func (s *store) DeleteClient(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = append(s.saved, "delete "+key)
	return s.err
}

func TestServerStore(t *testing.T) { synctest.Test(t, testServerStore) }

func testServerStore(t *testing.T) {
	st := &store{}
	sec := func() gatt.Security { return gatt.Security{Encrypted: true, KeySize: 16, Bonded: true} }
	peer := gatt.PeerInfo{Key: "k", Bonded: true, Security: sec}
	srv, _, ch := serve(t, &gatt.ServerConfig{Store: st}, peer)
	time.Sleep(time.Minute) // the first state, in which it is bonded
	st.mu.Lock()
	st.saved = nil
	st.mu.Unlock()
	ch.Receive("12 0b00 01")
	ch.Want("13")
	time.Sleep(time.Minute)
	ch.Receive("12 0900 0200")
	ch.Want("13")
	ch.Receive("12 0900 0000", "12 0900 0200") // only the latest of what waits is stored
	ch.Want("13", "13")
	srv.Close()
	want := []string{"save k1 0", "save k1 1", "save k1 1"}
	if d := cmp.Diff(want, st.saved); d != "" {
		t.Errorf("store was told (-want +got):\n%s", d)
	}

	// After a restart, with another table.
	var log strings.Builder
	srv, _, ch = serve(t, &gatt.ServerConfig{
		Services: []gatt.ServiceDef{{UUID: gatt.UUID16(0x1815)}},
		Store:    st,
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}, peer)
	ch.Want("1d 0800 0100 ffff")
	ch.Receive("0a 0b00")
	ch.Want("01 0a 0b00 12")
	st.mu.Lock()
	st.saved, st.err = nil, errors.New("disk full")
	st.mu.Unlock()
	srv.ForgetClient("k")
	srv.Close()
	if d := cmp.Diff([]string{"save k1 1", "delete k"}, st.saved); d != "" {
		t.Errorf("store was told (-want +got):\n%s", d)
	}
	if !strings.Contains(log.String(), `level=ERROR msg="state of a client was not stored" client=k error="disk full"`) {
		t.Errorf("log:\n%s", log.String())
	}
	if _, err := gatt.NewServer(&gatt.ServerConfig{Store: st}); !errors.Is(err, st.err) {
		t.Errorf("error %v, want the store's", err)
	}
}
