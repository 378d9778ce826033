package smp

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestPostponedPairingRequest has a central that pairs again while the bond of the last
// pairing is being written, and sends other PDUs while it waits.
func TestPostponedPairingRequest(t *testing.T) {
	request := pairingRequest{IO: NoInputNoOutput, Auth: authBonding | authSecureConnections, MaxKeySize: 16}
	for name, tt := range map[string]struct {
		writing time.Duration
		then    []byte
		want    []code
	}{
		"it waits":           {writing: 29 * time.Second, want: []code{codePairingResponse}},
		"it has given up":    {writing: 30 * time.Second},
		"it says so":         {then: pairingFailed{ReasonUnspecified}.AppendPDU(nil)},
		"it asks twice":      {then: request.AppendPDU(nil), want: []code{codePairingFailed}},
		"it sends nonsense":  {then: []byte{byte(codePairingRequest)}, want: []code{codePairingFailed}},
		"a late PDU follows": {then: pairingRandom{}.AppendPDU(nil), want: []code{codePairingResponse}},
	} {
		mgr, err := NewManager(Local{Addr: addrA}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now, ch := time.Now(), &fakeChannel{}
		m := mgr.NewMachine(now, ch, fakeLink{hci.RolePeripheral}, nil)
		m.phase = saving{}
		m.Frame(now, request.AppendPDU(nil))
		if len(ch.sent) > 0 {
			t.Errorf("%s: answered at once with %v", name, ch.sent)
		}
		if tt.then != nil {
			m.Frame(now, tt.then)
		}
		m.endSaving()
		for range 2 { // it is answered once
			m.handlePostponed(now.Add(tt.writing))
		}
		if !slices.Equal(ch.sent, tt.want) {
			t.Errorf("%s: answered with %v, want %v", name, ch.sent, tt.want)
		}
	}
}
