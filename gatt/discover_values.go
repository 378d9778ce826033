package gatt

import (
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// checkValues corrects the value handles of the characteristics from from on, and
// leaves out those that have no value.
func (d *discovery) checkValues(s *Service, from att.Handle) error {
	for i := range s.Characteristics {
		if chr := &s.Characteristics[i]; chr.Handle >= from && chr.Value != after(chr.Handle) && chr.Handle < chr.End {
			if err := d.checkValue(chr); err != nil {
				return err
			}
		}
	}
	s.Characteristics = slices.DeleteFunc(s.Characteristics, func(chr Characteristic) bool { return !chr.hasValue() })
	return nil
}

// hasValue reports whether the value lies behind the declaration, within the
// characteristic.
func (c *Characteristic) hasValue() bool { return c.Handle < c.Value && c.Value <= c.End }

// checkValue asks for the types of the attributes of a characteristic whose value
// is not declared to be the next attribute, where it belongs (Vol 3, Part G, 3.3).
// Some peers declare a wrong handle; writing there would hit another attribute.
// The value is the attribute that has the type of the characteristic, preferably
// the declared one.
func (d *discovery) checkValue(chr *Characteristic) error {
	declared, found, last := chr.Value, att.HandleNone, att.HandleNone
	r := att.HandleRange{Start: after(chr.Handle), End: chr.End}
	err := walk("characteristic values", r, func(r att.HandleRange) (att.Handle, error) {
		rsp, err := do(d.ctx, d.c, d.cond, att.FindInformationReq(r))
		if err != nil {
			return 0, err
		}
		for e := range rsp.All() {
			if err := d.found(); err != nil {
				return 0, err
			}
			last = e.Handle
			if e.Type == chr.UUID && (found == att.HandleNone || e.Handle == declared) {
				found = e.Handle
			}
		}
		if found != att.HandleNone && (last >= declared || declared > r.End) {
			return att.HandleNone, nil
		}
		return after(last), nil
	})
	switch {
	case err != nil && !isRefused(err):
		return err
	case found != att.HandleNone || last != att.HandleNone && err == nil:
		chr.Value = found
	case !chr.hasValue(): // no attribute is known
		chr.Value = after(chr.Handle) // where it belongs
	}
	if l := d.c.cfg.Logger; l != nil && chr.Value != declared {
		l.Warn("declared value handle is not that of the value", "characteristic", chr.UUID, "declared", declared, "value", chr.Value)
	}
	return nil
}
