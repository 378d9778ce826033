//go:build !linux

package mdns

import (
	"errors"
	"net"
	"net/netip"
)

// group is the address of multicast DNS, and its port.
var group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), 5353)

// listenMulticast is not there: the responder of the system has to be used.
func listenMulticast(*net.Interface) (*net.UDPConn, error) {
	return nil, errors.New("mdns: only on Linux: use the responder of the system")
}
