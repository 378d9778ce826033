package connmgr

import (
	"context"
	"fmt"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// foreignLinkError is the error of an attempt to connect to a device to which the
// controller has a link that is not the Manager's: the program has made it below the
// Manager, or the device has connected to this host. The Manager does not share it, since
// its last Client would end a link that others use, and its table and its security are
// not in the Manager's hands.
type foreignLinkError struct {
	adapter string
	peer    hci.Addr
}

func (e *foreignLinkError) Error() string {
	return fmt.Sprintf("adapter %s has a link to %v that is not this manager's", e.adapter, e.peer)
}

// class returns the class of the error.
func (e *foreignLinkError) class() errclass.Class {
	return errclass.Class{
		Row: "link below the Manager", Category: errclass.Connection,
		Advice: "end the link that the program has made through Adapter.Controller, or that the device has made: " +
			"a Manager shares a link of its own only",
	}
}

// foreignGrace is how long a link may be nobody's: one that an earlier Establish has left
// behind is about to end, and a new one is about to be entered.
const foreignGrace = 250 * time.Millisecond

// checkForeign returns a *foreignLinkError if the controller of an adapter has a link to
// the device that is not the Manager's. It waits for one that may be about to end, and no
// longer than for its end.
func (x *attempts) checkForeign(ctx context.Context, a *Adapter) error {
	l := x.foreignLink(a)
	if l == nil {
		return nil
	}
	grace := time.NewTimer(foreignGrace)
	defer grace.Stop()
	for l != nil {
		select {
		case <-l.Done():
			l = x.foreignLink(a)
		case <-grace.C:
			if l = x.foreignLink(a); l != nil {
				return &foreignLinkError{a.name, l.Peer()}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// foreignLink returns the link of an adapter to the device that is not the Manager's and
// that this host does not end; nil if there is none.
func (x *attempts) foreignLink(a *Adapter) *controller.Link {
	h := a.up()
	if h == nil {
		return nil
	}
	for _, l := range h.Controller().Links() {
		x.m.account.mu.Lock()
		_, own := x.m.account.own[l]
		x.m.account.mu.Unlock()
		if !own && l.Err() == nil && !l.State().Ending && x.target.matches(identityOf(h, l.Peer())) {
			return l
		}
	}
	return nil
}
