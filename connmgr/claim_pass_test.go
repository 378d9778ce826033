package connmgr

import (
	"testing"

	"github.com/moor-ble/moor/hci"
)

// A claim passes to the first call that still asks. A call that leaves as the claim is
// given to it frees the claim for the others, which then look again.
func TestClaimPasses(t *testing.T) {
	ls := newLinks()
	call := func() *attempts { return &attempts{target: target{addr: hci.Addr{MAC: hci.MAC{1}}}} }
	holder, first, second, third := call(), call(), call(), call()
	_, c := ls.claimDevice(holder)
	wantHolder := func(why string, want *attempts) *claim {
		t.Helper()
		_, got := ls.claimDevice(want)
		if got.holder != want {
			t.Fatalf("%s: another call has the claim", why)
		}
		return got
	}
	if _, other := ls.claimDevice(first); other != c {
		t.Fatal("two claims on one device")
	}
	for _, x := range []*attempts{first, second, third} {
		ls.askForClaim(c, x, true)
		ls.askForClaim(c, x, true)
	}
	if !ls.isAsked(c) || len(c.asked) != 1 || len(c.askers) != 3 {
		t.Errorf("three calls ask: %d askers, %d tokens", len(c.askers), len(c.asked))
	}
	ls.askForClaim(c, first, false)
	ls.endClaim(c, true)
	<-c.ended
	c = wantHolder("the first call no longer asks", second)
	ls.leaveClaim(c, third) // has not asked the second call
	wantHolder("a call that only waited has left", second)

	ls.askForClaim(c, third, true)
	ls.askForClaim(c, first, true)
	ls.endClaim(c, true)
	ls.leaveClaim(c, third) // as the claim was given to it
	wantHolder("the call that was given the claim has left", first)
	ls.endClaim(wantHolder("the first call", first), true)
	wantHolder("nobody asks: the claim is free", holder)
}
