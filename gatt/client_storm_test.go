package gatt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// stormRuns is how many peers TestClientInAStorm meets. MOOR_SOAK overrides it.
const stormRuns = 40

// TestClientInAStorm lets several users work with a peer that answers rightly most
// of the time, and otherwise late, twice, with errors, with garbage, with nothing,
// or with values and changes that nobody asked for. No call outlives its context.
// A value that was read from right answers alone is whole.
func TestClientInAStorm(t *testing.T) {
	runs := stormRuns
	if v := os.Getenv("MOOR_SOAK"); v != "" {
		var err error
		if runs, err = strconv.Atoi(v); err != nil {
			t.Fatalf("MOOR_SOAK=%s: %v", v, err)
		}
	}
	for seed := range uint64(runs) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testClientInAStorm(t, seed) })
		})
		if !ok {
			return
		}
	}
}

// stormPeer answers at random. It belongs to the loop, except for the atomics.
type stormPeer struct {
	*peer
	r        *rand.Rand
	asked    bool         // for the MTU
	tampered atomic.Int64 // answers that were not right, and changes of the table
	silent   atomic.Bool  // a request stays unanswered
}

const (
	longValue  att.Handle = 3
	shortValue att.Handle = 5
	setting    att.Handle = 7
	stormSC    att.Handle = 12
)

func newStormPeer(r *rand.Rand) *stormPeer {
	b := newTable()
	b.service(u16(0xFF01)).
		char(u16(0x2A1A), propR, bytes.Repeat([]byte("long"), 75)).
		char(u16(0x2A1B), propR, make([]byte, 22)).
		char(u16(0x2A1C), propR|propW|propN, []byte{1}).desc(0x2902)
	b.service(u16(0x1801)).char(u16(0x2A05), propI, nil).desc(0x2902)
	return &stormPeer{peer: newPeer(b, []int{23, 64, 185, 247, 517}[r.IntN(5)]), r: r}
}

func (p *stormPeer) octets(most int) []byte {
	b := make([]byte, p.r.IntN(most+1))
	for i := range b {
		b[i] = byte(p.r.Uint32())
	}
	return b
}

// answer is the peer of the client's channel.
func (p *stormPeer) answer(pdu []byte) [][]byte {
	op := att.Opcode(pdu[0])
	right := p.peer.answer(pdu)
	if op.Kind() != att.KindRequest || op == att.OpExchangeMTUReq {
		return right // a wrong answer about the MTU would spoil all later ones
	}
	wrong := func(pdu []byte) [][]byte {
		p.tampered.Add(1)
		return [][]byte{pdu}
	}
	switch p.r.IntN(60) {
	case 0:
		return wrong(att.ErrorRsp{Request: op, Handle: att.Handle(p.r.IntN(20)), Code: att.Code(p.r.IntN(256))}.AppendPDU(nil))
	case 1:
		return wrong(append([]byte{byte(op) + 1}, p.octets(40)...))
	case 2:
		// An Error Response that names no request answers none.
		return wrong(right[0][:min(2+p.r.IntN(len(right[0])), len(right[0]))])
	case 3:
		p.tampered.Add(1)
		change := att.HandleValueIndication{Handle: stormSC, Value: []byte{1, 0, 0xFF, 0xFF}}
		return append([][]byte{change.AppendPDU(nil)}, right...)
	case 4:
		if p.r.IntN(4) == 0 {
			p.tampered.Add(1)
			p.silent.Store(true)
			return nil
		}
	case 5:
		return append([][]byte{{0x01, 0x3E, 0, 0, 1}, {0x21, 1, 0, 9}, {}}, right...) // answers to other requests
	case 6:
		p.tampered.Add(1) // the second one may answer the next request
		return append(right, right...)
	case 7:
		return append([][]byte{append([]byte{0x1B, byte(setting), 0}, p.octets(20)...), {0x1D, byte(p.r.IntN(20)), 0, 9}}, right...)
	case 8:
		return append([][]byte{{0x0A, 3, 0}, {0x52, 3, 0, 1}, {0xFF}}, right...) // requests and commands
	case 9:
		if !p.asked {
			p.asked = true
			mtu := 23 + p.r.IntN(495)
			if p.r.IntN(2) == 0 {
				defer func() { p.mtu = mtu }() // goes by this from now on
			}
			return append([][]byte{att.ExchangeMTUReq{MTU: uint16(mtu)}.AppendPDU(nil)}, right...)
		}
	}
	return right
}

func testClientInAStorm(t *testing.T, seed uint64) {
	p := newStormPeer(rand.New(rand.NewPCG(seed, 1)))
	c, ch := clientOf(t, p.answer, nil)
	var users sync.WaitGroup
	for i := range uint64(4) {
		users.Go(func() {
			u := &stormUser{t: t, c: c, p: p, r: rand.New(rand.NewPCG(seed, 2+i))}
			for range 40 {
				u.work()
			}
		})
	}
	if seed%4 == 0 { // in the midst of it
		time.Sleep(time.Duration(seed%16) * 100 * time.Millisecond)
		ch.Disconnect(nil)
	}
	users.Wait()
	ch.Disconnect(nil)
	if err := c.Err(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v after the link", err)
	}
}

// stormUser makes random calls.
type stormUser struct {
	t *testing.T
	c *gatt.Client
	p *stormPeer
	r *rand.Rand

	sub *gatt.Subscription // of the latest call, to be closed
}

func (u *stormUser) work() {
	limit := time.Duration(1+u.r.IntN(5000)) * time.Millisecond
	ctx, cancel := context.WithTimeout(u.t.Context(), limit)
	defer cancel()
	before, began := u.p.tampered.Load(), time.Now()
	name, err := u.call(ctx)
	took := time.Since(began)
	if took > limit {
		u.t.Errorf("%s: took %v, the context allowed %v", name, took, limit)
	}
	if u.sub != nil {
		began = time.Now()
		_ = u.sub.Close() // its error does not matter here
		if took := time.Since(began); took > 5*time.Second {
			u.t.Errorf("Close took %v", took)
		}
		u.sub = nil
	}
	undisturbed := u.p.tampered.Load() == before && !u.p.silent.Load() && u.c.Err() == nil
	// A change that was indicated before makes handles stale until the next discovery.
	if err != nil && undisturbed && name[0] == '=' && !errors.Is(err, gatt.ErrStale) {
		u.t.Errorf("%s: %v, but all answers were right", name, err)
	}
	time.Sleep(time.Duration(u.r.IntN(50)) * time.Millisecond)
}

// call makes one call. It must succeed if its name begins with "=" and all answers
// were right: it depends on no table.
func (u *stormUser) call(ctx context.Context) (name string, err error) {
	same := func(got []byte, h att.Handle, err error) error {
		if want := u.p.find(h).value; err == nil && !bytes.Equal(got, want) {
			return fmt.Errorf("read %d octets, want %d, or others", len(got), len(want))
		}
		return err
	}
	switch u.r.IntN(9) {
	case 0:
		v, err := u.c.ReadLong(ctx, longValue)
		return "=read long", same(v, longValue, err)
	case 1:
		v, err := u.c.ReadLong(ctx, shortValue)
		return "=read short", same(v, shortValue, err)
	case 2:
		vs, err := u.c.ReadByUUID(ctx, u16(0x2A1A), att.HandleRange{})
		if err == nil && len(vs) != 1 {
			err = fmt.Errorf("%d values", len(vs))
		}
		if err == nil {
			err = same(vs[0].Value, longValue, nil)
		}
		return "=read by UUID", err
	case 3:
		return "=write long", u.c.WriteLong(ctx, setting, make([]byte, 1+u.r.IntN(100)))
	case 4:
		_, err := u.c.ExchangeMTU(ctx)
		return "=MTU", err
	case 5:
		_, err := u.c.Discover(ctx)
		return "discover", err
	case 6:
		return "service changed", u.c.EnableServiceChanged(ctx)
	case 7:
		_, err := u.c.Read(ctx, u16(0xFF01), u16(0x2A1A))
		return "read", err
	}
	chr, err := u.c.Char(ctx, u16(0xFF01), u16(0x2A1C))
	if err != nil {
		return "char", err
	}
	u.sub, err = chr.Subscribe(ctx, &gatt.SubscribeOptions{Listen: u.r.IntN(3) == 0, Queue: 1 + u.r.IntN(3)})
	if err != nil {
		return "subscribe", err
	}
	_, err = u.sub.Next(ctx)
	return "next", err
}
