package sim

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestEventBeforeItsAnswer has each procedure end before its Command Status, as
// on RootCanal.
func TestEventBeforeItsAnswer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		p := a.NewRawPeer(&RawPeerConfig{Key: func([8]byte, uint16) ([16]byte, bool) { return [16]byte{1}, true }})
		h := newHost(t, c).up()
		early := func(p hci.Params) {
			c.Fault(CommandFault{Opcode: p.Opcode(), AfterEvent: true})
			h.send(p)
		}
		status := func(p hci.Params) {
			t.Helper()
			h.want(&hci.CommandStatus{NumPackets: 1, Opcode: p.Opcode()})
		}
		dial := create(p.Address())
		early(dial)
		handle := next[*hci.LEEnhancedConnectionComplete](h).Handle
		status(dial)
		next[*hci.LEChannelSelectionAlgorithm](h)

		update := hci.LEConnectionUpdate{Handle: handle, Params: hci.ConnParams{
			IntervalMin: 60 * time.Millisecond, IntervalMax: 60 * time.Millisecond, Timeout: 2 * time.Second,
		}}
		early(update)
		next[*hci.LEConnectionUpdateComplete](h)
		status(update)
		version := hci.ReadRemoteVersionInformation{Handle: handle}
		early(version)
		next[*hci.ReadRemoteVersionInformationComplete](h)
		status(version)
		features := hci.LEReadRemoteFeatures{Handle: handle}
		early(features)
		next[*hci.LEReadRemoteFeaturesComplete](h)
		status(features)
		phy := hci.LESetPHY{Handle: handle, TX: hci.PHYs2M, RX: hci.PHYs2M}
		early(phy)
		next[*hci.LEPHYUpdateComplete](h)
		status(phy)
		for range 2 {
			encrypt := hci.LEEnableEncryption{Handle: handle, Key: [16]byte{1}}
			early(encrypt)
			switch ev := h.event().(type) {
			case *hci.EncryptionChange, *hci.EncryptionKeyRefreshComplete:
			default:
				t.Fatalf("got %s", describe(ev))
			}
			status(encrypt)
		}
		key := hci.LEReadLocalP256PublicKey{}
		early(key)
		next[*hci.LEReadLocalP256PublicKeyComplete](h)
		status(key)
		hang := hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated}
		early(hang)
		next[*hci.DisconnectionComplete](h)
		status(hang)

		c.Fault(CommandFault{Opcode: hang.Opcode(), AfterEvent: true})
		h.doStatus(hang, hci.StatusUnknownConnection) // fails: nothing to wait for
		h.do(create(hci.Addr{}))
		early(hci.LECreateConnectionCancel{})
		h.wantFailed(hci.StatusUnknownConnection)
		h.want(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpLECreateConnectionCancel, Return: []byte{0}})
	})
}

// TestAnswerThatWaitsForALostLink gets its Command Status with the end of the
// link.
func TestAnswerThatWaitsForALostLink(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		handle, l := h.connect(a.NewRawPeer(nil))
		time.Sleep(time.Second)
		c.Fault(CommandFault{Opcode: hci.OpLEReadRemoteFeatures, AfterEvent: true})
		h.send(hci.LEReadRemoteFeatures{Handle: handle})
		time.Sleep(time.Millisecond)
		l.Vanish()
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusConnectionTimeout})
		h.want(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpLEReadRemoteFeatures})
	})
}

// TestReorderedEvents has others overtake an event, and limits its wait.
func TestReorderedEvents(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		c.Fault(EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEEnhancedConnectionComplete, Behind: 1, Copies: 1})
		h.do(create(p.Address()))
		next[*hci.LEChannelSelectionAlgorithm](h)
		handle := next[*hci.LEEnhancedConnectionComplete](h).Handle
		next[*hci.LEEnhancedConnectionComplete](h)

		// A Command Complete that waits for the next event, and one for which there
		// is none.
		c.Fault(EventFault{Code: hci.EvCommandComplete, Behind: 1, Times: 2})
		h.send(hci.ReadBDADDR{})
		time.Sleep(time.Millisecond)
		h.data(handle, true, frame(4, 1))
		next[*hci.NumberOfCompletedPackets](h)
		next[*hci.CommandComplete](h)
		at := time.Now()
		h.do(hci.ReadBDADDR{})
		if took := time.Since(at); took != time.Second+100*time.Microsecond {
			t.Errorf("answered after %v, want a second and the latency", took)
		}
	})
}

// TestEventFaultsByPredicate drops the events of one link alone, and every event
// for a while.
func TestEventFaultsByPredicate(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		first, l := h.connect(a.NewRawPeer(nil))
		second, m := h.connect(a.NewRawPeer(nil))
		c.Fault(EventFault{Drop: true, Times: Always, Match: func(ev hci.Event) bool {
			end, ok := ev.(*hci.DisconnectionComplete)
			return ok && end.Handle == first
		}})
		l.Disconnect(hci.StatusRemoteUserTerminated)
		h.idle(time.Second)
		m.Disconnect(hci.StatusRemoteUserTerminated)
		h.want(&hci.DisconnectionComplete{Handle: second, Reason: hci.StatusRemoteUserTerminated})
		c.Fault(EventFault{Drop: true, Times: 2}) // of any kind
		h.send(hci.ReadBDADDR{})
		h.idle(time.Second)
		h.send(hci.LERand{})
		h.idle(time.Second)
		h.do(hci.LERand{})
		c.Fault(EventFault{Code: hci.EvCommandStatus, Copies: 1, Delay: time.Second})
		at := time.Now()
		h.do(create(hci.Addr{}))
		next[*hci.CommandStatus](h)
		if took := time.Since(at); took != time.Second+100*time.Microsecond {
			t.Errorf("Command Status after %v, want a second and the latency", took)
		}
	})
}
