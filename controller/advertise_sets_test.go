package controller

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

var staticAddr = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}

// extendedHarness has a controller with every feature of advertising.
func extendedHarness(t *testing.T) *harness {
	h := newHarness(t, 8)
	i := &h.c.info
	i.Extended, i.AcceptListSize = true, 4
	i.Public = hci.MAC{1, 2, 3, 4, 5, 6}
	i.Features = hci.Feature2MPHY | hci.FeatureCodedPHY | hci.FeatureExtendedAdvertising | hci.FeaturePeriodicAdvertising
	for _, op := range []hci.Opcode{
		hci.OpLEReadMaximumAdvertisingDataLength, hci.OpLESetPeriodicAdvertisingEnable, hci.OpLEPeriodicAdvertisingCreateSync,
	} {
		i.Commands.Add(op)
	}
	return h
}

// added is a set that addSet has made.
type added struct {
	set        *advertSet
	start, end error
}

func (h *harness) addSet(o *AdvertiseOptions) *added {
	h.t.Helper()
	o, err := validAdvertising(o)
	if err != nil {
		h.t.Fatal(err)
	}
	x := &added{start: errPending}
	h.do(func(time.Time) {
		x.set = h.c.adv.addSet(o, func(err error) { x.end = err }, func(err error) { x.start = err })
	})
	return x
}

// setParams returns the parameters of a set with default options.
func setParams(handle uint8, props hci.AdvProperties) hci.LESetExtendedAdvertisingParameters {
	p := extAdv(props)
	p.Handle, p.SID = handle, handle
	return p
}

func setData(handle uint8, b []byte) hci.LESetExtendedAdvertisingData {
	return hci.LESetExtendedAdvertisingData{Handle: handle, Operation: hci.AdvDataComplete, Data: b}
}

func enableOf(on bool, handle uint8) hci.LESetExtendedAdvertisingEnable {
	return hci.LESetExtendedAdvertisingEnable{Enable: on, Sets: []hci.AdvertisingSet{{Handle: handle}}}
}

// TestSeveralSets runs a set beside that of Advertise, each with its own parameters.
func TestSeveralSets(t *testing.T) {
	h := extendedHarness(t)
	h.advertise(&AdvertiseOptions{NonConnectable: true, Data: []byte{2, 1, 6}})
	h.takes("the first set", setParams(0, hci.AdvPropsLegacyNonConnectable), setData(0, []byte{2, 1, 6}), enableOf(true, 0))
	power := int8(-8)
	x := h.addSet(&AdvertiseOptions{
		NonConnectable: true, Extended: true, Data: []byte{3, 0xFF, 1, 2}, Interval: time.Second, PrimaryPHY: hci.PHYCoded,
		Address: staticAddr, IncludeTxPower: true, TxPower: &power,
	})
	p := setParams(1, hci.AdvPropIncludeTxPower)
	p.IntervalMin, p.IntervalMax, p.PrimaryPHY, p.SecondaryPHY, p.TxPower = time.Second, time.Second, hci.PHYCoded, hci.PHYCoded, power
	p.OwnAddrKind = hci.AddrRandom
	h.takes("the second set", p, hci.LESetAdvertisingSetRandomAddress{Handle: 1, Addr: staticAddr.MAC}, setData(1, []byte{3, 0xFF, 1, 2}), enableOf(true, 1))
	y := h.addSet(&AdvertiseOptions{NonConnectable: true, Response: []byte{2, 10, 0}})
	h.takes("the third set", setParams(2, hci.AdvPropsLegacyScannable), setData(2, nil),
		hci.LESetExtendedScanResponseData{Handle: 2, Operation: hci.AdvDataComplete, Data: []byte{2, 10, 0}}, enableOf(true, 2))
	if x.start != nil || y.start != nil {
		t.Fatalf("started with %v and %v", x.start, y.start)
	}
	stopped := errPending
	h.do(func(time.Time) { x.set.removeSet(ErrSetStopped, func(err error) { stopped = err }) })
	h.takes("it goes, the others stay", enableOf(false, 1), hci.LERemoveAdvertisingSet{Handle: 1})
	if stopped != nil || !errors.Is(x.end, ErrSetStopped) || len(h.c.adv.sets) != 2 {
		t.Errorf("stopped with %v, ended with %v, %d sets", stopped, x.end, len(h.c.adv.sets))
	}
	z := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.takes("the handle is free again", setParams(1, hci.AdvPropsLegacyNonConnectable), setData(1, nil), enableOf(true, 1))
	h.do(func(time.Time) { h.c.failController(errClosed) })
	if !errors.Is(y.end, errClosed) || !errors.Is(z.end, errClosed) {
		t.Errorf("ended with %v and %v, want the end of the Controller", y.end, z.end)
	}
}

// TestLongData sends data in pieces of 251 octets, and asks once for the greatest length.
func TestLongData(t *testing.T) {
	h := extendedHarness(t)
	data := bytes.Repeat([]byte{1, 0x7F}, 300)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true, Data: data})
	h.want(hci.LEReadMaximumAdvertisingDataLength{}, "more than 31 octets")
	h.complete(hci.OpLEReadMaximumAdvertisingDataLength, hci.StatusSuccess, 0x72, 0x06)
	piece := func(op hci.AdvOperation, b []byte) hci.LESetExtendedAdvertisingData {
		return hci.LESetExtendedAdvertisingData{Handle: 1, Operation: op, Data: b}
	}
	h.takes("600 octets", setParams(1, 0), piece(hci.AdvDataFirst, data[:251]), piece(hci.AdvDataIntermediate, data[251:502]),
		piece(hci.AdvDataLast, data[502:]), enableOf(true, 1))
	if x.start != nil {
		t.Fatal(x.start)
	}
	y := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true, Data: data[:252]})
	h.takes("the length is known", setParams(2, 0), hci.LESetExtendedAdvertisingData{Handle: 2, Operation: hci.AdvDataFirst, Data: data[:251]},
		hci.LESetExtendedAdvertisingData{Handle: 2, Operation: hci.AdvDataLast, Data: data[251:252]}, enableOf(true, 2))
	if y.start != nil {
		t.Fatal(y.start)
	}
}

// TestTooMuchForTheController names both lengths, and removes the set.
func TestTooMuchForTheController(t *testing.T) {
	h := extendedHarness(t)
	for n := range 2 { // asked, and remembered
		x := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true, Data: make([]byte, 600)})
		if n == 0 {
			h.want(hci.LEReadMaximumAdvertisingDataLength{}, "more than 31 octets")
			h.complete(hci.OpLEReadMaximumAdvertisingDataLength, hci.StatusSuccess, 191, 0)
		}
		h.idle("nothing is set up")
		if x.start == nil || !strings.Contains(x.start.Error(), "600 octets of data, but the controller takes 191") || x.end != x.start {
			t.Errorf("started with %v, ended with %v", x.start, x.end)
		}
	}
	if len(h.c.adv.sets) != 1 {
		t.Errorf("%d sets are left", len(h.c.adv.sets))
	}
}

// TestNoRoomForASet is the answer of a controller that has enough sets.
func TestNoRoomForASet(t *testing.T) {
	h := extendedHarness(t)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.want(setParams(1, hci.AdvPropsLegacyNonConnectable), "set up")
	h.complete(hci.OpLESetExtendedAdvertisingParameters, hci.StatusMemoryFull)
	h.idle("it has ended")
	if !errors.Is(x.start, hci.StatusMemoryFull) || !errors.Is(x.end, hci.StatusMemoryFull) || h.c.info.ExtendedRefused != nil {
		t.Errorf("started with %v, ended with %v", x.start, x.end)
	}
}

// TestWhichSetAConnectionEnds takes the set from the event, unless one alone can be it.
func TestWhichSetAConnectionEnds(t *testing.T) {
	h := extendedHarness(t)
	connect := func(handle hci.Handle) {
		h.event(&hci.LEConnectionComplete{Handle: handle, Role: hci.RolePeripheral, Peer: peerB, Params: hci.ConnParamsInUse{Interval: 30e6, Timeout: 1e9}})
	}
	h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.takes("a beacon", setParams(1, hci.AdvPropsLegacyNonConnectable), setData(1, nil), enableOf(true, 1))
	connectable := func(handle uint8) []hci.Params {
		return []hci.Params{setParams(handle, hci.AdvPropConnectable), setData(handle, nil), enableOf(true, handle)}
	}
	h.addSet(&AdvertiseOptions{Extended: true, MaxLinks: 9})
	h.takes("a connectable set", connectable(2)...)
	connect(1)
	h.takes("one can be it", enableOf(true, 2))
	h.event(&hci.LEAdvertisingSetTerminated{Set: 2, Handle: 1})
	h.idle("the event is late: the set runs again")
	h.addSet(&AdvertiseOptions{Extended: true, MaxLinks: 9})
	h.takes("another one", connectable(3)...)
	connect(2)
	h.idle("it may be either")
	h.event(&hci.LEAdvertisingSetTerminated{Set: 3, Handle: 2})
	h.takes("it was this one", enableOf(true, 3))
	connect(3)
	h.event(&hci.DisconnectionComplete{Handle: 3, Reason: hci.StatusConnectionTimeout})
	h.takes("the event is lost: both", enableOf(true, 2), enableOf(true, 3))
}

// TestEndsByItself reports the end that the options set, and starts the others again.
func TestEndsByItself(t *testing.T) {
	h := extendedHarness(t)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Duration: 3 * time.Second, MaxEvents: 200})
	on := hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Handle: 1, Duration: 3 * time.Second, MaxEvents: 200}}}
	h.takes("bounded", setParams(1, hci.AdvPropsLegacyNonConnectable), setData(1, nil), on)
	y := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.takes("not bounded", setParams(2, hci.AdvPropsLegacyNonConnectable), setData(2, nil), enableOf(true, 2))
	h.pass(time.Second)
	paused := errPending
	h.do(func(time.Time) {
		h.c.quiet.addJob(func(done func(error)) { done(nil) }, func(err error) { paused = err })
	})
	on.Sets[0].Duration = 2 * time.Second
	h.takes("after a pause, what is left", enableOf(false, 1), enableOf(false, 2), on, enableOf(true, 2))
	h.event(&hci.LEAdvertisingSetTerminated{Status: hci.StatusAdvertisingTimeout, Set: 2})
	h.takes("nobody has asked for its end", enableOf(true, 2))
	h.event(&hci.LEAdvertisingSetTerminated{Status: hci.StatusLimitReached, Set: 1})
	h.takes("the bounded one goes", hci.LERemoveAdvertisingSet{Handle: 1})
	if !errors.Is(x.end, ErrAdvertisingEnded) || !errors.Is(x.end, hci.StatusLimitReached) || y.end != nil || paused != nil {
		t.Errorf("ended with %v and %v, pause %v", x.end, y.end, paused)
	}
	h.event(&hci.LEAdvertisingSetTerminated{Status: hci.StatusLimitReached, Set: 0x77})
	h.idle("there is no such set")
	if h.c.stats.UnknownHandles != 1 {
		t.Errorf("%d events for unknown handles", h.c.stats.UnknownHandles)
	}
}

// TestDirectedAdvertising checks both rates with both kinds of commands.
func TestDirectedAdvertising(t *testing.T) {
	directed := hci.AdvPropLegacy | hci.AdvPropConnectable | hci.AdvPropDirected
	for _, extended := range []bool{false, true} {
		h := extendedHarness(t)
		h.c.info.Extended = extended
		got := h.advertise(&AdvertiseOptions{Peer: peerB})
		if extended {
			p := setParams(0, directed)
			p.Peer = peerB
			h.takes("low duty", p, enableOf(true, 0))
			h.advertise(&AdvertiseOptions{Peer: hci.Addr{MAC: peerB.MAC, Kind: hci.AddrPublicIdentity}, HighDuty: true})
			p.Properties |= hci.AdvPropHighDuty
			p.OwnAddrKind = hci.AddrPublicIdentity
			h.takes("high duty", enableOf(false, 0), hci.LERemoveAdvertisingSet{}, p, enableOf(true, 0))
			h.event(&hci.LEAdvertisingSetTerminated{Status: hci.StatusAdvertisingTimeout})
		} else {
			p := legacyAdv(hci.AdvDirectIndLow)
			p.Peer = peerB
			h.takes("low duty", p, hci.LESetAdvertisingEnable{Enable: true})
			h.advertise(&AdvertiseOptions{Peer: peerB, HighDuty: true})
			p.Type = hci.AdvDirectInd
			h.takes("high duty", hci.LESetAdvertisingEnable{}, p, hci.LESetAdvertisingEnable{Enable: true})
			h.event(&hci.LEConnectionComplete{Status: hci.StatusAdvertisingTimeout, Role: hci.RolePeripheral})
		}
		h.idle("it is over after 1.28 s")
		if *got != nil || h.c.adv.main.opts != nil {
			t.Errorf("extended %v: got %v, still wanted: %v", extended, *got, h.c.adv.main.opts)
		}
	}
}

// TestAcceptList loads the list while nothing uses it. Dials to several peers are refused
// meanwhile, those to one peer are not.
func TestAcceptList(t *testing.T) {
	h := extendedHarness(t)
	list := []hci.Addr{peerA, peerB}
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Accept: list, Filter: FilterScans})
	p := setParams(1, hci.AdvPropsLegacyNonConnectable)
	p.FilterPolicy = 1
	load := []hci.Params{hci.LEClearFilterAcceptList{}, hci.LEAddDeviceToFilterAcceptList{Addr: peerA}, hci.LEAddDeviceToFilterAcceptList{Addr: peerB}}
	h.takes("the list goes first", append(load, p, setData(1, nil), enableOf(true, 1))...)
	y := h.addSet(&AdvertiseOptions{Extended: true, Accept: list})
	p = setParams(2, hci.AdvPropConnectable)
	p.FilterPolicy = 3
	h.takes("the same list", p, setData(2, nil), enableOf(true, 2))
	z := h.addSet(&AdvertiseOptions{Accept: list[:1]})
	h.idle("another list")
	if x.start != nil || y.start != nil || z.start == nil || !strings.Contains(z.start.Error(), "give both the same") {
		t.Errorf("started with %v, %v and %v", x.start, y.start, z.start)
	}
	var several error
	h.do(func(time.Time) {
		h.c.dial.addDial(&dial{peers: list, done: func(_ *Link, err error) { several = err }})
	})
	h.idle("it needs the list")
	if !errors.Is(several, errAcceptListTaken) {
		t.Errorf("a dial to two peers: %v", several)
	}
	for _, peer := range list {
		h.do(func(time.Time) { h.c.dial.addDial(&dial{peers: []hci.Addr{peer}, done: func(*Link, error) {}}) })
	}
	if n := len(h.c.dial.group); n != 1 {
		t.Errorf("%d dials share the initiation, want 1", n)
	}
}

// TestAcceptListThatFails leaves no set that accepts the wrong devices.
func TestAcceptListThatFails(t *testing.T) {
	h := extendedHarness(t)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Accept: []hci.Addr{peerA}})
	h.want(hci.LEClearFilterAcceptList{}, "the list")
	h.complete(hci.OpLEClearFilterAcceptList, hci.StatusSuccess)
	h.want(hci.LEAddDeviceToFilterAcceptList{Addr: peerA}, "the list")
	h.complete(hci.OpLEAddDeviceToFilterAcceptList, hci.StatusMemoryFull)
	h.idle("no set")
	if !errors.Is(x.start, hci.StatusMemoryFull) || h.c.adv.usesAcceptList() {
		t.Errorf("started with %v, list in use: %v", x.start, h.c.adv.usesAcceptList())
	}
}

// TestSetsWithoutExtendedAdvertising names the missing feature and the remedy.
func TestSetsWithoutExtendedAdvertising(t *testing.T) {
	h := newHarness(t, 4)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.takes("one set works", legacyAdv(hci.AdvNonconnInd), hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
	if x.start != nil {
		t.Fatal(x.start)
	}
	for _, c := range []struct {
		o    AdvertiseOptions
		want string
	}{
		{AdvertiseOptions{}, "so it has one set: stop the other one first"},
		{AdvertiseOptions{Extended: true}, "leave Extended out, or use an adapter of Bluetooth 5"},
		{AdvertiseOptions{Duration: time.Second}, "leave Duration and MaxEvents out"},
	} {
		y := h.addSet(&c.o)
		h.idle("refused")
		if !errors.Is(y.start, ErrNoExtendedAdvertising) || !strings.Contains(y.start.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, y.start, c.want)
		}
	}
	h.do(func(time.Time) { x.set.removeSet(ErrSetStopped, func(error) {}) })
	h.takes("stopped", hci.LESetAdvertisingEnable{})
	y := h.addSet(&AdvertiseOptions{Address: staticAddr})
	if !errors.Is(y.start, ErrNoExtendedAdvertising) || !strings.Contains(y.start.Error(), "it has one random address") {
		t.Errorf("another random address: %v", y.start)
	}
}

// TestMissingFeatures refuses options before any command.
func TestMissingFeatures(t *testing.T) {
	h := extendedHarness(t)
	h.c.info.Features = hci.FeatureExtendedAdvertising
	for _, c := range []struct {
		o      AdvertiseOptions
		target error
		want   string
	}{
		{AdvertiseOptions{Extended: true, SecondaryPHY: hci.PHY2M}, ErrNotSupported, "2M PHY"},
		{AdvertiseOptions{Extended: true, PrimaryPHY: hci.PHYCoded}, ErrNoCodedPHY, "use 1M alone"},
		{AdvertiseOptions{Extended: true, NonConnectable: true, Periodic: &PeriodicOptions{}}, ErrNotSupported, "leave Periodic out"},
		{AdvertiseOptions{Accept: make([]hci.Addr, 5)}, nil, "5 devices in Accept, but the filter accept list of the controller takes 4"},
		{AdvertiseOptions{Address: hci.Addr{MAC: hci.MAC{9}}}, nil, "is not the public address of the controller"},
	} {
		x := h.addSet(&c.o)
		h.idle("refused")
		if x.start == nil || c.target != nil && !errors.Is(x.start, c.target) || !strings.Contains(x.start.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, x.start, c.want)
		}
	}
}

// TestSetsAfterAFallback: a controller that refuses extended advertising keeps the set
// that the legacy commands can carry; the others end with the reason.
func TestSetsAfterAFallback(t *testing.T) {
	h := extendedHarness(t)
	main := h.advertise(&AdvertiseOptions{NonConnectable: true})
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true})
	y := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.want(setParams(0, hci.AdvPropsLegacyNonConnectable), "the first set")
	h.complete(hci.OpLESetExtendedAdvertisingParameters, hci.StatusUnknownCommand)
	h.want(hci.Reset{}, "back to the legacy commands")
	h.complete(hci.OpReset, hci.StatusSuccess)
	for _, s := range []*added{x, y} {
		if !errors.Is(s.start, ErrNoExtendedAdvertising) || !errors.Is(s.end, ErrNoExtendedAdvertising) {
			t.Errorf("started with %v, ended with %v", s.start, s.end)
		}
	}
	h.takes("the set-up again", hci.LESetEventMask{Mask: h.c.info.leEventMask()}, legacyAdv(hci.AdvNonconnInd), hci.LESetAdvertisingData{},
		hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
	if *main != nil || len(h.c.adv.sets) != 1 {
		t.Errorf("the main set: %v, %d sets", *main, len(h.c.adv.sets))
	}
}

// TestPeriodicAdvertising sets up the train, replaces its data, and stops both.
func TestPeriodicAdvertising(t *testing.T) {
	h := extendedHarness(t)
	data := bytes.Repeat([]byte{1, 0x7F}, 150)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true, Periodic: &PeriodicOptions{Data: data, Interval: 50 * time.Millisecond}})
	h.want(hci.LEReadMaximumAdvertisingDataLength{}, "more than 31 octets")
	h.complete(hci.OpLEReadMaximumAdvertisingDataLength, hci.StatusSuccess, 0x72, 0x06)
	train := func(op hci.AdvOperation, b []byte) hci.LESetPeriodicAdvertisingData {
		return hci.LESetPeriodicAdvertisingData{Handle: 1, Operation: op, Data: b}
	}
	h.takes("the train", setParams(1, 0), setData(1, nil),
		hci.LESetPeriodicAdvertisingParameters{Handle: 1, IntervalMin: 50 * time.Millisecond, IntervalMax: 50 * time.Millisecond},
		train(hci.AdvDataFirst, data[:252]), train(hci.AdvDataLast, data[252:]),
		hci.LESetPeriodicAdvertisingEnable{Enable: true, Handle: 1}, enableOf(true, 1))
	got := errPending
	h.do(func(time.Time) { x.set.setPeriodicData([]byte{2, 0x7F, 9}, func(err error) { got = err }) })
	h.takes("new data, no gap", train(hci.AdvDataComplete, []byte{2, 0x7F, 9}))
	if x.start != nil || got != nil {
		t.Errorf("started with %v, data %v", x.start, got)
	}
	h.rotating()
	h.want(enableOf(false, 1), "a new address")
	h.complete(hci.OpLESetExtendedAdvertisingEnable, hci.StatusSuccess)
	h.want(hci.LESetRandomAddress{Addr: privateMAC(1)}, "a new address")
	h.complete(hci.OpLESetRandomAddress, hci.StatusSuccess)
	p := setParams(1, 0)
	p.OwnAddrKind = hci.AddrRandom
	h.takes("the train goes on", p, hci.LESetAdvertisingSetRandomAddress{Handle: 1, Addr: privateMAC(1)}, setData(1, nil), enableOf(true, 1))
	h.do(func(time.Time) { x.set.removeSet(ErrSetStopped, func(error) {}) })
	h.takes("all of it", enableOf(false, 1), hci.LESetPeriodicAdvertisingEnable{Handle: 1}, hci.LERemoveAdvertisingSet{Handle: 1})
}

// TestPeriodicAdvertisingThatIsRefused is the error of a controller that lists the
// feature and does not have it.
func TestPeriodicAdvertisingThatIsRefused(t *testing.T) {
	h := extendedHarness(t)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true, Extended: true, Periodic: &PeriodicOptions{}})
	h.want(setParams(1, 0), "set up")
	h.complete(hci.OpLESetExtendedAdvertisingParameters, hci.StatusSuccess, 0)
	h.want(setData(1, nil), "set up")
	h.complete(hci.OpLESetExtendedAdvertisingData, hci.StatusSuccess)
	h.want(hci.LESetPeriodicAdvertisingParameters{Handle: 1, IntervalMin: 100e6, IntervalMax: 100e6}, "the train")
	h.complete(hci.OpLESetPeriodicAdvertisingParameters, hci.StatusUnknownCommand)
	h.takes("the set goes", hci.LERemoveAdvertisingSet{Handle: 1})
	if !errors.Is(x.start, hci.StatusUnknownCommand) || !strings.Contains(x.start.Error(), "LE Set Periodic Advertising Parameters") || h.c.info.ExtendedRefused != nil {
		t.Errorf("started with %v, extended commands refused: %v", x.start, h.c.info.ExtendedRefused)
	}
}

// TestAdvertiseOptionsThatNoControllerTakes names the option and the remedy.
func TestAdvertiseOptionsThatNoControllerTakes(t *testing.T) {
	ext := AdvertiseOptions{Extended: true}
	beacon := AdvertiseOptions{Extended: true, NonConnectable: true}
	with := func(o AdvertiseOptions, change func(o *AdvertiseOptions)) AdvertiseOptions { change(&o); return o }
	for _, c := range []struct {
		o    AdvertiseOptions
		want string // "" if it is fine
	}{
		{AdvertiseOptions{Interval: 10 * time.Millisecond}, "want 20ms to 10.24s"},
		{AdvertiseOptions{Interval: 11 * time.Second}, "want 20ms to 10.24s"},
		{with(ext, func(o *AdvertiseOptions) { o.Interval = 11 * time.Second }), ""},
		{AdvertiseOptions{Data: make([]byte, 32)}, "at most 31 can be sent: shorten them, or set Extended"},
		{with(ext, func(o *AdvertiseOptions) { o.Data = make([]byte, 1651) }), "at most 1650 can be sent"},
		{AdvertiseOptions{PrimaryPHY: hci.PHYCoded}, "PrimaryPHY coded demands Extended"},
		{AdvertiseOptions{SecondaryPHY: hci.PHY2M}, "SecondaryPHY 2M demands Extended"},
		{AdvertiseOptions{Anonymous: true, NonConnectable: true}, "Anonymous demands Extended"},
		{AdvertiseOptions{IncludeTxPower: true}, "IncludeTxPower demands Extended"},
		{AdvertiseOptions{Periodic: &PeriodicOptions{}}, "Periodic demands Extended"},
		{AdvertiseOptions{Peer: peerB, NonConnectable: true}, "directed advertising with NonConnectable demands Extended"},
		{with(ext, func(o *AdvertiseOptions) { o.Response = []byte{1, 1} }), "connectable or has a Response"},
		{with(beacon, func(o *AdvertiseOptions) { o.Response = []byte{1, 1} }), ""},
		{with(beacon, func(o *AdvertiseOptions) { o.Response, o.Data = []byte{1, 1}, []byte{1, 1} }), "Data or a Response, not both"},
		{with(ext, func(o *AdvertiseOptions) { o.PrimaryPHY = hci.PHY2M }), "PrimaryPHY is 2M, want 1M or coded"},
		{with(ext, func(o *AdvertiseOptions) { o.SecondaryPHY = 9 }), "SecondaryPHY is 0x09"},
		{with(ext, func(o *AdvertiseOptions) { o.Peer, o.HighDuty = peerB, true }), "HighDuty is for legacy packets alone"},
		{with(ext, func(o *AdvertiseOptions) { o.Anonymous = true }), "an Anonymous set is NonConnectable"},
		{with(ext, func(o *AdvertiseOptions) { o.Periodic = &PeriodicOptions{} }), "a set with Periodic is NonConnectable"},
		{with(beacon, func(o *AdvertiseOptions) { o.Periodic = &PeriodicOptions{Interval: time.Millisecond} }), "want 7.5ms to 1m21.91875s"},
		{with(beacon, func(o *AdvertiseOptions) { o.Periodic = &PeriodicOptions{Data: make([]byte, 1651)} }), "at most 1650"},
		{AdvertiseOptions{HighDuty: true}, "HighDuty demands a Peer"},
		{AdvertiseOptions{Peer: peerB, Accept: []hci.Addr{peerA}}, "exclude each other"},
		{AdvertiseOptions{Peer: peerB, Data: []byte{2, 1, 6}}, "directed legacy packets carry no data"},
		{with(ext, func(o *AdvertiseOptions) { o.Peer, o.Data = peerB, []byte{2, 1, 6} }), ""},
		{AdvertiseOptions{Filter: FilterScans}, "Filter demands a list Accept"},
		{AdvertiseOptions{Filter: 4, Accept: []hci.Addr{peerA}}, "Filter is 4"},
		{AdvertiseOptions{Accept: []hci.Addr{{Kind: hci.AddrAnonymous}}}, "want public or random addresses"},
		{AdvertiseOptions{MaxEvents: 256}, "MaxEvents is 256, want 1 to 255"},
		{AdvertiseOptions{Duration: time.Millisecond}, "want 0 or 10ms to 10m55.35s"},
		{AdvertiseOptions{Address: hci.Addr{MAC: hci.MAC{5: 0x80}, Kind: hci.AddrRandom}}, "is no address that a device can have"},
		{AdvertiseOptions{TxPower: new(int8(21))}, "TxPower is 21 dBm, want -127 to 20"},
	} {
		_, err := validAdvertising(&c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

// TestNothingExtendedBehindASwitch: what ends while the controller is reset for the legacy
// commands gets no extended command any more, because it would be refused behind the
// reset, and with it all legacy ones.
func TestNothingExtendedBehindASwitch(t *testing.T) {
	h := extendedHarness(t)
	s := h.synced()
	h.searchSync(peerB, 1)
	h.want(createSync(peerB, 1), "a search")
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
	x := h.addSet(&AdvertiseOptions{NonConnectable: true})
	h.want(setParams(1, hci.AdvPropsLegacyNonConnectable), "a set")
	h.complete(hci.OpLESetExtendedAdvertisingParameters, hci.StatusSuccess, 0)
	h.want(setData(1, nil), "a set")
	h.complete(hci.OpLESetExtendedAdvertisingData, hci.StatusUnknownCommand)
	h.want(hci.Reset{}, "back to the legacy commands")
	removed := errPending
	h.do(func(time.Time) {
		x.set.removeSet(ErrSetStopped, func(err error) { removed = err })
		h.c.syncs.endSync(s.sync, errSyncClosed, true)
		h.c.syncs.giveUp(h.c.syncs.search)
	})
	late := h.searchSync(peerA, 1)
	h.complete(hci.OpReset, hci.StatusSuccess)
	h.takes("the legacy commands alone", hci.LESetEventMask{Mask: h.c.info.leEventMask()})
	if removed != nil || !errors.Is(x.end, ErrSetStopped) || len(h.c.adv.sets) != 1 || !errors.Is(late.got, ErrNoPeriodicAdvertising) {
		t.Errorf("removed with %v, ended with %v, %d sets, a search %v", removed, x.end, len(h.c.adv.sets), late.got)
	}
}
