package main

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// packets are the packets of a central's adapter while it did something.
type packets struct {
	Commands, Events, Sent, Received int // HCI commands and events, ACL data packets
	Requests                         int // ATT requests of the central
}

// capture has btmon record all adapters while op runs, and counts the packets of one.
func capture(ctx context.Context, path string, adapter uint16, op func() error) (packets, error) {
	btmon := exec.CommandContext(ctx, "btmon", "-w", path)
	if err := btmon.Start(); err != nil {
		return packets{}, err
	}
	time.Sleep(time.Second) // btmon does not tell when it listens
	err := op()
	time.Sleep(time.Second)
	_ = btmon.Process.Signal(syscall.SIGINT)
	_ = btmon.Wait()
	if err != nil {
		return packets{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return packets{}, err
	}
	defer f.Close()
	var n packets
	for r, err := range hci.ReadSnoop(f) {
		if err != nil {
			return n, err
		}
		if r.Index == adapter {
			n.add(r)
		}
	}
	return n, nil
}

func (n *packets) add(r hci.SnoopRecord) {
	switch r.Packet[0] {
	case 1:
		n.Commands++
	case 4:
		n.Events++
	case 2:
		if !r.Sent {
			n.Received++
			return
		}
		n.Sent++
		// A first fragment has the L2CAP header behind that of ACL data; channel 4 is ATT.
		if p := r.Packet; len(p) > 9 && p[2]&0x30 != 0x10 && p[7] == 4 && p[8] == 0 && att.Opcode(p[9]).Kind() == att.KindRequest {
			n.Requests++
		}
	}
}
