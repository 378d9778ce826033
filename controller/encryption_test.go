package controller_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
	"github.com/moor-ble/moor/internal/loop"
)

func TestStartEncryption(t *testing.T) { synctest.Test(t, testStartEncryption) }

// testStartEncryption lets the controller end the procedure in each possible way.
// Success counts only if the link is encrypted afterwards.
func testStartEncryption(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d, l := linked(t, s, host, func() {})
	others := s.on
	for name, tt := range map[string]struct {
		ev   hci.Event
		good bool
		want error // nil: whatever it is, it is a *PacketError
	}{
		"on":                 {&hci.EncryptionChange{Handle: 1, Enabled: 1}, true, nil},
		"on, with key size":  {&hci.EncryptionChange{Handle: 1, Enabled: 1, V2: true, KeySize: 16}, true, nil},
		"success, but off":   {&hci.EncryptionChange{Handle: 1}, false, nil},
		"the same, key size": {&hci.EncryptionChange{Handle: 1, V2: true, KeySize: 16}, false, nil},
		"no key":             {&hci.EncryptionChange{Status: hci.StatusKeyMissing, Handle: 1}, false, hci.StatusKeyMissing},
		"new key":            {&hci.EncryptionKeyRefreshComplete{Handle: 1}, true, nil},
	} {
		s.on = func(p hci.Params) bool {
			if p.Opcode() != hci.OpLEEnableEncryption {
				return others(p)
			}
			s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpLEEnableEncryption})
			s.send(tt.ev)
			return true
		}
		got := make(chan error, 1)
		l.Post(loop.Func(func(time.Time) {
			l.StartEncryption([8]byte{}, 0, [16]byte{1}, func(_ time.Time, err error) { got <- err })
		}))
		err := <-got
		if tt.good {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		ce, ok := errors.AsType[*controller.CommandError](err)
		if !ok || ce.Op != hci.OpLEEnableEncryption {
			t.Errorf("%s: got %v, want the failure of the command", name, err)
		}
		if _, ok := errors.AsType[*hci.PacketError](err); ok != (tt.want == nil) || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if tt.want == nil && l.State().Encrypted {
			t.Errorf("%s: the link counts as encrypted", name)
		}
	}
	d.Close()
}
