package peripheral

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Mover computes the values of a behavior, one after the other, without an Engine. It
// is for servers that are not of package gatt. It is not safe for concurrent use.
type Mover struct{ m mover }

// NewMover returns the values of a characteristic of a valid description; nil if the
// behavior moves no value, or runs a command.
func NewMover(c *Characteristic, seed, index uint64) *Mover {
	switch c.Behavior.Kind {
	case Constant, Echo, Command:
		return nil
	default:
	}
	return &Mover{mover{c: c, rng: rand.New(rand.NewPCG(seed, index))}}
}

// Wait returns the time until the next value. ok is false if there is none.
func (m *Mover) Wait() (d time.Duration, ok bool) { return m.m.wait() }

// Next returns the next value.
func (m *Mover) Next() ([]byte, error) { return m.m.next(context.Background(), nil) }

// mover is the state of a behavior.
type mover struct {
	c    *Characteristic
	rng  *rand.Rand
	n    int     // values so far
	at   float64 // RandomWalk
	from bool    // at is set
}

// wait returns the time until the next value; ok is false after the last one.
func (m *mover) wait() (time.Duration, bool) {
	b := &m.c.Behavior
	if b.Kind != Script {
		return b.every(), true
	}
	if m.n >= len(b.Script) && !b.Repeat {
		return 0, false
	}
	return b.Script[m.n%len(b.Script)].After, true
}

// next returns the next value.
func (m *mover) next(ctx context.Context, run func(context.Context, string) (string, error)) ([]byte, error) {
	b, n := &m.c.Behavior, m.n
	m.n++
	from, to, step := b.bounds()
	steps := int(math.Floor((to-from)/step + 1e-9)) // from the lowest to the highest value
	switch b.Kind {
	case Script:
		return m.c.Encode(b.Script[n%len(b.Script)].Value)
	case Command:
		text, err := run(ctx, b.Run)
		if err != nil {
			return nil, err
		}
		return m.c.Encode(strings.TrimSpace(text))
	case Ramp:
		k := n % max(1, 2*steps)
		return m.c.encodeNumber(from + step*float64(min(k, 2*steps-k)))
	case RandomWalk:
		if !m.from {
			m.at, m.from = from, true
		} else {
			m.at = min(max(m.at+step*(2*m.rng.Float64()-1), from), to)
		}
		return m.c.encodeNumber(m.at)
	default:
	}
	return m.c.encodeNumber(from + step*float64(n%(steps+1)))
}
