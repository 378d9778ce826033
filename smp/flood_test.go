package smp

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/flood"
	"github.com/moor-ble/moor/internal/loop"
)

// fakeChannel is a Channel that records the codes of the PDUs sent on it.
type fakeChannel struct {
	full bool
	sent []code
}

func (c *fakeChannel) Send(pdu []byte)       { c.sent = append(c.sent, code(pdu[0])) }
func (c *fakeChannel) Room() bool            { return !c.full }
func (c *fakeChannel) SetDeadline(time.Time) {}
func (c *fakeChannel) Post(loop.Task) bool   { return true }
func (c *fakeChannel) Done() <-chan struct{} { return nil }
func (c *fakeChannel) Err() error            { return nil }

// fakeLink is a Link in which this host has the role.
type fakeLink struct{ role hci.Role }

func (fakeLink) StartEncryption([8]byte, uint16, [16]byte, func(time.Time, error)) {}
func (fakeLink) ProvideKey([16]byte)                                               {}
func (fakeLink) RefuseKey()                                                        {}
func (fakeLink) OnDelivered(func(time.Time))                                       {}
func (l fakeLink) Role() hci.Role                                                  { return l.role }
func (fakeLink) Peer() hci.Addr                                                    { return addrB }
func (fakeLink) OnAir() (own, peer hci.Addr)                                       { return addrA, addrB }

// TestAnswersThatNobodyTakes floods both roles with PDUs that they answer, and does not
// receive the answers.
func TestAnswersThatNobodyTakes(t *testing.T) {
	sent := features{IO: NoInputNoOutput, Auth: authBonding, MaxKeySize: 16}
	for role, pdu := range map[hci.Role]command{
		hci.RolePeripheral: pairingRequest(sent),
		hci.RoleCentral:    securityRequest{authBonding},
	} {
		mgr, err := NewManager(Local{Addr: addrA}, &Config{DisableIncoming: true})
		if err != nil {
			t.Fatal(err)
		}
		now, ch := time.Now(), &fakeChannel{}
		m := mgr.NewMachine(now, ch, fakeLink{role}, nil)
		answers := func(n int) int {
			ch.sent = nil
			for range n {
				m.Frame(now, pdu.AppendPDU(nil))
			}
			return len(ch.sent)
		}
		if n := answers(100); n != 100 {
			t.Errorf("%v: %d of 100 were answered to a peer that takes the answers", role, n)
		}
		ch.full = true
		if n := answers(10_000); n != flood.Limit {
			t.Errorf("%v: %d answers are queued for a peer that takes none, want %d", role, n, flood.Limit)
		}
		m.Writable(now)
		if n := answers(100); n != flood.Limit {
			t.Errorf("%v: %d answers once the first were taken, want %d", role, n, flood.Limit)
		}
		ch.full = false
		if n := answers(1); n != 1 {
			t.Errorf("%v: no answer now that there is room", role)
		}
	}
}

// TestEncryptionThatIsOff reports the end of an encryption with encryption off: it has
// failed, and the link can be encrypted again.
func TestEncryptionThatIsOff(t *testing.T) {
	mgr, err := NewManager(Local{Addr: addrA}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := mgr.Store().Save(&Bond{Peer: addrB, KeySize: 16, Peripheral: &LongTermKey{Key: Key{1}}}); err != nil {
		t.Fatal(err)
	}
	now, ch := time.Now(), &fakeChannel{}
	m := mgr.NewMachine(now, ch, fakeLink{hci.RolePeripheral}, nil)
	m.Event(now, &hci.LELongTermKeyRequest{})
	m.Event(now, &hci.EncryptionChange{Enabled: 0})
	if m.Security().Encrypted || m.encryption != nil {
		t.Errorf("security %+v, encryption under way %+v", m.Security(), m.encryption)
	}
	m.Event(now, &hci.LELongTermKeyRequest{})
	m.Event(now, &hci.EncryptionChange{Enabled: 1})
	if !m.Security().Encrypted {
		t.Error("the next try did not encrypt")
	}
}
