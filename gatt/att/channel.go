package att

import (
	"log/slog"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

const (
	// DefaultMTU is the MTU of a bearer before an exchange (Vol 3, Part G, 5.2.1).
	DefaultMTU = 23
	// MaxMTU is the most that is of use: a value of 512 octets and the head of
	// the longest PDU that carries one.
	MaxMTU = 517
)

// Channel is the way to the peer that a [Bearer] runs on, normally L2CAP's fixed
// channel for ATT. Its methods are called on the loop, but for those of
// loop.Poster, which are called from all other goroutines.
type Channel interface {
	// Send sends one PDU. It copies pdu and never waits; on a channel that has
	// ended it does nothing.
	Send(pdu []byte)
	// Room reports whether the channel wants more PDUs. After false, the channel
	// calls Bearer.Writable once when it does again.
	Room() bool
	// SetDeadline asks for a call of Bearer.Expire at t; it replaces the one
	// before. The zero time asks for none.
	SetDeadline(t time.Time)
	// Close ends the channel, and the link below it, because of cause. The
	// channel calls Bearer.Down when that has happened.
	Close(cause error)
	loop.Poster
}

// RequestHandler is the server of a bearer. All its methods are called on the
// loop: they must not wait, call user code, or keep pdu.
type RequestHandler interface {
	// Request takes a request of the peer that is known to the specification and
	// not longer than the MTU; nothing else of it has been checked. The handler
	// owes one call of b.Reply, now or later; until then further requests wait
	// in the bearer. MTU requests are the bearer's own.
	//
	// For a request that had to wait, now is the last time that the bearer has
	// seen.
	Request(now time.Time, b *Bearer, pdu []byte)
	// Command takes a write command or a signed write command.
	Command(now time.Time, b *Bearer, pdu []byte)
	// Down is the last call; the bearer carries nothing anymore.
	Down(now time.Time, b *Bearer)
}

// NotifyHandler takes the values that the peer's server sends on its own accord.
// Its methods are called on the loop: they must not wait, call user code, or
// keep value.
type NotifyHandler interface {
	// Notification takes one value. A PDU with several is split.
	Notification(now time.Time, h Handle, value []byte)
	// Indication takes one value and reports whether it may be confirmed at
	// once. If not, the handler owes a call of Bearer.Confirm; the peer sends no
	// other indication before, and gives the link up after 30 seconds.
	Indication(now time.Time, h Handle, value []byte) (confirm bool)
}

// Config says how a Bearer is to behave. The zero Config is valid.
type Config struct {
	// MTU is the longest PDU that can be received, 23 to 517 octets; values
	// outside are moved to the nearer end. 0 is 517.
	MTU int
	// Requests answers the peer's requests. If nil, every request but that for
	// the MTU is refused as not supported.
	Requests RequestHandler
	// Logger gets what is dropped (debug) and protocol failures (-2). Nil is
	// silent.
	Logger *slog.Logger
}

func (c *Config) mtu() int {
	if c.MTU == 0 {
		return MaxMTU
	}
	return min(max(c.MTU, DefaultMTU), MaxMTU)
}
