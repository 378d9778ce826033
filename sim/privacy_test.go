package sim

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

var testIRK = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// resolveKeys puts an identity on the resolving list and turns resolution on.
func (h *rawHost) resolveKeys(identity hci.Addr) {
	h.t.Helper()
	h.do(hci.LEAddDeviceToResolvingList{Peer: identity, PeerIRK: testIRK})
	h.do(hci.LESetAddressResolutionEnable{Enable: true})
}

// unanswered dials a peer that does not answer, and cancels.
func (h *rawHost) unanswered(peer hci.Addr) {
	h.t.Helper()
	h.do(create(peer))
	h.idle(time.Minute)
	h.do(hci.LECreateConnectionCancel{})
	h.wantFailed(hci.StatusUnknownConnection)
}

// TestKindsOfAddresses dials a public and a static random address by each kind,
// without and with private addresses on the air.
func TestKindsOfAddresses(t *testing.T) {
	public := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrPublic}
	static := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	for _, identity := range []hci.Addr{public, static} {
		resolved := hci.Addr{MAC: identity.MAC, Kind: identity.Kind + hci.AddrPublicIdentity}
		other := hci.Addr{MAC: identity.MAC, Kind: 1 - identity.Kind}
		otherResolved := hci.Addr{MAC: identity.MAC, Kind: other.Kind + hci.AddrPublicIdentity}
		for _, test := range []struct {
			name     string
			private  bool // address on the air
			old      bool // no LE Set Privacy Mode
			answered []hci.Addr
			silent   []hci.Addr
		}{
			{"plain", false, false, []hci.Addr{identity}, []hci.Addr{other, resolved, otherResolved}},
			{"private", true, false, []hci.Addr{identity, resolved}, []hci.Addr{other, otherResolved}},
			{"private, old controller", true, true, []hci.Addr{resolved}, []hci.Addr{identity, other, otherResolved}},
		} {
			t.Run(test.name+" "+identity.String(), func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, a *Air) {
					cfg, onAir := ControllerConfig{}, identity
					if test.old {
						cfg.Disable = []hci.Opcode{hci.OpLESetPrivacyMode}
					}
					if test.private {
						onAir = ResolvableAddress(testIRK, [3]byte{1, 2, 3})
					}
					h := newHost(t, a.NewController(&cfg)).up()
					a.NewRawPeer(&RawPeerConfig{Address: onAir})
					if test.private {
						h.resolveKeys(identity)
					}
					h.scan(hci.LESetScanParameters{}, false)
					want := identity
					if test.private {
						want = resolved
					}
					if r := next[*hci.LEAdvertisingReport](h).Reports[0]; r.Addr != want {
						t.Errorf("reported as %v, want %v", r.Addr, want)
					}
					h.do(hci.LESetScanEnable{})
					for _, dialed := range test.silent {
						h.unanswered(dialed)
					}
					for _, dialed := range test.answered {
						h.do(create(dialed))
						ev := h.connected()
						if ev.Peer != want || (ev.PeerRPA != hci.MAC{}) != test.private {
							t.Errorf("dialed as %v: connected to %v, on the air %v; want %v", dialed, ev.Peer, ev.PeerRPA, want)
						}
						h.do(hci.Disconnect{Handle: ev.Handle, Reason: hci.StatusRemoteUserTerminated})
						next[*hci.DisconnectionComplete](h)
					}
				})
			})
		}
	}
}

// TestPrivacyMode hides a peer that uses its identity address, unless it is in
// device privacy mode, which a controller of old does not have.
func TestPrivacyMode(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p := a.NewRawPeer(nil)
		h.resolveKeys(p.Address())
		h.scan(hci.LESetScanParameters{}, false)
		h.idle(time.Minute)
		h.do(hci.LESetScanEnable{})
		h.unanswered(p.Address())
		h.do(hci.LESetPrivacyMode{Peer: p.Address(), Device: true})
		h.do(hci.LESetScanEnable{Enable: true, FilterDuplicates: true})
		next[*hci.LEAdvertisingReport](h)
		h.do(hci.LESetScanEnable{})
		h.connect(p)

		h = newHost(t, a.NewController(&ControllerConfig{Disable: []hci.Opcode{hci.OpLESetPrivacyMode}})).up()
		p = a.NewRawPeer(nil)
		h.resolveKeys(p.Address())
		h.doStatus(hci.LESetPrivacyMode{Peer: p.Address(), Device: true}, hci.StatusUnknownCommand)
		h.unanswered(p.Address())
	})
}
