package hci

// Transport carries whole HCI packets in the H4 format (Vol 4, Part A, 2):
// one packet type octet, then the packet as in Vol 4, Part E, 5.4.
//
// A Transport is used by one reader and one writer goroutine at a time, which
// may differ. Implementations outside this package: hcisock (Linux user
// channel, UART, TCP, Unix sockets, inherited descriptors), sim (simulated
// controllers), hcitest (a pipe for tests).
type Transport interface {
	// ReadPacket waits for the next packet, copies it into b and returns its
	// length. b has room for MaxPacketLen bytes. An error is final: it says why
	// the controller cannot be reached any more, and unwraps to net.ErrClosed
	// after Close.
	ReadPacket(b []byte) (int, error)
	// WritePacket sends one packet. It does not keep b. An error is final. It
	// may wait for the controller to take the packet, until Close; a Device
	// closes a transport that makes it wait too long.
	WritePacket(b []byte) error
	// Close ends the transport and unblocks ReadPacket and WritePacket. It may be called from
	// any goroutine and more than once.
	Close() error
}

// MaxPacketLen is the length of the longest H4 packet that a Transport has to
// carry: type octet, ACL header and the largest payload that the Linux kernel
// takes (HCI_MAX_FRAME_SIZE).
const MaxPacketLen = 1 + 4 + 1024
