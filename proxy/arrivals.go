package proxy

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/moor-ble/moor/esphome"
)

const (
	// arrivalTime bounds the time until a client has shown that it is one: it has the key,
	// or has said hello if there is none.
	arrivalTime = 10 * time.Second
	// maxArrivals is how many connections may be in that time. A further one takes the place
	// of another.
	maxArrivals = MaxClients
)

// Reasons for which a Server closes the connection of an arrival.
var (
	errLate     = errors.New("proxy: no client within 10 s: a client sends its hello at once")
	errCrowded  = errors.New("proxy: a newer connection takes its place: too many wait for the hello of their clients")
	errTooMany  = errors.New("proxy: there are as many clients as the proxy serves: end one")
	errNotAdmit = errors.New("proxy: the connection was closed before its client could use it")
)

// arrival is a connection whose client has not shown yet that it is one. The mutex of the
// Server guards it.
type arrival struct {
	conn   net.Conn
	host   string
	timer  *time.Timer
	reason error // why the Server has closed it
}

// arrive notes a new connection. If too many wait, the oldest of the host that has the most
// of them is closed, so that one host cannot keep others out.
func (s *Server) arrive(c net.Conn) *arrival {
	a := &arrival{conn: c, host: hostOf(c.RemoteAddr())}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.arrivals) >= maxArrivals {
		s.dropLocked(s.crowdLocked(), errCrowded)
	}
	s.arrivals = append(s.arrivals, a)
	a.timer = time.AfterFunc(arrivalTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dropLocked(a, errLate)
	})
	return a
}

// crowdLocked returns the oldest arrival of the host that has the most.
func (s *Server) crowdLocked() *arrival {
	count := map[string]int{}
	for _, a := range s.arrivals {
		count[a.host]++
	}
	return slices.MaxFunc(s.arrivals, func(a, b *arrival) int { return count[a.host] - count[b.host] })
}

// dropLocked closes the connection of an arrival, unless it is one no more.
func (s *Server) dropLocked(a *arrival, reason error) {
	if s.departLocked(a) {
		a.reason = reason
		_ = a.conn.Close()
	}
}

// departLocked takes an arrival out of the list. It is false if it was not there.
func (s *Server) departLocked(a *arrival) bool {
	i := slices.Index(s.arrivals, a)
	if i < 0 {
		return false
	}
	s.arrivals = slices.Delete(s.arrivals, i, i+1)
	a.timer.Stop()
	return true
}

// admit makes a client of an arrival.
func (s *Server) admit(a *arrival, cl *client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.departLocked(a):
		return errNotAdmit
	case len(s.clients) >= MaxClients:
		return errTooMany
	}
	s.clients = append(s.clients, cl)
	return nil
}

// serveConn serves the client at the other end of a connection until it leaves or ctx
// ends.
func (s *Server) serveConn(ctx context.Context, c net.Conn) {
	boundUnacknowledged(c)
	a := s.arrive(c)
	refuse := func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.departLocked(a)
		if a.reason != nil {
			err = a.reason
		}
		s.log.Info("client refused", "client", c.RemoteAddr(), "reason", err)
	}
	conn, err := esphome.Accept(ctx, c, s.cfg.Key, s.identity)
	if err != nil {
		refuse(err)
		return
	}
	cl := &client{server: s, address: c.RemoteAddr().String(), since: time.Now()}
	cfg := esphome.SessionConfig{Info: s.info, Server: "moor " + s.cfg.Version, Handle: cl.handle}
	admitted := false
	if s.cfg.Key == nil {
		cfg.Greeted = func(session *esphome.Session) {
			if err := s.admit(a, cl); err != nil {
				session.End(err)
				return
			}
			admitted = true
		}
	} else if err := s.admit(a, cl); err != nil {
		conn.Close()
		refuse(err)
		return
	} else {
		admitted = true
	}
	cl.session = esphome.NewSession(conn, cfg)
	err = cl.session.Run(ctx)
	if !admitted {
		refuse(err)
		return
	}
	s.removeClient(cl)
	s.log.Info("client left", "client", cl.describe(), "reason", err, "lost", cl.session.Dropped())
}

// hostOf returns the host of an address.
func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
