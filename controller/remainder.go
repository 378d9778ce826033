package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// remainder is the part of the start-up that a scan does not need: sizes, states and
// features to read, and defaults for links to set. It runs on the loop, behind the start
// of the first scan, one command at a time so that other commands take their turn. It
// runs at once if something else needs it first: a dial, advertising, the resolving list,
// Info, or a scan that the controller refuses without it.
type remainder struct {
	c       *core
	state   remainderState
	waiting []func() // to be called at its end
}

// remainderState is the state of a remainder. The zero value is that of a core without a
// start-up.
type remainderState uint8

const (
	remainderDone remainderState = iota
	remainderDue
	remainderRunning
)

// isDone reports whether all commands have been answered.
func (r *remainder) isDone() bool { return r.state == remainderDone }

// afterEnd calls f once the remainder has ended, which is now if it has already. It
// begins if it has not. Must run on the loop.
func (r *remainder) afterEnd(f func()) {
	if r.isDone() || r.c.err != nil {
		f()
		return
	}
	r.waiting = append(r.waiting, f)
	r.begin()
}

// mayAllowScan reports whether a scan that the controller has refused is to be tried again
// after the remainder: a BR/EDR controller may demand Write LE Host Support. A refusal
// while the remainder runs is judged after it, because the remedy for it may be a reset.
func (r *remainder) mayAllowScan(refusal error) bool {
	status := statusOf(refusal)
	return r.state == remainderRunning || r.state == remainderDue && r.c.info.Commands.Has(hci.OpWriteLEHostSupport) &&
		(status == hci.StatusCommandDisallowed || status == hci.StatusUnsupportedFeature)
}

// begin runs the remainder, unless it has run.
func (r *remainder) begin() {
	if r.state == remainderDue && r.c.err == nil {
		r.state = remainderRunning
		r.runSteps(r.steps())
	}
}

func (r *remainder) runSteps(steps []remainderStep) {
	if len(steps) == 0 || r.c.err != nil {
		r.end()
		return
	}
	steps[0](func() { r.runSteps(steps[1:]) })
}

// end lets everything go on that waits for the remainder.
func (r *remainder) end() {
	c := r.c
	r.state = remainderDone
	c.publishInfo()
	waiting := r.waiting
	r.waiting = nil
	for _, f := range waiting {
		f()
	}
	c.scan.syncScan()
	c.adv.syncAdvertising()
	c.dial.startInitiation()
}

// remainderStep is one command of the remainder, which may turn out to be unnecessary. It
// then calls then.
type remainderStep func(then func())

// steps returns the commands in their order. Write LE Host Support comes first, since a
// refused scan may wait for it.
func (r *remainder) steps() []remainderStep {
	i := &r.c.info
	return []remainderStep{
		r.configure(hci.OpWriteLEHostSupport, func() hci.Params { return hci.WriteLEHostSupport{Enabled: true} }),
		read(r, hci.LEReadAllLocalSupportedFeatures{}, func(all hci.LEAllFeatures) {
			// Page 0 has 64 bits, every other page 192 (Vol 6, Part B, 4.6).
			i.FeaturePages = append([]byte(nil), all.Pages[:min(len(all.Pages), 8+24*int(all.MaxPage))]...)
		}),
		read(r, hci.LEReadFilterAcceptListSize{}, func(n hci.Count) { i.AcceptListSize = int(n) }),
		read(r, hci.LEReadResolvingListSize{}, func(n hci.Count) { i.ResolvingListSize = int(n) }),
		read(r, hci.LEReadSupportedStates{}, func(states hci.LEStates) { i.States = states }),
		read(r, hci.LEReadMaximumDataLength{}, func(longest hci.MaximumDataLength) { i.MaxData = longest }),
		r.configure(hci.OpLEWriteSuggestedDefaultDataLength, func() hci.Params {
			if !i.Commands.Has(hci.OpLEReadMaximumDataLength) || !i.Features.Has(hci.FeatureDataLength) {
				return nil
			}
			return hci.LEWriteSuggestedDefaultDataLength{TXOctets: i.maxTXOctets(), TXTime: i.maxTXTime()}
		}),
		r.configure(hci.OpLESetDefaultPHY, func() hci.Params { return hci.LESetDefaultPHY{} }),
	}
}

// read returns the step of a command that reads something, if the controller has it.
func read[R any](r *remainder, cmd hci.Command[R], take func(R)) remainderStep {
	return func(then func()) {
		if !r.c.info.Commands.Has(cmd.Opcode()) {
			then()
			return
		}
		r.c.runCommand(cmd, func(_ time.Time, ret []byte, err error) {
			decodeReturn(cmd, ret, err, func(v R, bad error) {
				if err == nil && bad != nil {
					r.c.pacing.noteFault(&CommandError{cmd.Opcode(), errShort})
				}
				if r.noteAnswer(bad) {
					take(v)
				}
			})
			then()
		})
	}
}

// configure returns the step of a command that a reset makes necessary again, if the
// controller has it and make returns it.
func (r *remainder) configure(op hci.Opcode, make func() hci.Params) remainderStep {
	return func(then func()) {
		if !r.c.info.Commands.Has(op) {
			then()
			return
		}
		p := make()
		if p == nil {
			then()
			return
		}
		r.c.info.setup = append(r.c.info.setup, p)
		r.c.runCommand(p, func(_ time.Time, _ []byte, err error) {
			r.noteAnswer(err)
			then()
		})
	}
}

// noteAnswer notes how a command has ended, and reports whether it has succeeded.
func (r *remainder) noteAnswer(err error) bool {
	if err == nil {
		return true
	}
	if r.c.err == nil {
		r.c.log.Log(r.c.ctx, LevelController, "start-up goes on without", "error", err)
	}
	return false
}
