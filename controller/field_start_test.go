package controller_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// TestStartAmongLeftovers starts a controller that first reports an answer to no command,
// and what it did before the reset: advertisements, data, the end of a link, a fault.
func TestStartAmongLeftovers(t *testing.T) { synctest.Test(t, testStartAmongLeftovers) }

func testStartAmongLeftovers(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	answered := false
	leftovers := func() {
		if !answered { // the reset is the remedy of a fault
			s.send(&hci.HardwareError{Code: 0x01})
		}
		s.send(&hci.CommandComplete{NumPackets: 1})
		s.send(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Addr: addr(1), Data: []byte{2, 1, 6}}}})
		ctl.Send(hci.AppendACL(nil, 0x40, true, []byte{1, 0, 4, 0, 0}))
		s.send(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x40, Count: 3}}})
		s.send(&hci.DisconnectionComplete{Handle: 0x40, Reason: hci.StatusConnectionTimeout})
	}
	resets := 0
	s.on = func(p hci.Params) bool {
		if p.Opcode() == hci.OpReset {
			resets++
			leftovers()
		}
		return false
	}
	leftovers()
	d := open(t, s, host, nil)
	answered = true
	leftovers()
	synctest.Wait()
	if st := d.Stats(); resets != 1 || len(d.Links()) != 0 || st.MalformedPackets != 0 || d.Err() != nil {
		t.Errorf("%d resets, %d links, %+v, ended with %v", resets, len(d.Links()), st, d.Err())
	}
}

// TestStartWithoutAnAddress uses a static random address if the controller has no other:
// all zeros, a refusal, Command Status.
func TestStartWithoutAnAddress(t *testing.T) { synctest.Test(t, testStartWithoutAnAddress) }

func testStartWithoutAnAddress(t *testing.T) {
	for name, answer := range map[string]func(s *script){
		"zeros":   func(s *script) { s.send(complete(hci.OpReadBDADDR, 0, 0, 0, 0, 0, 0, 0)) },
		"refused": func(s *script) { s.send(complete(hci.OpReadBDADDR, byte(hci.StatusHardwareFailure))) },
		"status": func(s *script) {
			s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpReadBDADDR, Status: hci.StatusUnknownCommand})
		},
	} {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		set := hci.MAC{}
		s.on = func(p hci.Params) bool {
			if p, ok := p.(hci.LESetRandomAddress); ok {
				set = p.Addr
			}
			if p.Opcode() == hci.OpReadBDADDR {
				answer(s)
				return true
			}
			return false
		}
		d := open(t, s, host, nil)
		if a := d.Info().Address; a.Kind != hci.AddrRandom || !a.IsStatic() || a.MAC != set {
			t.Errorf("%s: own address %v, set %v; want a static random one", name, a, set)
		}
	}
}

func complete(op hci.Opcode, ret ...byte) *hci.CommandComplete {
	return &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret}
}

// TestStartWithImpossibleCounts takes more command credits and data buffers than any
// controller has, and LE buffers of no number.
func TestStartWithImpossibleCounts(t *testing.T) { synctest.Test(t, testStartWithImpossibleCounts) }

func testStartWithImpossibleCounts(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.returns[hci.OpLEReadBufferSize] = []byte{0, 0xFB, 0, 0} // 251 octets, no buffers
	s.returns[hci.OpReadBufferSize] = []byte{0, 0x00, 0x20, 0, 0x80, 0, 0, 0}
	s.on = func(p hci.Params) bool {
		ret := s.returns[p.Opcode()]
		if ret == nil {
			ret = []byte{byte(hci.StatusUnknownCommand)}
		}
		s.send(&hci.CommandComplete{NumPackets: 255, Opcode: p.Opcode(), Return: ret})
		return true
	}
	d := open(t, s, host, nil)
	if i := d.Info(); !i.SharedBuffers || i.ACLNum != 128 || i.ACLLen != min(8192, hci.MaxPacketLen-hci.ACLHeaderLen) {
		t.Errorf("%d buffers of %d octets, shared %v", i.ACLNum, i.ACLLen, i.SharedBuffers)
	}
	calls := make(chan error, 20)
	for range cap(calls) {
		go func() {
			_, err := controller.Exec(t.Context(), d, hci.LERand{})
			calls <- err
		}()
	}
	for range cap(calls) {
		if err := <-calls; err == nil {
			t.Error("a command that the controller does not know has succeeded")
		}
	}
}

// TestStartOfAClone drives a controller of CSR's company identifier and an old version by
// the legacy commands, whatever it lists.
func TestStartOfAClone(t *testing.T) { synctest.Test(t, testStartOfAClone) }

func testStartOfAClone(t *testing.T) {
	for version, extended := range map[byte]bool{6: false, 8: false, 9: true} {
		host, ctl := hcitest.Pipe()
		s := newExtendedScript(ctl, hci.StatusUnknownCommand)
		s.returns[hci.OpReadLocalVersionInformation] = []byte{0, version, 0, 0, version, 10, 0, 0, 0}
		d := open(t, s, host, nil)
		before := len(s.sent())
		sc, err := d.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable}
		if extended {
			want = []hci.Opcode{hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable}
		}
		want = append(want, hci.OpWriteLEHostSupport, hci.OpLESetDefaultPHY) // behind the start of the scan
		if got := s.sent()[before:]; !slices.Equal(got, want) || d.Info().Extended != extended {
			t.Errorf("version %d: sent %v, want %v", version, got, want)
		}
		sc.Close()
	}
}
