package controller_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// rounds plays a controller by hand: it lets the host send what it wants to, and then
// answers.
type rounds struct {
	t   *testing.T
	s   *script
	all [][]hci.Opcode // the commands, by the moment of sending
}

// start opens a Controller. In each round, answer gets the commands that were sent at one
// moment. A round without a command ends the start-up, or lets time pass.
func (r *rounds) start(cfg *controller.Config, answer func(ops []hci.Opcode)) (*controller.Controller, error) {
	host, ctl := hcitest.Pipe()
	r.s.ctl = ctl
	type result struct {
		d   *controller.Controller
		err error
	}
	opened := make(chan result, 1)
	go func() {
		d, err := controller.Open(r.t.Context(), host, cfg)
		opened <- result{d, err}
	}()
	for {
		synctest.Wait()
		select {
		case res := <-opened:
			return res.d, res.err
		default:
		}
		ops := r.takeSent()
		if len(ops) == 0 {
			time.Sleep(time.Second)
			continue
		}
		r.all = append(r.all, ops)
		answer(ops)
	}
}

// takeSent returns the commands sent since the last call.
func (r *rounds) takeSent() (ops []hci.Opcode) {
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel() // what has been sent is returned all the same
	for {
		b, err := r.s.ctl.Sent(ctx)
		if err != nil {
			return ops
		}
		p, err := hci.ParseCommand(b[1:])
		if err != nil {
			r.t.Fatal(err)
		}
		ops = append(ops, p.Opcode())
	}
}

// reply answers op well, and grants n commands.
func (r *rounds) reply(op hci.Opcode, n uint8) {
	r.s.send(&hci.CommandComplete{NumPackets: n, Opcode: op, Return: r.s.returns[op]})
}

func (r *rounds) want(name string, want ...[]hci.Opcode) {
	r.t.Helper()
	if fmt.Sprint(r.all) != fmt.Sprint(want) {
		r.t.Errorf("%s: sent\n%v, want\n%v", name, r.all, want)
	}
}

// plainStart are the commands before the scan of a plain controller.
var plainStart = []hci.Opcode{
	hci.OpReset, hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands,
	hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpLEReadBufferSize,
}

// alone returns the commands, each in a round of its own.
func alone(ops []hci.Opcode) (all [][]hci.Opcode) {
	for _, op := range ops {
		all = append(all, []hci.Opcode{op})
	}
	return all
}

// TestStartSendsWhatIsGranted sends the commands of the start-up in one order, as many at a
// time as the controller grants, four at most, and none beyond one before the first three
// have been answered.
func TestStartSendsWhatIsGranted(t *testing.T) { synctest.Test(t, testStartSendsWhatIsGranted) }

func testStartSendsWhatIsGranted(t *testing.T) {
	three, all := alone(plainStart[:3]), slices.Concat(alone(plainStart[:3]), [][]hci.Opcode{plainStart[3:6], plainStart[6:]})
	for _, c := range []struct {
		granted uint8
		want    [][]hci.Opcode
	}{
		{1, alone(plainStart)},
		{2, slices.Concat(three, [][]hci.Opcode{plainStart[3:5], plainStart[5:6], plainStart[6:]})},
		{3, all}, {8, all}, {255, all},
	} {
		r := &rounds{t: t, s: newScript(nil)}
		d, err := r.start(nil, func(ops []hci.Opcode) {
			for _, op := range ops {
				r.reply(op, c.granted)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		r.want(fmt.Sprint(c.granted, " granted"), c.want...)
		d.Close()
	}
}

// TestStartAsCreditsCome waits for the credits of a controller that grants them in a Command
// Complete for no command.
func TestStartAsCreditsCome(t *testing.T) { synctest.Test(t, testStartAsCreditsCome) }

func testStartAsCreditsCome(t *testing.T) {
	r := &rounds{t: t, s: newScript(nil)}
	d, err := r.start(nil, func(ops []hci.Opcode) {
		for _, op := range ops {
			r.reply(op, 0)
		}
		r.s.send(&hci.CommandComplete{NumPackets: 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.want("credits for no command", slices.Concat(alone(plainStart[:3]), [][]hci.Opcode{plainStart[3:5], plainStart[5:6], plainStart[6:]})...)
	d.Close()
}

// TestStartAgainOneAtATime resets a controller that fails to answer several commands at a
// time, once, and sends it one command at a time from then on: in this start-up, after it,
// and when it is opened again.
func TestStartAgainOneAtATime(t *testing.T) { synctest.Test(t, testStartAgainOneAtATime) }

func testStartAgainOneAtATime(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *rounds, ops []hci.Opcode)
		waits time.Duration
	}{
		"out of order": {func(r *rounds, ops []hci.Opcode) {
			for _, op := range slices.Backward(ops) {
				r.reply(op, 8)
			}
		}, 0},
		"short": {func(r *rounds, ops []hci.Opcode) {
			r.s.send(&hci.CommandComplete{NumPackets: 8, Opcode: ops[0], Return: r.s.returns[ops[0]][:3]})
		}, 0},
		"without parameters": {func(r *rounds, ops []hci.Opcode) {
			r.s.send(&hci.CommandComplete{NumPackets: 8, Opcode: ops[0]})
		}, 0},
		"none":  {func(*rounds, []hci.Opcode) {}, 2 * time.Second},
		"first": {func(r *rounds, ops []hci.Opcode) { r.reply(ops[0], 8) }, 2 * time.Second},
		"no credit for the next": {func(r *rounds, ops []hci.Opcode) {
			for _, op := range ops {
				r.reply(op, 0)
			}
		}, 4 * time.Second},
	} {
		pace := &controller.Pace{}
		for opened := range 2 {
			r, began := &rounds{t: t, s: newScript(nil)}, time.Now()
			d, err := r.start(&controller.Config{Pace: pace}, func(ops []hci.Opcode) {
				if len(ops) > 1 {
					c.spoil(r, ops)
					return
				}
				r.reply(ops[0], 8)
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if opened == 0 {
				r.want(name, slices.Concat(alone(plainStart[:3]), [][]hci.Opcode{plainStart[3:6]}, alone(plainStart))...)
			} else {
				r.want(name+", opened again", alone(plainStart)...)
			}
			if took := time.Since(began); !pace.OneAtATime() || opened == 0 && took != c.waits || opened == 1 && took != 0 {
				t.Errorf("%s: ready after %v, want %v; one at a time is %v", name, took, c.waits, pace.OneAtATime())
			}
			for _, cmd := range []hci.Command[hci.None]{hci.WriteLEHostSupport{Enabled: true}, hci.LESetDefaultPHY{}} {
				go func() { _, _ = controller.Exec(t.Context(), d, cmd) }()
			}
			synctest.Wait()
			if ops := r.takeSent(); len(ops) != 1 {
				t.Errorf("%s: sent %v at a time after the start-up", name, ops)
			}
			go r.s.run(t.Context())
			d.Close()
		}
	}
}

// TestStartWithoutTrust sends one command at a time to a controller that has not answered
// the first three as it should, however many it grants.
func TestStartWithoutTrust(t *testing.T) { synctest.Test(t, testStartWithoutTrust) }

func testStartWithoutTrust(t *testing.T) {
	version, commands := hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands
	for _, c := range []struct {
		name       string
		op         hci.Opcode
		answer     []byte // nil: none
		remembered bool
	}{
		{"no version", version, nil, true},
		{"a short version", version, []byte{0, 6, 0}, true},
		{"version refused", version, []byte{1}, false},
		{"a short list", commands, make([]byte, 41), true},
		{"no list", commands, nil, true},
		{"list refused", commands, []byte{1}, false},
		{"reset without status", hci.OpReset, []byte{}, true},
	} {
		pace, r := &controller.Pace{}, &rounds{t: t, s: newScript(nil)}
		d, err := r.start(&controller.Config{Pace: pace}, func(ops []hci.Opcode) {
			for _, op := range ops {
				switch {
				case op != c.op:
					r.reply(op, 8)
				case c.answer != nil:
					r.s.send(&hci.CommandComplete{NumPackets: 8, Opcode: op, Return: c.answer})
				}
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r.want(c.name, alone(plainStart)...)
		if pace.OneAtATime() != c.remembered {
			t.Errorf("%s: one at a time is %v", c.name, pace.OneAtATime())
		}
		go r.s.run(t.Context())
		d.Close()
	}
}

// TestFourCommandsAtATime sends no fifth command, however many the controller grants.
func TestFourCommandsAtATime(t *testing.T) { synctest.Test(t, testFourCommandsAtATime) }

func testFourCommandsAtATime(t *testing.T) {
	r := &rounds{t: t, s: newScript(nil)}
	d, err := r.start(nil, func(ops []hci.Opcode) {
		for _, op := range ops {
			r.reply(op, 255)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []hci.Command[hci.None]{
		hci.WriteLEHostSupport{Enabled: true}, hci.LESetDefaultPHY{}, hci.LEClearFilterAcceptList{},
		hci.LEClearResolvingList{}, hci.LESetAddressResolutionEnable{}, hci.LESetEventMask{},
	} {
		go func() { _, _ = controller.Exec(t.Context(), d, cmd) }()
	}
	synctest.Wait()
	ops := r.takeSent()
	if len(ops) != 4 {
		t.Fatalf("sent %v at a time", ops)
	}
	// After the start-up, the order of the answers does not matter.
	r.s.send(&hci.CommandComplete{NumPackets: 255, Opcode: ops[2], Return: []byte{0}})
	synctest.Wait()
	if more := r.takeSent(); len(more) != 1 {
		t.Errorf("beside three commands, sent %v", more)
	}
	go r.s.run(t.Context())
	d.Close()
}
