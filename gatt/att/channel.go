package att

import (
	"log/slog"
	"time"

	"github.com/moor-ble/moor/internal/loop"
)

const (
	// DefaultMTU is the MTU of a bearer before an exchange (Vol 3, Part G, 5.2.1).
	DefaultMTU = 23
	// MaxMTU is the largest useful MTU: a value of 512 octets and the header of
	// the longest PDU that carries one.
	MaxMTU = 517
)

// Channel connects a [Bearer] to the peer, normally over L2CAP's fixed channel
// for ATT. The bearer calls its methods on the loop, except those of
// loop.Poster, which it calls on any other goroutine.
type Channel interface {
	// Send copies and sends one PDU. It never waits. On a channel that has ended
	// it does nothing.
	Send(pdu []byte)
	// Room reports whether the channel has room for PDUs. After false, the
	// channel calls Bearer.Writable once when it has.
	Room() bool
	// SetDeadline requests a call of Bearer.Expire at t, in place of any earlier
	// request. The zero time cancels it.
	SetDeadline(t time.Time)
	// Close ends the channel, and the link below an unenhanced one, because of cause. The
	// channel then calls Bearer.Down.
	Close(cause error)
	loop.Poster
}

// RequestHandler is the server of a bearer. All its methods run on the loop:
// they must not wait, call user code, or keep pdu.
type RequestHandler interface {
	// Request handles a request of the peer. Its opcode is one of the
	// specification and its length at most the MTU; nothing else has been
	// checked. The handler must call b.Reply once, now or later; until then the
	// bearer queues further requests. The bearer itself answers Exchange MTU
	// Request.
	//
	// For a request that was queued, now is the time of the latest call by the
	// loop.
	Request(now time.Time, b *Bearer, pdu []byte)
	// Command handles a write command or a signed write command.
	Command(now time.Time, b *Bearer, pdu []byte)
	// Down is the last call: the bearer has ended.
	Down(now time.Time, b *Bearer)
}

// NotifyHandler receives the values that the peer's server notifies and
// indicates. Its methods run on the loop: they must not wait, call user code, or
// keep value.
type NotifyHandler interface {
	// Notification handles one value. A PDU with several values makes several
	// calls.
	Notification(now time.Time, h Handle, value []byte)
	// Indication handles one value and reports whether to confirm it at once. If
	// not, the handler must call Bearer.Confirm. No other indication is passed on
	// before that, and the peer ends the link after 30 seconds.
	Indication(now time.Time, h Handle, value []byte) (confirm bool)
}

// Feed holds notifications that wait for room on the channel. Its methods run on the
// loop: they must not wait.
type Feed interface {
	// Waiting reports whether there is a PDU to send.
	Waiting() bool
	// AppendNext removes the next PDU and appends it to b. It returns b unchanged if there
	// is none, or if the PDU must not be sent any more.
	AppendNext(b []byte) []byte
}

// Config configures a Bearer. The zero Config is valid.
type Config struct {
	// MTU is the longest PDU that this side accepts, in octets. It is clamped to
	// 23 to 517; 0 means 517.
	MTU int
	// Requests answers the peer's requests. If it is nil, every request but
	// Exchange MTU is refused as not supported.
	Requests RequestHandler
	// Logger logs dropped PDUs at level Debug and protocol failures at level -2.
	// Nil disables logging.
	Logger *slog.Logger
}

func (c *Config) mtu() int {
	if c.MTU == 0 {
		return MaxMTU
	}
	return min(max(c.MTU, DefaultMTU), MaxMTU)
}
