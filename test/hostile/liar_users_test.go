package hostile_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/l2cap"
	"github.com/moor-ble/moor/smp"
)

// liarWorld is a host over a liar, with its users.
type liarWorld struct {
	t     *testing.T
	h     *host.Host
	srv   *gatt.Server
	peers []hci.Addr

	mu    sync.Mutex
	conns []*host.Conn // guarded by mu: the latest ones
}

func (w *liarWorld) keep(c *host.Conn, err error) {
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
}

// conn returns one of the latest links, which may be down.
func (w *liarWorld) conn(r *rand.Rand) *host.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) == 0 {
		return nil
	}
	last := w.conns[max(0, len(w.conns)-4):]
	return last[r.IntN(len(last))]
}

// use makes random calls until stop is closed. None may outlive its context.
func (w *liarWorld) use(r *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(r.IntN(300)) * time.Millisecond):
		}
		limit := time.Duration(1+r.IntN(8000)) * time.Millisecond
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		if r.IntN(10) == 0 {
			cancel()
			limit = 0
		}
		begin := time.Now()
		var what string
		if c := w.conn(r); c != nil && r.IntN(4) > 0 {
			what = w.useLink(ctx, r, c)
		} else {
			what = w.useHost(ctx, r)
		}
		cancel()
		if took := time.Since(begin); what != "" && took > limit {
			w.t.Errorf("%s came back after %v, with a context of %v", what, took, limit)
		}
	}
}

// useHost makes a call and returns its name.
func (w *liarWorld) useHost(ctx context.Context, r *rand.Rand) string {
	h, peer := w.h, w.peers[r.IntN(len(w.peers))]
	switch r.IntN(14) {
	case 0, 1, 2, 3:
		w.keep(h.ConnectPlain(ctx, peer, &controller.ConnectOptions{Timeout: time.Duration(1+r.IntN(5)) * time.Second}))
		return "ConnectPlain"
	case 4:
		w.keep(h.Connect(ctx, peer, nil))
		return "Connect"
	case 5:
		w.keep(h.ConnectAny(ctx, w.peers[:1+r.IntN(3)], nil))
		return "ConnectAny"
	case 6:
		w.keep(h.Accept(ctx))
		return "Accept"
	case 7, 8:
		sc, err := h.Scan(ctx, &controller.ScanOptions{Passive: r.IntN(2) == 0, PHYs: hci.PHYs(1 + 4*r.IntN(2))})
		if err != nil {
			return "Scan"
		}
		defer sc.Close()
		for range r.IntN(5) {
			if _, err := sc.Next(ctx); err != nil {
				break
			}
		}
		return "Scanner.Next"
	case 9:
		_ = h.Advertise(ctx, &controller.AdvertiseOptions{MaxLinks: r.IntN(3), NonConnectable: r.IntN(4) == 0})
		return "Advertise"
	case 10:
		_ = h.StopAdvertising(ctx)
		return "StopAdvertising"
	case 11:
		o := []controller.AdvertiseOptions{
			{MaxLinks: 2}, {NonConnectable: true, Extended: true, Data: make([]byte, 300), Periodic: &controller.PeriodicOptions{}},
			{Accept: w.peers[:1]}, {NonConnectable: true, Duration: time.Second}, {Peer: peer.Identity(), HighDuty: true},
		}
		s, err := h.AddAdvertising(ctx, &o[r.IntN(len(o))])
		if err != nil {
			return "AddAdvertising"
		}
		_ = s.Change(ctx, &o[r.IntN(len(o))])
		_ = s.SetPeriodicData(ctx, []byte{1, 2})
		if r.IntN(2) == 0 {
			_ = s.Stop(ctx)
		}
		return "AdvertisingSet"
	case 12:
		s, err := h.Controller().Sync(ctx, peer, uint8(r.IntN(3)), nil)
		if err != nil {
			return "Sync"
		}
		_, _ = s.Next(ctx)
		s.Close()
		return "Sync.Next"
	default:
		switch r.IntN(4) {
		case 0:
			_, _ = w.h.Controller().VerifyLinks(ctx)
			return "VerifyLinks"
		case 1:
			_, _ = w.srv.Notify(ctx, 3, []byte{1})
			return "Notify"
		case 2:
			_, _ = w.srv.Indicate(ctx, 3, []byte{1})
			return "Indicate"
		}
		_, _ = controller.Exec(ctx, h.Controller(), hci.LERand{})
		return "Exec"
	}
}

// useLink makes a call and returns its name; "" if it has no context.
func (w *liarWorld) useLink(ctx context.Context, r *rand.Rand, c *host.Conn) string {
	g, handle := c.GATT(), att.Handle(1+r.IntN(10))
	switch r.IntN(20) {
	case 0, 1:
		_, _ = g.ReadHandle(ctx, handle)
		return "ReadHandle"
	case 2:
		_, _ = g.ReadLong(ctx, handle)
		return "ReadLong"
	case 3:
		_ = g.WriteHandle(ctx, handle, make([]byte, r.IntN(100)))
		return "WriteHandle"
	case 4:
		_ = g.WriteNoResponse(ctx, handle, []byte{1})
		return "WriteNoResponse"
	case 5:
		_, _ = g.Discover(ctx)
		return "Discover"
	case 6:
		ch, err := g.CharByHandle(ctx, 8)
		if err != nil {
			return "CharByHandle"
		}
		sub, err := ch.Subscribe(ctx, nil)
		if err != nil {
			return "Subscribe"
		}
		_, _ = sub.Next(ctx)
		go sub.Close() // waits for the peer for up to 5 s
		return "Subscription.Next"
	case 7:
		_, _ = g.ExchangeMTU(ctx)
		return "ExchangeMTU"
	case 8, 9:
		_, _ = c.SMP().Pair(ctx, &smp.PairOptions{Replace: r.IntN(2) == 0})
		return "Pair"
	case 10:
		_ = c.SMP().Encrypt(ctx)
		return "Encrypt"
	case 11:
		_, _ = c.Link().Update(ctx, hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: time.Second})
		return "Update"
	case 12:
		_, _ = c.Link().RSSI(ctx)
		return "RSSI"
	case 13:
		_, _ = c.Link().RemoteVersion(ctx)
		return "RemoteVersion"
	case 14:
		_, _, _ = c.Link().SetPHY(ctx, hci.PHYs2M, hci.PHYs2M)
		return "SetPHY"
	case 15:
		_ = c.Link().Tune(ctx, controller.TuneOptions{DataLength: true, PHY2M: true})
		return "Tune"
	case 16:
		conn, err := c.L2CAP().Dial(ctx, l2cap.PSM(0x80+r.IntN(2)), nil)
		if err != nil {
			return "Dial"
		}
		_ = conn.WriteSDU(ctx, make([]byte, r.IntN(100)))
		_ = conn.Close()
		return "WriteSDU"
	case 17:
		ln, err := c.L2CAP().Listen(l2cap.PSM(0x80+r.IntN(2)), nil)
		if err != nil {
			return ""
		}
		defer ln.Close()
		if conn, err := ln.Accept(ctx); err == nil {
			_, _ = conn.ReadSDU(ctx)
			_ = conn.Close()
		}
		return "Accept of a channel"
	case 18:
		_ = c.L2CAP().RequestParams(ctx, hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: time.Second})
		return "RequestParams"
	default:
		_ = c.Link().Disconnect(ctx)
		return "Disconnect"
	}
}
