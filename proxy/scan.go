package proxy

import (
	"context"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/esphome"
)

// wakeScan has runScan look whether the scan is as it is wanted.
func (s *Server) wakeScan() {
	select {
	case s.rescan <- struct{}{}:
	default:
	}
}

// runScan scans while a client wants advertisements, in the mode that was asked for, until
// ctx ends.
func (s *Server) runScan(ctx context.Context) {
	var on bool
	var mode esphome.ScanMode
	stop := func() {}
	for {
		select {
		case <-ctx.Done():
			stop()
			return
		case <-s.rescan:
		}
		wanted, wantedMode := s.wantedScan()
		if wanted == on && (!on || wantedMode == mode) {
			continue
		}
		stop()
		stop = func() {}
		if on, mode = wanted, wantedMode; on {
			stop = s.startScan(ctx, mode)
		}
		s.mu.Lock()
		s.tellScanLocked()
		s.mu.Unlock()
	}
}

// startScan starts a scan. The function that it returns ends it.
func (s *Server) startScan(ctx context.Context, mode esphome.ScanMode) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.scanOnce(ctx, mode)
	}()
	return func() {
		cancel()
		<-done
	}
}

// wantedScan reports whether a client wants advertisements, and the mode.
func (s *Server) wantedScan() (bool, esphome.ScanMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.wantsReports {
			return true, s.mode
		}
	}
	return false, s.mode
}

// scanOnce sends what the adapters hear until ctx ends. The Manager lets the scan survive
// an adapter that goes and comes.
func (s *Server) scanOnce(ctx context.Context, mode esphome.ScanMode) {
	known := newSources()
	b := newBatch(s.sendReports)
	defer b.flush()
	for r, err := range s.m.Scan(ctx, &connmgr.ScanOptions{Duplicates: true, Passive: mode == esphome.ScanPassive}) {
		if err != nil {
			s.log.Debug("scan", "error", err)
			continue
		}
		s.heard.Add(1)
		if r.Report.Addr.Kind > 3 || !s.allows(r.Addr.MAC) {
			continue // an anonymous advertisement, or a device that nobody may see
		}
		data := r.Data
		if r.ScanResponse {
			data = r.Response
		}
		if r.ScanResponse && len(data) == 0 || !known.selects(&r, data) {
			continue // nothing new
		}
		rssi := int32(r.RSSI)
		if r.RSSI == controller.RSSIUnknown {
			rssi = connmgr.NoRSSI
		}
		b.add(esphome.Advertisement{
			Address: esphome.AddressOf(r.Addr.MAC), RSSI: rssi, Kind: esphome.AddressKind(r.Addr.Kind), Data: data,
		})
	}
}

// sendReports sends reports to the clients that want them.
func (s *Server) sendReports(reports []esphome.Advertisement) {
	p, err := esphome.Pack(&esphome.Advertisements{Reports: reports})
	if err != nil {
		s.log.Error("reports cannot be encoded", "error", err)
		return
	}
	s.sent.Add(uint64(len(reports)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.wantsReports {
			c.session.SendLossy(p)
		}
	}
}

// scannerStateLocked returns the state of the scanner as it is now.
func (s *Server) scannerStateLocked() esphome.ScannerState {
	configured := esphome.ScanActive
	if s.cfg.PassiveScan {
		configured = esphome.ScanPassive
	}
	return esphome.ScannerState{State: s.scanStateLocked(), Mode: s.mode, Configured: configured}
}

// scanStateLocked combines the states of the adapters: one that scans is enough.
func (s *Server) scanStateLocked() esphome.ScanState {
	wanted, state := false, esphome.ScanStarting
	for _, c := range s.clients {
		wanted = wanted || c.wantsReports
	}
	if !wanted {
		return esphome.ScanIdle
	}
	for _, a := range s.m.Adapters() {
		switch up, _ := a.State(); {
		case up != connmgr.AdapterUp:
		case a.ScanErr() != nil:
			state = esphome.ScanFailed
		default:
			return esphome.ScanRunning
		}
	}
	return state
}

// tellScanLocked tells the clients of the state of the scanner, if it has changed.
func (s *Server) tellScanLocked() {
	now := s.scannerStateLocked()
	for _, c := range s.clients {
		if c.wantsReports && c.scanner != now {
			c.sendScannerLocked(now)
		}
	}
}

// sendScannerLocked tells a client of the state of the scanner.
func (c *client) sendScannerLocked(now esphome.ScannerState) {
	c.scanner = now
	c.session.Send(&now)
}

// setModeLocked changes the mode of the scanner for all clients.
func (s *Server) setModeLocked(mode esphome.ScanMode) {
	if mode != esphome.ScanPassive {
		mode = esphome.ScanActive
	}
	if mode == s.mode {
		return
	}
	s.mode = mode
	s.log.Info("scan mode changed", "active", mode == esphome.ScanActive)
	s.wakeScan()
}
