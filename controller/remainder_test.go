package controller_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// remainderCommands are the commands of the start-up that a scan does not need.
var remainderCommands = []hci.Opcode{
	hci.OpWriteLEHostSupport, hci.OpLEReadAllLocalSupportedFeatures, hci.OpLEReadFilterAcceptListSize,
	hci.OpLEReadResolvingListSize, hci.OpLEReadSupportedStates, hci.OpLEReadMaximumDataLength,
	hci.OpLEWriteSuggestedDefaultDataLength, hci.OpLESetDefaultPHY,
}

// newRemainderScript is a plain controller that has all commands of the remainder, and those
// of the resolving list.
func newRemainderScript(ctl *hcitest.Controller) *script {
	s := newScript(ctl)
	var has hci.SupportedCommands
	has.Add(remainderCommands...)
	lists := []hci.Opcode{
		hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLERemoveDeviceFromResolvingList,
		hci.OpLESetAddressResolutionEnable, hci.OpLESetPrivacyMode,
	}
	has.Add(lists...)
	s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:]...)
	s.returns[hci.OpLEReadLocalSupportedFeatures] = []byte{0, byte(hci.FeatureDataLength), 0, 0, 0, 0, 0, 0, 0}
	for _, op := range append(lists, hci.OpWriteLEHostSupport, hci.OpLEWriteSuggestedDefaultDataLength, hci.OpLESetDefaultPHY,
		hci.OpLESetAdvertisingParameters, hci.OpLESetAdvertisingData, hci.OpLESetScanResponseData, hci.OpLESetAdvertisingEnable) {
		s.returns[op] = []byte{0}
	}
	s.returns[hci.OpLEReadAllLocalSupportedFeatures] = make([]byte, 1+1+248)
	s.returns[hci.OpLEReadFilterAcceptListSize] = []byte{0, 5}
	s.returns[hci.OpLEReadResolvingListSize] = []byte{0, 6}
	s.returns[hci.OpLEReadSupportedStates] = []byte{0, 7, 0, 0, 0, 0, 0, 0, 0}
	s.returns[hci.OpLEReadMaximumDataLength] = []byte{0, 0xFB, 0, 0x48, 0x08, 0xFB, 0, 0x48, 0x08}
	return s
}

// TestRemainderOfTheStartUp follows the start of the first scan, and comes before all else
// that needs it. It runs once.
func TestRemainderOfTheStartUp(t *testing.T) { synctest.Test(t, testRemainderOfTheStartUp) }

func testRemainderOfTheStartUp(t *testing.T) {
	scan := []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable}
	advertise := []hci.Opcode{hci.OpLESetAdvertisingParameters, hci.OpLESetAdvertisingData, hci.OpLESetScanResponseData, hci.OpLESetAdvertisingEnable}
	list := []hci.Opcode{
		hci.OpLESetAddressResolutionEnable, hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList,
		hci.OpLESetPrivacyMode, hci.OpLESetAddressResolutionEnable,
	}
	peers := []hci.LEAddDeviceToResolvingList{{Peer: addr(1)}}
	resolve := func(d *controller.Controller, peers []hci.LEAddDeviceToResolvingList) error {
		n, err := d.SetResolvingList(t.Context(), func() []hci.LEAddDeviceToResolvingList { return peers })
		if n != len(peers) {
			t.Errorf("%d entries loaded of %d", n, len(peers))
		}
		return err
	}
	connect := func(ctx context.Context, d *controller.Controller, peers ...hci.Addr) {
		_, _ = d.ConnectAny(ctx, peers, &controller.ConnectOptions{Timeout: time.Second})
	}
	for _, c := range []struct {
		name string
		use  func(d *controller.Controller) error
		want []hci.Opcode
	}{
		{"nothing", func(*controller.Controller) error { return nil }, nil},
		{"scan", func(d *controller.Controller) error {
			_, err := d.Scan(t.Context(), nil)
			return err
		}, slices.Concat(scan, remainderCommands)},
		{"info", func(d *controller.Controller) error {
			if known := d.KnownInfo(); known.AcceptListSize != 0 || known.Public != (hci.MAC{1, 2, 3, 4, 5, 6}) {
				t.Errorf("known are %+v", known)
			}
			i := d.Info()
			if i.AcceptListSize != 5 || i.ResolvingListSize != 6 || i.States != 7 || i.MaxData.TXOctets != 251 || len(i.FeaturePages) != 8 {
				t.Errorf("%+v", i)
			}
			if known := d.KnownInfo(); known.AcceptListSize != 5 {
				t.Errorf("known are %+v", known)
			}
			return nil
		}, remainderCommands},
		{"connect", func(d *controller.Controller) error {
			_, _ = d.Connect(t.Context(), addr(1), &controller.ConnectOptions{Timeout: time.Second})
			return nil
		}, append(slices.Clone(remainderCommands), hci.OpLECreateConnection)},
		{"connect to any", func(d *controller.Controller) error {
			connect(t.Context(), d, addr(1), addr(2))
			return nil
		}, append(slices.Clone(remainderCommands), hci.OpLEClearFilterAcceptList)},
		{"advertise", func(d *controller.Controller) error { return d.Advertise(t.Context(), nil) }, slices.Concat(remainderCommands, advertise)},
		{"stop of advertising", func(d *controller.Controller) error { return d.StopAdvertising(t.Context()) }, nil},
		{"resolving list", func(d *controller.Controller) error { return resolve(d, peers) }, slices.Concat(remainderCommands, list)},
		{"empty resolving list", func(d *controller.Controller) error { return resolve(d, nil) }, nil},
		{"private address", func(d *controller.Controller) error {
			return d.UsePrivateAddresses(t.Context(), func() hci.MAC { return hci.MAC{1, 2, 3, 4, 5, 0x46} }, time.Minute)
		}, []hci.Opcode{hci.OpLESetRandomAddress}},
		{"all of it", func(d *controller.Controller) error {
			_, err := d.Scan(t.Context(), nil)
			synctest.Wait()
			d.Info()
			return errors.Join(err, d.Advertise(t.Context(), nil), resolve(d, nil))
		}, slices.Concat(scan, remainderCommands, advertise)},
	} {
		host, ctl := hcitest.Pipe()
		s := newRemainderScript(ctl)
		d := open(t, s, host, nil)
		before := len(s.sent())
		if err := c.use(d); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := s.sent()[before:]; !slices.Equal(got, c.want) {
			t.Errorf("%s: sent\n%v, want\n%v", c.name, got, c.want)
		}
		d.Close()
	}
}

// TestRemainderLetsARefusedScanPass tries a scan again behind Write LE Host Support: once, and
// only if the refusal may be due to that.
func TestRemainderLetsARefusedScanPass(t *testing.T) {
	synctest.Test(t, testRemainderLetsARefusedScanPass)
}

func testRemainderLetsARefusedScanPass(t *testing.T) {
	params, enable := hci.OpLESetScanParameters, hci.OpLESetScanEnable
	for _, c := range []struct {
		name   string
		status hci.Status
		needs  bool // the controller scans after Write LE Host Support
		want   []hci.Opcode
	}{
		{"disallowed until then", hci.StatusCommandDisallowed, true, slices.Concat([]hci.Opcode{params}, remainderCommands, []hci.Opcode{params, enable})},
		{"unsupported until then", hci.StatusUnsupportedFeature, true, slices.Concat([]hci.Opcode{params}, remainderCommands, []hci.Opcode{params, enable})},
		// A scan of another program is stopped before the last try.
		{"disallowed", hci.StatusCommandDisallowed, false, slices.Concat([]hci.Opcode{params}, remainderCommands, []hci.Opcode{params, enable, params})},
		{"another fault", hci.StatusHardwareFailure, false, []hci.Opcode{params}},
	} {
		host, ctl := hcitest.Pipe()
		s := newRemainderScript(ctl)
		enabled := false
		s.on = func(p hci.Params) bool {
			enabled = enabled || c.needs && p.Opcode() == hci.OpWriteLEHostSupport
			if p.Opcode() != params || enabled {
				return false
			}
			s.send(complete(params, byte(c.status)))
			return true
		}
		d := open(t, s, host, nil)
		before := len(s.sent())
		if _, err := d.Scan(t.Context(), nil); c.needs != (err == nil) || err != nil && !errors.Is(err, c.status) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := s.sent()[before:]; !slices.Equal(got, c.want) {
			t.Errorf("%s: sent\n%v, want\n%v", c.name, got, c.want)
		}
		d.Close()
	}
}

// TestRemainderWithoutAnswer scans while a command of the remainder is not answered, and
// dials after that. A caller that waits for the end leaves at any time.
func TestRemainderWithoutAnswer(t *testing.T) { synctest.Test(t, testRemainderWithoutAnswer) }

func testRemainderWithoutAnswer(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newRemainderScript(ctl)
	s.on = func(p hci.Params) bool { return p.Opcode() == hci.OpLEReadSupportedStates }
	d, began := open(t, s, host, nil), time.Now()
	sc, err := d.Scan(t.Context(), nil)
	if err != nil || time.Since(began) != 0 {
		t.Fatalf("scan after %v: %v", time.Since(began), err)
	}
	gone, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := d.AwaitInfo(gone); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if _, err := d.ConnectAny(gone, []hci.Addr{addr(1), addr(2)}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect: %v", err)
	}
	if i := d.Info(); i.States != 0 || i.MaxData.TXOctets != 251 || time.Since(began) != 2*time.Second {
		t.Errorf("after %v: %+v", time.Since(began), i)
	}
	want := slices.Concat(plainStart, []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable}, remainderCommands)
	if got := s.sent(); !slices.Equal(got, want) {
		t.Errorf("sent\n%v, want\n%v", got, want)
	}
	sc.Close()
}

// TestEndDuringTheRemainder releases all who wait for its end.
func TestEndDuringTheRemainder(t *testing.T) { synctest.Test(t, testEndDuringTheRemainder) }

func testEndDuringTheRemainder(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newRemainderScript(ctl)
	s.on = func(p hci.Params) bool { return p.Opcode() == hci.OpLEReadSupportedStates }
	d := open(t, s, host, nil)
	results := make(chan error, 4)
	go func() { _, err := d.AwaitInfo(t.Context()); results <- err }()
	go func() { _, err := d.Connect(t.Context(), addr(1), nil); results <- err }()
	go func() { results <- d.Advertise(t.Context(), nil) }()
	go func() {
		_, err := d.SetResolvingList(t.Context(), func() []hci.LEAddDeviceToResolvingList {
			return []hci.LEAddDeviceToResolvingList{{Peer: addr(1)}}
		})
		results <- err
	}()
	synctest.Wait()
	d.Close()
	for range cap(results) {
		if err := <-results; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want that it is closed", err)
		}
	}
	if i := d.Info(); i.AcceptListSize != 5 || i.States != 0 {
		t.Errorf("after the end: %+v", i)
	}
}
