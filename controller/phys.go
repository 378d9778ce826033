package controller

import (
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
)

// listenPHYs returns the PHYs to listen on; default 1M.
func listenPHYs(p hci.PHYs) hci.PHYs {
	if p == 0 {
		return hci.PHYs1M
	}
	return p
}

// checkPHYs returns an error for PHYs that the controller cannot listen on, to scan or to
// initiate.
func (i *Info) checkPHYs(kind extendedKind, p hci.PHYs) error {
	const primary = hci.PHYs1M | hci.PHYsCoded
	switch {
	case p&^primary != 0:
		return fmt.Errorf("PHYs are %v: devices advertise on 1M and coded alone", p)
	case !p.Has(hci.PHYsCoded):
		return nil
	// The refusals are in the text alone: they are no refusals of what is asked for.
	case i.noCoded[kind]:
		return fmt.Errorf("%w, as it says (%s): use 1M alone", ErrNoCodedPHY, i.CodedRefused.Error())
	case !i.Extended && i.ExtendedRefused != nil:
		return fmt.Errorf("%w by the legacy commands (%s): use 1M alone", ErrNoCodedPHY, i.ExtendedRefused.Error())
	case !i.Extended || !i.Features.Has(hci.FeatureCodedPHY):
		return fmt.Errorf("%w: use 1M alone", ErrNoCodedPHY)
	}
	return nil
}

// dropCoded gives up the coded PHY for scanning or initiating if err is the refusal of a
// command on phys, and the controller has not listened on the coded PHY in that way
// before. Some list the coded PHY and refuse it, or refuse it beside 1M. dropCoded then
// returns true, and the others are to be tried again.
func (c *core) dropCoded(kind extendedKind, phys hci.PHYs, err error) bool {
	if !phys.Has(hci.PHYsCoded) || c.legacy.coded[kind] || c.err != nil {
		return false
	}
	switch statusOf(err) {
	case hci.StatusUnsupportedFeature, hci.StatusInvalidParameters:
	default:
		return false
	}
	c.log.Log(c.ctx, LevelController, "coded PHY refused, doing without", "error", err)
	c.info.noCoded[kind], c.info.CodedRefused = true, err
	c.publishInfo()
	if kind == kindScan {
		c.scan.checkScanners()
	}
	return true
}

// listensOn reports whether a Scanner wants advertisements on a primary PHY. One that is
// not known passes.
func (o *ScanOptions) listensOn(p hci.PHY) bool {
	switch p {
	case hci.PHY1M:
		return listenPHYs(o.PHYs).Has(hci.PHYs1M)
	case hci.PHYCoded:
		return o.PHYs.Has(hci.PHYsCoded)
	default:
		return true
	}
}

// shareRadio returns the interval for each of the PHYs. The windows of two PHYs take
// turns: some controllers refuse windows that together exceed the interval.
func shareRadio(p hci.PHYs, interval time.Duration) (phys int, each time.Duration) {
	if p.Has(hci.PHYs1M | hci.PHYsCoded) {
		return 2, 2 * interval
	}
	return 1, interval
}
