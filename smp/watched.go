package smp

import "github.com/moor-ble/moor/hci"

// watched is a Manager's Store: who changes a bond waits for those who are at
// it, and Config.Changed is told, who may make changes too.
type watched struct {
	Store
	m *Manager
}

// Save saves a bond, after anything that is being made of the old one.
func (w watched) Save(b *Bond) error {
	w.m.writing <- struct{}{}
	err := w.Store.Save(b)
	<-w.m.writing
	if err == nil {
		w.changed(b.Peer, b)
	}
	return err
}

// Remove removes a bond, one that is yet to be saved too.
func (w watched) Remove(peer hci.Addr) error {
	w.m.writing <- struct{}{}
	w.m.unsaved.remove(peer.Identity())
	err := w.Store.Remove(peer)
	<-w.m.writing
	if err == nil {
		w.changed(peer.Identity(), nil)
	}
	return err
}

// saveNew saves the bond of a pairing, unless it was removed, or replaced by a
// newer one, before its turn came.
func (w watched) saveNew(b *Bond) error {
	w.m.writing <- struct{}{}
	if now, ok := w.m.unsaved.Find(b.Peer); !ok || now != b {
		<-w.m.writing
		return nil
	}
	err := w.Store.Save(b)
	w.m.unsaved.drop(b)
	<-w.m.writing
	if err == nil {
		w.changed(b.Peer, b)
	}
	return err
}

func (w watched) changed(peer hci.Addr, b *Bond) {
	if f := w.m.cfg.Changed; f != nil {
		f(peer, b)
	}
}
