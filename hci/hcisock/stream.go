package hcisock

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/moor-ble/moor/hci"
)

// streamBuffer is the size in octets of the read buffer: a few of the longest packets,
// many of the usual ones.
const streamBuffer = 4 * hci.MaxPacketLen

// maxEmptyReads bounds how often in a row a stream may return neither data nor an
// error.
const maxEmptyReads = 100

// Stream is the H4 transport (Vol 4, Part A) over a byte stream, in which packets
// follow each other without a separator. A first octet that is not a packet type ends
// the Stream, because H4 cannot resynchronize. Reading a packet does not allocate.
type Stream struct {
	name   string
	rwc    io.ReadWriteCloser
	closed atomic.Bool
	close  func() error // closes rwc once

	// Owned by the reader.
	buf     []byte
	pending []byte // the part of buf that is read but not delivered
	readErr error  // the error of rwc or of the framing
}

// NewStream returns a transport over rwc. The Stream takes ownership of rwc, whose
// Close must unblock its Read.
func NewStream(rwc io.ReadWriteCloser) *Stream { return newStream("stream", rwc) }

func newStream(name string, rwc io.ReadWriteCloser) *Stream {
	return &Stream{name: name, rwc: rwc, close: sync.OnceValue(rwc.Close), buf: make([]byte, streamBuffer)}
}

// ReadPacket implements hci.Transport.
func (s *Stream) ReadPacket(b []byte) (int, error) {
	for {
		if s.closed.Load() {
			return 0, s.streamError("read", net.ErrClosed)
		}
		n, err := hci.SplitPacket(s.pending)
		switch {
		case err != nil:
			return 0, s.streamError("read: out of step", err)
		case n > len(b):
			return 0, s.streamError("read", fmt.Errorf("packet of %d bytes into a buffer of %d", n, len(b)))
		case n > 0:
			copy(b, s.pending[:n])
			s.pending = s.pending[n:]
			return n, nil
		case s.readErr == nil && len(s.pending) >= hci.MaxPacketLen:
			s.readErr = fmt.Errorf("packet longer than %d bytes", hci.MaxPacketLen)
		}
		if s.readErr != nil {
			return 0, s.streamError("read", s.readErr)
		}
		s.fill()
	}
}

// fill reads once and appends to the pending octets.
func (s *Stream) fill() {
	kept := copy(s.buf, s.pending)
	for range maxEmptyReads {
		n, err := s.rwc.Read(s.buf[kept:])
		s.pending = s.buf[:kept+n]
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the controller closed the connection: %w", io.EOF)
			if len(s.pending) > 0 {
				err = fmt.Errorf("the controller closed the connection within a packet: %w", io.ErrUnexpectedEOF)
			}
		}
		if n > 0 || err != nil {
			s.readErr = err
			return
		}
	}
	s.readErr = io.ErrNoProgress
}

// WritePacket implements hci.Transport. It blocks while the stream accepts no octets,
// until Close.
func (s *Stream) WritePacket(b []byte) error {
	if s.closed.Load() {
		return s.streamError("write", net.ErrClosed)
	}
	n, err := s.rwc.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return s.streamError("write", err)
	}
	return nil
}

// Close implements hci.Transport.
func (s *Stream) Close() error {
	s.closed.Store(true)
	if err := s.close(); err != nil && !isClosed(err) {
		return fmt.Errorf("hcisock: %s: close: %w", s.name, err)
	}
	return nil
}

// streamError adds the name of the stream to err. After Close, every error is
// net.ErrClosed.
func (s *Stream) streamError(op string, err error) error {
	if s.closed.Load() || isClosed(err) {
		err = net.ErrClosed
	}
	return fmt.Errorf("hcisock: %s: %s: %w", s.name, op, err)
}

func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed)
}
