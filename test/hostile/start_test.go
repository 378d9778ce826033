package hostile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// startCommands are the commands from the opening of a controller without a public address
// to the end of its start-up, behind the start of the first scan.
var startCommands = []hci.Opcode{
	hci.OpReset, hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands,
	hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpSetEventMask,
	hci.OpLESetEventMask, hci.OpLEReadBufferSizeV2, hci.OpLESetRandomAddress,
	hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable,
	hci.OpWriteLEHostSupport, hci.OpLEReadAllLocalSupportedFeatures, hci.OpLEReadFilterAcceptListSize,
	hci.OpLEReadResolvingListSize, hci.OpLEReadSupportedStates, hci.OpLEReadMaximumDataLength,
	hci.OpLEWriteSuggestedDefaultDataLength, hci.OpLESetDefaultPHY,
}

// commandTap is a transport that records the commands of the host, and the largest number
// of them that the host awaited an answer to.
type commandTap struct {
	hci.Transport

	mu      sync.Mutex
	ops     []hci.Opcode             // guarded by mu, as all below
	pending map[hci.Opcode]time.Time // when they were sent
	most    int
}

func newTap(tr hci.Transport) *commandTap {
	return &commandTap{Transport: tr, pending: map[hci.Opcode]time.Time{}}
}

func (c *commandTap) WritePacket(b []byte) error {
	if p, err := hci.ParseCommand(b[1:]); err == nil {
		c.mu.Lock()
		if c.ops = append(c.ops, p.Opcode()); p.Opcode() == hci.OpReset {
			clear(c.pending)
		}
		for op, sent := range c.pending {
			if time.Since(sent) >= 2*time.Second { // given up
				delete(c.pending, op)
			}
		}
		c.pending[p.Opcode()] = time.Now()
		c.most = max(c.most, len(c.pending))
		c.mu.Unlock()
	}
	return c.Transport.WritePacket(b)
}

func (c *commandTap) ReadPacket(b []byte) (int, error) {
	n, err := c.Transport.ReadPacket(b)
	if err != nil {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ev, _ := hci.ParseEvent(b[1:n]); ev := ev.(type) {
	case *hci.CommandComplete:
		delete(c.pending, ev.Opcode)
	case *hci.CommandStatus:
		delete(c.pending, ev.Opcode)
	}
	return n, err
}

// startRun is the outcome of a start-up.
type startRun struct {
	err    error // the first one, or the end of the Controller
	took   time.Duration
	ops    []hci.Opcode
	resets int
	most   int // commands without an answer
}

// runStartUp opens a controller, scans, and waits for the end of the start-up.
func runStartUp(t *testing.T, tr hci.Transport, pace *controller.Pace) (r startRun) {
	tap, began := newTap(tr), time.Now()
	ctl, err := controller.Open(t.Context(), tap, &controller.Config{Pace: pace})
	if err == nil {
		if _, err = ctl.Scan(t.Context(), nil); err == nil {
			ctl.Info()
			err = ctl.Err()
		}
		defer ctl.Close()
	}
	tap.mu.Lock()
	defer tap.mu.Unlock()
	r = startRun{err: err, took: time.Since(began), ops: slices.Clone(tap.ops), most: tap.most}
	for _, op := range r.ops {
		if op == hci.OpReset {
			r.resets++
		}
	}
	return r
}

// startFault spoils one command of the start-up.
type startFault struct {
	name string
	make func(op hci.Opcode, times int) sim.Fault
	// bad reports whether the controller is driven one command at a time after it.
	bad func(op hci.Opcode, credits uint8, times int) bool
}

func startFaults() []startFault {
	always := func(hci.Opcode, uint8, int) bool { return true }
	never := func(hci.Opcode, uint8, int) bool { return false }
	// A controller that does not answer Reset still boots, or hangs.
	unlessReset := func(op hci.Opcode, _ uint8, _ int) bool { return op != hci.OpReset }
	// Those that are sent together with a later one.
	early := []hci.Opcode{hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpLESetEventMask, hci.OpLEReadBufferSizeV2}
	command := func(f sim.CommandFault) func(hci.Opcode, int) sim.Fault {
		return func(op hci.Opcode, times int) sim.Fault { f.Opcode, f.Times = op, times; return f }
	}
	return []startFault{
		{"silent", command(sim.CommandFault{NoAnswer: true}), unlessReset},
		{"lost", command(sim.CommandFault{NoAnswer: true, Ignore: true}), unlessReset},
		{"late", command(sim.CommandFault{Delay: 3 * time.Second}), unlessReset},
		{"as another command", command(sim.CommandFault{As: hci.OpLERand}), unlessReset},
		{"short by an octet", command(sim.CommandFault{ShortBy: 1}), always},
		{"cut off", command(sim.CommandFault{ShortBy: 255}), unlessReset},
		{"overtaken", func(op hci.Opcode, times int) sim.Fault {
			return sim.EventFault{Code: hci.EvCommandComplete, Times: times, Behind: 1, Match: func(ev hci.Event) bool {
				c, ok := ev.(*hci.CommandComplete)
				return ok && c.Opcode == op
			}}
		}, func(op hci.Opcode, credits uint8, _ int) bool { return credits > 1 && slices.Contains(early, op) }},
		{"twice", command(sim.CommandFault{Copies: 1}), never},
		{"refused", command(sim.CommandFault{Status: hci.StatusUnknownCommand}), never},
		{"by Command Status", command(sim.CommandFault{OtherEvent: true}), nil},
		{"without credit", command(sim.CommandFault{NoCredits: true}), nil},
		{"with a late credit", command(sim.CommandFault{NoCredits: true, CreditDelay: time.Second}), never},
	}
}

// TestFaultsOfTheStartUp spoils each command of the start-up, once and always, on
// controllers that grant one command and eight. The start-up ends in time: the controller
// scans, or the error names a command. A controller that does not answer in order and in
// full is reset once, and opened one command at a time from then on.
func TestFaultsOfTheStartUp(t *testing.T) {
	for _, f := range startFaults() {
		for _, credits := range []uint8{1, 8} {
			for _, times := range []int{1, sim.Always} {
				t.Run(fmt.Sprintf("%s/%d credits/%d times", f.name, credits, times), func(t *testing.T) {
					for _, op := range startCommands {
						synctest.Test(t, func(t *testing.T) { testStartFault(t, f, op, credits, times) })
					}
				})
			}
		}
	}
}

func testStartFault(t *testing.T, f startFault, op hci.Opcode, credits uint8, times int) {
	air := sim.New(nil)
	defer air.Close()
	ctl := air.NewController(&sim.ControllerConfig{NoAddress: true, Latency: 4 * time.Millisecond, CommandCredits: credits})
	ctl.Fault(f.make(op, times))
	pace := &controller.Pace{}
	first := runStartUp(t, ctl.Plug(), pace)
	slow := pace.OneAtATime()
	second := runStartUp(t, ctl.Plug(), pace)
	for _, r := range []startRun{first, second} {
		if cmd, ok := errors.AsType[*controller.CommandError](r.err); r.err != nil && (!ok || !strings.Contains(r.err.Error(), cmd.Op.String())) {
			t.Errorf("%v: %v names no command", op, r.err)
		}
		if r.took > 8100*time.Millisecond {
			t.Errorf("%v: the start-up took %v", op, r.took)
		}
	}
	resets := 2
	if op == hci.OpReset {
		resets = 3 // as long as there is no answer
	}
	if first.most > 4 || credits == 1 && first.most > 1 || first.resets > resets {
		t.Errorf("%v: %d commands without an answer, %d resets", op, first.most, first.resets)
	}
	if f.bad != nil && slow != f.bad(op, credits, times) {
		t.Errorf("%v: one at a time is %v", op, slow)
	}
	if slow && second.most != 1 || slow && times == 1 && second.err != nil {
		t.Errorf("%v: opened again: %v, with %d commands without an answer", op, second.err, second.most)
	}
}

// TestStartOfClones opens controllers that grant more commands than they can hold, and lose
// the others. They are reset once and then driven one command at a time, also when they are
// opened again.
func TestStartOfClones(t *testing.T) {
	first := startCommands[:6:6]
	slow := startCommands
	for _, c := range []struct {
		name     string
		cfg      sim.ControllerConfig
		fault    sim.Fault
		crowded  []hci.Opcode // sent before the reset
		duration time.Duration
	}{
		// One of three commands is answered: the last two are missed after 2 s.
		{"one buffer", sim.ControllerConfig{CommandBuffers: 1}, nil, first, 16*time.Millisecond + 2*time.Second - 4*time.Millisecond},
		{"two buffers", sim.ControllerConfig{CommandBuffers: 2}, nil, first, 2012 * time.Millisecond},
		// A buffer for each command of a start-up: nothing is lost.
		{"three buffers", sim.ControllerConfig{CommandBuffers: 3}, nil, nil, 0},
		// The count of credits is lost with the last of several commands.
		{"no more credits", sim.ControllerConfig{}, sim.CommandFault{Opcode: hci.OpLESetRandomAddress, NoCredits: true},
			startCommands[:9:9], 4020 * time.Millisecond},
		// The second of three answers is lost, and the third one tells.
		{"an answer lost", sim.ControllerConfig{}, sim.CommandFault{Opcode: hci.OpReadBDADDR, NoAnswer: true}, first, 16 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				air := sim.New(nil)
				defer air.Close()
				c.cfg.NoAddress, c.cfg.Latency, c.cfg.CommandCredits = true, 4*time.Millisecond, 255
				ctl := air.NewController(&c.cfg)
				if c.fault != nil {
					ctl.Fault(c.fault)
				}
				pace := &controller.Pace{}
				got := runStartUp(t, ctl.Plug(), pace)
				want, took := slices.Concat(c.crowded, slow), c.duration+time.Duration(len(slow))*4*time.Millisecond
				if c.crowded == nil {
					took -= 4 * 4 * time.Millisecond // three commands at a time, twice
				}
				if got.err != nil || !slices.Equal(got.ops, want) || got.took != took {
					t.Errorf("%v after %v, sent\n%v, want %v\n%v", got.err, got.took, got.ops, took, want)
				}
				if lost := c.crowded != nil; pace.OneAtATime() != lost {
					t.Errorf("one at a time is %v", pace.OneAtATime())
				}
				again := runStartUp(t, ctl.Plug(), pace)
				most := 1
				if c.crowded == nil {
					most = 3
				}
				if again.err != nil || !slices.Equal(again.ops, slow) || again.most != most {
					t.Errorf("opened again: %v, most %d, sent\n%v, want\n%v", again.err, again.most, again.ops, slow)
				}
			})
		})
	}
}
