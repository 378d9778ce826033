package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// checkAdapter judges what is known of an adapter without opening it.
func checkAdapter(a hcisock.Adapter, r *Report) {
	rfkill := a.Name + " rfkill"
	switch {
	case a.RFKill.Hard:
		r.bad(rfkill, "its radio is off by a switch or key of the machine", "turn it on there")
	case a.RFKill.Soft:
		r.bad(rfkill, "its radio is off by software", "`rfkill unblock bluetooth`")
	default:
		r.good(rfkill, "its radio is on")
	}
	checkHolder(a, r)
	if a.MAC == (hci.MAC{}) {
		r.bad(a.Name+" address", "it has none", "give it one (`sudo btmgmt --index "+a.Name+" public-addr AA:BB:CC:DD:EE:FF`), "+
			"or use it with a random address")
	} else {
		r.good(a.Name+" address", a.MAC.String())
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
		r.bad(check, "another process has its user channel", "stop that process; root is told its name")
	case a.UserChannel:
		r.bad(check, holders+" has its user channel", "stop that process, or use another adapter")
	case a.Up && holders != "":
		r.good(check, holders+" uses it and loses it when it is opened here; `sudo systemctl stop bluetooth` prevents surprises")
	case a.Up:
		r.good(check, "the kernel has it up for another program, which loses it when it is opened here")
	case holders != "":
		r.good(check, "it is down; "+holders+" may bring it up")
	default:
		r.good(check, "it is down, and nobody holds it")
	}
}

// openOne opens one adapter after the other until one works.
func openOne(ctx context.Context, env *Env, r *Report, list []hcisock.Adapter) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b hcisock.Adapter) int { return disturbance(a) - disturbance(b) })
	for _, a := range list {
		if links := linksOf(env, a); len(links) > 0 {
			r.bad(a.Name+" open", fmt.Sprintf("not tried: it has links of other programs that would be cut: %s", strings.Join(links, ", ")),
				"end them (`bluetoothctl disconnect`), or `sudo systemctl stop bluetooth`")
			continue
		}
		if tryOpen(ctx, env, r, a.Name) {
			r.OK = true
			giveBack(env, r, a)
			return
		}
	}
}

// disturbance orders adapters: those in nobody's use first.
func disturbance(a hcisock.Adapter) int {
	switch {
	case a.UserChannel:
		return 3
	case a.Up:
		return 2
	case !a.Free():
		return 1
	default:
		return 0
	}
}

// linksOf names the links of an adapter that the kernel's own stack has up.
func linksOf(env *Env, a hcisock.Adapter) []string {
	if !a.Up || a.UserChannel {
		return nil
	}
	links, err := env.Links(a.Index)
	if err != nil {
		return nil // opening it will tell why
	}
	var s []string
	for _, l := range links {
		s = append(s, fmt.Sprintf("%s (%s)", l.MAC, l.Kind))
	}
	return s
}

// giveBack brings an adapter up again that was up before it was opened.
func giveBack(env *Env, r *Report, a hcisock.Adapter) {
	if !a.Up {
		return
	}
	if err := env.Up(a.Index); err != nil {
		r.fail(a.Name+" give back", err)
	}
}
