package hcisock

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const classDir = "/sys/class/bluetooth"

const capRemedy = "run it as root, or once `sudo setcap cap_net_admin+ep PROGRAM` " +
	"(the capability must hold in the initial user namespace: rootless containers never have it)"

const driverRemedy = "see `dmesg | grep -i bluetooth` for missing firmware, or unplug it and plug it in again"

// explain returns the *OpenError of an errno of the kernel's HCI sockets.
func explain(address, op string, index int, err error) error {
	return clues{class: classDir, proc: procDir}.explain(address, op, index, err)
}

// clues are the folders in which the kernel has information about the cause of an
// errno.
type clues struct{ class, proc string }

func (c clues) explain(address, op string, index int, err error) error {
	e := &OpenError{Address: address, Op: op, Err: err}
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT):
		c.explainNoFamily(e)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		e.Cause, e.Remedy = CausePermission, c.capabilityRemedy()
	case errors.Is(err, unix.ENODEV):
		e.Cause = CauseNoAdapter
		e.Err = fmt.Errorf("there is no such adapter: %w", err)
		e.Remedy = "plug it in, load its driver, or choose one of: " + adapterNames(c.class)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EUSERS):
		c.explainBusy(e, index)
	case errors.Is(err, unix.ERFKILL):
		c.explainRFKill(e, index)
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.EIO), errors.Is(err, unix.ENOENT),
		errors.Is(err, unix.EINVAL), errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EPROTO):
		e.Cause, e.Remedy = CauseDriver, driverRemedy
	}
	return e
}

// capabilityRemedy returns the way to the capability that this process lacks.
func (c clues) capabilityRemedy() string {
	p, err := privilegesIn(filepath.Join(c.proc, "self"))
	if err != nil {
		return capRemedy
	}
	return cmp.Or(p.Remedy(), capRemedy)
}

// explainNoFamily distinguishes a kernel without Bluetooth from a network namespace
// without it. The class in sysfs is the same in all namespaces.
func (c clues) explainNoFamily(e *OpenError) {
	if _, err := os.Stat(c.class); err == nil {
		e.Cause = CauseNamespace
		e.Err = fmt.Errorf("the kernel has Bluetooth only in the initial network namespace: %w", e.Err)
		e.Remedy = "run it there (containers: host networking), or pass it an open user channel as fd:N"
		return
	}
	e.Cause = CauseNoBluetooth
	e.Err = fmt.Errorf("the running kernel has no Bluetooth: %w", e.Err)
	e.Remedy = "load it with `sudo modprobe bluetooth`, boot a kernel with CONFIG_BT, or use a tcp: or serial: controller"
}

// explainBusy finds the process that uses the adapter. The kernel refuses to bring an
// adapter down only while a process has its user channel. It also refuses to bind an
// adapter that its own stack has brought up.
func (c clues) explainBusy(e *OpenError, index int) {
	e.Cause = CauseBusy
	taken := e.Op == opDown || errors.Is(e.Err, unix.EUSERS)
	holders := holdersAmong(hciSockets(c.proc), index, taken)
	var names []string
	for _, h := range holders {
		names = append(names, h.String())
	}
	who := strings.Join(names, ", ")
	own := slices.IndexFunc(holders, func(h Holder) bool { return h.FD > 0 })
	switch {
	case own >= 0:
		e.Err = fmt.Errorf("this process has it as descriptor %d: %w", holders[own].FD, e.Err)
		e.Remedy = fmt.Sprintf("use fd:%d instead, or close it there", holders[own].FD)
	case hasBluetoothd(holders):
		e.Err = fmt.Errorf("%s keeps it up: %w", who, e.Err)
		e.Remedy = "`sudo systemctl stop bluetooth`, or choose another adapter"
	case who != "":
		e.Err = fmt.Errorf("held by %s: %w", who, e.Err)
		e.Remedy = "stop that process or choose another adapter"
	case taken:
		e.Err = fmt.Errorf("held by another process: %w", e.Err)
		e.Remedy = "stop that process (run this as root to see its name) or choose another adapter"
	default:
		e.Err = fmt.Errorf("another process brings it up again: %w", e.Err)
		e.Remedy = "stop that process (bluetoothd, connman or the like) or choose another adapter"
	}
}

func (c clues) explainRFKill(e *OpenError, index int) {
	e.Cause = CauseRFKill
	e.Remedy = "`rfkill unblock bluetooth`"
	if rfkillOf(c.class, index).Hard {
		e.Err = fmt.Errorf("switched off by a hardware switch: %w", e.Err)
		e.Remedy = "turn on the switch or key that disables the radio"
	}
}

// adapterNames returns the names of the adapters of the machine.
func adapterNames(class string) string {
	names := adaptersInSysfs(class)
	if len(names) == 0 {
		return "(none present)"
	}
	var s []string
	for _, index := range names {
		s = append(s, fmt.Sprintf("hci%d", index))
	}
	return strings.Join(s, ", ")
}
