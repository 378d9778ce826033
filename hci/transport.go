package hci

// Transport carries whole HCI packets in the H4 format (Vol 4, Part A, 2):
// one packet type octet, then the packet as in Vol 4, Part E, 5.4.
//
// One goroutine at a time may read and one may write; Close may be called from any
// goroutine. Packages with implementations are hcisock (Linux user channel, UART,
// TCP, Unix sockets, inherited descriptors), sim (simulated controllers) and
// hcitest (a pipe for tests).
type Transport interface {
	// ReadPacket waits for the next packet, copies it into b and returns its
	// length. b must have room for MaxPacketLen bytes. An error is final: it is
	// the reason why the controller cannot be reached any more, and unwraps to
	// net.ErrClosed after Close.
	ReadPacket(b []byte) (int, error)
	// WritePacket sends one packet. It does not keep b. An error is final.
	// WritePacket may block until the controller accepts the packet or Close is
	// called; controller.Controller closes a transport that blocks too long.
	WritePacket(b []byte) error
	// Close ends the transport and unblocks ReadPacket and WritePacket. It may be
	// called from any goroutine and more than once.
	Close() error
}

// MaxPacketLen is the length in octets of the longest H4 packet that a Transport
// must carry: type octet, ACL header and the largest payload that the Linux kernel
// accepts (HCI_MAX_FRAME_SIZE).
const MaxPacketLen = 1 + 4 + 1024
