package controller_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// The tuning of a link does not override a request of the program, whichever comes
// first and however the program makes it.
func TestTuningIsNotForWhatTheProgramAsksFor(t *testing.T) {
	plain := hci.LESetPHY{Handle: 1, TX: hci.PHYs1M, RX: hci.PHYs1M}
	short := hci.LESetDataLength{Handle: 1, TXOctets: 27, TXTime: 328 * time.Microsecond}
	fast := hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M}
	long := hci.LESetDataLength{Handle: 1, TXOctets: 251, TXTime: 2120 * time.Microsecond}
	setPHY := func(t *testing.T, _ *controller.Controller, l *controller.Link) {
		if _, _, err := l.SetPHY(t.Context(), hci.PHYs1M, hci.PHYs1M); err != nil {
			t.Error(err)
		}
	}
	tests := map[string]struct {
		ask  func(t *testing.T, ctl *controller.Controller, l *controller.Link)
		want []hci.Params
	}{
		"nothing": {func(*testing.T, *controller.Controller, *controller.Link) {}, []hci.Params{long, fast}},
		"a PHY":   {setPHY, []hci.Params{plain, long}},
		"a PHY by its command": {func(t *testing.T, ctl *controller.Controller, _ *controller.Link) {
			if err := controller.Start(t.Context(), ctl, plain); err != nil {
				t.Error(err)
			}
		}, []hci.Params{plain, long}},
		"a data length": {func(t *testing.T, ctl *controller.Controller, _ *controller.Link) {
			if _, err := controller.Exec(t.Context(), ctl, short); err != nil {
				t.Error(err)
			}
		}, []hci.Params{short, fast}},
		"a PHY of another link": {func(t *testing.T, ctl *controller.Controller, _ *controller.Link) {
			other := plain
			other.Handle = 2
			if err := controller.Start(t.Context(), ctl, other); err != nil {
				t.Error(err)
			}
		}, []hci.Params{hci.LESetPHY{Handle: 2, TX: hci.PHYs1M, RX: hci.PHYs1M}, long, fast}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTuned(t)
				l := x.connect(t)
				test.ask(t, x.d, l)
				x.tune()
				if d := cmp.Diff(test.want, x.sent()); d != "" {
					t.Errorf("asked before (-want +sent):\n%s", d)
				}
			})
		})
	}
	t.Run("while the credit is with another command", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := newTuned(t)
			l := x.connect(t)
			x.held = true
			go func() { _, _ = controller.Exec(t.Context(), x.d, hci.LERand{}) }()
			synctest.Wait()
			go setPHY(t, x.d, l)
			synctest.Wait()
			x.tune()
			x.s.send(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpLERand, Return: make([]byte, 9)})
			if d := cmp.Diff([]hci.Params{plain, long}, x.sent()); d != "" {
				t.Errorf("sent with the next credits (-want +sent):\n%s", d)
			}
		})
	})
	t.Run("afterwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := newTuned(t)
			l := x.connect(t)
			x.tune()
			setPHY(t, x.d, l)
			if d := cmp.Diff([]hci.Params{long, fast, plain}, x.sent()); d != "" {
				t.Errorf("asked afterwards (-want +sent):\n%s", d)
			}
		})
	})
}

// A call of Tune ends although nothing is left to request: it waits for the tuning
// that the link began by itself.
func TestTuneAfterTheLinksOwnTuning(t *testing.T) {
	long := hci.LESetDataLength{Handle: 1, TXOctets: 251, TXTime: 2120 * time.Microsecond}
	fast := hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M}
	both := controller.TuneOptions{DataLength: true, PHY2M: true}
	for name, late := range map[string]bool{"while it runs": false, "after its end": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTuned(t)
				l := x.connect(t)
				if late {
					x.tune()
				}
				const callers = 3
				began := time.Now()
				ended := make(chan error, callers)
				for range callers {
					go func() { ended <- l.Tune(t.Context(), both) }()
				}
				synctest.Wait()
				if !late {
					if n := len(ended); n != 0 {
						t.Errorf("%d calls ended before the features of the peer were known", n)
					}
					x.tune()
				}
				for range callers {
					if err := <-ended; err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("the calls ended after %v, want 0", took)
				}
				if d := cmp.Diff([]hci.Params{long, fast}, x.sent()); d != "" {
					t.Errorf("requested (-want +sent):\n%s", d)
				}
			})
		})
	}
	t.Run("the link ends meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			x := newTuned(t)
			l := x.connect(t)
			ended := make(chan error, 1)
			go func() { ended <- l.Tune(t.Context(), both) }()
			synctest.Wait()
			x.s.send(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
			if err := <-ended; !errors.Is(err, hci.StatusConnectionTimeout) {
				t.Errorf("Tune: %v, want the reason for the end of the link", err)
			}
		})
	})
}

// tuned is a Controller of a controller with longer packets and the 2M PHY.
type tuned struct {
	d    *controller.Controller
	s    *script
	held bool // LE Rand is not answered
	got  []hci.Params
}

func newTuned(t *testing.T) *tuned {
	host, ctl := hcitest.Pipe()
	x := &tuned{s: newScript(ctl)}
	var commands hci.SupportedCommands
	commands.Add(hci.OpLESetDataLength, hci.OpLESetPHY, hci.OpLEReadMaximumDataLength)
	x.s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, commands[:]...)
	x.s.returns[hci.OpLEReadLocalSupportedFeatures] = []byte{0, 0x20, 0x01, 0, 0, 0, 0, 0, 0} // bits 5 and 8
	x.s.returns[hci.OpLEReadMaximumDataLength] = []byte{0, 0xFB, 0, 0x48, 0x08, 0xFB, 0, 0x48, 0x08}
	x.s.connectsTo(hci.Addr{MAC: hci.MAC{9}})
	connects := x.s.on
	x.s.on = func(p hci.Params) bool {
		switch p := p.(type) {
		case hci.LEReadRemoteFeatures:
			x.s.send(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
		case hci.LESetPHY:
			x.got = append(x.got, p)
			x.s.send(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
			x.s.send(&hci.LEPHYUpdateComplete{Handle: p.Handle, TX: hci.PHY1M, RX: hci.PHY1M})
		case hci.LESetDataLength:
			x.got = append(x.got, p)
			x.s.send(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: []byte{0, 1, 0}})
		case hci.LERand:
			return x.held
		default:
			return connects(p)
		}
		return true
	}
	x.d = open(t, x.s, host, nil)
	return x
}

func (x *tuned) connect(t *testing.T) *controller.Link {
	t.Helper()
	l, err := x.d.Connect(t.Context(), hci.Addr{MAC: hci.MAC{9}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// tune delivers the features of the peer, which the tuning waits for.
func (x *tuned) tune() {
	synctest.Wait() // they have been asked for
	x.s.send(&hci.LEReadRemoteFeaturesComplete{Handle: 1, Features: hci.FeatureDataLength | hci.Feature2MPHY})
	synctest.Wait()
}

func (x *tuned) sent() []hci.Params {
	synctest.Wait()
	return x.got
}
