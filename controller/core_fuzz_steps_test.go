package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// step performs the step that the next octets of the script encode.
func (w *world) step() { w.runStep(w.octet(stepKinds)) }

func (w *world) runStep(kind int) {
	switch kind {
	case stepPacket:
		w.c.handlePacket(w.now, w.script.Bytes(min(w.octet(64), w.script.Len())))
	case stepAnswer:
		n, credits, st := w.octet(4), uint8(w.octet(4)), w.code()
		if len(w.sent) > 0 {
			n %= len(w.sent)
			op := w.sent[n]
			w.sent = slices.Delete(w.sent, n, n+1)
			w.answer(op, credits, st)
		}
	case stepForeign:
		op := w.opcode()
		w.answer(op, uint8(w.octet(4)), w.code())
	case stepTime:
		w.pass(time.Duration(w.octet(256)) * 20 * time.Millisecond)
	case stepDial:
		x := &dial{opts: &ConnectOptions{}}
		for range 1 + w.octet(3) {
			x.peers = append(x.peers, w.addr())
		}
		n := w.waiter("a dial")
		x.done = func(*Link, error) { n.told() }
		w.dials = append(w.dials, x)
		w.do(func(time.Time) { w.c.dial.addDial(x) })
	case stepLeave:
		if n := w.octet(8); len(w.dials) > 0 {
			x := w.dials[n%len(w.dials)]
			w.do(func(time.Time) { x.gone = true; w.c.dial.stopDial(x, errClosed) })
		}
	case stepRun:
		n := w.waiter("a command")
		p := []hci.Params{hci.ReadRSSI{Handle: 1}, hci.LERand{}, hci.Disconnect{Handle: 2, Reason: 0x13}, hci.LESetPHY{Handle: 1}}[w.octet(4)]
		w.do(func(time.Time) { w.c.runCommand(p, func(time.Time, []byte, error) { n.told() }) })
	case stepConnected:
		st, h, role := w.code(), hci.Handle(w.octet(4)), hci.Role(w.octet(2))
		ev := &hci.LEConnectionComplete{Status: st, Handle: h, Role: role, Peer: w.addr()}
		ev.Params = hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second}
		w.event(ev)
	case stepEnded:
		w.event(&hci.DisconnectionComplete{Handle: hci.Handle(w.octet(4)), Reason: hci.Status(w.octet(256))})
	case stepCompleted:
		h := hci.Handle(w.octet(4))
		n := uint16(w.octet(256))
		w.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: h, Count: n}, {Handle: h, Count: n << 8}}})
	case stepSend:
		l, n := w.link(), w.octet(32)
		if l != nil {
			w.do(func(time.Time) {
				for range n {
					l.Room()
					l.SendACL(true, []byte("data"))
				}
			})
		}
	case stepScan:
		w.stepScan()
	case stepAdvertise:
		n, o := w.waiter("an advertiser"), (*AdvertiseOptions)(nil)
		if k := w.octet(4); k > 0 {
			o = &AdvertiseOptions{MaxLinks: k - 1, NonConnectable: k == 3}
		}
		w.do(func(time.Time) { w.c.adv.setWanted(o, func(error) { n.told() }) })
	case stepProcedure:
		w.stepProcedure()
	case stepLinkEvent:
		w.stepLinkEvent()
	case stepData:
		h, start := hci.Handle(w.octet(4)), w.octet(2) == 0
		w.c.handlePacket(w.now, hci.AppendACL(nil, h, start, w.script.Bytes(min(w.octet(32), w.script.Len()))))
	case stepAddress:
		w.stepAddress()
	case stepAdvert:
		typ, from := hci.AdvType(w.octet(5)), w.addr()
		w.advert(typ, from, -40, w.script.Bytes(min(w.octet(32), w.script.Len())))
	}
}

// answer answers a command with the event that belongs to its kind.
func (w *world) answer(op hci.Opcode, credits uint8, st hci.Status) {
	switch op {
	case hci.OpLECreateConnection, hci.OpLEExtendedCreateConnection, hci.OpLEPeriodicAdvertisingCreateSync, hci.OpDisconnect, hci.OpLEReadRemoteFeatures, hci.OpLEConnectionUpdate, hci.OpLESetPHY, hci.OpLEEnableEncryption:
		w.event(&hci.CommandStatus{Status: st, NumPackets: credits, Opcode: op})
	default:
		w.event(&hci.CommandComplete{NumPackets: credits, Opcode: op, Return: []byte{byte(st), 1, 0, 0, 0, 0, 0, 0, 0}})
	}
}

func (w *world) stepAddress() {
	n := w.waiter("a change of addresses")
	kind := w.octet(4)
	w.do(func(time.Time) {
		if kind == 3 {
			w.c.private.useNextAddress(func() hci.MAC { return hci.MAC{5: 0x40} }, time.Hour, func(error) { n.told() })
			return
		}
		peers := make([]hci.LEAddDeviceToResolvingList, kind)
		w.c.resolving.setPeers(func() []hci.LEAddDeviceToResolvingList { return peers }, func(int, error) { n.told() })
	})
}

// checkQuiet checks that the controller is idle while a job of quiet runs, and that
// all activities are about to end while jobs wait.
func (w *world) checkQuiet() {
	c := w.c
	if !c.quiet.holdsBack() || c.err != nil {
		return
	}
	d := c.dial.state
	switch scan, adv := &c.scan, &c.adv; {
	case c.quiet.busy && (scan.isActive() || adv.isRunning() || adv.busy || d != dialIdle):
		w.t.Fatalf("addresses change while it scans %v, advertises %v, dials %v", scan.isActive(), adv.isRunning() || adv.busy, d)
	case c.quiet.busy || scan.busy || adv.busy || d == dialStarting || d == dialCanceling:
		// An answer or a deadline is awaited.
	default:
		w.t.Fatalf("a change of addresses waits for nothing: scanning %v, advertising %v, dialing %v", scan.running, adv.isRunning(), d)
	}
}

func (w *world) stepScan() {
	if n := w.octet(4); n > 0 && len(w.scans) > 0 {
		sc := w.scans[n%len(w.scans)]
		w.do(func(time.Time) { w.c.scan.removeScanner(sc) })
		return
	}
	n := w.waiter("a scanner")
	sc := &Scanner{queue: newReportQueue(4), opts: ScanOptions{Passive: len(w.scans)%2 == 0}}
	w.scans = append(w.scans, sc)
	w.do(func(time.Time) { w.c.scan.addScanner(sc, func(error) { n.told() }) })
}

func (w *world) stepProcedure() {
	l, kind := w.link(), w.octet(5)
	if l == nil {
		return
	}
	n := w.waiter("a procedure")
	w.do(func(now time.Time) {
		switch kind {
		case 0:
			p := hci.ConnParams{IntervalMin: 30e6, IntervalMax: 50e6, Timeout: 4e9}
			l.StartUpdate(p, func(time.Time, hci.ConnParamsInUse, error) { n.told() })
		case 1:
			l.startRemoteFeatures(nil, func(hci.Features, error) { n.told() })
		case 2:
			l.startPHY(nil, hci.PHYs2M, hci.PHYs2M, func(hci.PHY, hci.PHY, error) { n.told() })
		case 3:
			l.StartEncryption([8]byte{}, 0, [16]byte{}, func(time.Time, error) { n.told() })
		case 4:
			n.told()
			l.StartDisconnect(hci.StatusRemoteUserTerminated, nil)
			l.SetDeadline(now.Add(time.Second))
		}
	})
}

func (w *world) stepLinkEvent() {
	h, st := hci.Handle(w.octet(4)), w.code()
	p := hci.ConnParamsInUse{Interval: 30 * time.Millisecond, Timeout: time.Second}
	switch w.octet(8) {
	case 0:
		w.event(&hci.LEConnectionUpdateComplete{Status: st, Handle: h, Params: p})
	case 1:
		w.event(&hci.LEReadRemoteFeaturesComplete{Status: st, Handle: h, Features: ^hci.Features(0)})
	case 2:
		w.event(&hci.LEPHYUpdateComplete{Status: st, Handle: h, TX: hci.PHY2M, RX: hci.PHY2M})
	case 3:
		w.event(&hci.EncryptionChange{Status: st, Handle: h, Enabled: 1})
	case 4:
		w.event(&hci.LELongTermKeyRequest{Handle: h})
	case 5:
		w.event(&hci.LERemoteConnectionParameterRequest{Handle: h, Params: hci.ConnParams{IntervalMin: 30e6, IntervalMax: 50e6, Timeout: 4e9}})
	case 6:
		w.event(&hci.LEScanTimeout{})
	case 7:
		w.event(&hci.LEAdvertisingSetTerminated{Status: st})
	}
}
