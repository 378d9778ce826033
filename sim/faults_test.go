package sim

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func TestCommandFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		c.Fault(CommandFault{Opcode: hci.OpLERand, Status: hci.StatusHardwareFailure, Times: 2})
		h.doStatus(hci.LERand{}, hci.StatusHardwareFailure)
		h.do(hci.ReadBDADDR{}) // others are well
		h.doStatus(hci.LERand{}, hci.StatusHardwareFailure)
		h.do(hci.LERand{})

		c.Fault(CommandFault{Opcode: hci.OpLERand, NoAnswer: true})
		h.send(hci.LERand{})
		h.idle(time.Minute)
		h.do(hci.LERand{})

		c.Fault(CommandFault{Opcode: hci.OpLESetScanEnable, NoAnswer: true, Ignore: true})
		h.send(hci.LESetScanEnable{Enable: true})
		h.do(hci.LESetScanParameters{Interval: 10 * time.Millisecond, Window: 10 * time.Millisecond}) // it does not scan

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, Delay: 3 * time.Second})
		at := time.Now()
		h.do(hci.ReadBDADDR{})
		if d := time.Since(at); d != 3*time.Second+100*time.Microsecond {
			t.Errorf("answered after %v, want 3 s and the latency", d)
		}

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, Copies: 1})
		h.do(hci.ReadBDADDR{})
		next[*hci.CommandComplete](h)

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, As: hci.OpReadRSSI})
		h.send(hci.ReadBDADDR{})
		if ev := next[*hci.CommandComplete](h); ev.Opcode != hci.OpReadRSSI {
			t.Errorf("answer for %v, want another", ev.Opcode)
		}

		c.Fault(CommandFault{Opcode: hci.OpReadBDADDR, NoCredits: true, CreditDelay: time.Second})
		h.send(hci.ReadBDADDR{})
		if ev := next[*hci.CommandComplete](h); ev.NumPackets != 0 {
			t.Errorf("%d credits, want none", ev.NumPackets)
		}
		at = time.Now()
		h.want(&hci.CommandComplete{NumPackets: 1, Return: []byte{0}})
		if d := time.Since(at); d != time.Second {
			t.Errorf("credits came after %v, want 1 s", d)
		}

		c.Fault(CommandFault{Opcode: hci.OpLERand, Status: hci.StatusHardwareFailure, Times: Always})
		for range 5 {
			h.doStatus(hci.LERand{}, hci.StatusHardwareFailure)
		}
		c.ClearFaults()
		h.do(hci.LERand{})
	})
}

func TestEventFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		handle, _ := h.connect(p)
		c.Fault(EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
		h.do(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated})
		h.idle(time.Minute)
		h.doStatus(hci.ReadRSSI{Handle: handle}, hci.StatusUnknownConnection) // gone all the same

		c.Fault(EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEEnhancedConnectionComplete, Copies: 1})
		h.do(create(p.Address()))
		next[*hci.LEEnhancedConnectionComplete](h)
		next[*hci.LEEnhancedConnectionComplete](h)
		next[*hci.LEChannelSelectionAlgorithm](h)
		c.Fault(EventFault{Code: hci.EvDisconnectionComplete, Skip: 1, Delay: time.Hour})
		h.do(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated})
		next[*hci.DisconnectionComplete](h)
		handle, _ = h.connect(p)
		h.do(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated})
		h.idle(59*time.Minute + 30*time.Second)
		next[*hci.DisconnectionComplete](h)
		c.InjectEvent(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x777, Count: 9}}})
		h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x777, Count: 9}}})
	})
}

func TestCreditFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{ACLNum: 2})
		h := newHost(t, c).up()
		handle, l := h.connect(a.NewRawPeer(nil))
		c.Fault(CreditFault{Withhold: true})
		h.data(handle, true, frame(4, 1))
		h.data(handle, true, frame(4, 2))
		h.idle(time.Minute)
		wantFrame(t, l, 4, 1)
		wantFrame(t, l, 4, 2)
		if n := c.Stats().Held; n != 0 {
			t.Errorf("%d packets held, want none, only their credits", n)
		}
		c.Fault(CreditFault{})
		h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: 2}}})
		c.Fault(CreditFault{Extra: 5})
		h.data(handle, true, frame(4, 3))
		h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: 6}}})

		// A host that sends more than there are buffers for.
		for range 3 {
			h.data(handle, true, frame(4, 4))
		}
		h.want(&hci.DataBufferOverflow{LinkType: 1})
		for range 2 {
			h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: 6}}})
		}
		if n := c.Stats().Overruns; n != 1 {
			t.Errorf("%d overruns, want 1", n)
		}
		h.data(0x123, true, frame(4, 4))
		h.idle(time.Second)
		if n := c.Stats().UnknownHandle; n != 1 {
			t.Errorf("%d packets for no link, want 1", n)
		}
	})
}

func TestConnectFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p, other := a.NewRawPeer(nil), a.NewRawPeer(nil)
		c.Fault(ConnectFault{Peer: p.Address(), Times: 2})
		c.Fault(ConnectFault{Peer: p.Address(), Status: hci.StatusConnectionLimit, Refuse: true})
		h.doStatus(create(p.Address()), hci.StatusConnectionLimit)
		for range 2 {
			h.do(create(p.Address()))
			ev := h.connected()
			h.want(&hci.DisconnectionComplete{Handle: ev.Handle, Reason: hci.StatusFailedToEstablish})
		}
		h.connect(p)
		c.Fault(ConnectFault{Status: hci.StatusMemoryFull, Delay: 7 * time.Second})
		at := time.Now()
		h.do(create(other.Address()))
		h.wantFailed(hci.StatusMemoryFull)
		if d := time.Since(at); d < 7*time.Second || d > 8*time.Second {
			t.Errorf("failed after %v, want 7 s and a bit", d)
		}
		h.connect(other)
	})
}

func TestLinkFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		c.Fault(LinkFault{Peer: p.Address(), After: 2})
		handle, l := h.connect(p)
		for i := range byte(3) {
			h.data(handle, true, frame(4, i))
		}
		wantFrame(t, l, 4, 0)
		wantFrame(t, l, 4, 1)
		at := time.Now()
		h.want(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: 2}}})
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusConnectionTimeout})
		if d := time.Since(at); d < 1900*time.Millisecond || d > 2*time.Second {
			t.Errorf("silence noticed after %v, want the timeout of 2 s", d)
		}
		<-l.Done()

		handle, l = h.connect(p)
		c.Fault(LinkFault{Reason: hci.StatusRemotePowerOff})
		l.Send(4, []byte{1})
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusRemotePowerOff})
		handle, l = h.connect(p)
		c.Fault(LinkFault{Reason: hci.StatusMICFailure})
		l.Send(4, []byte{1})
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusMICFailure})
	})
}

func TestHardwareFaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		h.connect(a.NewRawPeer(nil))
		c.HardwareError(0x42, false)
		h.want(&hci.HardwareError{Code: 0x42})
		h.do(hci.ReadRSSI{Handle: only})
		c.HardwareError(0x43, true)
		h.want(&hci.HardwareError{Code: 0x43})
		h.doStatus(hci.ReadRSSI{Handle: only}, hci.StatusUnknownConnection)
		c.Inject([]byte{4, 0x3E, 200, 1})
		if b := h.read(); len(b) != 4 {
			t.Errorf("got % x, want half a packet", b)
		}
	})
}

func TestUnplugAndPlug(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		_, l := h.connect(a.NewRawPeer(&RawPeerConfig{Once: true}))
		time.Sleep(time.Second)
		c.Unplug()
		if err := <-h.err; !errors.Is(err, ErrUnplugged) {
			t.Errorf("read failed with %v", err)
		}
		if err := c.WritePacket([]byte{1, 3, 12, 0}); !errors.Is(err, ErrUnplugged) {
			t.Errorf("write failed with %v", err)
		}
		<-l.Done()
		if l.Reason() != hci.StatusConnectionTimeout {
			t.Errorf("the peer's reason is %v", l.Reason())
		}

		tr := c.Plug()
		h = newHost(t, tr).up()
		h.connect(a.NewRawPeer(nil))
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		if err := <-h.err; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read failed with %v", err)
		}
		if err := tr.Close(); err != nil { // again
			t.Error(err)
		}
		newHost(t, c.Plug()).up()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Plug().ReadPacket(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read on a closed air failed with %v", err)
		}
	})
}
