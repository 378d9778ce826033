package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestEventBeforeItsAnswer has each procedure of a link end before its command is
// answered. Each ends once, with the event.
func TestEventBeforeItsAnswer(t *testing.T) {
	key := [16]byte{1}
	for _, c := range []struct {
		name    string
		start   func(l *Link, done func(error))
		command hci.Params
		event   hci.Event
	}{
		{"encryption", func(l *Link, done func(error)) {
			l.StartEncryption([8]byte{}, 0, key, func(_ time.Time, err error) { done(err) })
		}, hci.LEEnableEncryption{Handle: 1, Key: key}, &hci.EncryptionChange{Handle: 1, Enabled: 1}},
		{"change of the key", func(l *Link, done func(error)) {
			l.StartEncryption([8]byte{}, 0, key, func(_ time.Time, err error) { done(err) })
		}, hci.LEEnableEncryption{Handle: 1, Key: key}, &hci.EncryptionKeyRefreshComplete{Handle: 1}},
		{"features", func(l *Link, done func(error)) {
			l.startRemoteFeatures(nil, func(_ hci.Features, err error) { done(err) })
		}, hci.LEReadRemoteFeatures{Handle: 1}, &hci.LEReadRemoteFeaturesComplete{Handle: 1}},
		{"PHY", func(l *Link, done func(error)) {
			l.startPHY(nil, hci.PHYs2M, hci.PHYs2M, func(_, _ hci.PHY, err error) { done(err) })
		}, hci.LESetPHY{Handle: 1, TX: hci.PHYs2M, RX: hci.PHYs2M}, &hci.LEPHYUpdateComplete{Handle: 1, TX: hci.PHY2M, RX: hci.PHY2M}},
		{"version", func(l *Link, done func(error)) {
			l.startRemoteVersion(nil, func(_ RemoteVersion, err error) { done(err) })
		},
			hci.ReadRemoteVersionInformation{Handle: 1}, &hci.ReadRemoteVersionInformationComplete{Handle: 1, Version: 13}},
	} {
		h := newHarness(t, 4)
		l := h.link(1, peerA)
		calls := 0
		h.do(func(time.Time) {
			c.start(l, func(err error) {
				if calls++; err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			})
		})
		h.want(c.command, c.name)
		h.event(c.event)
		if calls != 1 {
			t.Errorf("%s: done %d times by the event, want once", c.name, calls)
		}
		h.status(c.command.Opcode(), hci.StatusSuccess)
		h.pass(time.Hour)
		if calls != 1 || len(l.waits) != 0 {
			t.Errorf("%s: done %d times, %d waits left", c.name, calls, len(l.waits))
		}
	}
}

// TestDataLengthBeforeItsAnswer keeps the length of an event that comes first.
func TestDataLengthBeforeItsAnswer(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.run(hci.LESetDataLength{Handle: 1, TXOctets: 251, TXTime: 2120 * time.Microsecond})
	h.event(&hci.LEDataLengthChange{Handle: 1, MaxTXOctets: 251, MaxRXOctets: 251})
	h.complete(hci.OpLESetDataLength, hci.StatusSuccess, 1, 0)
	if s := l.State(); s.MaxTX != 251 || s.MaxRX != 251 {
		t.Errorf("longest packets %d and %d, want 251", s.MaxTX, s.MaxRX)
	}
}

// TestDisconnectionBeforeItsAnswer ends a link before Disconnect is answered. The
// answer does not affect the next link with the handle.
func TestDisconnectionBeforeItsAnswer(t *testing.T) {
	for _, st := range []hci.Status{hci.StatusSuccess, hci.StatusUnknownConnection, hci.StatusCommandDisallowed} {
		h := newHarness(t, 4)
		l := h.link(1, peerA)
		h.do(func(time.Time) { l.StartDisconnect(hci.StatusRemoteUserTerminated, nil) })
		h.want(disconnect(1), "asked")
		h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusLocalHostTerminated})
		other := h.link(1, peerB)
		h.status(hci.OpDisconnect, st)
		h.pass(time.Hour)
		if l.Err() == nil || other.Err() != nil {
			t.Errorf("status %v: link %v, next link %v", st, l.Err(), other.Err())
		}
	}
}

// TestConnectionBeforeItsAnswer completes a dial before its command is answered: with a
// link, and with a failure. The next dial is not affected by the answer.
func TestConnectionBeforeItsAnswer(t *testing.T) {
	for _, st := range []hci.Status{hci.StatusSuccess, hci.StatusFailedToEstablish} {
		h := newHarness(t, 4)
		r := h.dial(nil, peerA)
		h.want(create(peerA), "dials")
		h.connected(st, 1, peerA)
		if r.err == nil && st != hci.StatusSuccess || r.err != nil && st == hci.StatusSuccess {
			t.Errorf("status %v: the dial got %v", st, r.err)
		}
		next := h.dial(nil, peerB)
		h.idle("the first command is not answered")
		h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		h.initiate(peerB)
		h.connected(hci.StatusSuccess, 2, peerB)
		h.wantDialed(next, nil)
	}
}

// TestCancelEndsBeforeItsAnswer reports the end of a canceled initiation before the
// cancel is answered.
func TestCancelEndsBeforeItsAnswer(t *testing.T) {
	h := newHarness(t, 4)
	h.dial(nil, peerA)
	h.initiate(peerA)
	h.do(func(time.Time) { h.c.dial.stopDial(h.c.dial.group[0], ErrDialTimeout) })
	h.want(hci.LECreateConnectionCancel{}, "canceled")
	h.connected(hci.StatusUnknownConnection, 0, peerA)
	next := h.dial(nil, peerB)
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusSuccess)
	h.initiate(peerB)
	h.pass(cancelWait + time.Second)
	h.connected(hci.StatusSuccess, 2, peerB)
	h.wantDialed(next, nil)
}
