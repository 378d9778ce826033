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

// serveEnv, when set, makes this test binary a process with a simulated
// controller, for one host at the Unix socket that it names. So the memory of
// the host's process is the stack's alone.
const serveEnv = "MOOR_FIGURES_SERVE"

// ready is what the process says on standard output when it can be connected to.
const ready = "ready"

// What is on the air of that process: devices whose advertisements come to
// 2,000 a second, and one that notifies without pause to whoever subscribes.
const (
	crowd         = 200
	crowdInterval = 100 * time.Millisecond
)

var loudAddress = hci.Addr{MAC: hci.MAC{0xF1, 0x00, 0x00, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}

// serve never returns.
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
