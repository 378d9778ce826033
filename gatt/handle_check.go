package gatt

import (
	"fmt"
	"sync"

	"github.com/moor-ble/moor/gatt/att"
)

// handleCheck is the condition of a request for an attribute that is known by its handle
// alone. It fails with ErrStale if the table has changed there since the caller could know
// the handle: since the latest whole table, or since the call if no table was known.
type handleCheck struct {
	c      *Client
	handle att.Handle
	gen    uint64
}

// handleChecks holds those that no request uses, so that a request costs no memory.
var handleChecks = sync.Pool{New: func() any { return new(handleCheck) }}

// checkHandle returns the condition for a handle.
func (c *Client) checkHandle(h att.Handle) *handleCheck {
	k := handleChecks.Get().(*handleCheck)
	*k = handleCheck{c, h, c.changes.Load().gen}
	if from := c.tableFrom.Load(); from > 0 {
		k.gen = from - 1
	}
	return k
}

// Check implements att.Condition.
func (k *handleCheck) Check() error {
	if k.c.changes.Load().touched(k.gen, att.HandleRange{Start: k.handle, End: k.handle}) {
		return fmt.Errorf("gatt: handle %s: %w", k.handle, ErrStale)
	}
	return nil
}

// finishRead returns err, the result of a request, or ErrStale if the table has changed
// during the request: the value may be that of another attribute.
func (k *handleCheck) finishRead(err error) error {
	if err == nil {
		err = k.Check()
	}
	return k.finishWrite(err)
}

// finishWrite returns err, the result of a request. A request that has failed may still
// refer to k.
func (k *handleCheck) finishWrite(err error) error {
	if err == nil {
		handleChecks.Put(k)
	}
	return err
}

// handleCheckList is the condition of a request for several attributes.
type handleCheckList []*handleCheck

func (c *Client) checkHandles(hs []att.Handle) (ks handleCheckList) {
	for _, h := range hs {
		ks = append(ks, c.checkHandle(h))
	}
	return ks
}

// Check implements att.Condition.
func (ks handleCheckList) Check() error {
	for _, k := range ks {
		if err := k.Check(); err != nil {
			return err
		}
	}
	return nil
}
