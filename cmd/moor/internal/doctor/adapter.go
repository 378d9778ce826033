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
func checkAdapter(env *Env, a hcisock.Adapter, r *Report) {
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
	if a.MAC != (hci.MAC{}) {
		r.addGood(a.Name+" address", a.MAC.String())
	}
	checkUSBPort(env, a, r)
}

// checkUSBPort checks whether the port of an adapter on USB could be reset, without which
// the adapter still works.
func checkUSBPort(env *Env, a hcisock.Adapter, r *Report) {
	if a.USB.Port == "" {
		return
	}
	check, port := a.Name+" usb", "port "+a.USB.Port
	err := env.CheckReset(a.USB)
	if e, ok := errors.AsType[*hcisock.OpenError](err); ok {
		err = fmt.Errorf("%w; %s", e.Err, e.Remedy)
	}
	if err != nil {
		r.addGood(check, fmt.Sprintf("%s cannot be reset if the adapter hangs: %v", port, err))
		return
	}
	r.addGood(check, port+" can be reset if the adapter hangs")
}

// checkMissingAddresses checks the adapters of which the kernel has no address, once they
// have been opened. One that has never been set up has none either.
func checkMissingAddresses(r *Report, list []hcisock.Adapter) {
	for _, a := range list {
		if a.MAC != (hci.MAC{}) {
			continue
		}
		check := a.Name + " address"
		if opens := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == a.Name+" open" && f.OK }); !opens && !a.Up {
			r.addGood(check, "unknown until the adapter has been set up")
			continue
		}
		r.addBad(check, "it has none", "give it one (`sudo btmgmt --index "+a.Name+" public-addr AA:BB:CC:DD:EE:FF`), "+
			"or use it with a random address")
	}
}

func checkHolder(a hcisock.Adapter, r *Report) {
	check := a.Name + " holder"
	var who []string
	for _, h := range a.Holders {
		if h.FD > 0 {
			r.addBad(check, fmt.Sprintf("this process was handed its user channel as descriptor %d", h.FD), fmt.Sprintf("use --adapter fd:%d", h.FD))
			return
		}
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
		claimed, ok := errors.AsType[*hcisock.OpenError](a.Claimed(links))
		if ok && len(links) > 0 && env.Adapter != "" {
			// The commands would do it, but a check must not cut links.
			r.addGood(a.Name+" open", fmt.Sprintf("not tried: %v; commands that name it take it, which ends these links", claimed.Err))
			r.OK = true
			return
		}
		if ok && (env.Adapter == "" || len(links) > 0) {
			r.addBad(a.Name+" open", fmt.Sprintf("not tried: %v", claimed.Err), claimed.Remedy)
			continue
		}
		answers, usable := tryOpen(ctx, env, r, a.Name)
		if usable {
			examine(ctx, env, r, a.Name)
		}
		if answers {
			giveBack(env, r, a)
		}
		if usable {
			r.OK = true
			return
		}
	}
}

// examine opens an adapter that has answered once more, for Env.Examine.
func examine(ctx context.Context, env *Env, r *Report, address string) {
	if env.Examine == nil {
		return
	}
	tr, err := env.Open(ctx, address)
	if err != nil {
		r.addError(address+" open again", err)
		return
	}
	env.Examine(ctx, address, tr)
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
