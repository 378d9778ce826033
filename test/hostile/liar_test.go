package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci/hcitest"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// liarRuns is how many controllers TestHostOverALiar meets. MOOR_SOAK overrides it.
const liarRuns = 30

// TestHostOverALiar lets several users work with a host, as central and as peripheral,
// whose controller reports anything. No call outlives its context, Close comes back at any
// moment, and afterwards every link is down and nothing runs any more.
func TestHostOverALiar(t *testing.T) {
	runs := liarRuns
	if v := os.Getenv("MOOR_SOAK"); v != "" {
		var err error
		if runs, err = strconv.Atoi(v); err != nil {
			t.Fatalf("MOOR_SOAK=%s: %v", v, err)
		}
	}
	for seed := range uint64(runs) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testHostOverALiar(t, seed) })
		})
		if !ok {
			return
		}
	}
}

func testHostOverALiar(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	tr, ctl := hcitest.Pipe()
	l := newLiar(ctl, rand.New(rand.NewPCG(seed, 2)))
	ctx, stop := context.WithCancel(t.Context())
	var lies sync.WaitGroup
	lies.Go(func() { l.run(ctx) })
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{
		{UUID: level, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify | gatt.PropIndicate, Value: []byte{77}, MaxLen: 512},
		{UUID: gatt.UUID16(0x2A1A), Properties: gatt.PropRead | gatt.PropWrite, Write: func(context.Context, *gatt.WriteRequest) error {
			time.Sleep(time.Second)
			return nil
		}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(t.Context(), tr, &host.Config{Server: srv, SMP: &smp.Config{AllowLegacy: r.IntN(2) == 0, Privacy: r.IntN(2) == 0, MaxBonds: 3}})
	if err != nil {
		t.Fatal(err)
	}
	l.lies.Store(true)
	w := &liarWorld{t: t, h: h, srv: srv, peers: l.peers}
	stopUsers := make(chan struct{})
	var users sync.WaitGroup
	for n := range uint64(5) {
		users.Go(func() { w.use(rand.New(rand.NewPCG(seed, 10+n)), stopUsers) })
	}
	end := time.Duration(1+r.IntN(60)) * time.Second
	select {
	case <-time.After(end):
	case <-h.Done():
	}
	if r.IntN(4) == 0 {
		ctl.Fail(errors.New("unplugged"))
	}
	begin := time.Now()
	if err := h.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Close took %v", took)
	}
	close(stopUsers)
	begin = time.Now()
	users.Wait()
	if took := time.Since(begin); took > 0 {
		t.Errorf("the users' calls came back %v after Close", took)
	}
	stop()
	lies.Wait()
	srv.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		select {
		case <-c.Done():
		default:
			t.Errorf("the link to %v is up after Close", c.Peer())
		}
	}
	if n := len(h.Controller().Links()); n != 0 || h.Err() == nil {
		t.Errorf("%d links after Close, end of the host: %v", n, h.Err())
	}
	time.Sleep(time.Minute) // timers of the controller end
}
