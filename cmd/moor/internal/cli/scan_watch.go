package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
)

// scanWatch shows a scan.
type scanWatch struct {
	a       *app
	m       *connmgr.Manager
	view    view
	name    string          // devices have to have this in their name
	lost    map[string]bool // adapters that do not scan, and never have
	failure error           // of the last of them, while there is no other adapter
	giveUp  <-chan time.Time
	dropped uint64
}

// recoverTime is how long a scan waits for one of its adapters to recover, if none of
// them has ever scanned. The Manager asks a controller that refuses again after 5 s.
const recoverTime = 11 * time.Second

var errNotScanned = errors.New("nothing was scanned: no adapter has begun to scan")

// watchScan shows reports until ctx ends. An end by time or by Ctrl-C is no error, unless
// nothing was scanned.
func (w *scanWatch) watchScan(ctx context.Context, o *connmgr.ScanOptions) error {
	items, stop := scanItems(ctx, w.m, o)
	defer func() {
		stop()
		w.view.endView(w.dropped)
	}()
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	w.view.tick(time.Now())
	for {
		select {
		case now := <-tick.C:
			w.view.tick(now)
		case <-w.giveUp:
			return w.failure
		case it := <-items:
			w.dropped += it.report.Dropped
			adapter, ok := errors.AsType[*connmgr.AdapterError](it.err)
			switch {
			case it.err == nil:
				w.showReport(&it.report)
			case ctx.Err() != nil:
				return w.scanResult()
			case !ok:
				return it.err
			default:
				if err := w.recordLoss(adapter); err != nil {
					return err
				}
			}
		}
	}
}

func (w *scanWatch) showReport(r *connmgr.Report) {
	if strings.Contains(strings.ToLower(r.Name()), strings.ToLower(w.name)) {
		w.view.report(r)
	}
}

// recordLoss records that an adapter does not scan, or does again, and shows it on
// standard error while there are other adapters. It returns the reason if no adapter has
// ever scanned and another try would not help.
func (w *scanWatch) recordLoss(e *connmgr.AdapterError) error {
	w.lost[e.Adapter] = e.Err != nil && !w.m.Adapter(e.Adapter).HasScanned()
	if !slices.ContainsFunc(w.m.Adapters(), func(d *connmgr.Adapter) bool { return !w.lost[d.Name()] }) {
		w.failure = e
		if w.giveUp == nil {
			w.giveUp = time.After(recoverTime)
		}
		if errclass.Of(e.Err).Category == errclass.Fatal {
			return e
		}
		return nil
	}
	if w.failure != nil { // was not shown, and is over
		w.failure, w.giveUp = nil, nil
		return nil
	}
	tip := ""
	if e.Err != nil {
		tip = advice(e.Err)
	}
	w.a.printError(message(e), tip)
	return nil
}

// scanResult returns the result of a scan that has ended in time.
func (w *scanWatch) scanResult() error {
	if slices.ContainsFunc(w.m.Adapters(), (*connmgr.Adapter).HasScanned) {
		return nil
	}
	if w.failure != nil {
		return w.failure
	}
	return errNotScanned
}

// scanItem is a pair that a scan yields.
type scanItem struct {
	report connmgr.Report
	err    error
}

// scanItems scans on a goroutine of its own, so that the view can be drawn
// while nothing is heard; stop ends it.
func scanItems(ctx context.Context, m *connmgr.Manager, o *connmgr.ScanOptions) (items <-chan scanItem, stop func()) {
	ch, done, ended := make(chan scanItem), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for r, err := range m.Scan(ctx, o) {
			select {
			case ch <- scanItem{r, err}:
			case <-done:
				return
			}
		}
	}()
	return ch, func() { cancel(); close(done); <-ended }
}
