package hcisock

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// Socket is the HCI user channel of a Linux adapter, which this process uses
// exclusively until Close. Reading a packet does not allocate.
//
// The kernel drops incoming packets while the receive buffer is full, so a goroutine
// should always be in ReadPacket; Drops returns how many packets were lost.
// WritePacket only queues a packet. The caller must observe the command and data
// credits of the controller.
type Socket struct {
	conn   *socket.Conn
	name   string
	log    *slog.Logger
	closed atomic.Bool

	// readErr is owned by the reader. The kernel reports the removal of an
	// adapter once and blocks afterwards.
	readErr error
}

func newSocket(conn *socket.Conn, name string, cfg *Config) (*Socket, error) {
	if n := cfg.readBuffer(); n > 0 {
		if err := conn.SetReadBuffer(n); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &Socket{conn: conn, name: name, log: cfg.logger()}, nil
}

// ReadPacket implements hci.Transport.
func (s *Socket) ReadPacket(b []byte) (int, error) {
	if s.readErr != nil {
		return 0, s.socketError("read", s.readErr)
	}
	n, err := s.conn.Read(b)
	if err != nil {
		s.readErr = err
		return 0, s.socketError("read", err)
	}
	return n, nil
}

// WritePacket implements hci.Transport.
func (s *Socket) WritePacket(b []byte) error {
	if _, err := s.conn.Write(b); err != nil {
		return s.socketError("write", err)
	}
	return nil
}

// socketError adds the adapter and the meaning of the errno to err.
func (s *Socket) socketError(op string, err error) error {
	switch {
	case s.closed.Load(), errors.Is(err, os.ErrClosed):
		err = net.ErrClosed
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ENODEV), errors.Is(err, io.EOF):
		err = fmt.Errorf("the adapter is gone: %w", err)
	case errors.Is(err, unix.ENETDOWN):
		err = fmt.Errorf("the adapter is down: %w", err)
	}
	return fmt.Errorf("hcisock: %s: %s: %w", s.name, op, err)
}

// Close implements hci.Transport. It waits until the kernel has stopped the adapter
// and released it.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	drops, err := s.Drops()
	if err == nil && drops > 0 {
		s.log.Warn("the kernel dropped packets", "adapter", s.name, "drops", drops)
	}
	if err := s.conn.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("hcisock: %s: close: %w", s.name, err)
	}
	s.log.Info("hci user channel closed", "adapter", s.name)
	return nil
}

// memInfo is the result of SO_MEMINFO: SK_MEMINFO_VARS counters.
type memInfo struct {
	_     [8]uint32
	drops uint32 // SK_MEMINFO_DROPS
}

// Drops returns the number of incoming packets that the kernel has dropped because
// the receive buffer was full. It may be called from any goroutine.
func (s *Socket) Drops() (uint32, error) {
	var m memInfo
	b := unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	if _, err := s.conn.GetsockoptBytes(unix.SOL_SOCKET, unix.SO_MEMINFO, b); err != nil {
		return 0, s.socketError("drops", err)
	}
	return m.drops, nil
}
