package smp

import "github.com/moor-ble/moor/hci"

// watchedStore is a Manager's Store: who changes a bond waits for those who are at
// it, and Config.Changed is told, who may make changes too.
type watchedStore struct {
	Store
	m *Manager
}

// Save saves a bond, after anything that is being made of the old one. It goes
// before one of a pairing that is yet to be saved, which is older.
func (w watchedStore) Save(b *Bond) error {
	w.m.writing <- struct{}{}
	err := w.Store.Save(b)
	if err == nil {
		w.m.unsaved.removeBond(b.Peer)
	}
	<-w.m.writing
	if err == nil {
		w.notifyChanged(b.Peer, b)
	}
	return err
}

// Remove removes a bond, one that is yet to be saved too.
func (w watchedStore) Remove(peer hci.Addr) error {
	w.m.writing <- struct{}{}
	err := w.Store.Remove(peer)
	if err == nil {
		w.m.unsaved.removeBond(peer.Identity())
	}
	<-w.m.writing
	if err == nil {
		w.notifyChanged(peer.Identity(), nil)
	}
	return err
}

// saveNewBond saves the bond of a pairing. It is not kept if it was removed, or
// replaced by a newer one, before its turn came.
func (w watchedStore) saveNewBond(b *Bond) (kept bool, err error) {
	w.m.writing <- struct{}{}
	if now, ok := w.m.unsaved.Find(b.Peer); !ok || now != b {
		<-w.m.writing
		return false, nil
	}
	err = w.Store.Save(b)
	w.m.unsaved.removeSameBond(b)
	<-w.m.writing
	if err == nil {
		w.notifyChanged(b.Peer, b)
	}
	return err == nil, err
}

func (w watchedStore) notifyChanged(peer hci.Addr, b *Bond) {
	if f := w.m.cfg.Changed; f != nil {
		f(peer, b)
	}
}
