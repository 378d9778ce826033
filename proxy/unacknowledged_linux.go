package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledgedTime is how long a client may leave data unacknowledged. Advertisements flow
// all the time, so that one that has lost its network gives its links back after it. A
// client that is there and does not answer is found by pings.
const unacknowledgedTime = 30 * time.Second

// boundUnacknowledged has the kernel end a TCP connection after unacknowledgedTime. Without
// it the kernel sends again for a quarter of an hour.
func boundUnacknowledged(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return // the connection is closed already
	}
	_ = raw.Control(func(fd uintptr) {
		// Pings find the client later if this fails.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledgedTime.Milliseconds()))
	})
}
