package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// resetTime bounds the reset of a controller whose client has gone.
const resetTime = 2 * time.Second

// The reasons for the end of a session. Others are errors of the controller.
var (
	// ErrLeft means that the client has closed its end.
	ErrLeft = errors.New("lab: the client has gone")
	// ErrHalfPacket means that the client has closed its end within a packet.
	ErrHalfPacket = errors.New("lab: the client has gone within a packet")
	// ErrSlow means that the client did not read for the time of Patience.
	ErrSlow = fmt.Errorf("lab: the client did not read for %v", Patience)
)

// session is a client and its controller.
type session struct {
	*service
	client *hcisock.Stream
	tr     hci.Transport
	gone   atomic.Bool // the client
}

// carry carries packets between a client and a controller, until one of them ends, and
// returns the reason.
func (s *service) carry(ctx context.Context, c io.ReadWriteCloser, tr hci.Transport) error {
	x := &session{service: s, client: hcisock.NewStream(&hurried{c}), tr: tr}
	defer x.client.Close()
	stop := context.AfterFunc(ctx, func() { _ = x.client.Close() })
	defer stop()
	down := make(chan error, 1)
	go func() { down <- x.carryToClient() }()
	up := x.carryToController()
	x.gone.Store(true)
	_ = x.client.Close()
	if s.cfg.Reset {
		timer := time.AfterFunc(resetTime, func() { _ = tr.Close() })
		defer timer.Stop()
		if x.sendReset() != nil {
			_ = tr.Close()
		}
	} else {
		_ = tr.Close()
	}
	first := <-down
	_ = tr.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if first != nil {
		return first
	}
	return up
}

// carryToController reads packets of the client, and returns the reason for the end.
func (x *session) carryToController() error {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := x.client.ReadPacket(b)
		if err != nil {
			return x.explainClient(err)
		}
		switch hci.PacketType(b[0]) {
		case hci.PacketCommand, hci.PacketACL, hci.PacketSCO, hci.PacketISO:
		default:
			return fmt.Errorf("lab: the client sent a packet of type 0x%02X, which hosts do not send", b[0])
		}
		if err := x.capturePacket(true, b[:n]); err != nil {
			return err
		}
		if err := x.tr.WritePacket(b[:n]); err != nil {
			return err
		}
	}
}

// carryToClient reads packets of the controller. It returns the reason for the end, or
// nil if the client ended first. Then it waits for the answer to HCI Reset.
func (x *session) carryToClient() error {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := x.tr.ReadPacket(b)
		if x.gone.Load() {
			if err != nil || answersReset(b[:n]) {
				return nil
			}
			continue
		}
		if err == nil {
			err = x.capturePacket(false, b[:n])
		}
		if err == nil {
			if err = x.client.WritePacket(b[:n]); err != nil {
				err = x.explainClient(err)
			}
		}
		if err == nil {
			continue
		}
		ended := x.gone.Load()
		_ = x.client.Close()
		if ended || errors.Is(err, net.ErrClosed) {
			err = nil
		}
		x.gone.Store(true)
		if x.cfg.Reset {
			x.awaitReset(b)
		}
		return err
	}
}

// awaitReset reads until the answer to HCI Reset, or the end of the controller.
func (x *session) awaitReset(b []byte) {
	for {
		if n, err := x.tr.ReadPacket(b); err != nil || answersReset(b[:n]) {
			return
		}
	}
}

func (x *session) sendReset() error {
	b, err := hci.AppendCommand(nil, hci.Reset{})
	if err != nil {
		return err
	}
	return x.tr.WritePacket(b)
}

func answersReset(b []byte) bool {
	if len(b) == 0 || hci.PacketType(b[0]) != hci.PacketEvent {
		return false
	}
	ev, err := hci.ParseEvent(b[1:])
	done, ok := ev.(*hci.CommandComplete)
	return err == nil && ok && done.Opcode == hci.Reset{}.Opcode()
}

// capturePacket passes a packet to Config.Capture, whose error ends Serve.
func (s *service) capturePacket(sent bool, b []byte) error {
	if s.cfg.Capture == nil {
		return nil
	}
	s.captureMu.Lock()
	defer s.captureMu.Unlock()
	if s.captureErr == nil {
		if s.captureErr = s.cfg.Capture(time.Now(), sent, b); s.captureErr != nil {
			s.fail(s.captureErr)
		}
	}
	return s.captureErr
}

// explainClient returns the reason for which a client cannot be read or written.
func (x *session) explainClient(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSlow
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrHalfPacket
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		if n := x.client.Skipped(); n > 0 {
			return fmt.Errorf("%w; it sent %d octets that begin no packet", ErrLeft, n)
		}
		return ErrLeft
	}
	if bad, ok := errors.AsType[*hci.PacketError](err); ok {
		return fmt.Errorf("lab: the client is out of step: %w", bad)
	}
	return err
}

func isGone(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) }

// hurried is a client that has Patience for each packet.
type hurried struct{ io.ReadWriteCloser }

func (h *hurried) Write(b []byte) (int, error) {
	if d, ok := h.ReadWriteCloser.(interface{ SetWriteDeadline(t time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Now().Add(Patience)) // not all files have one
	}
	return h.ReadWriteCloser.Write(b)
}
