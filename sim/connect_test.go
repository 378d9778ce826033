package sim

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func (h *rawHost) wantFailed(st hci.Status) {
	h.t.Helper()
	if ev := next[*hci.LEEnhancedConnectionComplete](h); ev.Status != st {
		h.t.Fatalf("connection complete with %v, want %v", ev.Status, st)
	}
}

// connected waits for a link.
func (h *rawHost) connected() *hci.LEEnhancedConnectionComplete {
	h.t.Helper()
	ev := next[*hci.LEEnhancedConnectionComplete](h)
	if ev.Status != hci.StatusSuccess {
		h.t.Fatalf("connection complete with %v", ev.Status)
	}
	next[*hci.LEChannelSelectionAlgorithm](h)
	return ev
}

func TestConnectPendsUntilCanceled(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed)
		absent := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}
		h.do(create(absent))
		h.idle(time.Hour)
		h.doStatus(create(absent), hci.StatusCommandDisallowed)
		h.doStatus(hci.LESetRandomAddress{Addr: hci.MAC{5: 0xC0}}, hci.StatusCommandDisallowed)
		h.do(hci.LECreateConnectionCancel{})
		h.wantFailed(hci.StatusUnknownConnection)
		h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed)

		// It can be done again, and one that comes into range is connected to.
		p := a.NewRawPeer(&RawPeerConfig{Silent: true})
		h.do(create(p.Address()))
		h.idle(time.Hour)
		p.SetAdvertising(true)
		h.connected()
		h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed)
		h.doStatus(create(p.Address()), hci.StatusConnectionExists)
	})
}

func TestConnectByAcceptList(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(&ControllerConfig{AcceptListSize: 3})).up()
		stranger, second := a.NewRawPeer(nil), a.NewRawPeer(&RawPeerConfig{Silent: true})
		for _, p := range []*RawPeer{second, second} { // twice the same is once
			h.do(hci.LEAddDeviceToFilterAcceptList{Addr: p.Address()})
		}
		h.do(hci.LEAddDeviceToFilterAcceptList{Addr: hci.Addr{MAC: hci.MAC{1}}})
		h.do(hci.LEAddDeviceToFilterAcceptList{Addr: hci.Addr{MAC: hci.MAC{2}}})
		h.doStatus(hci.LEAddDeviceToFilterAcceptList{Addr: stranger.Address()}, hci.StatusMemoryFull)
		o := create(hci.Addr{})
		o.FilterPolicy = 1
		h.do(o)
		h.doStatus(hci.LERemoveDeviceFromFilterAcceptList{Addr: second.Address()}, hci.StatusCommandDisallowed)
		h.idle(time.Minute)
		second.SetAdvertising(true)
		if ev := h.connected(); ev.Peer != second.Address() {
			t.Errorf("connected to %v, want %v", ev.Peer, second.Address())
		}
		h.do(hci.LERemoveDeviceFromFilterAcceptList{Addr: second.Address()})
		h.do(hci.LEAddDeviceToFilterAcceptList{Addr: stranger.Address()})
		h.do(o)
		if ev := h.connected(); ev.Peer != stranger.Address() || ev.Handle != 0x41 {
			t.Errorf("connected to %v on %#x, want %v on 0x41", ev.Peer, ev.Handle, stranger.Address())
		}
	})
}

func TestFullController(t *testing.T) {
	for _, late := range []bool{false, true} {
		bubble(t, nil, func(t *testing.T, a *Air) {
			c := a.NewController(&ControllerConfig{MaxLinks: 2, FullStatus: hci.StatusRejectedResources, FullLate: late})
			h := newHost(t, c).up()
			one, _ := h.connect(a.NewRawPeer(nil))
			h.connect(a.NewRawPeer(nil))
			p := a.NewRawPeer(nil)
			refused := func(st hci.Status) {
				t.Helper()
				if !late {
					h.doStatus(create(p.Address()), st)
					return
				}
				h.do(create(p.Address()))
				h.wantFailed(st)
			}
			refused(hci.StatusRejectedResources)
			c.SetMaxLinks(2, hci.StatusMemoryFull)
			refused(hci.StatusMemoryFull)
			h.do(hci.Disconnect{Handle: one, Reason: hci.StatusRemoteUserTerminated})
			next[*hci.DisconnectionComplete](h)
			if again, _ := h.connect(p); again != one {
				t.Errorf("new handle %#x, want %#x, the one that is free", again, one)
			}
		})
	}
}

func TestNoScanWhileInitiating(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(&ControllerConfig{NoScanWhileInitiating: true})).up()
		states := h.do(hci.LEReadSupportedStates{})
		if states[3]&0xC0 != 0 {
			t.Errorf("states % x allow to scan and initiate", states[1:])
		}
		h.do(hci.LESetScanEnable{Enable: true})
		h.doStatus(create(hci.Addr{MAC: hci.MAC{1}}), hci.StatusCommandDisallowed)
		h.do(hci.LESetScanEnable{})
		h.do(create(hci.Addr{MAC: hci.MAC{1}}))
		h.doStatus(hci.LESetScanEnable{Enable: true}, hci.StatusCommandDisallowed)
	})
}

// TestScanGoesOnWhileConnecting is the same on a controller that can.
func TestScanGoesOnWhileConnecting(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p, other := a.NewRawPeer(nil), a.NewRawPeer(nil)
		h.scan(hci.LESetScanParameters{}, true)
		h.send(create(p.Address()))
		linked, heard := false, false
		for !linked || !heard {
			switch ev := h.event().(type) {
			case *hci.LEEnhancedConnectionComplete:
				linked = true
			case *hci.LEAdvertisingReport:
				heard = heard || linked && ev.Reports[0].Addr == other.Address()
			}
		}
	})
}

// TestFailedToEstablish has the connect request lost on its way.
func TestFailedToEstablish(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		a.SetPathOneWay(c, p, Path{Loss: 1})
		h.do(create(p.Address()))
		ev := h.connected()
		at := time.Now()
		h.want(&hci.DisconnectionComplete{Handle: ev.Handle, Reason: hci.StatusFailedToEstablish})
		if d := time.Since(at); d != 6*30*time.Millisecond {
			t.Errorf("gave up after %v, want six intervals of 30 ms", d)
		}
		a.SetPathOneWay(c, p, Path{})
		if got, _ := h.connect(p); got != ev.Handle {
			t.Errorf("handle %#x, want %#x", got, ev.Handle)
		}
	})
}

// TestTwoControllers has one controller advertise and another connect.
func TestTwoControllers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		cc, pc := a.NewController(nil), a.NewController(nil)
		ch, ph := newHost(t, cc).up(), newHost(t, pc).up()
		ph.do(hci.LESetRandomAddress{Addr: hci.MAC{1, 2, 3, 4, 5, 0xC6}})
		ph.do(hci.LESetAdvertisingParameters{
			IntervalMin: 100 * time.Millisecond, IntervalMax: 150 * time.Millisecond, OwnAddrKind: hci.AddrRandom, ChannelMap: 7,
		})
		ph.do(hci.LESetAdvertisingData{Data: []byte{2, 1, 6}})
		ph.do(hci.LESetAdvertisingEnable{Enable: true})
		peer := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
		ch.do(create(peer))
		ce, pe := ch.connected(), ph.connected()
		if pe.Role != hci.RolePeripheral || pe.Peer != cc.Address() || ce.Peer != peer || pe.Params != ce.Params {
			t.Errorf("central has %+v, peripheral %+v", ce, pe)
		}
		ch.data(ce.Handle, true, frame(4, 1, 2))
		ph.wantData(pe.Handle, true, frame(4, 1, 2))
		next[*hci.NumberOfCompletedPackets](ch)
		ph.data(pe.Handle, true, frame(4, 3))
		ch.wantData(ce.Handle, true, frame(4, 3))
		next[*hci.NumberOfCompletedPackets](ph) // at the next event
		ph.do(hci.Disconnect{Handle: pe.Handle, Reason: hci.StatusRemoteLowResources})
		ch.want(&hci.DisconnectionComplete{Handle: ce.Handle, Reason: hci.StatusRemoteLowResources})
		ph.want(&hci.DisconnectionComplete{Handle: pe.Handle, Reason: hci.StatusLocalHostTerminated})
		ch.do(create(peer))
		ch.idle(time.Minute) // advertising has ended with the link
		ph.do(hci.LESetAdvertisingEnable{Enable: true})
		ch.connected()
		ph.connected()
	})
}

// TestExtendedAdvertising goes through the life of an advertising set.
func TestExtendedAdvertising(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		cc, pc := a.NewController(nil), a.NewController(&ControllerConfig{AdvertisingSets: 1})
		ch, ph := newHost(t, cc).up(), newHost(t, pc).up()
		set := hci.LESetExtendedAdvertisingParameters{
			Handle: 3, Properties: hci.AdvPropConnectable, IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond,
			ChannelMap: 7, TxPower: 127, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY2M, SID: 1,
		}
		ph.doStatus(hci.LESetExtendedAdvertisingData{Handle: 3, Operation: hci.AdvDataComplete}, hci.StatusUnknownAdvertisingID)
		ph.do(set)
		other := set
		other.Handle = 4
		ph.doStatus(other, hci.StatusMemoryFull)
		wrong := set
		wrong.Properties = hci.AdvPropConnectable | hci.AdvPropScannable
		ph.doStatus(wrong, hci.StatusInvalidParameters)
		first, last := bytes.Repeat([]byte{1}, 200), bytes.Repeat([]byte{2}, 100)
		ph.do(hci.LESetExtendedAdvertisingData{Handle: 3, Operation: hci.AdvDataFirst, Data: first})
		ph.doStatus(hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Handle: 3}}}, hci.StatusCommandDisallowed)
		ph.do(hci.LESetExtendedAdvertisingData{Handle: 3, Operation: hci.AdvDataLast, Data: last})
		ph.do(hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Handle: 3, Duration: time.Second}}})
		ph.doStatus(hci.LERemoveAdvertisingSet{Handle: 3}, hci.StatusCommandDisallowed)
		ph.doStatus(set, hci.StatusCommandDisallowed)
		at := time.Now()
		if ev := next[*hci.LEAdvertisingSetTerminated](ph); ev.Status != hci.StatusAdvertisingTimeout || ev.Set != 3 {
			t.Errorf("%+v, want set 3 with a timeout", ev)
		}
		if d := time.Since(at).Round(time.Millisecond); d != time.Second {
			t.Errorf("ended after %v, want 1 s", d)
		}

		ph.do(hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Handle: 3, MaxEvents: 5}}})
		if ev := next[*hci.LEAdvertisingSetTerminated](ph); ev.Status != hci.StatusLimitReached || ev.CompletedEvents != 5 {
			t.Errorf("%+v, want five events", ev)
		}

		ph.do(hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Handle: 3}}})
		ch.do(hci.LEExtendedCreateConnection{Peer: pc.Address(), PHYs: hci.PHYs1M, Initiating: []hci.InitiatingPHY{{
			ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Params: params,
		}}})
		ce, pe := ch.connected(), ph.connected()
		if ev := next[*hci.LEAdvertisingSetTerminated](ph); ev.Status != 0 || ev.Set != 3 || ev.Handle != pe.Handle {
			t.Errorf("%+v, want set 3 ended by link %#x", ev, pe.Handle)
		}
		if got := ch.do(hci.LEReadPHY{Handle: ce.Handle}); got[3] != 2 || got[4] != 2 {
			t.Errorf("PHYs % x, want 2M, on which the set can be connected to", got[3:])
		}
		ph.do(hci.LERemoveAdvertisingSet{Handle: 3})
	})
}

func TestDirectedAdvertising(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		cc, other, pc := a.NewController(nil), a.NewController(nil), a.NewController(nil)
		ch, oh, ph := newHost(t, cc).up(), newHost(t, other).up(), newHost(t, pc).up()
		ph.do(hci.LESetAdvertisingParameters{Type: hci.AdvDirectInd, Peer: cc.Address(), ChannelMap: 7})
		ph.do(hci.LESetAdvertisingEnable{Enable: true})
		at := time.Now()
		oh.do(create(pc.Address()))
		if ev := next[*hci.LEEnhancedConnectionComplete](ph); ev.Status != hci.StatusAdvertisingTimeout || ev.Role != hci.RolePeripheral {
			t.Errorf("%+v, want a timeout", ev)
		}
		if d := time.Since(at).Round(time.Millisecond); d != 1280*time.Millisecond {
			t.Errorf("high duty cycle lasted %v, want 1.28 s", d)
		}
		oh.idle(time.Second) // was not meant
		ph.do(hci.LESetAdvertisingEnable{Enable: true})
		ch.do(create(pc.Address()))
		ch.connected()
		ph.connected()
	})
}

// TestPrivacy has a peer with a private address resolved.
func TestPrivacy(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(&ControllerConfig{ResolvingListSize: 1})).up()
		irk := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		identity := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}
		private := ResolvableAddress(irk, [3]byte{1, 2, 3})
		p := a.NewRawPeer(&RawPeerConfig{Address: private})
		h.do(hci.LEAddDeviceToResolvingList{Peer: identity, PeerIRK: irk, LocalIRK: [16]byte{9}})
		h.doStatus(hci.LEAddDeviceToResolvingList{Peer: p.Address()}, hci.StatusMemoryFull)
		h.scan(hci.LESetScanParameters{}, false)
		if r := next[*hci.LEAdvertisingReport](h).Reports[0]; r.Addr != private {
			t.Errorf("reported %v with resolution off", r.Addr)
		}
		h.doStatus(hci.LESetAddressResolutionEnable{Enable: true}, hci.StatusCommandDisallowed) // scanning
		h.do(hci.LESetScanEnable{})
		h.do(hci.LESetAddressResolutionEnable{Enable: true})
		h.do(hci.LESetScanEnable{Enable: true, FilterDuplicates: true})
		want := hci.Addr{MAC: identity.MAC, Kind: hci.AddrPublicIdentity}
		if r := next[*hci.LEAdvertisingReport](h).Reports[0]; r.Addr != want {
			t.Errorf("reported %v, want %v", r.Addr, want)
		}
		p.SetAddress(ResolvableAddress(irk, [3]byte{7, 7, 7}))
		h.idle(time.Minute) // the same device to the duplicate filter
		h.do(hci.LESetScanEnable{})

		o := create(identity)
		o.OwnAddrKind = hci.AddrPublicIdentity
		h.do(o)
		ev := h.connected()
		l, err := p.Accept(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if ev.Peer != want || ev.PeerRPA != p.Address().MAC || !l.Peer().IsResolvable() || ev.LocalRPA != l.Peer().MAC {
			t.Errorf("%+v, and the peer knows %v", ev, l.Peer())
		}
	})
}
