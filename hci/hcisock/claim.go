package hcisock

import (
	"errors"
	"fmt"
	"strings"
)

// Claimed returns an error if another user would lose the adapter when this process
// opened it: bluetoothd, or the programs with links in the kernel's own stack, which
// the caller passes (see [Links]). A program must not open such an adapter unless its
// user has named it.
//
// The error is an *OpenError with CauseBusy, the other users and the remedy. Claimed
// does not report why an adapter cannot be opened at all; see [Adapter.Free].
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
	remedy := "or name " + a.Name + " to open it anyway, which drops its links"
	var why string
	switch {
	case a.UserChannel: // the kernel's stack does not use it
		return nil
	case len(who) > 0:
		why = strings.Join(who, ", ") + " uses it"
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
	return &OpenError{Address: a.Name, Op: opChoose, Err: errors.New(why), Cause: CauseBusy, Remedy: remedy}
}

// opChoose is the operation of choosing an adapter that the user has not named.
const opChoose = "choose"

// Unclaimed returns the adapters in list that a program may open without their being
// named: they can be opened (see [Adapter.Free]), and no other user loses them (see
// [Adapter.Claimed]). links returns the kernel's links of an adapter, as [Links] does;
// an error of links counts as no links, because opening the adapter will fail with its
// cause. If there is no such adapter, the error is an *OpenError with the reason for
// each one.
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
		return nil, &OpenError{Address: "adapters", Op: opChoose, Err: errors.New("this machine has none"), Cause: CauseNoAdapter,
			Remedy: "plug one in, or load its driver"}
	case len(refused) == 1:
		return nil, refused[0]
	}
	all := &OpenError{Address: "adapters", Op: opChoose, Cause: refused[0].Cause}
	var why, remedies []string
	for _, e := range refused {
		why = append(why, e.Address+": "+e.Err.Error())
		remedies = append(remedies, e.Address+": "+e.Remedy)
	}
	all.Err, all.Remedy = errors.New(strings.Join(why, "; ")), strings.Join(remedies, "; ")
	return nil, all
}

// refusal returns the reason why Unclaimed does not return a; nil if it does.
func (a Adapter) refusal(links func(index int) ([]KernelLink, error)) *OpenError {
	e := &OpenError{Address: a.Name, Op: opChoose}
	var who []string
	for _, h := range a.Holders {
		who = append(who, h.String())
	}
	switch {
	case a.UserChannel && who == nil:
		e.Err, e.Cause, e.Remedy = errors.New("held by another process"), CauseBusy, "stop that process; run this as root to see its name"
	case a.UserChannel:
		e.Err, e.Cause, e.Remedy = errors.New("held by "+strings.Join(who, ", ")), CauseBusy, "stop that process"
	case a.RFKill.Hard:
		e.Err, e.Cause, e.Remedy = errors.New("its radio is switched off by a switch or key of the machine (rfkill)"), CauseRFKill, "switch it on there"
	case a.RFKill.Soft:
		e.Err, e.Cause, e.Remedy = errors.New("its radio is switched off by software (rfkill)"), CauseRFKill, "`rfkill unblock bluetooth`"
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
