package controller

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// starter runs the commands of the start-up. sendCommand queues commands that do not
// depend on each other, and awaitAnswers sends them and waits for all answers. Its
// methods do nothing after the first error.
type starter struct {
	ctx   context.Context
	ctl   *Controller
	err   error
	queue []queuedCommand
	// unknown counts the LE commands that the controller has answered with 0x01,
	// unknown HCI command.
	unknown int
}

// queuedCommand is a command of a starter. send sends it on the loop, and calls answered
// once it has ended.
type queuedCommand struct {
	op   hci.Opcode
	send func(wanted func() bool, answered func())
}

// answer is the answer to a command of the start-up, valid after awaitAnswers.
type answer[R any] struct {
	v   R
	err error
}

// sendCommand queues cmd.
func sendCommand[R any](s *starter, cmd hci.Command[R]) *answer[R] {
	a, op := &answer[R]{}, cmd.Opcode()
	s.queue = append(s.queue, queuedCommand{op, func(wanted func() bool, answered func()) {
		c := &s.ctl.core
		c.runCommandIf(wanted, cmd, func(_ time.Time, ret []byte, err error) {
			decodeReturn(cmd, ret, err, func(v R, err error) { a.v, a.err = v, err })
			if err == nil && a.err != nil {
				c.pacing.noteFault(&CommandError{op, errShort})
			}
			answered()
		})
	}})
	return a
}

// awaitAnswers sends the queued commands, in their order, and waits for their answers.
func (s *starter) awaitAnswers() {
	queue := s.queue
	s.queue = nil
	if s.err != nil || len(queue) == 0 {
		return
	}
	var ended atomic.Int32
	unanswered := func(err error) error {
		return &CommandError{queue[min(int(ended.Load()), len(queue)-1)].op, err}
	}
	_, s.err = askLoop(s.ctx, &s.ctl.core, unanswered, func(wanted func() bool, done func(hci.None, error)) {
		for _, q := range queue {
			q.send(wanted, func() {
				if int(ended.Add(1)) == len(queue) {
					done(hci.None{}, s.ctl.core.pacing.takeFault())
				}
			})
		}
	})
}

// need returns an answer that the start-up cannot do without.
func need[R any](s *starter, a *answer[R]) (v R) {
	if s.err == nil {
		v, s.err = a.v, a.err
	}
	return v
}

// accept returns an answer that the start-up can do without: the zero value if the
// command failed. The end of the Controller or of the context ends the start-up all the
// same.
func accept[R any](s *starter, a *answer[R]) (v R) {
	if s.err != nil {
		return v
	}
	if a.err != nil {
		s.failOptional(a.err)
		return v
	}
	return a.v
}

// try runs an optional command alone.
func try[R any](s *starter, cmd hci.Command[R]) R {
	a := sendCommand(s, cmd)
	s.awaitAnswers()
	return accept(s, a)
}

// failOptional notes the failure of an optional command.
func (s *starter) failOptional(err error) {
	failed, ok := errors.AsType[*CommandError](err)
	ended := ok && essential(failed.Op) && errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNoCredit)
	if s.ctx.Err() != nil || s.ctl.Err() != nil || ended {
		s.err = err
		return
	}
	const le = 0x08 // the group of the LE commands (7.8)
	if ok && failed.Op>>10 == le && statusOf(err) == hci.StatusUnknownCommand {
		s.unknown++
	}
	s.ctl.core.log.Log(s.ctx, LevelController, "start-up goes on without", "error", err)
}

// readCommands reads the list of supported commands, and reports whether it is whole. Of
// a list that is too short, it takes what there is.
func (s *starter) readCommands() (v hci.SupportedCommands, whole bool) {
	var list []byte
	a := &answer[hci.None]{}
	s.queue = append(s.queue, queuedCommand{hci.OpReadLocalSupportedCommands, func(wanted func() bool, answered func()) {
		c := &s.ctl.core
		c.runCommandIf(wanted, hci.ReadLocalSupportedCommands{}, func(_ time.Time, ret []byte, err error) {
			if list, a.err = slices.Clone(ret), err; err == nil && len(list) < len(v) {
				c.pacing.noteFault(&CommandError{hci.OpReadLocalSupportedCommands, errShort})
			}
			answered()
		})
	}})
	s.awaitAnswers()
	accept(s, a)
	if s.err != nil {
		return v, false
	}
	return v, copy(v[:], list) == len(v)
}

// raisePace lets the controller have several commands at a time.
func (s *starter) raisePace() {
	s.ctl.Post(loop.Func(func(time.Time) { s.ctl.core.pacing.raise() }))
}
