package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// group is the address of multicast DNS, and its port.
var group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), 5353)

// listenMulticast opens the socket of an interface, which receives what comes there for the
// group, and sends to it. Programs of this machine hear it too.
func listenMulticast(ifi *net.Interface) (*net.UDPConn, error) {
	c, err := net.ListenMulticastUDP("udp4", ifi, net.UDPAddrFromAddrPort(group))
	if err != nil {
		return nil, fmt.Errorf("mdns: %s: %w", ifi.Name, err)
	}
	raw, err := c.SyscallConn()
	if err == nil {
		failed := raw.Control(func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0), // of this interface alone
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255),
			)
		})
		err = errors.Join(err, failed)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("mdns: %s: %w", ifi.Name, err)
	}
	return c, nil
}
