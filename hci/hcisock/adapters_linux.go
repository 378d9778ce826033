package hcisock

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// Adapters lists the adapters of this machine, ordered by index. It requires no
// privilege, but only root sees all of Holders. Its error is an *OpenError, such as
// for a kernel or a network namespace without Bluetooth; the list then has the
// information of sysfs: index, name, USB device and radio switches.
func Adapters() ([]Adapter, error) {
	ctl, err := openControl(nil)
	if err != nil {
		return sysfsOnly(), explain("adapters", "open control socket", -1, err)
	}
	defer ctl.Close()
	ids, err := ctl.indexes()
	if err != nil {
		return sysfsOnly(), explain("adapters", "list", -1, err)
	}
	slices.Sort(ids)
	managed, mgmtErr := managedIndexes()
	sockets := hciSockets(procDir)
	var list []Adapter
	for _, id := range ids {
		info, err := ctl.adapterInfo(id)
		if errors.Is(err, unix.ENODEV) {
			continue // unplugged since the list was made
		}
		if err != nil {
			return list, explain(indexName(id), "get information", id, err)
		}
		a := fromSysfs(classDir, id)
		a.MAC = hci.MAC(info.address)
		a.Bus = busName(info.kind & 0x0F)
		a.Up = info.flags&flagUp != 0
		// The management interface hides an adapter while a process has its user
		// channel. It also hides raw-only adapters, and adapters during their setup,
		// which are not up yet.
		a.UserChannel = a.Up && info.flags&flagRaw == 0 && mgmtErr == nil && !slices.Contains(managed, id)
		a.Holders = holdersAmong(sockets, id, a.UserChannel)
		a.UserChannel = a.UserChannel || slices.ContainsFunc(a.Holders, func(h Holder) bool { return h.UserChannel && h.Sure })
		list = append(list, a)
	}
	return list, nil
}

// sysfsOnly lists the adapters with the information of sysfs.
func sysfsOnly() []Adapter {
	var list []Adapter
	for _, id := range adaptersInSysfs(classDir) {
		list = append(list, fromSysfs(classDir, id))
	}
	return list
}

// HasAddressFamily returns nil if this process can create HCI sockets. Its error is
// an *OpenError, with CauseNoBluetooth or CauseNamespace.
func HasAddressFamily() error {
	ctl, err := openControl(nil)
	if err != nil {
		return explain("bluetooth", "open control socket", -1, err)
	}
	return ctl.Close()
}

// withControl runs one operation on the control socket.
func withControl(op string, index int, f func(*control) error) error {
	ctl, err := openControl(nil)
	if err != nil {
		return explain(indexName(index), "open control socket", index, err)
	}
	defer ctl.Close()
	if err := f(ctl); err != nil {
		return explain(indexName(index), op, index, err)
	}
	return nil
}

// Up makes the kernel's own stack start the adapter, as BlueZ does. It may take
// seconds and requires CAP_NET_ADMIN. It does nothing if the adapter is up.
func Up(index int) error {
	return withControl("bring up", index, func(c *control) error { return c.bringUp(index) })
}

// Down makes the kernel's own stack stop the adapter, which ends its links. It
// requires CAP_NET_ADMIN. It does nothing if the adapter is down.
func Down(index int) error {
	return withControl(opDown, index, func(c *control) error { return c.bringDown(index) })
}
