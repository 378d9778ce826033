package smp

import "github.com/moor-ble/moor/hci"

// watchedStore is the Store of a Manager. Changes of bonds exclude each other, and
// Config.Changed is called after each, when the next change may begin: it may make
// changes itself.
type watchedStore struct {
	Store
	m *Manager
}

// Save saves a bond once the change under way is done. It takes precedence over the bond
// of a pairing that is yet to be saved, since that one is older.
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

// Remove removes a bond, and one that is yet to be saved.
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

// saveNewBond saves the bond of a pairing, and takes one from the Manager's saves before
// it calls Config.Changed, which may close the Manager. kept is false if the bond was
// removed, or replaced by a newer one, before its turn came.
func (w watchedStore) saveNewBond(b *Bond) (kept bool, err error) {
	kept, err = w.writeNewBond(b)
	w.m.saves.Done()
	if kept {
		w.notifyChanged(b.Peer, b)
	}
	return kept, err
}

func (w watchedStore) writeNewBond(b *Bond) (kept bool, err error) {
	w.m.writing <- struct{}{}
	if now, ok := w.m.unsaved.Find(b.Peer); !ok || now != b {
		<-w.m.writing
		return false, nil
	}
	err = w.Store.Save(b)
	w.m.unsaved.removeSameBond(b)
	<-w.m.writing
	return err == nil, err
}

func (w watchedStore) notifyChanged(peer hci.Addr, b *Bond) {
	if f := w.m.cfg.Changed; f != nil {
		f(peer, b)
	}
}
