package connmgr

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/l2cap"
)

// postponeParams bounds how long a device waits for the answer to its request for
// connection parameters.
const postponeParams = 5 * time.Second

// askParams returns the decision on the parameters that a device requests: ask, or yes
// if that is nil, but not before the table of a new link is known. At the intervals that
// devices ask for, discovery would take ten times as long. A request in the link layer
// is not postponed: no other procedure, such as encryption, can begin before its answer.
func (a *Adapter) askParams(ask func(context.Context, l2cap.ParamRequest) (hci.ConnParams, bool)) func(context.Context, l2cap.ParamRequest) (hci.ConnParams, bool) {
	return func(ctx context.Context, r l2cap.ParamRequest) (hci.ConnParams, bool) {
		if busy := a.m.links.dialTo(a.identify(r.Peer)); busy != nil && !r.LinkLayer {
			t := time.NewTimer(postponeParams)
			defer t.Stop()
			select {
			case <-busy:
			case <-t.C:
			case <-ctx.Done():
			}
		}
		if ask != nil {
			return ask(ctx, r)
		}
		return r.Params, true
	}
}

// identify returns the identity address of a peer, as far as a bond tells it.
func (a *Adapter) identify(peer hci.Addr) hci.Addr {
	if h := a.up(); h != nil {
		return identityOf(h, peer)
	}
	return peer.Identity()
}

// dialTo returns a channel that is closed when the link that is being made to a device
// is ready, or has failed; nil if none is being made.
func (ls *links) dialTo(device hci.Addr) <-chan struct{} {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if d, ok := ls.dialing[device.MAC]; ok && d.target.matches(device) {
		return d.ended
	}
	return nil
}
