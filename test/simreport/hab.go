package simreport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

const (
	// habSlots is the number of links that Home Assistant counts with on a local adapter.
	habSlots = 5
	// habNoRSSI is the score of a path without a free slot.
	habNoRSSI = -127
	// habWait bounds the wait of the program for the first advertisement.
	habWait = 10 * time.Minute
)

// habFast are the connection parameters that habluetooth loads before a connect, and
// habMedium those that it loads after it, which Linux then requests.
func habFast() hci.ConnParams {
	return hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 10 * time.Second}
}

func habMedium() hci.ConnParams {
	return hci.ConnParams{IntervalMin: 8750 * time.Microsecond, IntervalMax: 11250 * time.Microsecond, Timeout: 8 * time.Second}
}

// habContender is bleak-retry-connector over habluetooth over bleak over BlueZ.
type habContender struct {
	scanners []*habScanner

	mu    sync.Mutex
	known chan struct{} // closed and replaced when a device is heard for the first time
}

// habScanner is a local scanner of habluetooth: the memory of one adapter. All fields
// but the kernel are guarded by the mutex of the contender.
type habScanner struct {
	kernel     *kernel
	rssi       map[hci.Addr]int // of the last connectable advertisement
	connecting map[int]bool     // the targets of the connects under way
	failures   map[int]int      // by target
	slots      map[int]bool     // the targets that hold a slot
}

// Open implements contender.
func (u *habContender) Open(ctx context.Context, adapters []*sim.Controller, _ [][]int8) error {
	u.known = make(chan struct{})
	for _, c := range adapters {
		s := &habScanner{rssi: map[hci.Addr]int{}, connecting: map[int]bool{}, failures: map[int]int{}, slots: map[int]bool{}}
		k, err := newKernel(ctx, c, kernelConfig{Params: habFast(), Hears: func(r *controller.Report) { u.noteReport(s, r) }})
		if err != nil {
			return errors.Join(err, u.Close())
		}
		s.kernel = k
		u.scanners = append(u.scanners, s)
	}
	return nil
}

// Close implements contender.
func (u *habContender) Close() error {
	var errs []error
	for _, s := range u.scanners {
		errs = append(errs, s.kernel.closeKernel())
	}
	return errors.Join(errs...)
}

// noteReport remembers the signal strength of a device.
func (u *habContender) noteReport(s *habScanner, r *controller.Report) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := s.rssi[r.Addr]; !ok {
		close(u.known)
		u.known = make(chan struct{})
	}
	s.rssi[r.Addr] = int(r.RSSI)
}

// Connect implements contender: the program waits until the device is heard, as it needs
// a BLEDevice, and then calls establish_connection. Each connect chooses its path.
func (u *habContender) Connect(ctx context.Context, target int) (func(), error) {
	if err := u.awaitDevice(ctx, address(target)); err != nil {
		return nil, err
	}
	time.Sleep(workDelay)
	return establish(func(timeout time.Duration) (func(), error) {
		s := u.takePath(target)
		if s == nil {
			return nil, errNoBackend
		}
		conn, err := bleakConnect(ctx, s.kernel, target, timeout)
		u.noteConnect(s, target, err)
		if err != nil {
			return nil, err
		}
		go func() { // ends with the link
			time.Sleep(workDelay)
			_, _ = conn.Link().Update(context.Background(), habMedium())
			<-conn.Done()
			u.freeSlot(s, target)
		}()
		return func() { _ = conn.Close() }, nil
	})
}

// awaitDevice waits until any scanner has heard a device.
func (u *habContender) awaitDevice(ctx context.Context, addr hci.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, habWait)
	defer cancel()
	for {
		u.mu.Lock()
		known := u.known
		heard := slices.ContainsFunc(u.scanners, func(s *habScanner) bool { _, ok := s.rssi[addr]; return ok })
		u.mu.Unlock()
		if heard {
			return nil
		}
		select {
		case <-known:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errNoBackend is the failure of a connect for which no path has a free slot.
var errNoBackend = &errclass.RemoteError{Text: "No backend with an available connection slot that can reach the address was found"}

// takePath takes a slot on the best path to a target that has one, and counts the connect;
// nil if there is none.
func (u *habContender) takePath(target int) *habScanner {
	u.mu.Lock()
	defer u.mu.Unlock()
	addr := address(target)
	var paths []*habScanner
	for _, s := range u.scanners {
		if _, ok := s.rssi[addr]; ok {
			paths = append(paths, s)
		}
	}
	slices.SortStableFunc(paths, func(a, b *habScanner) int { return b.rssi[addr] - a.rssi[addr] })
	if len(paths) > 1 {
		diff := paths[0].rssi[addr] - paths[1].rssi[addr]
		slices.SortStableFunc(paths, func(a, b *habScanner) int {
			switch x, y := a.scoreLocked(target, diff), b.scoreLocked(target, diff); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
	}
	for _, s := range paths {
		if s.slots[target] || len(s.slots) < habSlots {
			s.slots[target], s.connecting[target] = true, true
			return s
		}
	}
	return nil
}

// scoreLocked scores a path with the weights of habluetooth 7.2.0. The mutex of the
// contender must be held.
func (s *habScanner) scoreLocked(target, diff int) float64 {
	score := float64(s.rssi[address(target)])
	unit := float64(max(diff, 1))
	score -= unit * float64(len(s.connecting)) * 1.01
	score -= unit * float64(s.failures[target]) * 0.51
	switch habSlots - len(s.slots) {
	case 0:
		return habNoRSSI
	case 1:
		score -= unit * 0.76
	}
	return score
}

// noteConnect counts the end of a connect, and frees the slot of one that has failed.
func (u *habContender) noteConnect(s *habScanner, target int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(s.connecting, target)
	if err == nil {
		delete(s.failures, target)
		return
	}
	s.failures[target]++
	delete(s.slots, target)
}

func (u *habContender) freeSlot(s *habScanner, target int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(s.slots, target)
}
