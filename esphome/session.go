package esphome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/internal/ring"
)

// Version of the API that a server announces. Clients of all ages take it: a client asks
// a server of 1.15 for more, and one before 1.12 knows no short UUIDs.
const (
	APIMajor = 1
	APIMinor = 14
)

// Bounds of a Session.
const (
	// MaxReplies is how many octets of memory the replies that wait for a client take. A client that leaves more
	// unread is cut off, because no reply may be lost.
	MaxReplies = 1 << 20
	// MaxLossy is how many octets of memory the advertisements that wait for a client take.
	// Older ones are dropped beyond.
	MaxLossy = 256 << 10
	// MaxValues is how many octets of memory the values of devices that wait for a client
	// take. SendValue waits beyond.
	MaxValues = 256 << 10
	// writeSize is about how many octets are written at once.
	writeSize = 16 << 10
)

// Times of a Session.
const (
	helloTime    = 20 * time.Second // until the client's Hello
	pingAfter    = 20 * time.Second // without a message of the client
	pingEvery    = 10 * time.Second // from then on
	deadAfter    = 60 * time.Second // without a message of the client
	goodbyeTime  = time.Second      // for a client to take the last messages
	maxHelloName = 64               // octets kept of a client's name
	maxServer    = 32               // octets of SessionConfig.Server
)

// Errors with which a Session ends.
var (
	ErrSlow    = errors.New("esphome: the client does not read its replies")
	ErrDead    = errors.New("esphome: the client has not answered for 60 s")
	ErrBye     = errors.New("esphome: the client said goodbye")
	ErrNoHello = errors.New("esphome: the client began without a hello")
)

// SessionConfig describes the server to a Session.
type SessionConfig struct {
	// Info answers DeviceInfoRequest. Its Name is also that of HelloResponse.
	Info DeviceInfoResponse
	// Server is information about the server for HelloResponse. More than 32 octets are cut.
	Server string
	// Greeted is called with the first Hello, before it is answered. Default: no call. It
	// runs on the goroutine of Run, as Handle does.
	Greeted func(s *Session)
	// Handle is called with each message that the Session does not answer itself, after the
	// first Hello and before the end of the Session. It runs on the goroutine of Run, which
	// reads nothing meanwhile.
	Handle func(s *Session, m Message)
}

// Session is one client of a server. It answers greetings, pings and questions about the
// server, and sends what its program has for the client.
type Session struct {
	conn  *Conn
	cfg   SessionConfig
	hello atomic.Pointer[HelloRequest]
	heard atomic.Int64 // when the last message came, in nanoseconds since begin
	begin time.Time
	wake  chan struct{} // has a value when there is something to write

	mu      sync.Mutex // guards what follows
	replies outgoing
	lossy   outgoing
	dropped uint64
	err     error         // with which the Session ends
	room    chan struct{} // if not nil, closed once there is room for a value, and at the end
	timer   *time.Timer
}

// outgoing is a queue of messages and its length in octets.
type outgoing struct {
	ring.Ring[Packed]
	octets int
	values int // octets of values of devices, which octets leaves out
	most   int // of messages, since the ring was made
}

// idNotifyData is the number of NotifyData, the value of a device.
const idNotifyData MessageID = 79

// packedSize is about how many octets of memory a Packed takes beside its payload, in a
// ring of twice the length.
const packedSize = 64

// manyPacked is the length from which a ring is let go of when it is empty: it does not
// shrink.
const manyPacked = 1024

func (o *outgoing) push(p Packed) {
	o.Push(p)
	*o.counterOf(p) += len(p.Payload) + packedSize
	o.most = max(o.most, o.Len())
}

// counterOf returns the count that a message belongs to.
func (o *outgoing) counterOf(p Packed) *int {
	if p.ID == idNotifyData {
		return &o.values
	}
	return &o.octets
}

func (o *outgoing) pop() Packed {
	p := o.Pop()
	*o.counterOf(p) -= len(p.Payload) + packedSize
	if o.Len() == 0 && o.most >= manyPacked {
		o.Ring, o.most = ring.Ring[Packed]{}, 0
	}
	return p
}

// NewSession returns the Session of a client. Run serves it.
func NewSession(conn *Conn, cfg SessionConfig) *Session {
	cfg.Server = cfg.Server[:min(len(cfg.Server), maxServer)]
	return &Session{conn: conn, cfg: cfg, begin: time.Now(), wake: make(chan struct{}, 1)}
}

// Client returns the client's name and the version of the API that it speaks, as it said
// in its Hello: nothing before that.
func (s *Session) Client() HelloRequest {
	if h := s.hello.Load(); h != nil {
		return *h
	}
	return HelloRequest{}
}

// ShortUUIDs reports whether the client knows UUIDs of 16 and 32 bits.
func (s *Session) ShortUUIDs() bool {
	h := s.Client()
	return h.Major > 1 || h.Major == 1 && h.Minor >= MinorShortUUIDs
}

// Dropped returns how many messages SendLossy has dropped.
func (s *Session) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Send queues a message that must not be lost. It never waits. If the client leaves more
// than MaxReplies unread, the Session ends with ErrSlow. Send may be called from any
// goroutine; after the end of the Session it does nothing.
func (s *Session) Send(m Message) {
	p, err := Pack(m)
	s.mu.Lock()
	switch {
	case err != nil:
		s.endLocked(err)
	case s.err != nil:
	case s.replies.octets > MaxReplies:
		s.endLocked(ErrSlow)
	default:
		s.replies.push(p)
	}
	s.mu.Unlock()
	s.wakeWriter()
}

// SendValue queues a value that a device has sent. Values keep their order among the
// replies, but do not count as such: while those that wait take more than MaxValues,
// SendValue waits, until ctx or the Session ends, and returns the reason.
func (s *Session) SendValue(ctx context.Context, v *NotifyData) error {
	p, err := Pack(v)
	if err != nil {
		return err
	}
	for {
		room, err := s.offerValue(p)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// offerValue queues a value if there is room for it, and otherwise returns a channel that
// is closed once there is.
func (s *Session) offerValue(p Packed) (room <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, s.err
	case s.replies.values > MaxValues:
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room, nil
	}
	s.replies.push(p)
	s.wakeWriter()
	return nil, nil
}

// giveRoomLocked lets those go on that wait with a value.
func (s *Session) giveRoomLocked() {
	if s.room != nil && (s.err != nil || s.replies.values <= MaxValues) {
		close(s.room)
		s.room = nil
	}
}

// SendLossy queues a message that may be lost: the oldest are dropped beyond MaxLossy. It
// never waits. Several Sessions may share p.
func (s *Session) SendLossy(p Packed) {
	s.mu.Lock()
	if s.err == nil {
		s.lossy.push(p)
		for s.lossy.octets > MaxLossy && s.lossy.Len() > 1 {
			s.lossy.pop()
			s.dropped++
		}
	}
	s.mu.Unlock()
	s.wakeWriter()
}

// End ends the Session with an error, which Run returns. Messages that wait are still
// sent, for up to a second.
func (s *Session) End(err error) {
	s.mu.Lock()
	s.endLocked(err)
	s.mu.Unlock()
	s.wakeWriter()
}

func (s *Session) endLocked(err error) {
	if s.err == nil {
		s.err = err
		s.giveRoomLocked()
		_ = s.conn.conn.SetWriteDeadline(time.Now().Add(goodbyeTime))
	}
}

func (s *Session) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run serves the client until it leaves, until ctx ends, or until the Session is ended,
// and returns why. It says goodbye to a client that ctx takes leave of. It closes the
// connection.
func (s *Session) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.write()
	}()
	stop := context.AfterFunc(ctx, func() {
		s.Send(&DisconnectRequest{})
		s.End(context.Cause(ctx))
	})
	s.mu.Lock()
	s.timer = time.AfterFunc(helloTime, s.watch)
	s.mu.Unlock()
	s.read()
	stop()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
	return s.err
}

// read reads messages until the connection is closed, by the client or by write. What comes
// after the end of the Session is discarded.
func (s *Session) read() {
	for {
		m, err := s.conn.Read()
		if err != nil {
			s.End(fmt.Errorf("esphome: client %v: %w", s.conn.RemoteAddr(), err))
			return
		}
		s.heard.Store(int64(time.Since(s.begin)))
		if s.hasEnded() {
			continue
		}
		if _, isHello := m.(*HelloRequest); !isHello && s.hello.Load() == nil && !isGreeting(m) {
			s.End(ErrNoHello)
			return
		}
		s.answer(m)
	}
}

func (s *Session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// isGreeting reports whether a message needs no Hello before it.
func isGreeting(m Message) bool {
	switch m.(type) {
	case *PingRequest, *PingResponse, *DisconnectRequest, *DisconnectResponse:
		return true
	}
	return false
}

// answer answers a message, or hands it to the program.
func (s *Session) answer(m Message) {
	switch m := m.(type) {
	case *HelloRequest:
		h := *m
		h.Client = h.Client[:min(len(h.Client), maxHelloName)]
		if s.hello.Swap(&h) == nil && s.cfg.Greeted != nil {
			s.cfg.Greeted(s)
		}
		s.Send(&HelloResponse{APIMajor, APIMinor, s.cfg.Server, s.cfg.Info.Name})
	case *AuthenticationRequest:
		s.Send(&AuthenticationResponse{})
	case *PingRequest:
		s.Send(&PingResponse{})
	case *DisconnectRequest:
		s.Send(&DisconnectResponse{})
		s.End(ErrBye)
	case *DeviceInfoRequest:
		info := s.cfg.Info
		s.Send(&info)
	case *ListEntitiesRequest:
		s.Send(&ListEntitiesDone{})
	case *CapabilitiesRequest:
		s.Send(&CapabilitiesResponse{ProxyCapabilities{s.cfg.Info.Proxy, s.cfg.Info.BluetoothMAC}})
	case *PingResponse, *TimeResponse, *DisconnectResponse, *SubscribeStates, *SubscribeServices, *SubscribeHomeStates:
		// Nothing is to be answered: the server has no entities.
	default:
		s.cfg.Handle(s, m)
	}
}

// watch pings a client that is quiet, and gives up one that is dead. It runs as a timer.
func (s *Session) watch() {
	quiet := time.Since(s.begin) - time.Duration(s.heard.Load())
	next := pingAfter - quiet
	switch {
	case s.hello.Load() == nil:
		s.End(fmt.Errorf("esphome: no hello within %v", helloTime))
		return
	case quiet >= deadAfter:
		s.End(ErrDead)
		return
	case quiet >= pingAfter:
		s.Send(&PingRequest{})
		next = min(pingEvery, deadAfter-quiet)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.timer.Reset(next)
	}
}

// write writes what is queued until the Session ends, and closes the connection.
func (s *Session) write() {
	defer s.conn.Close()
	for range s.wake {
	drain:
		for {
			batch, ending := s.nextBatch()
			switch {
			case len(batch) == 0 && ending:
				return
			case len(batch) == 0:
				break drain
			}
			if err := s.conn.WritePacked(batch...); err != nil {
				s.End(fmt.Errorf("esphome: client %v: %w", s.conn.RemoteAddr(), err))
				return
			}
		}
	}
}

// nextBatch takes what is to be written next, replies first, and reports whether the
// Session ends. A Session that ends sends no more advertisements, and one that was cut
// off nothing at all.
func (s *Session) nextBatch() (batch []Packed, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for size := 0; size < writeSize; {
		var p Packed
		switch {
		case errors.Is(s.err, ErrSlow):
			return nil, true
		case s.replies.Len() > 0:
			p = s.replies.pop()
			s.giveRoomLocked()
		case s.lossy.Len() > 0 && s.err == nil:
			p = s.lossy.pop()
		default:
			return batch, s.err != nil
		}
		size += len(p.Payload)
		batch = append(batch, p)
	}
	return batch, s.err != nil
}
