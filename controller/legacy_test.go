package controller_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// newExtendedScript returns the script of a controller that lists all extended commands
// and has no public address. It takes the legacy commands only after a reset without
// an extended one since, and answers refuse to the commands in refused.
func newExtendedScript(ctl *hcitest.Controller, refuse hci.Status, refused ...hci.Opcode) *script {
	s := newScript(ctl)
	var has hci.SupportedCommands
	for _, op := range []hci.Opcode{
		hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLEExtendedCreateConnection,
		hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters, hci.OpLESetExtendedAdvertisingData,
		hci.OpLESetExtendedScanResponseData, hci.OpLESetExtendedAdvertisingEnable, hci.OpLESetAdvertisingEnable,
		hci.OpWriteLEHostSupport, hci.OpLESetDefaultPHY,
	} {
		has.Add(op)
		s.returns[op] = []byte{0}
	}
	for _, op := range []hci.Opcode{hci.OpLESetAdvertisingParameters, hci.OpLESetAdvertisingData, hci.OpLESetScanResponseData} {
		s.returns[op] = []byte{0}
	}
	s.returns[hci.OpLESetExtendedAdvertisingParameters] = []byte{0, 0}
	s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:]...)
	s.returns[hci.OpReadBDADDR] = make([]byte, 7)
	extended := false
	s.on = func(p hci.Params) bool {
		st := hci.StatusSuccess
		switch op := p.Opcode(); op {
		case hci.OpReset:
			extended = false
			return false
		case hci.OpLECreateConnection, hci.OpLESetScanParameters, hci.OpLESetScanEnable,
			hci.OpLESetAdvertisingParameters, hci.OpLESetAdvertisingEnable:
			if extended {
				st = hci.StatusCommandDisallowed
			}
		case hci.OpLEExtendedCreateConnection, hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable,
			hci.OpLESetExtendedAdvertisingParameters, hci.OpLESetExtendedAdvertisingEnable:
			extended = true
			if slices.Contains(refused, op) && !disables(p) {
				st = refuse
			}
		default:
			return false
		}
		switch p.(type) {
		case hci.LECreateConnection, hci.LEExtendedCreateConnection:
			s.send(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode(), Status: st})
			if st == hci.StatusSuccess {
				s.send(&hci.LEConnectionComplete{Handle: 1, Peer: addr(1), Params: hci.ConnParamsInUse{Timeout: 1e9}})
			}
			return true
		}
		if st != hci.StatusSuccess {
			s.send(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: []byte{byte(st)}})
			return true
		}
		return false
	}
	return s
}

func disables(p hci.Params) bool {
	switch p := p.(type) {
	case hci.LESetExtendedScanEnable:
		return !p.Enable
	case hci.LESetExtendedAdvertisingEnable:
		return !p.Enable
	}
	return false
}

func addr(n byte) hci.Addr { return hci.Addr{MAC: hci.MAC{n, 2, 3, 4, 5, 6}} }

// TestFallBackToLegacyCommands refuses the first extended command of each use, in each
// way that controllers refuse it. The use works all the same, by legacy commands after
// a reset, and stays so.
func TestFallBackToLegacyCommands(t *testing.T) { synctest.Test(t, testFallBackToLegacyCommands) }

func testFallBackToLegacyCommands(t *testing.T) {
	scan := func(d *controller.Controller) error {
		sc, err := d.Scan(t.Context(), nil)
		if err == nil {
			sc.Close()
		}
		return err
	}
	connect := func(d *controller.Controller) error {
		l, err := d.Connect(t.Context(), addr(1), nil)
		_ = l
		return err
	}
	advertise := func(d *controller.Controller) error { return d.Advertise(t.Context(), nil) }
	setup := []hci.Opcode{hci.OpReset, hci.OpLESetEventMask, hci.OpSetEventMask, hci.OpWriteLEHostSupport, hci.OpLESetDefaultPHY, hci.OpLESetRandomAddress}
	legacyScan := []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable}
	legacyAdvertise := []hci.Opcode{hci.OpLESetAdvertisingParameters, hci.OpLESetAdvertisingData, hci.OpLESetScanResponseData, hci.OpLESetAdvertisingEnable}
	scanStart := []hci.Opcode{hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable}
	for _, test := range []struct {
		name    string
		use     func(*controller.Controller) error
		status  hci.Status
		refused []hci.Opcode
		before  []hci.Opcode
		after   []hci.Opcode
	}{
		{"scan parameters unknown", scan, hci.StatusUnknownCommand, scanStart, scanStart[:1], legacyScan},
		{"scan enable refused", scan, hci.StatusInvalidParameters, scanStart[1:], scanStart, legacyScan},
		{"scan busy", scan, hci.StatusCommandDisallowed, scanStart[:1], []hci.Opcode{scanStart[0], scanStart[1], scanStart[0]}, legacyScan},
		{"dial unknown", connect, hci.StatusUnknownCommand, []hci.Opcode{hci.OpLEExtendedCreateConnection},
			[]hci.Opcode{hci.OpLEExtendedCreateConnection}, []hci.Opcode{hci.OpLECreateConnection}},
		{"advertising unsupported", advertise, hci.StatusUnsupportedFeature, []hci.Opcode{hci.OpLESetExtendedAdvertisingParameters},
			[]hci.Opcode{hci.OpLESetExtendedAdvertisingParameters}, legacyAdvertise},
	} {
		host, ctl := hcitest.Pipe()
		s := newExtendedScript(ctl, test.status, test.refused...)
		d := open(t, s, host, &controller.Config{DisableTuning: true})
		if !d.Info().Extended {
			t.Fatal("the controller does not list the extended commands")
		}
		began := len(s.sent())
		if err := test.use(d); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		want := slices.Concat(test.before, setup, test.after)
		if got := s.sent()[began:]; len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: sent\n%v, want\n%v", test.name, got, want)
		}
		i := d.Info()
		if i.Extended || i.ExtendedRefused == nil || d.Stats().LegacyFallbacks != 1 {
			t.Errorf("%s: extended %v, refused %v, %d fallbacks", test.name, i.Extended, i.ExtendedRefused, d.Stats().LegacyFallbacks)
		}
		d.Close()
	}
}

// TestNoFallBackBesideALink returns the refusal: the reset would end the link.
func TestNoFallBackBesideALink(t *testing.T) { synctest.Test(t, testNoFallBackBesideALink) }

func testNoFallBackBesideALink(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newExtendedScript(ctl, hci.StatusUnknownCommand, hci.OpLESetExtendedScanParameters)
	d := open(t, s, host, &controller.Config{DisableTuning: true})
	l, err := d.Connect(t.Context(), addr(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Scan(t.Context(), nil); err == nil || l.Err() != nil || !d.Info().Extended {
		t.Errorf("scan: %v, link: %v, extended %v; want a refusal, a link, and no fallback", err, l.Err(), d.Info().Extended)
	}
}

// TestScanLeftOn stops a scan that the controller still runs from before, and starts
// its own.
func TestScanLeftOn(t *testing.T) { synctest.Test(t, testScanLeftOn) }

func testScanLeftOn(t *testing.T) {
	for _, left := range []bool{true, false} { // false: the controller refuses for ever
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		scanning := true
		s.on = func(p hci.Params) bool {
			switch p := p.(type) {
			case hci.LESetScanEnable:
				scanning = p.Enable || !left
				return false
			case hci.LESetScanParameters:
				if scanning {
					s.send(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: []byte{byte(hci.StatusCommandDisallowed)}})
					return true
				}
			}
			return false
		}
		d := open(t, s, host, nil)
		began := len(s.sent())
		sc, err := d.Scan(t.Context(), nil)
		want := []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable, hci.OpLESetScanParameters}
		if left {
			want = append(want, hci.OpLESetScanEnable)
		}
		if got := s.sent()[began:]; !slices.Equal(got, want) || (err == nil) != left {
			t.Errorf("left on %v: sent %v, error %v; want %v", left, got, err, want)
		}
		if err == nil {
			sc.Close()
		}
		d.Close()
	}
}
