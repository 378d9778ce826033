package hcisock

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// promptConn is a TCP connection that acknowledges at once whatever has been read. A
// controller's server that writes a packet in two pieces, as RootCanal does, holds the
// second one back until the first is acknowledged (RFC 9293, 3.7.4). The kernel delays
// that by 40 ms.
type promptConn struct {
	net.Conn
	raw   syscall.RawConn
	quick func(fd uintptr)
}

func newPromptConn(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return &promptConn{Conn: c, raw: raw, quick: func(fd uintptr) {
		// The kernel forgets the option after a while. Without it, packets are only late.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}}
}

func (c *promptConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		_ = c.raw.Control(c.quick) // fails on a closed connection only
	}
	return n, err
}
