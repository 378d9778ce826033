package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/queue"
	"github.com/moor-ble/moor/internal/wire"
)

// Steps of FuzzSets beside those of FuzzCore.
const (
	stepSet       = stepKinds + iota // a set comes, changes or goes
	stepSetEvent                     // the controller ends a set
	stepSync                         // a synchronization is asked for, or ends
	stepSyncEvent                    // something is reported about one
	setsKinds
)

// setsWorld is a world with the extended commands.
type setsWorld struct {
	*world
	sets  []*fuzzSet
	syncs []*syncRequest
	told  map[*syncRequest]int
}

type fuzzSet struct {
	set  *advertSet
	ends int
}

// FuzzSets is FuzzCore for advertising sets and synchronizations. Every set ends once,
// every search is answered once, and no memory is kept for what has ended.
func FuzzSets(f *testing.F) {
	f.Add([]byte{})
	answer := []byte{stepAnswer, 0, 1, 0}
	answers := slices.Repeat(answer, 8)
	f.Add(slices.Concat([]byte{stepSet, 0, 0}, answers, []byte{stepSet, 0, 1}, answers, []byte{stepConnected, 0, 1, 1, 1, stepSetEvent, 0, 1, 1}, answers, []byte{stepEnded, 1, 0x13}, answers))
	f.Add(slices.Concat([]byte{stepSet, 0, 5}, answers, []byte{stepSet, 2, 0}, answers))
	f.Add(slices.Concat([]byte{stepSet, 0, 4}, answers, []byte{stepAddress, 3}, answers, answers))
	f.Add(slices.Concat([]byte{stepSync, 0, 0}, answer, []byte{stepSyncEvent, 0, 0, 7, 0, stepSyncEvent, 1, 7, 1, stepSyncEvent, 2, 7, stepSync, 0, 1}, answer, []byte{stepSync, 1, 0}, answer))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<10 {
			return
		}
		defer time.AfterFunc(10*time.Second, func() { panic("the core does not return") }).Stop()
		w := &setsWorld{world: newWorld(t), told: map[*syncRequest]int{}}
		w.c.info.Extended = len(script)%4 != 0
		w.c.info.Commands.Add(hci.OpLESetPeriodicAdvertisingEnable, hci.OpLEPeriodicAdvertisingCreateSync, hci.OpLEReadMaximumAdvertisingDataLength)
		for w.script = wire.NewReader(script); w.script.Len() > 0; {
			w.stepSets()
			w.check()
			w.checkSets()
		}
		w.end()
		for _, s := range w.sets {
			if s.set != nil && s.ends != 1 {
				t.Fatalf("set %d has ended %d times", s.set.handle, s.ends)
			}
		}
		for _, x := range w.syncs {
			if w.told[x] != 1 {
				t.Fatalf("a search was told %d times", w.told[x])
			}
		}
		if n := len(w.c.syncs.active); n > 0 {
			t.Fatalf("%d synchronizations are left", n)
		}
	})
}

func (w *setsWorld) stepSets() {
	kind := w.octet(setsKinds)
	if kind < stepKinds {
		w.runStep(kind)
		return
	}
	switch n := w.octet(4); kind {
	case stepSet:
		w.stepSet(n)
	case stepSetEvent:
		w.event(&hci.LEAdvertisingSetTerminated{Status: w.code(), Set: uint8(n), Handle: hci.Handle(w.octet(4))})
	case stepSync:
		w.stepSync(n)
	case stepSyncEvent:
		w.stepSyncEvent(n)
	}
}

// options returns options of a kind.
func (w *setsWorld) options(kind int) *AdvertiseOptions {
	o := []AdvertiseOptions{
		{}, {Extended: true, MaxLinks: 3}, {NonConnectable: true, Extended: true, Data: make([]byte, 600)}, {Peer: peerB, HighDuty: true},
		{NonConnectable: true, Duration: time.Second, MaxEvents: 3}, {NonConnectable: true, Extended: true, Periodic: &PeriodicOptions{Data: make([]byte, 300)}},
		{Accept: []hci.Addr{peerA}, MaxLinks: 2}, {Accept: []hci.Addr{peerA, peerB}}, {NonConnectable: true, Address: staticAddr, Response: []byte{1, 1}},
	}
	return &o[kind%len(o)]
}

func (w *setsWorld) stepSet(n int) {
	kind := w.octet(16)
	if n == 0 {
		told, s := w.waiter("a set"), &fuzzSet{}
		w.sets = append(w.sets, s)
		w.do(func(time.Time) {
			s.set = w.c.adv.addSet(w.options(kind), func(error) { s.ends++ }, func(error) { told.told() })
		})
		return
	}
	if len(w.sets) == 0 || w.sets[kind%len(w.sets)].set == nil {
		return
	}
	s := w.sets[kind%len(w.sets)].set
	told := w.waiter("a change of a set")
	w.do(func(time.Time) {
		switch n {
		case 1:
			s.setWanted(w.options(kind/2), func(error) { told.told() })
		case 2:
			s.removeSet(ErrSetStopped, func(error) { told.told() })
		default:
			s.setPeriodicData([]byte{1, 2}, func(error) { told.told() })
		}
	})
}

func (w *setsWorld) stepSync(n int) {
	if kind := w.octet(4); n > 0 && len(w.syncs) > 0 {
		x := w.syncs[kind%len(w.syncs)]
		w.do(func(time.Time) {
			if n == 1 {
				x.answer(errClosed) // as the caller sees it
				w.c.syncs.giveUp(x)
			} else {
				w.c.syncs.endSync(x.sync, errSyncClosed, true)
			}
		})
		return
	}
	x := &syncRequest{cmd: createSync(w.addr(), uint8(w.octet(2))), sync: &Sync{queue: queue.New[SyncReport](2)}}
	x.done = func(error) { w.told[x]++ }
	w.syncs = append(w.syncs, x)
	w.do(func(time.Time) { w.c.syncs.addRequest(x) })
}

func (w *setsWorld) stepSyncEvent(n int) {
	h := hci.Handle(w.octet(4))
	switch n {
	case 0:
		w.event(&hci.LEPeriodicAdvertisingSyncEstablished{Status: w.code(), Sync: h, SID: uint8(w.octet(2))})
	case 1:
		w.event(piece(h, hci.PeriodicDataStatus(w.octet(3)), make([]byte, 247)))
	case 2:
		w.event(&hci.LEPeriodicAdvertisingSyncLost{Sync: h})
	default:
		for range 20 {
			w.event(piece(h, hci.PeriodicIncomplete, make([]byte, 247)))
		}
	}
}

// checkSets checks the accounts of the sets and of the synchronizations.
func (w *setsWorld) checkSets() {
	c := w.c
	seen := map[uint8]bool{}
	for _, s := range c.adv.sets {
		if seen[s.handle] {
			w.t.Fatalf("two sets have the handle %d", s.handle)
		}
		seen[s.handle] = true
		if s.leaving && s.opts != nil {
			w.t.Fatalf("set %d is leaving, and wanted", s.handle)
		}
	}
	for h, x := range c.syncs.active {
		if x.handle != h || len(x.part) > maxChainLen {
			w.t.Fatalf("synchronization %v is under handle %v, with %d octets", x.handle, h, len(x.part))
		}
	}
	if s := &c.syncs; (s.state == syncIdle) != (s.search == nil) {
		w.t.Fatalf("the search is in state %d: %v", s.state, s.search)
	}
	for _, s := range w.sets {
		if s.ends > 1 {
			w.t.Fatalf("set %d has ended %d times", s.set.handle, s.ends)
		}
	}
}
