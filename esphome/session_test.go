package esphome_test

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
)

// served is a Session and its client in a bubble.
type served struct {
	session *esphome.Session
	client  *esphome.Conn
	handled []esphome.Message
	cancel  context.CancelCauseFunc
	ended   chan error
}

func serve(t *testing.T) *served {
	t.Helper()
	a, b := net.Pipe()
	s := &served{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	cfg := esphome.SessionConfig{
		Info:   esphome.DeviceInfoResponse{Name: "moor-test", Proxy: esphome.AllFlags},
		Server: "moor",
		Handle: func(_ *esphome.Session, m esphome.Message) { s.handled = append(s.handled, m) },
	}
	started := make(chan struct{})
	go func() {
		conn, err := esphome.Accept(ctx, a, nil, identity)
		if err != nil {
			t.Error(err)
		}
		s.session = esphome.NewSession(conn, cfg)
		close(started)
		s.ended <- s.session.Run(ctx)
	}()
	var err error
	if s.client, err = esphome.Connect(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Write(&esphome.HelloRequest{Client: "test", Major: 1, Minor: 15}); err != nil {
		t.Fatal(err)
	}
	<-started
	s.wantNext(t, &esphome.HelloResponse{Major: 1, Minor: 14, Server: "moor", Name: "moor-test"})
	return s
}

func (s *served) wantNext(t *testing.T, want esphome.Message) {
	t.Helper()
	if got, err := s.client.Read(); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, %v; want %#v", got, err, want)
	}
}

// ask sends a message and waits for its answer.
func (s *served) ask(t *testing.T, m, want esphome.Message) {
	t.Helper()
	if err := s.client.Write(m); err != nil {
		t.Fatal(err)
	}
	s.wantNext(t, want)
}

func (s *served) wantEnd(t *testing.T, want error) {
	t.Helper()
	if err := <-s.ended; !errors.Is(err, want) {
		t.Errorf("the session ended with %v, want %v", err, want)
	}
}

func TestSessionAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.ask(t, &esphome.AuthenticationRequest{Password: "x"}, &esphome.AuthenticationResponse{})
		s.ask(t, &esphome.PingRequest{}, &esphome.PingResponse{})
		s.ask(t, &esphome.DeviceInfoRequest{}, &esphome.DeviceInfoResponse{Name: "moor-test", Proxy: 255})
		s.ask(t, &esphome.ListEntitiesRequest{}, &esphome.ListEntitiesDone{})
		s.ask(t, &esphome.CapabilitiesRequest{}, &esphome.CapabilitiesResponse{Proxy: esphome.ProxyCapabilities{Flags: 255}})
		if err := s.client.Write(&esphome.SubscribeStates{}, &esphome.SubscribeSlots{}); err != nil {
			t.Fatal(err)
		}
		s.ask(t, &esphome.DisconnectRequest{}, &esphome.DisconnectResponse{})
		s.wantEnd(t, esphome.ErrBye)
		if want := []esphome.Message{&esphome.SubscribeSlots{}}; !reflect.DeepEqual(s.handled, want) {
			t.Errorf("the program got %#v", s.handled)
		}
		if h := s.session.Client(); h.Client != "test" || h.Minor != 15 || !s.session.ShortUUIDs() {
			t.Errorf("client %+v", h)
		}
	})
}

// TestSessionPings: a client that is quiet for 20 s is pinged, and one that answers
// nothing is given up after 60 s.
func TestSessionPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		begin := time.Now()
		s.wantNext(t, &esphome.PingRequest{})
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("pinged after %v", took)
		}
		time.Sleep(3 * time.Second)
		s.ask(t, &esphome.PingRequest{}, &esphome.PingResponse{})
		begin = time.Now()
		for _, want := range []time.Duration{20 * time.Second, 30 * time.Second, 40 * time.Second, 50 * time.Second} {
			s.wantNext(t, &esphome.PingRequest{})
			if took := time.Since(begin); took != want {
				t.Errorf("pinged after %v, want %v", took, want)
			}
		}
		s.wantEnd(t, esphome.ErrDead)
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("given up after %v", took)
		}
	})
}

// TestSessionEndsForTheProgram: after End, the program gets no message any more, not even of the segment of the
// Hello for which it has ended the Session.
func TestSessionEndsForTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		refused := errors.New("refused")
		ended := make(chan error, 1)
		go func() {
			conn, err := esphome.Accept(t.Context(), a, nil, identity)
			if err != nil {
				t.Error(err)
			}
			ended <- esphome.NewSession(conn, esphome.SessionConfig{
				Greeted: func(s *esphome.Session) { s.End(refused) },
				Handle:  func(_ *esphome.Session, m esphome.Message) { t.Errorf("the program got %#v", m) },
			}).Run(t.Context())
		}()
		c, err := esphome.Connect(t.Context(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Write(&esphome.HelloRequest{Client: "test"}, &esphome.SubscribeSlots{}, &esphome.PingRequest{})
		if m, err := c.Read(); !errors.Is(err, io.EOF) {
			t.Errorf("got %#v, %v", m, err)
		}
		if err := <-ended; !errors.Is(err, refused) {
			t.Errorf("the session ended with %v", err)
		}
		c.Close()
	})
}

// TestSessionWantsHelloFirst: nothing but a ping is answered before it, and the program
// learns of it once.
func TestSessionWantsHelloFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		ended := make(chan error, 1)
		greeted := 0
		go func() {
			conn, err := esphome.Accept(t.Context(), a, nil, identity)
			if err != nil {
				t.Error(err)
			}
			ended <- esphome.NewSession(conn, esphome.SessionConfig{
				Greeted: func(*esphome.Session) { greeted++ },
				Handle:  func(_ *esphome.Session, m esphome.Message) { t.Errorf("the program got %T", m) },
			}).Run(t.Context())
		}()
		c, err := esphome.Connect(t.Context(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &served{client: c, ended: ended}
		s.ask(t, &esphome.PingRequest{}, &esphome.PingResponse{})
		if greeted != 0 {
			t.Error("a ping is no greeting")
		}
		if err := c.Write(&esphome.SubscribeSlots{}); err != nil {
			t.Fatal(err)
		}
		s.wantEnd(t, esphome.ErrNoHello)
	})
}

func TestSessionWithoutHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		go func() { _, _ = b.Write([]byte{0, 0, 7}) }() // a ping
		conn, err := esphome.Accept(t.Context(), a, nil, identity)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		s := esphome.NewSession(conn, esphome.SessionConfig{})
		if err := s.Run(t.Context()); err == nil || time.Since(begin) != 21*time.Second {
			// The answer to the ping is never read: it has a second more.
			t.Errorf("ended after %v with %v", time.Since(begin), err)
		}
	})
}

// TestSlowClient loses advertisements first, and never a reply: with too many of those it
// is cut off.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		synctest.Wait() // the writer waits
		report, err := esphome.Pack(&esphome.Advertisements{Reports: []esphome.Advertisement{{Data: make([]byte, 986)}}})
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 { // of 1,056 octets with what a Packed takes
			s.session.SendLossy(report)
			synctest.Wait()
		}
		if n := s.session.Dropped(); n != 1000-1-248 {
			t.Errorf("%d of 1,000 were dropped; one is being written and 248 fit 256 KiB", n)
		}
		s.session.Send(&esphome.Slots{Free: 3, Limit: 3})
		s.wantNext(t, &esphome.Advertisements{Reports: []esphome.Advertisement{{Data: make([]byte, 986)}}})
		s.wantNext(t, &esphome.Slots{Free: 3, Limit: 3}) // before 248 advertisements
		for range 1100 {
			s.session.Send(&esphome.ReadResponse{Data: make([]byte, 990)})
		}
		s.wantEnd(t, esphome.ErrSlow)
	})
}

// TestSessionSaysGoodbye: a server that stops sends what waits and a request to
// disconnect.
func TestSessionSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		stopped := errors.New("the proxy stops")
		s.session.Send(&esphome.Slots{Free: 1, Limit: 1})
		s.cancel(stopped)
		s.wantNext(t, &esphome.Slots{Free: 1, Limit: 1})
		s.wantNext(t, &esphome.DisconnectRequest{})
		s.wantEnd(t, stopped)
	})
}

// TestSessionBoundsMemory: messages without a payload take memory as well.
func TestSessionBoundsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		for range esphome.MaxReplies / 32 {
			s.session.Send(&esphome.PingResponse{})
		}
		s.wantEnd(t, esphome.ErrSlow)
	})
}

// TestSessionServerText: more than 32 octets are cut.
func TestSessionServerText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		go func() {
			conn, err := esphome.Accept(t.Context(), a, nil, identity)
			if err != nil {
				t.Error(err)
			}
			_ = esphome.NewSession(conn, esphome.SessionConfig{Server: "moor v0.0.0-20261130083207-0faf17627522"}).Run(t.Context())
		}()
		c, err := esphome.Connect(t.Context(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Write(&esphome.HelloRequest{}); err != nil {
			t.Fatal(err)
		}
		want := &esphome.HelloResponse{Major: 1, Minor: 14, Server: "moor v0.0.0-20261130083207-0faf1"}
		if got, err := c.Read(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v", got, err)
		}
	})
}

// TestValuesOfASlowClient wait in order among the replies, are bounded, and do not count
// as replies.
func TestValuesOfASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		synctest.Wait() // the writer waits
		value := func(n int) *esphome.NotifyData {
			return &esphome.NotifyData{Address: 1, Handle: uint32(n), Data: make([]byte, 950)} // 1,021 octets in memory
		}
		const most = 258 // one is being written, the others take 256 KiB, and one is beyond
		for n := range most {
			if err := s.session.SendValue(t.Context(), value(n+1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		go func() {
			for range 7 { // it is not dead, only slow
				time.Sleep(7 * time.Second)
				if err := s.client.Write(&esphome.TimeResponse{}); err != nil {
					t.Error(err)
				}
			}
		}()
		if err := s.session.SendValue(ctx, value(most)); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Fatalf("a value beyond the bound: %v after %v", err, time.Since(begin))
		}
		s.session.Send(&esphome.NotifyResponse{Address: 1, Handle: 1})
		sent := make(chan error)
		go func() { sent <- s.session.SendValue(t.Context(), value(most+1)) }()
		synctest.Wait()
		for n := range most {
			s.wantNext(t, value(n+1))
		}
		s.wantNext(t, &esphome.NotifyResponse{Address: 1, Handle: 1})
		s.wantNext(t, value(most+1))
		if err := <-sent; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for n := range most {
			if err := s.session.SendValue(t.Context(), value(n+1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		go func() { sent <- s.session.SendValue(t.Context(), value(most)) }()
		synctest.Wait()
		gone := errors.New("gone")
		s.session.End(gone)
		if err := <-sent; !errors.Is(err, gone) {
			t.Errorf("a value that waits when the session ends: %v", err)
		}
		s.wantEnd(t, gone)
	})
}
