package att_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// newEnhanced returns a bearer with n enhanced ones of MTU 64 beside it, which have
// passed their trial.
func newEnhanced(t *testing.T, n int) (*att.Bearer, *atttest.Channel, []*atttest.Enhanced) {
	t.Helper()
	b, ch := newBearer(t, nil)
	es := addEnhanced(t, b, ch, n)
	done := prove(b)
	for _, e := range es {
		e.Want("0a 0900")
		e.Receive("0b 01")
	}
	if err := returned(t, done); err != nil || b.EnhancedBearers() != n {
		t.Fatalf("%d bearers, %v", b.EnhancedBearers(), err)
	}
	// Commands from before the enhanced bearers would count until an answer proves them.
	first := start(t.Context(), b, att.ReadReq{Handle: 9})
	ch.Want("0a 0900")
	ch.Receive("0b 01")
	returned(t, first)
	return b, ch, es
}

func addEnhanced(t *testing.T, b *att.Bearer, ch *atttest.Channel, n int) []*atttest.Enhanced {
	t.Helper()
	var es []*atttest.Enhanced
	for range n {
		e := ch.NewEnhanced(64)
		e.Attach(func(now time.Time) atttest.Protocol { return b.AddEnhanced(now, e) })
		es = append(es, e)
	}
	return es
}

func prove(b *att.Bearer) <-chan error {
	done := make(chan error, 1)
	go func() { done <- b.ProveEnhanced(context.Background(), 9) }()
	synctest.Wait()
	return done
}

func TestRequestsAreSpread(t *testing.T) { bubble(testRequestsAreSpread)(t) }

func testRequestsAreSpread(t *testing.T) {
	b, ch, es := newEnhanced(t, 2)
	var reads []<-chan result[att.ReadRsp]
	for h := range att.Handle(4) {
		reads = append(reads, start(t.Context(), b, att.ReadReq{Handle: h + 1}))
	}
	ch.Want("0a 0100")
	es[0].Want("0a 0200")
	es[1].Want("0a 0300")
	es[1].Receive("0b 33")
	es[1].Want("0a 0400")
	es[0].Receive("0b 32")
	ch.Receive("0b 31")
	es[1].Receive("01 0a 0400 02") // Read Not Permitted
	for i, want := range []string{"31", "32", "33"} {
		if r := returned(t, reads[i]); r.err != nil || fmt.Sprintf("%x", r.rsp.Value) != want {
			t.Errorf("read %d: %x, %v", i, r.rsp.Value, r.err)
		}
	}
	if r := returned(t, reads[3]); !errors.Is(r.err, att.CodeReadNotPermitted) {
		t.Errorf("fourth read: %v", r.err)
	}
	ch.WantIdle()
	es[0].WantIdle()
}

// What only the unenhanced bearer may carry waits for it; what comes behind does not.
func TestUnenhancedAlone(t *testing.T) { bubble(testUnenhancedAlone)(t) }

func testUnenhancedAlone(t *testing.T) {
	b, ch, es := newEnhanced(t, 1)
	start(t.Context(), b, att.ReadReq{Handle: 1})
	ch.Want("0a 0100")
	start(t.Context(), b, att.PrepareWriteReq{Handle: 2, Value: []byte{1}})
	start(t.Context(), b, att.ExchangeMTUReq{MTU: 100})
	start(t.Context(), b, att.ReadReq{Handle: 3})
	es[0].Want("0a 0300")
	start(t.Context(), b, att.WriteReq{Handle: 2, Value: []byte{2}}) // behind the part of its attribute
	es[0].Receive("0b 00")
	es[0].WantIdle()
	ch.WantIdle()
	ch.Receive("0b 00")
	ch.Want("16 0200 0000 01")
	es[0].WantIdle()
	ch.Receive("17 0200 0000 01")
	ch.Want("02 6400")
	es[0].Want("12 0200 02")
}

// Requests and commands for one attribute keep their order if one of them writes.
func TestOrderOfOneAttribute(t *testing.T) { bubble(testOrderOfOneAttribute)(t) }

func testOrderOfOneAttribute(t *testing.T) {
	b, ch, es := newEnhanced(t, 1)
	command := func(h att.Handle, v byte) {
		go func() { _ = b.WriteCommand(context.Background(), nil, h, []byte{v}) }()
		synctest.Wait()
	}
	start(t.Context(), b, att.ReadReq{Handle: 7})
	ch.Want("0a 0700")
	start(t.Context(), b, att.WriteReq{Handle: 1, Value: []byte{1}})
	es[0].Want("12 0100 01")
	start(t.Context(), b, att.WriteReq{Handle: 1, Value: []byte{2}})
	start(t.Context(), b, att.ReadReq{Handle: 1})
	command(1, 3) // behind both
	command(2, 4) // behind the other command
	ch.Receive("0b 00")
	ch.WantIdle() // handle 1 is busy elsewhere
	es[0].Receive("13")
	ch.Want("12 0100 02")
	es[0].WantIdle()
	ch.Receive("13")
	ch.Want("0a 0100", "52 0100 03", "52 0200 04") // the same bearer keeps the order
	start(t.Context(), b, att.ReadReq{Handle: 1})
	es[0].WantIdle() // the peer may not have carried out the command
	ch.Receive("0b 02")
	ch.Want("0a 0100")
	start(t.Context(), b, att.ReadReq{Handle: 2})
	start(t.Context(), b, att.ReadReq{Handle: 5})
	es[0].Want("0a 0500")
	ch.Receive("0b 03") // proves both commands
	ch.Want("0a 0200")
	start(t.Context(), b, att.ReadReq{Handle: 1})
	es[0].Receive("0b 05")
	es[0].Want("0a 0100")
}

// Random callers write values and read them back on a peer that answers at random.
// The values of each attribute arrive in the order of the calls.
func TestOrderUnderLoad(t *testing.T) {
	for seed := range uint64(20) {
		bubble(func(t *testing.T) { testOrderUnderLoad(t, seed) })(t)
	}
}

func testOrderUnderLoad(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	got, want := map[byte][]byte{}, map[byte][]byte{}
	link := newManyBearers(t, 1+rnd.IntN(5))
	open := make([][][]byte, len(link.es)+1) // by bearer, each in order
	serve := func() (served bool) {
		for at, pdu := range link.takeSent() {
			open[at] = append(open[at], pdu)
		}
		for _, at := range rnd.Perm(len(open)) {
			if len(open[at]) > 0 {
				link.answer(at, open[at][0], got)
				open[at] = open[at][1:]
				return true
			}
		}
		return false
	}
	for range 300 {
		switch h := byte(1 + rnd.IntN(3)); rnd.IntN(4) {
		case 0:
			v := byte(len(want[h]))
			want[h] = append(want[h], v)
			start(t.Context(), link.b, att.WriteReq{Handle: att.Handle(h), Value: []byte{v}})
		case 1:
			v := byte(len(want[h]))
			want[h] = append(want[h], v)
			go func() { _ = link.b.WriteCommand(context.Background(), nil, att.Handle(h), []byte{v}) }()
			synctest.Wait()
		case 2:
			start(t.Context(), link.b, att.ReadReq{Handle: att.Handle(h)})
		case 3:
			serve()
		}
	}
	for serve() {
	}
	for h := range want {
		if !slices.Equal(got[h], want[h]) {
			t.Errorf("seed %d: attribute %d got % x, want % x", seed, h, got[h], want[h])
		}
	}
}

// A peer that answers on another bearer, or answers where nothing was asked, costs
// the enhanced bearers. The requests go on over the unenhanced one.
func TestWrongBearer(t *testing.T) {
	for _, test := range []struct {
		name  string
		wrong func(ch *atttest.Channel, es []*atttest.Enhanced)
	}{
		{"answer on the unenhanced bearer", func(ch *atttest.Channel, _ []*atttest.Enhanced) { ch.Receive("0b 22") }},
		{"answer on another enhanced bearer", func(_ *atttest.Channel, es []*atttest.Enhanced) { es[1].Receive("0b 22") }},
		{"error on the unenhanced bearer", func(ch *atttest.Channel, _ []*atttest.Enhanced) { ch.Receive("01 0a 0200 02") }},
		{"answer to another request", func(_ *atttest.Channel, es []*atttest.Enhanced) { es[0].Receive("13") }},
		{"confirmation of nothing", func(_ *atttest.Channel, es []*atttest.Enhanced) { es[0].Receive("1e") }},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch, es := newEnhanced(t, 2)
			first := start(t.Context(), b, att.ReadReq{Handle: 1})
			second := start(t.Context(), b, att.ReadReq{Handle: 2})
			ch.Want("0a 0100")
			es[0].Want("0a 0200")
			ch.Receive("0b 11")
			returned(t, first)
			test.wrong(ch, es)
			for _, e := range es {
				if e.Closed() == nil {
					t.Error("an enhanced bearer is left")
				}
			}
			ch.Want("0a 0200") // again
			ch.Receive("0b 22")
			if r := returned(t, second); r.err != nil || r.rsp.Value[0] != 0x22 {
				t.Errorf("second read: %x, %v", r.rsp.Value, r.err)
			}
			select {
			case <-b.EnhancedFailed():
			default:
				t.Error("not told")
			}
			if !errors.Is(b.EnhancedErr(), att.ErrWrongBearer) || ch.Closed() != nil || b.Err() != nil {
				t.Errorf("enhanced bearers %v, link %v", b.EnhancedErr(), ch.Closed())
			}
		}))
	}
}

// A write whose bearer is lost may have been carried out: it is not sent again.
func TestLostWrite(t *testing.T) { bubble(testLostWrite)(t) }

func testLostWrite(t *testing.T) {
	b, ch, es := newEnhanced(t, 1)
	first := start(t.Context(), b, att.ReadReq{Handle: 1})
	write := start(t.Context(), b, att.WriteReq{Handle: 2, Value: []byte{1}})
	next := start(t.Context(), b, att.WriteReq{Handle: 2, Value: []byte{2}})
	es[0].Want("12 0200 01")
	es[0].Disconnect(atttest.ErrDisconnected)
	if r := returned(t, write); !errors.Is(r.err, att.ErrBearerLost) || !errors.Is(r.err, atttest.ErrDisconnected) {
		t.Errorf("write: %v", r.err)
	}
	ch.Want("0a 0100")
	ch.Receive("0b 00")
	ch.Want("12 0200 02")
	ch.Receive("13")
	returned(t, first)
	if r := returned(t, next); r.err != nil || b.EnhancedErr() != nil || b.EnhancedBearers() != 0 {
		t.Errorf("next write: %v; %v, %d bearers", r.err, b.EnhancedErr(), b.EnhancedBearers())
	}
}

// No answer for 30 s costs the bearer, not the link nor the other bearers.
func TestEnhancedTimeout(t *testing.T) { bubble(testEnhancedTimeout)(t) }

func testEnhancedTimeout(t *testing.T) {
	b, ch, es := newEnhanced(t, 2)
	start(t.Context(), b, att.ReadReq{Handle: 1})
	begin := time.Now()
	lost := start(t.Context(), b, att.ReadReq{Handle: 2})
	es[0].Want("0a 0200")
	ch.Receive("0b 00")
	r := <-lost
	if took := time.Since(begin); !errors.Is(r.err, att.ErrTransactionTimeout) || took != 30*time.Second {
		t.Errorf("%v after %v", r.err, took)
	}
	synctest.Wait()
	if es[0].Closed() == nil || es[1].Closed() != nil || ch.Closed() != nil || b.EnhancedBearers() != 1 || b.EnhancedErr() != nil {
		t.Errorf("bearers %v, %v, link %v", es[0].Closed(), es[1].Closed(), ch.Closed())
	}
	es[0].Receive("0b 00") // an answer after the end has no effect
	ch.Want("0a 0100")
	start(t.Context(), b, att.ReadReq{Handle: 3})
	start(t.Context(), b, att.ReadReq{Handle: 4})
	ch.Want("0a 0300")
	es[1].Want("0a 0400")
}

// A peer that fails the trial loses the enhanced bearers; requests wait meanwhile.
func TestTrial(t *testing.T) {
	for _, test := range []struct {
		name string
		peer func(ch *atttest.Channel, es []*atttest.Enhanced)
		took time.Duration
		want error
	}{
		{"silence", func(*atttest.Channel, []*atttest.Enhanced) {}, 10 * time.Second, att.ErrTransactionTimeout},
		{"answer elsewhere", func(ch *atttest.Channel, _ []*atttest.Enhanced) { ch.Receive("0b 01") }, 0, att.ErrWrongBearer},
		{"answer crossed", func(_ *atttest.Channel, es []*atttest.Enhanced) { es[1].Receive("0b 01") }, 0, att.ErrWrongBearer},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, nil)
			first := start(t.Context(), b, att.ReadReq{Handle: 1})
			es := addEnhanced(t, b, ch, 2)
			begin := time.Now()
			done := prove(b)
			ch.Want("0a 0100")
			es[0].WantIdle() // no trial beside a request
			ch.Receive("0b 00")
			returned(t, first)
			es[0].Want("0a 0900")
			second := start(t.Context(), b, att.ReadReq{Handle: 2})
			ch.WantIdle() // nor a request beside a trial
			test.peer(ch, es)
			if err := <-done; !errors.Is(err, test.want) || !errors.Is(b.EnhancedErr(), test.want) || time.Since(begin) != test.took {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
			synctest.Wait()
			if es[0].Closed() == nil || es[1].Closed() == nil {
				t.Error("a bearer is left")
			}
			ch.Want("0a 0200")
			ch.Receive("0b 00")
			returned(t, second)
		}))
	}
}

// A trial whose caller has returned before it was sent proves nothing.
func TestTrialGivenUp(t *testing.T) { bubble(testTrialGivenUp)(t) }

func testTrialGivenUp(t *testing.T) {
	b, ch := newBearer(t, nil)
	start(t.Context(), b, att.ReadReq{Handle: 1})
	es := addEnhanced(t, b, ch, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := b.ProveEnhanced(ctx, 9); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ch.Want("0a 0100")
	ch.Receive("0b 00")
	start(t.Context(), b, att.ReadReq{Handle: 2})
	start(t.Context(), b, att.ReadReq{Handle: 3})
	ch.Want("0a 0200")
	es[0].WantIdle()
	if b.EnhancedBearers() != 0 {
		t.Error("the bearer is in use")
	}
}

// The peer's requests and indications are answered on their bearer.
func TestPeerOnEnhanced(t *testing.T) { bubble(testPeerOnEnhanced)(t) }

func testPeerOnEnhanced(t *testing.T) {
	h := &handler{hold: true}
	b, ch := newBearer(t, &att.Config{Requests: h})
	b.SetNotifyHandler(h)
	var all []*att.Bearer
	es := make([]*atttest.Enhanced, 2)
	for i := range es {
		es[i] = ch.NewEnhanced(64)
		es[i].Attach(func(now time.Time) atttest.Protocol {
			all = append(all, b.AddEnhanced(now, es[i]))
			return all[i]
		})
	}
	es[0].Receive("0a 0100", "1b 0200 aa")
	es[1].Receive("02 0002", "52 0300 bb")
	es[1].Want("01 02 0000 06") // no MTU exchange on an enhanced bearer
	h.want(t, ch, "request 0a0100", "notification 0x0002 aa", "command 520300bb")
	ch.Do(func(time.Time) { all[0].Reply(atttest.Hex(t, "0b 01")) })
	es[0].Want("0b 01")
	es[0].Receive("1d 0400 cc")
	ch.Receive("1d 0500 dd")
	h.want(t, ch, "indication 0x0004 cc", "indication 0x0005 dd")
	ch.WantIdle()
	es[0].WantIdle()
	ch.Do(func(time.Time) { b.Confirm() })
	ch.Want("1e")
	es[0].Want("1e")
	es[1].WantIdle()
	es[0].Receive("0a 0100", "0a 0100", "0a 0100", "0a 0100", "0a 0100", "0a 0100")
	if _, ok := errors.AsType[*att.ProtocolError](es[0].Closed()); !ok || ch.Closed() != nil {
		t.Errorf("a peer that sends six requests: bearer %v, link %v", es[0].Closed(), ch.Closed())
	}
	ch.Disconnect(nil)
	if h.down != 3 {
		t.Errorf("%d bearers have ended, want 3", h.down)
	}
}

// Indications of different values go to idle bearers, those of one value in order.
func TestIndicationsAreSpread(t *testing.T) { bubble(testIndicationsAreSpread)(t) }

func testIndicationsAreSpread(t *testing.T) {
	b, ch := newBearer(t, nil)
	es := addEnhanced(t, b, ch, 1) // a client may use it without this side's trial
	indicate := func(h att.Handle, v byte) <-chan error {
		done := make(chan error, 1)
		go func() { done <- b.Indicate(t.Context(), att.HandleValueIndication{Handle: h, Value: []byte{v}}) }()
		synctest.Wait()
		return done
	}
	one, two, three := indicate(1, 1), indicate(1, 2), indicate(2, 3)
	ch.Want("1d 0100 01")
	es[0].Want("1d 0200 03")
	es[0].Receive("1e")
	es[0].WantIdle()
	if err := returned(t, three); err != nil {
		t.Error(err)
	}
	ch.Receive("1e")
	ch.Want("1d 0100 02")
	ch.Receive("1e")
	if err := errors.Join(returned(t, one), returned(t, two)); err != nil {
		t.Error(err)
	}
}

// A bearer without room for a PDU, for lack of credits, is not idle.
func TestNoRoomOnEnhanced(t *testing.T) { bubble(testNoRoomOnEnhanced)(t) }

func testNoRoomOnEnhanced(t *testing.T) {
	b, ch, es := newEnhanced(t, 1)
	es[0].SetFull(true)
	start(t.Context(), b, att.ReadReq{Handle: 1})
	start(t.Context(), b, att.ReadReq{Handle: 2})
	ch.Want("0a 0100")
	es[0].WantIdle()
	es[0].SetFull(false)
	es[0].Want("0a 0200")
	es[0].Receive("0b" + strings.Repeat("11", 63))
	if b.LeastMTU() != 23 || b.MTU() != 23 {
		t.Errorf("MTU %d, at least %d", b.MTU(), b.LeastMTU())
	}
}
