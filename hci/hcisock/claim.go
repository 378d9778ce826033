package hcisock

import (
	"errors"
	"fmt"
	"strings"
)

// Claimed reports who would lose a if it were opened: bluetoothd, or those who
// have the links that the kernel's own stack has on it, which the caller knows
// (see Links). Nobody may be made to lose an adapter unasked, so whoever opens
// adapters that were not named to it leaves such ones alone.
//
// The error is nil, or an *OpenError with CauseBusy that says who it is and what
// to do about it. It says nothing of adapters that cannot be opened anyway: see
// Free.
func (a Adapter) Claimed(links []KernelLink) error {
	var who []string
	for _, h := range a.Holders {
		if !h.UserChannel {
			who = append(who, h.String())
		}
	}
	var peers []string
	for _, l := range links {
		peers = append(peers, fmt.Sprintf("%s (%s)", l.MAC, l.Kind))
	}
	remedy := "or name " + a.Name + " to take it from there, which cuts its links"
	var why string
	switch {
	case a.UserChannel: // the kernel's stack does not have it
		return nil
	case len(who) > 0:
		why = strings.Join(who, ", ") + " has it"
		if len(peers) > 0 {
			why += ", with links to " + strings.Join(peers, ", ")
		}
		remedy = "`sudo systemctl stop bluetooth`, " + remedy
	case len(peers) > 0:
		why = "other programs have links on it: " + strings.Join(peers, ", ")
		remedy = "end them (`bluetoothctl disconnect`, `sudo systemctl stop bluetooth`), " + remedy
	default:
		return nil
	}
	return &OpenError{Address: a.Name, Op: opUnasked, Err: errors.New(why), Cause: CauseBusy, Remedy: remedy}
}

const opUnasked = "take unasked"

// Unclaimed returns those of list that may be opened although nobody has named
// them: nothing stands in the way (see Adapter.Free), and nobody loses them (see
// Adapter.Claimed). links is asked for the kernel's links, as Links answers; an
// error of it counts as none, as opening the adapter will tell why. If there is
// no such adapter, the error is an *OpenError that says why of each.
func Unclaimed(list []Adapter, links func(index int) ([]KernelLink, error)) ([]Adapter, error) {
	var free []Adapter
	var refused []*OpenError
	for _, a := range list {
		if e := a.refusal(links); e != nil {
			refused = append(refused, e)
			continue
		}
		free = append(free, a)
	}
	switch {
	case len(free) > 0:
		return free, nil
	case len(refused) == 0:
		return nil, &OpenError{Address: "adapters", Op: opUnasked, Err: errors.New("this machine has none"), Cause: CauseNoAdapter,
			Remedy: "plug one in, or load its driver"}
	case len(refused) == 1:
		return nil, refused[0]
	}
	all := &OpenError{Address: "adapters", Op: opUnasked, Cause: refused[0].Cause}
	var why, remedies []string
	for _, e := range refused {
		why = append(why, e.Address+": "+e.Err.Error())
		remedies = append(remedies, e.Address+": "+e.Remedy)
	}
	all.Err, all.Remedy = errors.New(strings.Join(why, "; ")), strings.Join(remedies, "; ")
	return nil, all
}

// refusal says why a is not taken unasked; nil if it is.
func (a Adapter) refusal(links func(index int) ([]KernelLink, error)) *OpenError {
	e := &OpenError{Address: a.Name, Op: opUnasked}
	var who []string
	for _, h := range a.Holders {
		who = append(who, h.String())
	}
	switch {
	case a.UserChannel && who == nil:
		e.Err, e.Cause, e.Remedy = errors.New("held by another process"), CauseBusy, "stop that process; root is told its name"
	case a.UserChannel:
		e.Err, e.Cause, e.Remedy = errors.New("held by "+strings.Join(who, ", ")), CauseBusy, "stop that process"
	case a.RFKill.Hard:
		e.Err, e.Cause, e.Remedy = errors.New("its radio is off by a switch or key of the machine (rfkill)"), CauseRFKill, "turn it on there"
	case a.RFKill.Soft:
		e.Err, e.Cause, e.Remedy = errors.New("its radio is off by software (rfkill)"), CauseRFKill, "`rfkill unblock bluetooth`"
	default:
		var have []KernelLink
		if a.Up {
			have, _ = links(a.Index)
		}
		claimed, _ := errors.AsType[*OpenError](a.Claimed(have))
		return claimed
	}
	return e
}
