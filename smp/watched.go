package smp

import "github.com/moor-ble/moor/hci"

// watched is a Manager's Store: who changes a bond waits for those who are at
// it, and Config.Changed is told, who may make changes too.
type watched struct {
	Store
	m *Manager
}

// Save saves a bond, after anything that is being made of the old one. It goes
// before one of a pairing that is yet to be saved, which is older.
func (w watched) Save(b *Bond) error {
	w.m.writing <- struct{}{}
	err := w.Store.Save(b)
	if err == nil {
		w.m.unsaved.remove(b.Peer)
	}
	<-w.m.writing
	if err == nil {
		w.changed(b.Peer, b)
	}
	return err
}

// Remove removes a bond, one that is yet to be saved too.
func (w watched) Remove(peer hci.Addr) error {
	w.m.writing <- struct{}{}
	err := w.Store.Remove(peer)
	if err == nil {
		w.m.unsaved.remove(peer.Identity())
	}
	<-w.m.writing
	if err == nil {
		w.changed(peer.Identity(), nil)
	}
	return err
}

// saveNew saves the bond of a pairing. It is not kept if it was removed, or
// replaced by a newer one, before its turn came.
func (w watched) saveNew(b *Bond) (kept bool, err error) {
	w.m.writing <- struct{}{}
	if now, ok := w.m.unsaved.Find(b.Peer); !ok || now != b {
		<-w.m.writing
		return false, nil
	}
	err = w.Store.Save(b)
	w.m.unsaved.drop(b)
	<-w.m.writing
	if err == nil {
		w.changed(b.Peer, b)
	}
	return err == nil, err
}

func (w watched) changed(peer hci.Addr, b *Bond) {
	if f := w.m.cfg.Changed; f != nil {
		f(peer, b)
	}
}
