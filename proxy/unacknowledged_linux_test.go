package proxy_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
)

// keptConns is a listener that shows the connections that it has accepted.
type keptConns struct {
	net.Listener
	conns chan net.Conn
}

func (k keptConns) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.conns <- c
	}
	return c, err
}

// TestUnacknowledgedData: the kernel ends the connection of a client that has lost its
// network after half a minute.
func TestUnacknowledgedData(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	air.NewController(&sim.ControllerConfig{Name: "hci0"})
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Kinds: []connmgr.Kind{{Open: air.OpenTransport}}, Adapters: []string{"hci0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := proxy.New(m, &proxy.Config{Name: "moor-test", MAC: mac})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := keptConns{tcp, make(chan net.Conn, 1)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context(), l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := esphome.Connect(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Write(&esphome.HelloRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(); err != nil {
		t.Fatal(err)
	}
	server := <-l.conns
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		ms, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if got := time.Duration(ms) * time.Millisecond; got != 30*time.Second {
		t.Errorf("TCP_USER_TIMEOUT is %v", got)
	}
	conn.Close()
	l.Close()
	<-ended
}
