package controller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestScanOnTheCodedPHY scans on 1M, is joined by a Scanner for the coded PHY, and scans
// on that alone.
func TestScanOnTheCodedPHY(t *testing.T) {
	h := newHarness(t, 1)
	h.c.info.Extended, h.c.info.Features = true, hci.FeatureCodedPHY
	enable := func(phys hci.PHYs, interval time.Duration, why string) {
		t.Helper()
		p := hci.ScanningPHY{Active: true, Interval: interval, Window: 60 * time.Millisecond}
		all := []hci.ScanningPHY{p, p}
		if phys != hci.PHYs1M|hci.PHYsCoded {
			all = all[:1]
		}
		h.want(hci.LESetExtendedScanParameters{PHYs: phys, Scanning: all}, why)
		h.complete(hci.OpLESetExtendedScanParameters, hci.StatusSuccess)
		h.want(hci.LESetExtendedScanEnable{Enable: true}, why)
		h.complete(hci.OpLESetExtendedScanEnable, hci.StatusSuccess)
	}
	disable := func(why string) {
		t.Helper()
		h.want(hci.LESetExtendedScanEnable{}, why)
		h.complete(hci.OpLESetExtendedScanEnable, hci.StatusSuccess)
	}
	near := h.scanner(nil)
	enable(hci.PHYs1M, 60*time.Millisecond, "the default")
	far := h.scanner(&ScanOptions{PHYs: hci.PHYsCoded})
	disable("another PHY")
	enable(hci.PHYs1M|hci.PHYsCoded, 120*time.Millisecond, "both, by turns")
	for n, phy := range []hci.PHY{hci.PHY1M, hci.PHYCoded} {
		h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{Addr: numbered(n), PrimaryPHY: phy}}})
	}
	if a, b := drain(near), drain(far); len(a) != 1 || a[0].PrimaryPHY != hci.PHY1M || len(b) != 1 || b[0].PrimaryPHY != hci.PHYCoded {
		t.Errorf("reports on 1M %+v and on the coded PHY %+v, want one each", a, b)
	}
	h.do(func(time.Time) { h.c.scan.removeScanner(near) })
	disable("one PHY less")
	enable(hci.PHYsCoded, 60*time.Millisecond, "coded alone")
	h.idle("done")
}

// TestPHYsAreChecked asks for PHYs that the controller cannot listen on.
func TestPHYsAreChecked(t *testing.T) {
	for _, c := range []struct {
		extended bool
		features hci.Features
		phys     hci.PHYs
		want     string
		noCoded  bool
	}{
		{true, hci.FeatureCodedPHY, hci.PHYs1M | hci.PHYsCoded, "", false},
		{true, 0, hci.PHYs1M, "", false},
		{true, 0, hci.PHYsCoded, "the controller does not support the coded PHY: use 1M alone", true},
		{false, hci.FeatureCodedPHY, hci.PHYs1M | hci.PHYsCoded, "the controller does not support the coded PHY: use 1M alone", true},
		{true, hci.FeatureCodedPHY, hci.PHYs1M | hci.PHYs2M, "PHYs are 1M+2M: devices advertise on 1M and coded alone", false},
	} {
		h := newHarness(t, 1)
		h.c.info.Extended, h.c.info.Features = c.extended, c.features
		var errs []string
		s := &Scanner{ctl: &Controller{}, opts: ScanOptions{PHYs: c.phys}}
		h.do(func(time.Time) {
			h.c.scan.addScanner(s, func(err error) {
				errs = append(errs, err.Error())
				if errors.Is(err, ErrNoCodedPHY) != c.noCoded {
					t.Errorf("%+v: error %v", c, err)
				}
			})
		})
		if c.want == "" {
			if len(h.c.out) != 1 || errs != nil {
				t.Errorf("%+v: %d commands, %v", c, len(h.c.out), errs)
			}
			continue
		}
		h.idle("no command for a refused scan")
		if want := []string{"controller: scan: " + c.want}; !slices.Equal(errs, want) {
			t.Errorf("%+v: errors %q, want %q", c, errs, want)
		}
	}
}

// TestDialOnTheCodedPHY dials one peer on both PHYs, while a dial on 1M waits for its own
// turn. The link is not moved to the 2M PHY, which does not reach as far.
func TestDialOnTheCodedPHY(t *testing.T) {
	h := newHarness(t, 1)
	h.c.cfg.DisableTuning = false
	h.c.info.Extended, h.c.info.Features, h.c.info.AcceptListSize = true, hci.FeatureCodedPHY|hci.Feature2MPHY, 4
	both := h.dial(&ConnectOptions{PHYs: hci.PHYs1M | hci.PHYsCoded}, peerA)
	phy := hci.InitiatingPHY{ScanInterval: 120 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Params: create(peerA).Params}
	h.want(hci.LEExtendedCreateConnection{Peer: peerA, PHYs: hci.PHYs1M | hci.PHYsCoded, Initiating: []hci.InitiatingPHY{phy, phy}}, "on both")
	h.status(hci.OpLEExtendedCreateConnection, hci.StatusSuccess)
	h.dial(nil, peerB)
	h.idle("other PHYs, another turn")
	h.connected(hci.StatusSuccess, 0x40, peerA)
	if both.l == nil || !both.l.phyAsked {
		t.Errorf("link %+v, %v; want one that keeps its PHY", both.l, both.err)
	}
}

// TestDialPHYsAreChecked dials on the coded PHY by a controller without it.
func TestDialPHYsAreChecked(t *testing.T) {
	ctl := &Controller{}
	ctl.info.Store(&Info{Extended: true})
	_, err := ctl.Connect(t.Context(), peerA, &ConnectOptions{PHYs: hci.PHYsCoded})
	if e, ok := errors.AsType[*ConnectError](err); !ok || !errors.Is(err, ErrNoCodedPHY) || e.Error() == "" {
		t.Errorf("error %v, want a *ConnectError with ErrNoCodedPHY", err)
	}
}
