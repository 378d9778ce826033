package slots

import (
	"log/slog"
	"time"
)

// Config holds the options of a Manager. The zero value of each field is its
// default.
type Config struct {
	// ProbeDelay is the time after which a learned limit is tried again for the
	// first time; each refusal doubles it, up to ten minutes, or up to 16 s while a
	// ticket waits. 0 is four seconds; a negative value keeps a learned limit for ever.
	ProbeDelay time.Duration
	// ReservationTimeout is the age at which Reconcile releases a slot without a
	// link. 0 is two minutes, which is longer than any attempt to connect; a
	// negative value keeps such slots.
	ReservationTimeout time.Duration
	// EventQueue is the number of events that wait for a slow subscriber before the
	// oldest are dropped and counted. 0 is 1024.
	EventQueue int
	// Logger takes panics of subscribers (error) and ignored reports (debug). Nil
	// logs nothing.
	Logger *slog.Logger
}

func (c *Config) probeDelay() time.Duration {
	if c.ProbeDelay == 0 {
		return 4 * time.Second
	}
	return c.ProbeDelay
}

func (c *Config) reservationTimeout() time.Duration {
	if c.ReservationTimeout == 0 {
		return 2 * time.Minute
	}
	return c.ReservationTimeout
}

func (c *Config) eventQueue() int {
	if c.EventQueue <= 0 {
		return 1024
	}
	return c.EventQueue
}

func (c *Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}
