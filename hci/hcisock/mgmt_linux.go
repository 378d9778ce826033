package hcisock

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/internal/wire"
)

// The constants of Read Extended Controller Index List (since Linux 4.1), the only
// command of the kernel's management interface that the package uses. It requires no
// privilege and changes nothing.
const (
	mgmtReadExtIndexList = 0x003C
	mgmtCommandComplete  = 0x0001
	mgmtCommandStatus    = 0x0002
	mgmtNoIndex          = 0xFFFF
	mgmtTimeout          = time.Second // the kernel answers during the write
)

// managedIndexes returns the adapters that the management interface, and so BlueZ,
// can use at present.
func managedIndexes() ([]int, error) {
	conn, err := hciSocket(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.Bind(&unix.SockaddrHCI{Dev: mgmtNoIndex, Channel: unix.HCI_CHANNEL_CONTROL}); err != nil {
		return nil, err
	}
	if _, err := conn.Write(appendMgmtHeader(nil, mgmtReadExtIndexList, mgmtNoIndex, 0)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), mgmtTimeout)
	defer cancel()
	b := make([]byte, 2048)
	for {
		n, err := conn.ReadContext(ctx, b)
		if err != nil {
			return nil, err
		}
		if list, done, err := parseIndexList(b[:n]); done || err != nil {
			return list, err
		}
	}
}

// A management packet, all little-endian:
//
//	+--------+-------+--------+------------
//	| opcode | index | length | parameters
//	+--------+-------+--------+------------
func appendMgmtHeader(b []byte, opcode, index, length uint16) []byte {
	return wire.AppendU16(wire.AppendU16(wire.AppendU16(b, opcode), index), length)
}

// parseIndexList parses the answer. done is false for any other event.
func parseIndexList(b []byte) (list []int, done bool, err error) {
	r := wire.NewReader(b)
	event := r.U16()
	r.Skip(2) // index
	r = r.Sub(int(r.U16()))
	opcode, status := r.U16(), r.U8()
	if r.Err() != nil || opcode != mgmtReadExtIndexList || event != mgmtCommandComplete && event != mgmtCommandStatus {
		return nil, false, nil
	}
	if status != 0 {
		return nil, true, fmt.Errorf("management status 0x%02X", status)
	}
	for range r.U16() {
		id := r.U16()
		r.Skip(2) // type and bus
		if r.Err() != nil {
			break
		}
		list = append(list, int(id))
	}
	return list, true, r.Err()
}
