package figures

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// serveEnv is an environment variable with the path of a Unix socket. If it is set, this
// test binary is a process with a simulated controller for one host at that socket. The
// memory of the host's process is then only that of the stack.
const serveEnv = "MOOR_FIGURES_SERVE"

// ready is the output of the process once it accepts connections.
const ready = "ready"

// The air of that process has devices that send 2,000 advertisements per second
// together, and one device that notifies every subscriber without pause.
const (
	crowd         = 200
	crowdInterval = 100 * time.Millisecond
)

var loudAddress = hci.Addr{MAC: hci.MAC{0xF1, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}

// serve runs the process. It does not return.
func serve(path string) {
	if err := serveOne(path); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveOne(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	ctl, err := fillAir()
	if err != nil {
		return err
	}
	fmt.Println(ready)
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	// H4 is the same in both directions. The first side to end ends both.
	host := hcisock.NewStream(conn)
	ended := make(chan error, 2)
	go func() { ended <- copyPackets(host, ctl) }()
	go func() { ended <- copyPackets(ctl, host) }()
	<-ended
	return nil
}

func copyPackets(to, from hci.Transport) error {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := from.ReadPacket(b)
		if err != nil {
			return err
		}
		if err := to.WritePacket(b[:n]); err != nil {
			return err
		}
	}
}

func fillAir() (*sim.Controller, error) {
	air := sim.New(nil)
	ctl := air.NewController(nil)
	data := append([]byte{2, 1, 6, 27, 0xFF, 0xFF, 0xFF}, make([]byte, 24)...)
	for range crowd {
		air.NewRawPeer(&sim.RawPeerConfig{Type: hci.AdvNonconnInd, Interval: crowdInterval, AdvData: data})
	}
	_, err := air.NewPeripheral(context.Background(), &sim.PeripheralConfig{
		Address:  loudAddress,
		Services: []gatt.ServiceDef{{UUID: storm, Characteristics: []gatt.CharDef{{UUID: drops, Properties: gatt.PropNotify}}}},
		Run:      notifyAlways,
	})
	return ctl, err
}
