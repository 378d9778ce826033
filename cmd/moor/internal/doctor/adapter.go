package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// checkAdapter checks an adapter without opening it.
func checkAdapter(a hcisock.Adapter, r *Report) {
	rfkill := a.Name + " rfkill"
	switch {
	case a.RFKill.Hard:
		r.addBad(rfkill, "its radio is off by a switch or key of the machine", "turn it on there")
	case a.RFKill.Soft:
		r.addBad(rfkill, "its radio is off by software", "`rfkill unblock bluetooth`")
	default:
		r.addGood(rfkill, "its radio is on")
	}
	checkHolder(a, r)
	if a.MAC == (hci.MAC{}) {
		r.addBad(a.Name+" address", "it has none", "give it one (`sudo btmgmt --index "+a.Name+" public-addr AA:BB:CC:DD:EE:FF`), "+
			"or use it with a random address")
	} else {
		r.addGood(a.Name+" address", a.MAC.String())
	}
}

func checkHolder(a hcisock.Adapter, r *Report) {
	check := a.Name + " holder"
	var who []string
	for _, h := range a.Holders {
		who = append(who, h.String())
	}
	holders := strings.Join(who, ", ")
	switch {
	case a.UserChannel && holders == "":
		r.addBad(check, "another process has its user channel", "stop that process; run as root, moor doctor names it")
	case a.UserChannel:
		r.addBad(check, holders+" has its user channel", "stop that process, or use another adapter")
	case a.Up && holders != "":
		r.addGood(check, holders+" uses it; only commands that name it take it over, which cuts its links")
	case a.Up:
		r.addGood(check, "the kernel has it up, and no process is seen to use it; commands take it over unless it has links")
	case holders != "":
		r.addGood(check, "it is down, but "+holders+" has it and may bring it up; only commands that name it take it over")
	default:
		r.addGood(check, "it is down, and no process has it")
	}
}

// openOne opens one adapter after the other until one answers. As all commands, it
// takes an adapter from another process only if Env.Adapter names it, and even then
// not if the adapter has links.
func openOne(ctx context.Context, env *Env, r *Report, list []hcisock.Adapter) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b hcisock.Adapter) int { return disturbance(a) - disturbance(b) })
	for _, a := range list {
		links := linksOf(env, a)
		if claimed, ok := errors.AsType[*hcisock.OpenError](a.Claimed(links)); ok && (env.Adapter == "" || len(links) > 0) {
			r.addBad(a.Name+" open", fmt.Sprintf("not tried: %v", claimed.Err), claimed.Remedy)
			continue
		}
		if tryOpen(ctx, env, r, a.Name) {
			r.OK = true
			giveBack(env, r, a)
			return
		}
	}
}

// disturbance is how much opening an adapter disturbs other processes; 0 is nothing.
func disturbance(a hcisock.Adapter) int {
	switch {
	case a.UserChannel:
		return 3
	case a.Up || len(a.Holders) > 0:
		return 2
	case !a.Free():
		return 1
	default:
		return 0
	}
}

// linksOf returns the links of an adapter that the kernel's own stack runs.
func linksOf(env *Env, a hcisock.Adapter) []hcisock.KernelLink {
	if !a.Up || a.UserChannel {
		return nil
	}
	links, err := env.Links(a.Index)
	if err != nil {
		return nil // opening it fails with the reason
	}
	return links
}

// giveBack brings an adapter up again if it was up before it was opened.
func giveBack(env *Env, r *Report, a hcisock.Adapter) {
	if !a.Up {
		return
	}
	if err := env.Up(a.Index); err != nil {
		r.addError(a.Name+" give back", err)
	}
}
