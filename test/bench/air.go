package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// airDevice is the address of the device on the air that serveAir serves.
var airDevice = hci.Addr{MAC: hci.MAC{0x01, 0x00, 0x00, 0xBE, 0xAC, 0xC0}, Kind: hci.AddrRandom}

// serveAir serves simulated air in real time at a TCP port of this machine, one after the
// other to each host that connects. Its device notifies values of 244 octets without a
// pause: as fast as the link has room for them.
func serveAir(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: bench air PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if err := serveHost(ctx, c); err != nil {
			return err
		}
	}
}

func serveHost(ctx context.Context, c net.Conn) error {
	air := sim.New(nil)
	defer air.Close()
	ctl := air.NewController(nil)
	services := []gatt.ServiceDef{{UUID: service, Characteristics: []gatt.CharDef{{UUID: stream, Properties: gatt.PropNotify}}}}
	_, err := air.NewPeripheral(ctx, &sim.PeripheralConfig{Address: airDevice, Services: services, Run: notifyAlways})
	if err != nil {
		return err
	}
	h := hcisock.NewStream(c)
	var both sync.WaitGroup
	both.Go(func() { carry(ctl, h); _ = ctl.Close(); _ = h.Close() })
	both.Go(func() { carry(h, ctl); _ = ctl.Close(); _ = h.Close() })
	both.Wait()
	return nil
}

func notifyAlways(ctx context.Context, p *sim.Peripheral) {
	h, _ := p.Server().Handle(service, stream)
	v := make([]byte, 244)
	for ctx.Err() == nil {
		if n, err := p.Server().Notify(ctx, h, v); n == 0 || err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // nobody has subscribed
			}
		}
	}
}

// carry carries packets until one side ends.
func carry(to, from hci.Transport) {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := from.ReadPacket(b)
		if err != nil || to.WritePacket(b[:n]) != nil {
			return
		}
	}
}
