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

// Run checks the kernel, the privileges and every adapter, and at the end opens an
// adapter and resets it. It tries adapters that no process uses first, and none that
// has links of other programs. It stops at the first adapter that answers, and leaves
// it up or down as it was. ctx bounds the whole; when it ends, Run returns its findings
// so far.
func Run(ctx context.Context, env Env) Report {
	var r Report
	if strings.HasPrefix(env.Adapter, "esphome:") { // a proxy
		_, r.OK = tryOpen(ctx, &env, &r, env.Adapter)
		return r
	}
	if env.Adapter != "" {
		a, err := hcisock.ParseAddress(env.Adapter)
		if err != nil {
			r.addError("address", err)
			return r
		}
		if a.Kind != hcisock.KindIndex && a.Kind != hcisock.KindMAC {
			// The kernel's Bluetooth plays no part.
			if _, r.OK = tryOpen(ctx, &env, &r, env.Adapter); r.OK {
				examine(ctx, &env, &r, env.Adapter)
			}
			return r
		}
	}
	checkKernel(&env, &r)
	checkPrivileges(&env, &r)
	list := checkAdapters(&env, &r)
	checkFirmware(&env, &r)
	for _, a := range list {
		checkAdapter(&env, a, &r)
	}
	openOne(ctx, &env, &r, list)
	checkMissingAddresses(&r, list)
	return r
}

// addError adds a finding about an error, with the remedy of an *hcisock.OpenError.
func (r *Report) addError(check string, err error) {
	if e, ok := errors.AsType[*hcisock.OpenError](err); ok {
		r.addBad(check, fmt.Sprintf("%s: %s: %v", e.Address, e.Op, e.Err), e.Remedy)
		return
	}
	r.addBad(check, err.Error(), "")
}

// checkKernel checks that HCI sockets can be made. If not, the reason is the kernel or
// the network namespace.
func checkKernel(env *Env, r *Report) {
	const kernel, namespace = "kernel", "network namespace"
	err := env.AddressFamily()
	var e *hcisock.OpenError
	switch {
	case err == nil:
		r.addGood(kernel, "it has Bluetooth sockets")
		r.addGood(namespace, "Bluetooth works in this one")
		return
	case errors.As(err, &e) && e.Cause == hcisock.CauseNamespace:
		r.addGood(kernel, "it has Bluetooth")
		r.addBad(namespace, e.Err.Error(), e.Remedy)
		return
	}
	r.addError(kernel, err)
	switch initial, err := env.InitialNetNS(); {
	case err != nil:
		r.addGood(namespace, fmt.Sprintf("unknown: %v", err))
	case initial:
		r.addGood(namespace, "this is the initial one")
	default:
		r.addBad(namespace, "this is not the initial one, and Bluetooth works only there",
			"run it there (containers: host networking)")
	}
}

func checkPrivileges(env *Env, r *Report) {
	const check = "capability"
	p, err := env.Privileges()
	switch {
	case err != nil:
		r.addBad(check, fmt.Sprintf("unknown: %v", err), "")
	case !p.NetAdmin:
		r.addBad(check, "CAP_NET_ADMIN is missing", strings.Replace(p.Remedy(), "PROGRAM", "$(command -v moor)", 1))
	case !p.InitialUserNS:
		r.addBad(check, "CAP_NET_ADMIN holds only in this user namespace", p.Remedy())
	default:
		r.addGood(check, "CAP_NET_ADMIN in the initial user namespace")
	}
}

// checkAdapters lists the adapters and returns those that Env.Adapter names.
func checkAdapters(env *Env, r *Report) []hcisock.Adapter {
	const check = "adapters"
	all, err := env.Adapters()
	wanted := slices.DeleteFunc(slices.Clone(all), func(a hcisock.Adapter) bool {
		return env.Adapter != "" && !strings.EqualFold(env.Adapter, a.Name) && !strings.EqualFold(env.Adapter, a.MAC.String())
	})
	switch {
	case len(all) > 0 && len(wanted) == 0 && err == nil:
		r.addBad(check, fmt.Sprintf("%s is not among %s", env.Adapter, adapterList(all)), "choose one of these, or plug it in")
	case len(all) > 0 && err == nil:
		r.addGood(check, adapterList(all))
	case len(all) > 0:
		r.addBad(check, adapterList(all)+", out of reach of this process", "see above")
	case err != nil:
		r.addBad(check, "none can be listed", "see above")
	default:
		r.addBad(check, "there is none", "plug one in, or load its driver (`sudo modprobe btusb`, hci_uart)")
	}
	for _, d := range env.Dormant() {
		r.addBad("usb", d+" has Bluetooth, but no driver has made an adapter of it",
			"load its driver (`sudo modprobe btusb`) and see `dmesg | grep -i bluetooth`")
	}
	if err != nil {
		return nil
	}
	return wanted
}

func adapterList(list []hcisock.Adapter) string {
	var s []string
	for _, a := range list {
		if a.MAC == (hci.MAC{}) {
			s = append(s, fmt.Sprintf("%s (%s)", a.Name, a.Bus))
			continue
		}
		s = append(s, fmt.Sprintf("%s (%s, %s)", a.Name, a.MAC, a.Bus))
	}
	return strings.Join(s, ", ")
}
