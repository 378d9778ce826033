package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// listenTime is how long Examine listens for advertisements.
const listenTime = 4 * time.Second

// Examination describes a controller and a short scan. Err is the error that ended the
// examination, which leaves later fields zero; nil if there was none.
type Examination struct {
	Adapter string
	Info    controller.Info
	Devices int // the addresses heard in the scan
	Reports int
	Nearest int8 // the strongest signal of the scan in dBm; 0 if nothing was heard
	Stats   controller.Stats
	Err     error
}

// Examine starts the controller on tr, listens passively for 4 s, and closes it.
func Examine(ctx context.Context, adapter string, tr hci.Transport) *Examination {
	x := &Examination{Adapter: adapter}
	ctl, err := controller.Open(ctx, tr, &controller.Config{Name: adapter})
	if err != nil {
		x.Err = err
		return x
	}
	x.Err = x.examine(ctx, ctl)
	x.Stats = ctl.Stats()
	if err := ctl.Close(); x.Err == nil {
		x.Err = err
	}
	return x
}

func (x *Examination) examine(ctx context.Context, ctl *controller.Controller) (err error) {
	if x.Info, err = ctl.AwaitInfo(ctx); err != nil {
		return err
	}
	s, err := ctl.Scan(ctx, &controller.ScanOptions{Passive: true, Duplicates: true})
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer s.Close()
	end, cancel := context.WithTimeout(ctx, listenTime)
	defer cancel()
	var heard []hci.Addr
	for r, err := range s.All(end) {
		if err != nil {
			if end.Err() != nil && ctx.Err() == nil {
				break
			}
			return fmt.Errorf("scan: %w", err)
		}
		x.Reports++
		if !slices.Contains(heard, r.Addr) && len(heard) < 1000 {
			heard = append(heard, r.Addr)
		}
		if r.RSSI != controller.RSSIUnknown && (x.Nearest == 0 || r.RSSI > x.Nearest) {
			x.Nearest = r.RSSI
		}
	}
	x.Devices = len(heard)
	return nil
}
