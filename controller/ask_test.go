package controller_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// slowEnd is a transport whose ReadPacket returns a moment after Close.
type slowEnd struct{ *hcitest.Host }

func (s slowEnd) ReadPacket(b []byte) (int, error) {
	n, err := s.Host.ReadPacket(b)
	if err != nil {
		time.Sleep(50 * time.Millisecond)
	}
	return n, err
}

func TestEveryCallLearnsWhyTheDeviceEnds(t *testing.T) {
	synctest.Test(t, testEveryCallLearnsWhyTheDeviceEnds)
}

func testEveryCallLearnsWhyTheDeviceEnds(t *testing.T) {
	calls := map[string]func(ctx context.Context, ctl *controller.Controller) error{
		"scan":             func(ctx context.Context, ctl *controller.Controller) error { _, err := ctl.Scan(ctx, nil); return err },
		"advertise":        func(ctx context.Context, ctl *controller.Controller) error { return ctl.Advertise(ctx, nil) },
		"stop advertising": func(ctx context.Context, ctl *controller.Controller) error { return ctl.StopAdvertising(ctx) },
		"accept":           func(ctx context.Context, ctl *controller.Controller) error { _, err := ctl.Accept(ctx); return err },
		"exec": func(ctx context.Context, ctl *controller.Controller) error {
			_, err := controller.Exec(ctx, ctl, hci.LERand{})
			return err
		},
		"connect": func(ctx context.Context, ctl *controller.Controller) error {
			_, err := ctl.Connect(ctx, hci.Addr{MAC: hci.MAC{9}}, nil)
			return err
		},
	}
	for name, call := range calls {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		go s.run(t.Context())
		d, err := controller.Open(t.Context(), slowEnd{host}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.send(&hci.HardwareError{Code: 1})
		synctest.Wait() // the loop has ended, the reader has not
		select {
		case <-d.Done():
			t.Fatal("the controller ended too early for this test")
		default:
		}
		if err := d.Err(); !errors.Is(err, controller.HardwareFault(1)) {
			t.Errorf("Err returned %v before the end was complete", err)
		}
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := call(short, d); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v before the end was complete, want the caller's deadline", name, err)
		}
		cancel()
		if err := call(t.Context(), d); !errors.Is(err, controller.HardwareFault(1)) {
			t.Errorf("%s: got %v, want the error that ended the Controller", name, err)
		}
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			if err := call(dead, d); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v for a dead context", name, err)
				break
			}
		}
	}
}

// connectsTo makes the controller accept every connection as link 1.
func (s *script) connectsTo(peer hci.Addr) {
	s.on = func(p hci.Params) bool {
		if p.Opcode() != hci.OpLECreateConnection {
			return false
		}
		s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpLECreateConnection})
		s.send(&hci.LEConnectionComplete{Handle: 1, Peer: peer, Params: hci.ConnParamsInUse{Interval: 30e6, Timeout: 4e9}})
		return true
	}
}

func TestNothingIsSentForADeadContext(t *testing.T) {
	synctest.Test(t, testNothingIsSentForADeadContext)
}

func testNothingIsSentForADeadContext(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	peer := hci.Addr{MAC: hci.MAC{9}}
	s.connectsTo(peer)
	d := open(t, s, host, &controller.Config{DisableTuning: true})
	l, err := d.Connect(t.Context(), peer, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.sent())
	params := hci.ConnParams{IntervalMin: 30e6, IntervalMax: 50e6, Timeout: 4e9}
	calls := map[hci.Opcode]func(ctx context.Context) error{
		hci.OpLEConnectionUpdate:           func(ctx context.Context) error { _, err := l.Update(ctx, params); return err },
		hci.OpLEReadRemoteFeatures:         func(ctx context.Context) error { _, err := l.RemoteFeatures(ctx); return err },
		hci.OpReadRemoteVersionInformation: func(ctx context.Context) error { _, err := l.RemoteVersion(ctx); return err },
		hci.OpLESetPHY:                     func(ctx context.Context) error { _, _, err := l.SetPHY(ctx, hci.PHYs2M, hci.PHYs2M); return err },
		hci.OpReadRSSI:                     func(ctx context.Context) error { _, err := l.RSSI(ctx); return err },
	}
	gone := errors.New("gone")
	dead, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for op, call := range calls {
		if ce, ok := errors.AsType[*controller.CommandError](call(dead)); !ok || ce.Op != op || !errors.Is(ce, gone) {
			t.Errorf("%v: got %v, want the cause and the command", op, ce)
		}
	}
	if _, err := d.Scan(dead, nil); !errors.Is(err, gone) || err.Error() != "controller: scan: gone" {
		t.Errorf("scan: got %v", err)
	}
	if err := d.Advertise(dead, nil); !errors.Is(err, gone) || err.Error() != "controller: advertise: gone" {
		t.Errorf("advertise: got %v", err)
	}
	if ops := s.sent(); len(ops) != n {
		t.Errorf("sent %v for a context that was dead before", ops[n:])
	}
	// Nor for one that dies while the only credit is with another command.
	s.on = func(p hci.Params) bool { return p.Opcode() == hci.OpLERand }
	go func() { _, _ = controller.Exec(t.Context(), d, hci.LERand{}) }()
	synctest.Wait()
	for op, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: got %v", op, err)
		}
		cancel()
	}
	s.send(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpLERand, Return: make([]byte, 9)})
	if ops := s.sent(); !slices.Equal(ops[n:], []hci.Opcode{hci.OpLERand}) {
		t.Errorf("sent %v, want nothing for callers that had gone", ops[n:])
	}
}
