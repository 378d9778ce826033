package simreport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// contender is a way to connect to the devices of a world.
type contender interface {
	// Open starts the adapters. rssi is the signal strength of each target at each
	// adapter, in dBm.
	Open(ctx context.Context, adapters []*sim.Controller, rssi [][]int8) error
	// Connect brings a target to ready. release ends its link.
	Connect(ctx context.Context, target int) (release func(), err error)
	Close() error
}

// outcome is the result of one world.
type outcome struct {
	Ready []time.Duration // time to ready of each target; 0 for those that failed
	Radio time.Duration   // for which the adapters' radios were listening or on air
}

// Run runs one world with one contender. It must be called in a synctest bubble.
func (s *scenario) Run(ctx context.Context, seed uint64, way contender) (o outcome, err error) {
	p := s.plan(seed)
	air := sim.New(&sim.Config{Seed: seed})
	defer air.Close()
	adapters := make([]*sim.Controller, s.Adapters)
	for i := range adapters {
		adapters[i] = air.NewController(s.adapter())
	}
	for n := range s.Targets {
		dev := s.addTarget(air, adapters, n)
		for a, c := range adapters {
			air.SetPath(c, dev, sim.Path{Loss: p.loss[a][n], RSSI: p.rssi[a][n]})
		}
		if d := p.away[n]; d > 0 {
			air.SetAway(dev, true)
			time.AfterFunc(d, func() { air.SetAway(dev, false) })
		}
		air.SetTemper(dev, p.tempers[n])
	}
	for n := range s.Beacons {
		air.NewRawPeer(&sim.RawPeerConfig{Address: address(1000 + n), AdvData: []byte{2, 1, 6}, ScanResponse: []byte{2, 9, 'b'}})
	}
	if err := way.Open(ctx, adapters, p.rssi); err != nil {
		return o, err
	}
	for a, fs := range p.faults {
		for _, f := range fs {
			if p.after > 0 {
				time.AfterFunc(p.after, func() { adapters[a].Fault(f) })
			} else {
				adapters[a].Fault(f)
			}
		}
	}
	synctest.Wait() // else chance decides which of the first commands goes first
	o.Ready = make([]time.Duration, s.Targets)
	radio := radioTime(adapters)
	begin := time.Now()
	var wg sync.WaitGroup
	for n := range s.Targets {
		wg.Go(func() {
			release, err := way.Connect(ctx, n)
			if err != nil {
				return
			}
			o.Ready[n] = time.Since(begin)
			time.Sleep(s.Hold)
			release()
		})
	}
	wg.Wait()
	o.Radio = radioTime(adapters) - radio
	for i, c := range adapters {
		if st := c.Stats(); st.Crowding != 0 || st.Overruns != 0 || st.BadPackets != 0 {
			err = errors.Join(err, fmt.Errorf("%s, seed %d: adapter %d: %+v", s.Name, seed, i, st))
		}
	}
	return o, errors.Join(err, way.Close())
}

func radioTime(adapters []*sim.Controller) (d time.Duration) {
	for _, c := range adapters {
		u := c.Stats().Radio
		d += u.Listening + u.OnAir
	}
	return d
}

// addTarget adds a sensor with a table of common size.
func (s *scenario) addTarget(air *sim.Air, adapters []*sim.Controller, n int) *sim.Device {
	chr := func(u uint16) gatt.CharDef {
		return gatt.CharDef{UUID: gatt.UUID16(u), Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{byte(n)}}
	}
	cfg := &sim.DeviceConfig{Name: fmt.Sprintf("sensor %d", n), Address: address(n), Table: sim.NewTable(
		gatt.ServiceDef{UUID: gatt.UUID16(0x1800), Characteristics: []gatt.CharDef{chr(0x2A00), chr(0x2A01)}},
		gatt.ServiceDef{UUID: gatt.UUID16(0x1801), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A05), Properties: gatt.PropIndicate}, {UUID: gatt.UUID16(0x2B2A), Properties: gatt.PropRead, Value: make([]byte, 16)},
		}},
		gatt.ServiceDef{UUID: gatt.UUID16(0x180A), Characteristics: []gatt.CharDef{chr(0x2A29), chr(0x2A24), chr(0x2A26)}},
		gatt.ServiceDef{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{chr(0x2A19)}},
		gatt.ServiceDef{UUID: gatt.UUID16(0x181A), Characteristics: []gatt.CharDef{chr(0x2A6E), chr(0x2A6F), chr(0x2A6D)}},
	)}
	if s.Directed {
		cfg.Peer = &sim.RawPeerConfig{Type: hci.AdvDirectIndLow, Target: adapters[0].Address(), Interval: time.Second}
	}
	return air.NewDevice(cfg)
}
