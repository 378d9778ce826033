package hcisock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// Socket is the HCI user channel of a Linux adapter: this process alone has
// it until Close. Reading a packet allocates nothing.
//
// The kernel drops incoming packets while the receive buffer is full, so
// ReadPacket is to be called all the time; Drops tells how many were lost. A
// WritePacket that succeeded has only queued the packet: the controller's
// command and data credits are the caller's to keep.
type Socket struct {
	conn   *socket.Conn
	name   string
	log    *slog.Logger
	closed atomic.Bool

	// readErr is owned by the reader. The kernel reports the removal of an
	// adapter once and blocks afterwards.
	readErr error
}

// The user channel may be busy for a while without being held: the kernel is
// setting the adapter up, which with some firmware takes seconds, or bluetoothd
// powers it up again between our DOWN and bind.
const (
	bindTimeout = 10 * time.Second
	bindPause   = 100 * time.Millisecond
)

const opDown = "bring down"

// OpenUserChannel opens the adapter hciN for N = index, as Open does.
func OpenUserChannel(ctx context.Context, index int, cfg *Config) (*Socket, error) {
	name := indexName(index)
	if index < 0 || index > maxIndex {
		return nil, &OpenError{Address: name, Op: "open", Cause: CauseAddress,
			Err: fmt.Errorf("index %d is not from 0 to %d", index, maxIndex), Remedy: forms}
	}
	ctl, err := openControl(cfg)
	if err != nil {
		return nil, explain(name, "open control socket", index, err)
	}
	type result struct {
		s   *Socket
		err error
	}
	// The kernel cannot be interrupted while it starts or stops an adapter, so
	// this goroutine outlives a canceled call until the kernel is done.
	done := make(chan result)
	go func() {
		defer ctl.Close()
		s, err := bindUserChannel(ctx, ctl, name, index, cfg)
		select {
		case done <- result{s, err}:
		case <-ctx.Done():
			if s != nil {
				s.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-ctx.Done():
		return nil, canceled(ctx, name, "open")
	}
}

// bindUserChannel brings the adapter down and takes it.
func bindUserChannel(ctx context.Context, ctl *control, name string, index int, cfg *Config) (*Socket, error) {
	for deadline := time.Now().Add(bindTimeout); ; {
		// Busy here means that another process has the user channel: there is
		// nothing to wait for.
		if err := ctl.down(index); err != nil {
			return nil, explain(name, opDown, index, err)
		}
		s, err := tryBind(name, index, cfg)
		if err == nil {
			s.log.Info("hci user channel open", "adapter", name)
			return s, nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return nil, explainBind(ctl, name, index, err)
		}
		select {
		case <-time.After(bindPause):
		case <-ctx.Done():
			return nil, canceled(ctx, name, "bind user channel")
		}
	}
}

// explainBind knows one cause more than explain: an adapter that stays busy
// without being up is one whose setup in the kernel failed, by an answer that
// never came or by missing firmware. It stays so until it is plugged in again.
func explainBind(ctl *control, name string, index int, err error) error {
	const op = "bind user channel"
	if info, infoErr := ctl.info(index); infoErr == nil && info.flags&flagUp == 0 && errors.Is(err, unix.EBUSY) {
		return &OpenError{Address: name, Op: op, Err: fmt.Errorf("the kernel could not set it up: %w", err),
			Cause: CauseDriver, Remedy: driverRemedy}
	}
	return explain(name, op, index, err)
}

func tryBind(name string, index int, cfg *Config) (*Socket, error) {
	conn, err := hciSocket(cfg)
	if err != nil {
		return nil, err
	}
	if err := conn.Bind(&unix.SockaddrHCI{Dev: uint16(index), Channel: unix.HCI_CHANNEL_USER}); err != nil {
		conn.Close()
		return nil, err
	}
	return newSocket(conn, name, cfg)
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
		return 0, s.wrap("read", s.readErr)
	}
	n, err := s.conn.Read(b)
	if err != nil {
		s.readErr = err
		return 0, s.wrap("read", err)
	}
	return n, nil
}

// WritePacket implements hci.Transport.
func (s *Socket) WritePacket(b []byte) error {
	if _, err := s.conn.Write(b); err != nil {
		return s.wrap("write", err)
	}
	return nil
}

// wrap names the adapter and what the errno means here.
func (s *Socket) wrap(op string, err error) error {
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

// Close implements hci.Transport. It waits until the kernel has stopped the
// adapter and given it back.
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

// memInfo is what SO_MEMINFO fills: SK_MEMINFO_VARS counters.
type memInfo struct {
	_     [8]uint32
	drops uint32 // SK_MEMINFO_DROPS
}

// Drops returns how many incoming packets the kernel has dropped because the
// receive buffer was full. It may be called from any goroutine.
func (s *Socket) Drops() (uint32, error) {
	var m memInfo
	b := unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	if _, err := s.conn.GetsockoptBytes(unix.SOL_SOCKET, unix.SO_MEMINFO, b); err != nil {
		return 0, s.wrap("drops", err)
	}
	return m.drops, nil
}

// openMAC finds the adapter that has a.MAC now. The index may go to another
// adapter between the look and the bind, so it looks again afterwards.
func openMAC(ctx context.Context, a Address, cfg *Config) (*Socket, error) {
	ctl, err := openControl(cfg)
	if err != nil {
		return nil, explain(a.String(), "open control socket", -1, err)
	}
	defer ctl.Close()
	index, err := ctl.find(a.MAC)
	if err != nil {
		return nil, explain(a.String(), "find adapter", -1, err)
	}
	s, err := OpenUserChannel(ctx, index, cfg)
	if err != nil {
		return nil, err
	}
	if info, err := ctl.info(index); err != nil || hci.MAC(info.address) != a.MAC {
		s.Close()
		return nil, explain(a.String(), "check address", index, errors.Join(unix.ENODEV, err))
	}
	return s, nil
}

// find returns the index of the adapter with the address; ENODEV if there is
// none.
func (c *control) find(mac hci.MAC) (int, error) {
	ids, err := c.indexes()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if info, err := c.info(id); err == nil && hci.MAC(info.address) == mac {
			return id, nil
		}
	}
	return 0, unix.ENODEV
}
