package connmgr

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/l2cap"
)

// enhancedBearers is the number of enhanced ATT bearers of a link.
const enhancedBearers = 3

var serverFeatures = gatt.UUID16(0x2B3A)

// addBearers makes the link use enhanced bearers if it is encrypted and the device
// supports them. A device that cannot take them is remembered, also if that shows later.
func (l *link) addBearers(ctx context.Context) {
	if !l.isEncrypted() || !l.hasServerFeatures() {
		return
	}
	l.beginTrial(StepEATT)
	n, err := l.conn.GATT().Enhance(ctx, enhancedBearers)
	switch {
	case l.conn.Err() != nil: // failTrial decides
		return
	case err == nil:
		l.passTrial()
	default:
		l.dropTrial()
		l.m.log.Debug("enhanced bearers not used", "address", l.peer, "bearers", n, "error", err)
		if isEATTFault(err) {
			l.m.traits.storeTrait(l.peer, l.tableName(), StepEATT, err.Error())
			return
		}
	}
	if n > 0 {
		l.m.tasks.Go(l.watchBearers)
	}
}

// watchBearers remembers that the device has broken the rules of enhanced bearers.
func (l *link) watchBearers() {
	b := l.conn.Bearer()
	select {
	case <-b.EnhancedFailed():
		l.m.traits.storeTrait(l.peer, l.tableName(), StepEATT, b.EnhancedErr().Error())
	case <-l.conn.Done():
	}
}

// isEATTFault reports whether an error shows that the device cannot take enhanced bearers,
// although it states them.
func isEATTFault(err error) bool {
	switch {
	case errors.Is(err, gatt.ErrNoEnhanced), errors.Is(err, gatt.ErrStale), errors.Is(err, context.Canceled),
		errors.Is(err, l2cap.ResultNoResources):
		return false
	}
	return !errclass.Of(err).Action.Has(errclass.Secure)
}

// isEncrypted reports whether the link is encrypted.
func (l *link) isEncrypted() bool {
	sm := l.conn.SMP()
	return sm != nil && sm.Security().Encrypted
}

// hasServerFeatures reports whether the table of the device has Server Supported
// Features.
func (l *link) hasServerFeatures() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.profile == nil {
		return false
	}
	_, chr := l.profile.Characteristic(genericAttr, serverFeatures)
	return chr != nil
}
