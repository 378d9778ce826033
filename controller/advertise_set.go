package controller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// AdvertisingSet is an advertising set beside that of [Controller.Advertise]. Any
// goroutine but the loop may call its methods.
type AdvertisingSet struct {
	ctl  *Controller
	set  *advertSet // of the loop
	done chan struct{}
	err  atomic.Pointer[error]
}

// AddAdvertising starts another advertising set, with data, address, interval and PHYs of
// its own, and returns once the controller advertises. The set continues until its Stop,
// until the end that its options set, or until the end of the Controller; it survives all
// that the set of [Controller.Advertise] survives.
//
// A controller without extended advertising has one set: another one is refused with
// ErrNoExtendedAdvertising. A controller has room for a limited number of sets, and refuses
// the next one with hci.StatusMemoryFull.
func (ctl *Controller) AddAdvertising(ctx context.Context, o *AdvertiseOptions) (*AdvertisingSet, error) {
	opts, err := validAdvertising(o)
	if err != nil {
		return nil, err
	}
	s := &AdvertisingSet{ctl: ctl, done: make(chan struct{})}
	var set *advertSet // owned by the loop
	_, err = askLoop(ctx, &ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		set = ctl.core.adv.addSet(opts, s.noteEnd, func(err error) { done(hci.None{}, err) })
		s.set = set
	})
	if err == nil {
		return s, nil
	}
	ctl.Post(loop.Func(func(time.Time) {
		if set != nil {
			set.removeSet(errSetUnwanted, func(error) {})
		}
	}))
	return nil, err
}

// errSetUnwanted is the end of a set whose caller has left.
var errSetUnwanted = closedError("no caller waits for the advertising set any more")

// noteEnd is called on the loop when the set has ended.
func (s *AdvertisingSet) noteEnd(err error) {
	s.err.Store(&err)
	close(s.done)
}

// Change replaces the options of the set and returns once it advertises with them. After
// an error of the controller the set has ended.
func (s *AdvertisingSet) Change(ctx context.Context, o *AdvertiseOptions) error {
	opts, err := validAdvertising(o)
	if err != nil {
		return err
	}
	_, err = askLoop(ctx, &s.ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		s.set.setWanted(opts, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// SetPeriodicData replaces the data of the periodic advertising of the set, at most
// hci.MaxPeriodicData octets, without a gap for those who are synchronized to it. It
// returns once the controller has the data.
func (s *AdvertisingSet) SetPeriodicData(ctx context.Context, data hci.AdvData) error {
	if err := checkPeriodicUpdate(data); err != nil {
		return err
	}
	_, err := askLoop(ctx, &s.ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		s.set.setPeriodicData(data, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// Stop ends the set, and returns once the controller has removed it. A second Stop does
// nothing.
func (s *AdvertisingSet) Stop(ctx context.Context) error {
	_, err := askLoop(ctx, &s.ctl.core, wrapDuring(ctx, "stop advertising"), func(_ func() bool, done func(hci.None, error)) {
		s.set.removeSet(ErrSetStopped, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// Done is closed at the end of the set.
func (s *AdvertisingSet) Done() <-chan struct{} { return s.done }

// Err returns why the set has ended: ErrSetStopped, ErrAdvertisingEnded, the refusal of
// the controller, or the error that ended the Controller. It returns nil before that.
func (s *AdvertisingSet) Err() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}
