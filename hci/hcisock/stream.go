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
// follow each other without a separator. Before the first command or answer, octets
// that begin no packet are skipped: a line that is being connected often delivers some.
// After it, a first octet that is not a packet type ends the Stream, because H4 cannot
// resynchronize. Reading a packet does not allocate.
type Stream struct {
	name   string
	rwc    io.ReadWriteCloser
	closed atomic.Bool
	close  func() error // closes rwc once

	skipped atomic.Uint64

	// Owned by the reader.
	inStep  bool // a command or an answer has come
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
		case !s.inStep && len(s.pending) > 0 && !beginsPacket(s.pending[0]):
			s.pending = s.pending[1:]
			s.skipped.Add(1)
			continue
		case err != nil:
			return 0, s.streamError("read: out of step", err)
		case n > len(b):
			return 0, s.streamError("read", fmt.Errorf("packet of %d bytes into a buffer of %d", n, len(b)))
		case n > 0:
			copy(b, s.pending[:n])
			s.pending = s.pending[n:]
			s.inStep = s.inStep || isInStep(b[:n])
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

// Skipped returns the number of octets that were skipped before the first
// command or answer.
func (s *Stream) Skipped() uint64 { return s.skipped.Load() }

// beginsPacket reports whether an octet is a packet type.
func beginsPacket(b byte) bool {
	t := hci.PacketType(b)
	return t >= hci.PacketCommand && t <= hci.PacketISO
}

// isInStep reports whether a packet shows that the octets are packets: a command, if this
// is the side of a controller, or the answer to one.
func isInStep(p []byte) bool {
	switch hci.PacketType(p[0]) {
	case hci.PacketCommand:
		return true
	case hci.PacketEvent:
		return p[1] == hci.EvCommandComplete || p[1] == hci.EvCommandStatus
	default:
		return false
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
