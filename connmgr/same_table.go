package connmgr

import (
	"slices"

	"github.com/moor-ble/moor/gatt"
)

// noteTable records that a discovered table is another one than that known before. The
// device has new firmware then: what the old one has failed tells nothing.
func (l *link) noteTable(p *gatt.Profile) {
	l.mu.Lock()
	old := l.profile
	l.mu.Unlock()
	if old == nil {
		if e, ok := l.m.tables.getTable(l.peer); ok {
			old = e.Profile
		}
	}
	if old != nil && !slices.EqualFunc(old.Services, p.Services, isSameService) {
		l.m.records.enterTable(l.peer)
		l.m.evidence.forget(l.peer.MAC)
	}
}

func isSameService(a, b gatt.Service) bool {
	return a.UUID == b.UUID && a.Handle == b.Handle && a.End == b.End && a.Primary == b.Primary &&
		slices.Equal(a.Includes, b.Includes) && slices.EqualFunc(a.Characteristics, b.Characteristics, isSameCharacteristic)
}

func isSameCharacteristic(a, b gatt.Characteristic) bool {
	return a.UUID == b.UUID && a.Handle == b.Handle && a.Value == b.Value && a.End == b.End && a.Properties == b.Properties &&
		slices.Equal(a.Descriptors, b.Descriptors)
}
