package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// otherBondError is the refusal of a device that has a bond with adapters that the
// command does not use. It has the text of the refusal, and a remedy of its own.
type otherBondError struct {
	err      error
	adapters []otherAdapter
}

// otherAdapter is an adapter with a bond.
type otherAdapter struct {
	local hci.Addr // its identity
	name  string   // such as hci1; "" if the machine does not have the adapter now
}

func (e *otherBondError) Error() string { return e.err.Error() }
func (e *otherBondError) Unwrap() error { return e.err }

// remedy names the adapters that have the bond.
func (e *otherBondError) remedy() string {
	var with, flags []string
	for _, o := range e.adapters {
		with = append(with, o.local.String())
		if o.name != "" {
			flags = append(flags, "--adapter "+o.name)
		}
	}
	use := "--adapter"
	if len(flags) > 0 {
		use = strings.Join(flags, " or ")
	}
	return fmt.Sprintf("the bond with the device was made by another adapter, %s: use that adapter (%s), or pair with this one too (moor pair, or --pair)",
		strings.Join(with, " or "), use)
}

// nameOtherBond returns err, which ended the use of the device at p. If the device wants
// a bond, and only adapters that m does not use have one, the result names them.
func (a *app) nameOtherBond(m *connmgr.Manager, p *peer, err error) error {
	dir := a.stateDir()
	if err == nil || dir == "" || !wantsBond(err) {
		return err
	}
	stores, _ := connmgr.OpenBonds(dir) // a directory that cannot be read names none
	var others []otherAdapter
	for _, b := range findBonds(stores, p.Addr.peerArg) {
		local := b.store.Identity().Addr
		if usesIdentity(m, local) {
			return err // the bond does not suffice
		}
		others = append(others, otherAdapter{local, a.adapterAt(local)})
	}
	if len(others) == 0 {
		return err
	}
	return &otherBondError{err, others}
}

// wantsBond reports whether the device has refused a link without a bond.
func wantsBond(err error) bool {
	if failed, ok := errors.AsType[*connmgr.EstablishError](err); ok && len(failed.Attempts) > 0 {
		return failed.Attempts[len(failed.Attempts)-1].Class.Action.Has(errclass.Secure)
	}
	return classOf(err).Action.Has(errclass.Secure)
}

// usesIdentity reports whether an adapter of m has the identity address local.
func usesIdentity(m *connmgr.Manager, local hci.Addr) bool {
	return slices.ContainsFunc(m.Adapters(), func(adapter *connmgr.Adapter) bool {
		bonds := adapter.Bonds()
		return bonds != nil && bonds.Identity().Addr == local
	})
}

// adapterAt returns the name of the machine's adapter with the public address local; ""
// if there is none.
func (a *app) adapterAt(local hci.Addr) string {
	all, _ := a.env.listAdapters()
	for i := range all {
		if local == (hci.Addr{MAC: all[i].MAC}) {
			return all[i].Name
		}
	}
	return ""
}
