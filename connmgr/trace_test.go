package connmgr_test

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// trace records what a lab's hosts send.
type trace struct {
	mu    sync.Mutex
	links int // links that have come up; guarded by mu, as all below
	att   []string
	sent  []command
}

// command is an HCI command that changes a link.
type command struct {
	at     time.Time
	op     hci.Opcode
	params string // in hex
}

func (tr *trace) add(e sim.Entry) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	onHost := strings.HasPrefix(e.Node, "hci") || strings.HasPrefix(e.Node, "controller")
	switch {
	case e.Kind == sim.LogLinkUp && !onHost:
		tr.links++
	case e.Kind == sim.LogData && !onHost && len(e.Packet) > 4 && e.Packet[2] == 4 && e.Packet[3] == 0:
		tr.att = append(tr.att, fmt.Sprintf("%x", e.Packet[4:]))
	case e.Kind == sim.LogToController && e.Packet[0] == 1:
		switch op := hci.Opcode(uint16(e.Packet[1]) | uint16(e.Packet[2])<<8); op {
		case hci.OpLESetDataLength, hci.OpLESetPHY, hci.OpLEConnectionUpdate, hci.OpLEExtendedCreateConnection:
			tr.sent = append(tr.sent, command{e.Time, op, fmt.Sprintf("%x", e.Packet[4:])})
		}
	}
}

func (tr *trace) reset() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.links, tr.att, tr.sent = 0, nil, nil
}

// commands returns the commands that changed a link, with their times after begin, to
// the millisecond.
func (tr *trace) commands(begin time.Time) []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var got []string
	for _, c := range tr.sent {
		if c.op != hci.OpLEExtendedCreateConnection {
			got = append(got, fmt.Sprintf("%v %v", c.at.Sub(begin).Truncate(time.Millisecond), c.op))
		}
	}
	return got
}

// dials returns the parameters of the commands that connect, in hex.
func (tr *trace) dials() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var got []string
	for _, c := range tr.sent {
		if c.op == hci.OpLEExtendedCreateConnection {
			got = append(got, c.params)
		}
	}
	return got
}

// requests returns the ATT PDUs that have reached devices, in hex.
func (tr *trace) requests() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]string(nil), tr.att...)
}

func (tr *trace) countLinks() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.links
}

var (
	serial     = gatt.UUID16(0xFFE0)
	serialData = gatt.UUID16(0xFFE1)
)

// uart is the table of a device without Service Changed and without hash: GAP in 1 to 5,
// GATT in 6, the service FFE0 from 7, its value at 9, the CCCD at 10.
func uart() sim.Table {
	return sim.NewTable(sim.GenericAccess("uart"), sim.GenericAttribute(false, false), gatt.ServiceDef{
		UUID: serial, Characteristics: []gatt.CharDef{{
			UUID: serialData, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify, Value: []byte{0x11},
		}},
	})
}
