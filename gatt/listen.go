package gatt

import (
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// valueListener is a function of Listen.
type valueListener struct {
	f func(h att.Handle, value []byte, indication bool)
}

// Listen has f called with each value that the peer notifies or indicates, whether or not
// there is a subscription to it, until stop is called or the link ends. It serves programs
// that carry attribute PDUs to a client of their own. f runs on the loop: it must return at
// once, and must not keep value. Indications are confirmed as without f.
func (c *Client) Listen(f func(h att.Handle, value []byte, indication bool)) (stop func()) {
	l := &valueListener{f}
	c.changeListeners(func(all []*valueListener) []*valueListener { return append(all, l) })
	return func() {
		c.changeListeners(func(all []*valueListener) []*valueListener {
			return slices.DeleteFunc(all, func(o *valueListener) bool { return o == l })
		})
	}
}

// changeListeners replaces the listeners by what change makes of a copy of them.
func (c *Client) changeListeners(change func([]*valueListener) []*valueListener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*valueListener
	if old := c.onValue.Load(); old != nil {
		all = slices.Clone(*old)
	}
	all = change(all)
	c.onValue.Store(&all)
}
