package controller_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// TestStartWhileTheControllerBoots loses the first two resets. The answers to the
// others, and one too many, do no harm.
func TestStartWhileTheControllerBoots(t *testing.T) {
	synctest.Test(t, testStartWhileTheControllerBoots)
}

func testStartWhileTheControllerBoots(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	resets := 0
	s.on = func(p hci.Params) bool {
		if p.Opcode() != hci.OpReset {
			return false
		}
		if resets++; resets == 3 {
			s.send(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpReset, Return: []byte{0}})
		}
		return resets < 3
	}
	begin := time.Now()
	d := open(t, s, host, nil)
	if took := time.Since(begin); took != 4*time.Second || resets != 3 {
		t.Errorf("%d resets in %v, want 3 in 4s", resets, took)
	}
	if n := d.Stats().ForeignAnswers; n != 1 {
		t.Errorf("%d foreign answers, want the doubled one", n)
	}
}

// TestStartWithoutOptionalAnswers spoils each command that the Controller can do
// without: no answer, an answer cut short, a refusal, and Command Status.
func TestStartWithoutOptionalAnswers(t *testing.T) {
	synctest.Test(t, testStartWithoutOptionalAnswers)
}

func testStartWithoutOptionalAnswers(t *testing.T) {
	optional := []hci.Opcode{
		hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands, hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR,
	}
	for _, op := range optional {
		for name, spoil := range map[string]func(s *script){
			"no answer": func(*script) {},
			"short":     func(s *script) { s.send(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: s.returns[op][:3]}) },
			"refused":   func(s *script) { s.send(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: []byte{1}}) },
			"status": func(s *script) {
				s.send(&hci.CommandStatus{NumPackets: 1, Opcode: op, Status: hci.StatusUnknownCommand})
			},
		} {
			host, ctl := hcitest.Pipe()
			s := newScript(ctl)
			s.on = func(p hci.Params) bool {
				if p.Opcode() == op {
					spoil(s)
				}
				return p.Opcode() == op
			}
			go s.run(t.Context())
			d, err := controller.Open(t.Context(), host, nil)
			if err != nil {
				t.Errorf("%v, %s: %v", op, name, err)
				continue
			}
			d.Close()
		}
	}
}

// TestStartKeepsAShortListOfCommands takes the commands that are in it.
func TestStartKeepsAShortListOfCommands(t *testing.T) {
	synctest.Test(t, testStartKeepsAShortListOfCommands)
}

func testStartKeepsAShortListOfCommands(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	var has hci.SupportedCommands
	has.Add(hci.OpLESetScanEnable)
	s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:40]...)
	if i := open(t, s, host, nil).Info(); i.Commands != has {
		t.Errorf("commands % x, want % x", i.Commands, has)
	}
}

// TestStartWithAResetWithoutStatus takes an empty answer to Reset for success.
func TestStartWithAResetWithoutStatus(t *testing.T) {
	synctest.Test(t, testStartWithAResetWithoutStatus)
}

func testStartWithAResetWithoutStatus(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.returns[hci.OpReset] = []byte{}
	open(t, s, host, nil)
}

// TestStartWithARefusedLEEventMask keeps the default mask, which has the events of
// Core 4.0.
func TestStartWithARefusedLEEventMask(t *testing.T) {
	synctest.Test(t, testStartWithARefusedLEEventMask)
}

func testStartWithARefusedLEEventMask(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.returns[hci.OpLESetEventMask] = []byte{byte(hci.StatusInvalidParameters)}
	open(t, s, host, nil)
}

// TestStartWithoutLE names the reason when the controller knows no LE command.
func TestStartWithoutLE(t *testing.T) { synctest.Test(t, testStartWithoutLE) }

func testStartWithoutLE(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	for _, op := range []hci.Opcode{hci.OpLESetEventMask, hci.OpLEReadBufferSize, hci.OpLEReadLocalSupportedFeatures} {
		s.returns[op] = []byte{byte(hci.StatusUnknownCommand)}
	}
	go s.run(t.Context())
	_, err := controller.Open(t.Context(), host, nil)
	if !errors.Is(err, controller.ErrNoLE) || !strings.HasSuffix(err.Error(), "the controller has no Bluetooth LE") {
		t.Errorf("got %v, want that there is no LE", err)
	}
}

// TestStartWithAPlaceholderAddress takes no address that many controllers share.
func TestStartWithAPlaceholderAddress(t *testing.T) {
	synctest.Test(t, testStartWithAPlaceholderAddress)
}

func testStartWithAPlaceholderAddress(t *testing.T) {
	for _, placeholder := range []string{
		"FF:FF:FF:FF:FF:FF", "AA:AA:AA:AA:AA:AA", "43:43:A0:12:1F:AC", "43:34:B0:00:00:00", "00:02:5B:00:A5:A5", "00:03:19:9E:8B:00",
	} {
		m, err := hci.ParseMAC(placeholder)
		if err != nil {
			t.Fatal(err)
		}
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		s.returns[hci.OpReadBDADDR] = append([]byte{0}, m[:]...)
		d := open(t, s, host, nil)
		i := d.Info()
		if i.Public != (hci.MAC{}) || i.Address.Kind != hci.AddrRandom || i.Address.MAC[5]&0xC0 != 0xC0 {
			t.Errorf("%s: public address %v, own address %v; want none and a static random one", placeholder, i.Public, i.Address)
		}
		if !slices.Contains(s.sent(), hci.OpLESetRandomAddress) {
			t.Errorf("%s: no random address was set", placeholder)
		}
		d.Close()
	}
}

// TestStartSuggestsTheDataLength suggests the longest packets for new links, by one
// command that may be missing or fail.
func TestStartSuggestsTheDataLength(t *testing.T) {
	synctest.Test(t, testStartSuggestsTheDataLength)
}

func testStartSuggestsTheDataLength(t *testing.T) {
	for _, c := range []struct {
		listed, feature bool
		answer          hci.Status
		want            int
	}{
		{true, true, hci.StatusSuccess, 1}, {true, true, hci.StatusUnsupportedFeature, 1},
		{true, false, hci.StatusSuccess, 0}, {false, true, hci.StatusSuccess, 0},
	} {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		var has hci.SupportedCommands
		has.Add(hci.OpLEReadMaximumDataLength)
		if c.listed {
			has.Add(hci.OpLEWriteSuggestedDefaultDataLength)
		}
		s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:]...)
		s.returns[hci.OpLEReadMaximumDataLength] = []byte{0, 0xFB, 0, 0x48, 0x08, 0xFB, 0, 0x48, 0x08}
		if c.feature {
			s.returns[hci.OpLEReadLocalSupportedFeatures] = []byte{0, byte(hci.FeatureDataLength), 0, 0, 0, 0, 0, 0, 0}
		}
		n := 0
		s.on = func(p hci.Params) bool {
			suggested, ok := p.(hci.LEWriteSuggestedDefaultDataLength)
			if !ok {
				return false
			}
			if n++; suggested.TXOctets != 251 || suggested.TXTime != 2120*time.Microsecond {
				t.Errorf("suggested %+v", suggested)
			}
			s.send(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: []byte{byte(c.answer)}})
			return true
		}
		open(t, s, host, nil).Info() // waits for the end of the start-up
		if n != c.want {
			t.Errorf("%+v: suggested %d times", c, n)
		}
	}
}
