package controller_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// resetsSlowly makes s grant four commands and answer a further Reset after 200 ms. No
// command may come before that.
func resetsSlowly(t *testing.T, s *script) {
	on := s.on
	var until time.Time
	s.answer(func(p hci.Params) bool {
		if time.Now().Before(until) {
			t.Errorf("%v was sent during a reset", p.Opcode())
		}
		took := on != nil && on(p)
		if p.Opcode() != hci.OpReset {
			return took
		}
		s.send(&hci.CommandComplete{NumPackets: 4}) // credits are no permission
		until = time.Now().Add(200 * time.Millisecond)
		time.AfterFunc(200*time.Millisecond, func() {
			s.send(&hci.CommandComplete{NumPackets: 4, Opcode: hci.OpReset, Return: []byte{0}})
		})
		return true
	})
	s.send(&hci.CommandComplete{NumPackets: 4})
	synctest.Wait()
}

// TestCloseSendsNothingAfterTheReset closes a Controller while callers want a scan, a
// link and an answer. The reset is the last command.
func TestCloseSendsNothingAfterTheReset(t *testing.T) {
	synctest.Test(t, testCloseSendsNothingAfterTheReset)
}

func testCloseSendsNothingAfterTheReset(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d := open(t, s, host, nil)
	resetsSlowly(t, s)
	before := len(s.sent())
	begin := time.Now()
	errs := make(chan error, 4)
	go func() { errs <- d.Close() }()
	synctest.Wait()
	go func() {
		sc, err := d.Scan(t.Context(), nil)
		if err == nil { // it would begin after the dial
			_, err = sc.Next(t.Context())
		}
		errs <- err
	}()
	go func() { _, err := d.Connect(t.Context(), hci.Addr{MAC: hci.MAC{9}}, nil); errs <- err }()
	go func() { _, err := controller.Exec(t.Context(), d, hci.LERand{}); errs <- err }()
	closed := 0
	for range cap(errs) {
		if err := <-errs; errors.Is(err, net.ErrClosed) {
			closed++
		} else if err != nil {
			t.Errorf("error %v, want that the controller is closed", err)
		}
	}
	if got, want := s.sent()[before:], []hci.Opcode{hci.OpReset}; !slices.Equal(got, want) || closed != 3 || time.Since(begin) != 200*time.Millisecond {
		t.Errorf("sent %v, want %v; %d calls ended as closed, after %v", got, want, closed, time.Since(begin))
	}
}

// TestFallBackHoldsCommands runs a command while the controller is reset for the legacy
// commands. The command waits.
func TestFallBackHoldsCommands(t *testing.T) { synctest.Test(t, testFallBackHoldsCommands) }

func testFallBackHoldsCommands(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newExtendedScript(ctl, hci.StatusUnknownCommand, hci.OpLESetExtendedScanParameters)
	s.returns[hci.OpLERand] = make([]byte, 9)
	d := open(t, s, host, nil)
	resetsSlowly(t, s)
	before := len(s.sent())
	go func() {
		time.Sleep(100 * time.Millisecond)
		if _, err := controller.Exec(t.Context(), d, hci.LERand{}); err != nil {
			t.Error(err)
		}
	}()
	sc, err := d.Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	sc.Close()
	if got := s.sent()[before:]; !slices.Contains(got, hci.OpLERand) || d.Stats().LegacyFallbacks != 1 {
		t.Errorf("sent %v, %d fallbacks; want the command and a fallback", got, d.Stats().LegacyFallbacks)
	}
}
