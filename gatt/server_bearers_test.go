package gatt_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
	"github.com/moor-ble/moor/internal/gatttest"
)

// serveBearers runs a session with n enhanced bearers.
func serveBearers(t *testing.T, srv *gatt.Server, n int) (*gatt.Session, *atttest.Channel, []*atttest.Enhanced) {
	t.Helper()
	s := srv.NewSession(gatt.PeerInfo{Enhanced: true})
	ch := atttest.New(t, nil)
	b := att.NewBearer(ch, &att.Config{Requests: s})
	ch.Attach(b)
	ch.Do(func(now time.Time) { s.Bind(now, b) })
	es := make([]*atttest.Enhanced, n)
	for i := range es {
		es[i] = ch.NewEnhanced(64)
		es[i].Attach(func(now time.Time) atttest.Protocol { return b.AddEnhanced(now, es[i]) })
	}
	return s, ch, es
}

// A handler keeps its bearer busy, not the others. Each bearer has its own queue of
// prepared writes, and ends with it.
func TestServerBearers(t *testing.T) { synctest.Test(t, testServerBearers) }

func testServerBearers(t *testing.T) {
	go1, running := make(chan struct{}), 0
	p := &program{
		read: func(ctx context.Context, _ *gatt.ReadRequest) ([]byte, error) {
			running++
			select {
			case <-go1:
			case <-ctx.Done():
			}
			return []byte{7}, nil
		},
	}
	_, ch, es := serveBearers(t, newServer(t, p.config()), 2)
	es[0].Receive("0a 0300")
	ch.Receive("0a 0600")
	ch.Want("0b 6b657074")
	es[1].Receive("0a 0300")
	synctest.Wait()
	if running != 2 {
		t.Errorf("%d handlers run, want one for each bearer", running)
	}
	es[0].WantIdle()
	es[1].WantIdle()
	close(go1)
	es[0].Want("0b 07")
	es[1].Want("0b 07")

	es[0].Receive("16 0600 0000 6161")
	es[0].Want("17 0600 0000 6161")
	es[1].Receive("16 0600 0000 6262")
	es[1].Want("17 0600 0000 6262")
	ch.Receive("18 01", "0a 0600")
	ch.Want("19", "0b 6b657074") // its own queue is empty
	es[1].Disconnect(atttest.ErrDisconnected)
	es[0].Receive("18 01", "0a 0600")
	es[0].Want("19", "0b 6161")
	ch.WantIdle()
}

// The end of a bearer ends what its handler was to answer, not the session.
func TestServerBearerEnds(t *testing.T) { synctest.Test(t, testServerBearerEnds) }

func testServerBearerEnds(t *testing.T) {
	proceed := make(chan struct{})
	p := &program{read: func(context.Context, *gatt.ReadRequest) ([]byte, error) { <-proceed; return []byte{7}, nil }}
	_, ch, es := serveBearers(t, newServer(t, p.config()), 1)
	es[0].Receive("0a 0300", "0a 0600")
	es[0].Disconnect(atttest.ErrDisconnected)
	close(proceed)
	es[0].WantIdle()
	ch.Receive("0a 0600")
	ch.Want("0b 6b657074")
	ch.WantIdle()
}

// A client that does not know the table is refused on each bearer, until a request on a
// bearer shows that it has the answer there.
func TestServerChangeOnBearers(t *testing.T) { synctest.Test(t, testServerChangeOnBearers) }

func testServerChangeOnBearers(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	s, ch, es := serveBearers(t, srv, 2)
	ch.Receive("12 0b00 01")
	ch.Want("13")
	setServices(t, srv, withoutVendor())
	es[0].Receive("0a 0300")
	es[0].Want("01 0a 0300 12")
	es[1].Receive("0a 0300") // sent before the client knew
	es[1].Want("01 0a 0300 12")
	ch.Receive("52 1d00 05")
	if s.Dropped() != 1 {
		t.Errorf("%d commands dropped, want 1", s.Dropped())
	}
	es[1].Receive("0a 0300") // it knows now
	es[1].Want("0b 6d6f6f72")
	ch.Receive("0a 0300")
	ch.Want("0b 6d6f6f72")
}

// Server Supported Features state enhanced bearers where the link has them.
func TestServerFeatures(t *testing.T) {
	for _, test := range []struct {
		enhanced bool
		want     string
	}{{false, "09 03 0f00 00"}, {true, "09 03 0f00 01"}} {
		w := newWire(t, newServer(t, nil), 23, gatt.PeerInfo{Enhanced: test.enhanced})
		w.receive("08 0100 ffff 3a2b", test.want)
	}
}

// Values of a characteristic are indicated in order, others beside them.
func TestServerIndicatesOnBearers(t *testing.T) { synctest.Test(t, testServerIndicatesOnBearers) }

func testServerIndicatesOnBearers(t *testing.T) {
	const rw = gatt.PropRead | gatt.PropIndicate
	srv := newServer(t, &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x1815),
		Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A56), Properties: rw}, {UUID: gatt.UUID16(0x2A58), Properties: rw},
		},
	}}})
	s, ch, es := serveBearers(t, srv, 1)
	es[0].Receive("12 0400 0200", "12 0700 0200") // subscriptions are of the client
	es[0].Want("13", "13")
	errs := make(chan error, 3)
	for _, v := range []struct {
		h att.Handle
		b byte
	}{{3, 1}, {3, 2}, {6, 3}} {
		go func() { errs <- s.Indicate(t.Context(), v.h, []byte{v.b}) }()
		synctest.Wait()
	}
	ch.Want("1d 0300 01")
	es[0].Want("1d 0600 03")
	es[0].Receive("1e")
	es[0].WantIdle()
	ch.Receive("1e")
	ch.Want("1d 0300 02")
	ch.Receive("1e")
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
