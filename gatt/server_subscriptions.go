package gatt

import (
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// Bits of a Client Characteristic Configuration (Vol 3, Part G, 3.3.3.3).
const (
	cccdNotify   = 0x0001
	cccdIndicate = 0x0002
)

// subscriptions lists a client's configurations that are not zero. The slice is
// replaced, never written to, since other goroutines read it.
type subscriptions []SubscriptionState

// get returns the value of the configuration at a handle.
func (s subscriptions) get(cccd att.Handle) uint16 {
	for _, c := range s {
		if c.Handle == cccd {
			return c.Value
		}
	}
	return 0
}

// with returns the list with one configuration replaced.
func (s subscriptions) with(n SubscriptionState) subscriptions {
	l := slices.DeleteFunc(slices.Clone(s), func(c SubscriptionState) bool { return c.Handle == n.Handle })
	if n.Value != 0 {
		l = append(l, n)
	}
	return l
}

// in returns the configurations that t still has: at the same handle, of the
// same characteristic, with the bits that its properties still allow.
func (s subscriptions) in(t *table) subscriptions {
	var kept subscriptions
	for _, c := range s {
		a := t.attributeAt(c.Handle)
		if a == nil || a.role != roleCCCD || a.char != c.Characteristic {
			continue
		}
		if c.Value &= a.props.subscribable(); c.Value != 0 {
			kept = append(kept, c)
		}
	}
	return kept
}

// subscribable returns the bits of a configuration that properties allow.
func (p Properties) subscribable() (bits uint16) {
	if p.Has(PropNotify) {
		bits |= cccdNotify
	}
	if p.Has(PropIndicate) {
		bits |= cccdIndicate
	}
	return bits
}
