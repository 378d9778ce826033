package hci

import (
	"errors"
	"testing"
	"time"
)

var (
	entryA = LEAddDeviceToResolvingList{Peer: peerA, PeerIRK: [16]byte{0xA}}
	entryB = LEAddDeviceToResolvingList{Peer: peerB, PeerIRK: [16]byte{0xB}}
)

// newResolver returns a core whose controller has a resolving list.
func newResolver(t *testing.T) *harness {
	h := newHarness(t, 4)
	h.c.info.ResolvingListSize = 2
	h.c.info.Commands.Add(OpLEClearResolvingList, OpLEAddDeviceToResolvingList, OpLESetAddressResolutionEnable, OpLESetPrivacyMode)
	return h
}

type resolved struct {
	n   int
	err error
}

func (h *harness) resolve(peers ...LEAddDeviceToResolvingList) *resolved {
	res := &resolved{-1, errPending}
	h.do(func(time.Time) {
		h.c.resolving.set(func() []LEAddDeviceToResolvingList { return peers }, func(n int, err error) { *res = resolved{n, err} })
	})
	return res
}

func (h *harness) wantResolved(r *resolved, n int, err error) {
	h.t.Helper()
	if r.n != n || !errors.Is(r.err, err) {
		h.t.Errorf("resolving %d peers, %v; want %d, %v", r.n, r.err, n, err)
	}
}

func TestResolvingList(t *testing.T) {
	h := newResolver(t)
	h.wantResolved(h.resolve(), 0, nil)
	h.idle("after the reset the list is empty")
	off, on := LESetAddressResolutionEnable{}, LESetAddressResolutionEnable{Enable: true}
	modeA, modeB := LESetPrivacyMode{Peer: peerA, Device: true}, LESetPrivacyMode{Peer: peerB, Device: true}

	r := h.resolve(entryA)
	h.takes("one peer", off, LEClearResolvingList{}, entryA, modeA, on)
	h.wantResolved(r, 1, nil)
	h.wantResolved(h.resolve(entryA), 1, nil)
	h.idle("nothing is new")

	h.scanOn(nil)
	r = h.resolve(entryA, entryB)
	h.want(LESetScanEnable{}, "a scan has to stop for it")
	h.complete(OpLESetScanEnable, StatusSuccess)
	for _, p := range []Params{off, LEClearResolvingList{}, entryA, modeA, entryB, modeB, on} {
		h.want(p, "two peers")
		h.complete(p.Opcode(), StatusSuccess)
	}
	h.wantResolved(r, 2, nil)
	h.scanStarts("and comes back")

	h.do(func(time.Time) { h.c.scan.remove(h.c.scan.scanners[0]) })
	h.takes("the scan ends", LESetScanEnable{})
	r = h.resolve()
	h.takes("no peer", off, LEClearResolvingList{})
	h.wantResolved(r, 0, nil)
}

func TestResolvingListThatIsFull(t *testing.T) {
	h := newResolver(t)
	h.c.info.Commands = SupportedCommands{}
	h.wantResolved(h.resolve(entryA), 0, nil)
	h.idle("the controller has no such list")

	h = newResolver(t)
	r := h.resolve(entryA, entryB)
	for _, p := range []Params{LESetAddressResolutionEnable{}, LEClearResolvingList{}, entryA, LESetPrivacyMode{Peer: peerA, Device: true}} {
		h.want(p, "the first peer")
		h.complete(p.Opcode(), StatusSuccess)
	}
	h.want(entryB, "the second")
	h.complete(OpLEAddDeviceToResolvingList, StatusMemoryFull)
	h.takes("the first is better than none", LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
	h.wantResolved(h.resolve(entryA, entryB), 1, nil)
	h.idle("the list is as full as it was")
}

// A controller takes no key twice, and may refuse a privacy mode.
func TestResolvingListWithoutThoseRefused(t *testing.T) {
	h := newResolver(t)
	h.c.info.ResolvingListSize = 3
	entryC := LEAddDeviceToResolvingList{Peer: Addr{MAC: MAC{0xC1}}, PeerIRK: [16]byte{0xC}}
	r := h.resolve(entryA, entryB, entryC)
	for _, p := range []Params{LESetAddressResolutionEnable{}, LEClearResolvingList{}, entryA} {
		h.want(p, "the first peer")
		h.complete(p.Opcode(), StatusSuccess)
	}
	h.want(LESetPrivacyMode{Peer: peerA, Device: true}, "the first peer")
	h.complete(OpLESetPrivacyMode, StatusInvalidParameters)
	h.want(LERemoveDeviceFromResolvingList{Peer: peerA}, "without that mode it would not be heard under its identity")
	h.complete(OpLERemoveDeviceFromResolvingList, StatusSuccess)
	h.want(entryB, "the second peer")
	h.complete(OpLEAddDeviceToResolvingList, StatusInvalidParameters)
	h.takes("the others", entryC, LESetPrivacyMode{Peer: entryC.Peer, Device: true}, LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
}

func TestResolvingListRefused(t *testing.T) {
	h := newResolver(t)
	r := h.resolve(entryA)
	h.want(LESetAddressResolutionEnable{}, "off")
	h.complete(OpLESetAddressResolutionEnable, StatusCommandDisallowed)
	h.wantResolved(r, 0, StatusCommandDisallowed)
	h.idle("nothing more is sent")
	r = h.resolve(entryA)
	h.takes("once more, for what the controller has is not known",
		LESetAddressResolutionEnable{}, LEClearResolvingList{}, entryA, LESetPrivacyMode{Peer: peerA, Device: true}, LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
}
