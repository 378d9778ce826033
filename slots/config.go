package slots

import (
	"log/slog"
	"time"
)

// Config says how a Manager is to behave. The zero Config is valid.
type Config struct {
	// LimitDecay is how long a learned limit holds before it is raised by one,
	// again and again until it no longer binds. 0 is ten minutes; a negative value
	// keeps it for ever.
	LimitDecay time.Duration
	// ReservationTimeout is how old a slot without a link must be for Reconcile to
	// take it back. 0 is two minutes, more than any attempt to connect takes; a
	// negative value takes none back.
	ReservationTimeout time.Duration
	// EventQueue is how many events wait for a slow subscriber before the oldest
	// are dropped. 0 is 64.
	EventQueue int
	// Logger gets panics of subscribers (error) and what is ignored (debug). Nil
	// is silent.
	Logger *slog.Logger
}

func (c *Config) limitDecay() time.Duration {
	if c.LimitDecay == 0 {
		return 10 * time.Minute
	}
	return c.LimitDecay
}

func (c *Config) reservationTimeout() time.Duration {
	if c.ReservationTimeout == 0 {
		return 2 * time.Minute
	}
	return c.ReservationTimeout
}

func (c *Config) eventQueue() int {
	if c.EventQueue <= 0 {
		return 64
	}
	return c.EventQueue
}

func (c *Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}
