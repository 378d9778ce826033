package hcisock

import (
	"unsafe"

	"github.com/moor-ble/moor/hci"
)

// Links returns the links of the kernel's own stack on an adapter.
func Links(index int) ([]KernelLink, error) {
	var list []KernelLink
	err := withControl("list links", index, func(c *control) error {
		links, err := c.kernelLinks(index)
		for _, l := range links {
			list = append(list, kernelLink(l))
		}
		return err
	})
	return list, err
}

func kernelLink(l connInfo) KernelLink {
	const lmMaster, lmEncrypted = 0x0001, 0x0004
	return KernelLink{
		Handle: hci.Handle(l.handle), MAC: hci.MAC(l.address), Kind: LinkKind(l.kind), Outgoing: l.out != 0,
		State: LinkState(l.state), Central: l.linkMode&lmMaster != 0, Encrypted: l.linkMode&lmEncrypted != 0,
	}
}

// maxLinks bounds the list of links of one adapter. The kernel accepts up to 512.
const maxLinks = 256

// connList is the kernel's struct hci_conn_list_req with room for the list.
type connList struct {
	id      uint16
	n       uint16
	entries [maxLinks]connInfo
}

// connInfo is the kernel's struct hci_conn_info.
type connInfo struct {
	handle   uint16
	address  [6]byte
	kind     uint8
	out      uint8
	state    uint16
	linkMode uint32
}

// kernelLinks returns the links of the kernel's own stack on an adapter.
func (c *control) kernelLinks(index int) ([]connInfo, error) {
	list := connList{id: uint16(index), n: maxLinks}
	if err := c.conn.Ioctl(ioctlGetConnList, unsafe.Pointer(&list)); err != nil {
		return nil, err
	}
	return list.entries[:min(int(list.n), maxLinks)], nil
}
