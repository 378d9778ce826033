package connmgr_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/sim"
)

// day is a kept connection over a day of faults, with counts from other evidence than
// its status: the events of the Manager, the notifications of the device.
type day struct {
	*lab
	p   *sim.Peripheral
	rng *rand.Rand

	mu        sync.Mutex
	connected int
	ended     int // links
	failed    int // attempts
	last      int // failed attempts that no other one follows
	sent      int // notifications
	missed    int // values missed within interruptions
	received  int
	notices   int // interruptions
	states    map[connmgr.KeepState]time.Duration
}

// TestKeepForADay keeps a connection for 24 hours under faults of the adapters, of the
// device and of the air. Every count of the status equals that of other evidence, and no
// value is missed outside of an interruption that the program was told of.
func TestKeepForADay(t *testing.T) { inBubble(t, testKeepForADay) }

func testKeepForADay(t *testing.T) {
	d := &day{rng: rand.New(rand.NewPCG(seedOf(t), 11)), states: map[connmgr.KeepState]time.Duration{}}
	d.lab = newLab(t, connmgr.Config{StateDir: t.TempDir()}, nil, nil)
	d.p = d.put(&sim.PeripheralConfig{Name: "lamp", Address: address(1), Services: d.services()})
	d.countEvents()
	k := d.keep(1, nil)
	sub := k.Subscribe(battery, level, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { d.countValues(ctx, sub) })
	tasks.Go(func() { d.countStates(ctx, k) })
	tasks.Go(func() { d.notify(ctx) })
	begin := time.Now()
	faults := 0
	for time.Since(begin) < 24*time.Hour-30*time.Minute {
		d.spoil()
		faults++
	}
	time.Sleep(time.Until(begin.Add(24*time.Hour + 30*second))) // the last value has arrived
	k.await(connmgr.KeepReady)
	synctest.Wait()
	s := k.Status()
	cancel()
	tasks.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Establishes != d.connected || s.Drops != d.ended || s.Establishes != s.Drops+1 {
		t.Errorf("%d establishes and %d drops; the events have %d and %d", s.Establishes, s.Drops, d.connected, d.ended)
	}
	if s.Attempts != d.connected+d.failed || s.Failures != d.last {
		t.Errorf("%d attempts and %d failures; the events have %d and %d", s.Attempts, s.Failures, d.connected+d.failed, d.last)
	}
	if s.Rests != 0 || s.Subscribed != 1 || s.Subscriptions != 1 {
		t.Errorf("status %+v", s)
	}
	if d.received+d.missed != d.sent {
		t.Errorf("%d values received and %d missed of %d", d.received, d.missed, d.sent)
	}
	var sum time.Duration
	for _, in := range d.states {
		sum += in
	}
	if sum != time.Since(begin) || d.states[connmgr.KeepReady] < sum/2 {
		t.Errorf("the states %v have lasted %v of %v", d.states, sum, time.Since(begin))
	}
	t.Logf("%d faults: %d attempts, %d establishes, %d failures, %d drops, %d interruptions, %d of %d values; %v",
		faults, s.Attempts, s.Establishes, s.Failures, s.Drops, d.notices, d.received, d.sent, d.states)
	if s.Drops < 50 || s.Failures < 5 || d.missed == 0 {
		t.Error("the faults are not what they are meant to be")
	}
}

// services returns the table of the device, with other handles now and then.
func (d *day) services() []gatt.ServiceDef {
	all := []gatt.ServiceDef{sim.GenericAccess("lamp"), sim.GenericAttribute(true, true)}
	for range d.rng.IntN(3) {
		all = append(all, gatt.ServiceDef{UUID: gatt.UUID16(0xFE59), Characteristics: []gatt.CharDef{{UUID: gatt.UUID16(0xFE5A), Properties: gatt.PropRead}}})
	}
	return append(all, gatt.ServiceDef{UUID: battery, Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropNotify, Value: []byte{1}},
	}})
}

// spoil makes one fault, and waits for up to twenty minutes.
func (d *day) spoil() {
	minutes := func(n int) time.Duration { return time.Duration(d.rng.IntN(n*60)) * second }
	switch d.rng.IntN(6) {
	case 0, 1:
		i, away := d.rng.IntN(2), minutes(5)
		d.unplug(i)
		time.Sleep(away)
		d.plug(i)
	case 2:
		d.air.SetAway(d.p, true)
		time.Sleep(minutes(20))
		d.air.SetAway(d.p, false)
	case 3:
		d.air.SetTemper(d.p, sim.Temper{Rules: []sim.Rule{{On: sim.OnLink, Do: sim.HangUp, Delay: minutes(1), Until: minutes(10) + 1}}})
		d.loseLink()
	case 4:
		if err := d.p.Server().SetServices(d.t.Context(), d.services()); err != nil {
			d.t.Error(err)
		}
	case 5:
		d.air.SetPath(d.adapters[0], d.p, sim.Path{Loss: d.rng.Float64() / 2, RSSI: -80})
	}
	time.Sleep(minutes(20))
}

// loseLink lets the link fall silent until it is lost.
func (d *day) loseLink() {
	d.air.SetAway(d.p, true)
	time.Sleep(6 * second)
	d.air.SetAway(d.p, false)
}

// countEvents counts the events of the Manager until the test ends.
func (d *day) countEvents() {
	events := d.m.Events(context.Background())
	go func() {
		for ev := range events {
			d.mu.Lock()
			switch ev := ev.(type) {
			case connmgr.Connected:
				d.connected++
			case connmgr.Disconnected:
				// Links of attempts that have failed end before they are handed over.
				if d.ended < d.connected {
					d.ended++
				}
			case connmgr.AttemptFailed:
				d.failed++
				if ev.Last {
					d.last++
				}
			}
			d.mu.Unlock()
		}
	}()
}

// countStates adds up the time in each state.
func (d *day) countStates(ctx context.Context, k *keeper) {
	var last connmgr.KeepStatus
	add := func(until time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.states[last.State] += until.Sub(last.Since)
	}
	for s := range k.Watch(ctx) {
		if last.State != "" && s.State != last.State {
			add(s.Since)
		}
		if s.State != last.State {
			last = s
		}
	}
	add(time.Now())
}

// notify sends the number of each value that goes to a subscriber, once a minute.
func (d *day) notify(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		next := d.sent + 1
		d.mu.Unlock()
		h, _ := d.p.Server().Handle(battery, level)
		n, _ := d.p.Server().Notify(ctx, h, []byte{byte(next), byte(next >> 8)})
		d.mu.Lock()
		d.sent += n
		d.mu.Unlock()
	}
}

// countValues checks that values are missed only within interruptions.
func (d *day) countValues(ctx context.Context, sub *connmgr.KeptSubscription) {
	last, told := 0, false
	for v, err := range sub.All(ctx) {
		if errors.As(err, new(*connmgr.InterruptedError)) {
			d.mu.Lock()
			d.notices++
			d.mu.Unlock()
			told = true
			continue
		}
		if err != nil {
			return
		}
		got := int(v.Data[0]) | int(v.Data[1])<<8
		d.mu.Lock()
		if got != last+1 && !told {
			d.t.Errorf("value %d after %d, and no interruption between them", got, last)
		}
		d.received++
		d.missed += got - last - 1
		last, told = got, false
		d.mu.Unlock()
	}
}
