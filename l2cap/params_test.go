package l2cap

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

const ms = time.Millisecond

func connParams(lo, hi time.Duration, latency uint16, timeout time.Duration) hci.ConnParams {
	return hci.ConnParams{IntervalMin: lo, IntervalMax: hi, Latency: latency, Timeout: timeout}
}

func paramReqHex(lo, hi, latency, timeout uint16) string {
	return fmt.Sprintf("%x", appendSignal(nil, 5, connectionParameterUpdateReq{lo, hi, latency, timeout}))
}

const (
	accepted = "0005 13 05 0200 0000"
	rejected = "0005 13 05 0200 0100"
)

func TestParamPolicy(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		policy                   ParamPolicy
		lo, hi, latency, timeout uint16
		want                     *hci.ConnParams // nil: rejected
	}{
		{"usual", ParamPolicy{}, 24, 40, 0, 100, &hci.ConnParams{IntervalMin: 30 * ms, IntervalMax: 50 * ms, Timeout: time.Second}},
		{"least", ParamPolicy{}, 6, 6, 0, 10, &hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 100 * ms}},
		{"most", ParamPolicy{}, 3200, 3200, 2, 3200, &hci.ConnParams{IntervalMin: 4 * time.Second, IntervalMax: 4 * time.Second, Latency: 2, Timeout: 32 * time.Second}},
		{"interval below 6", ParamPolicy{}, 5, 40, 0, 100, nil},
		{"interval above 3200", ParamPolicy{}, 24, 3201, 0, 3200, nil},
		{"minimum above maximum", ParamPolicy{}, 41, 40, 0, 100, nil},
		{"latency 500", ParamPolicy{}, 6, 6, 500, 3200, nil},
		{"latency 499", ParamPolicy{}, 6, 6, 499, 3200, &hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Latency: 499, Timeout: 32 * time.Second}},
		{"timeout 9", ParamPolicy{}, 6, 6, 0, 9, nil},
		{"timeout 3201", ParamPolicy{}, 6, 6, 0, 3201, nil},
		{"timeout equal to (1+latency)·max·2", ParamPolicy{}, 8, 8, 9, 20, nil},
		{"timeout just above", ParamPolicy{}, 8, 8, 9, 21, &hci.ConnParams{IntervalMin: 10 * ms, IntervalMax: 10 * ms, Latency: 9, Timeout: 210 * ms}},
		{"all 65535", ParamPolicy{}, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, nil},

		{"policy rejects", ParamPolicy{Reject: true}, 24, 40, 0, 100, nil},
		{"narrowed from both sides, to whole steps", ParamPolicy{MinInterval: 31 * ms, MaxInterval: 49 * ms}, 24, 40, 0, 100, &hci.ConnParams{IntervalMin: 31250 * time.Microsecond, IntervalMax: 48750 * time.Microsecond, Timeout: time.Second}},
		{"within the range", ParamPolicy{MinInterval: 20 * ms, MaxInterval: 60 * ms}, 24, 40, 0, 100, &hci.ConnParams{IntervalMin: 30 * ms, IntervalMax: 50 * ms, Timeout: time.Second}},
		{"faster than the range", ParamPolicy{MinInterval: 51 * ms}, 24, 40, 0, 100, nil},
		{"slower than the range", ParamPolicy{MaxInterval: 29 * ms}, 24, 40, 0, 100, nil},
		{"latency above the range", ParamPolicy{MaxLatency: 4}, 6, 6, 5, 100, nil},
		{"latency within the range", ParamPolicy{MaxLatency: 5}, 8, 8, 5, 100, &hci.ConnParams{IntervalMin: 10 * ms, IntervalMax: 10 * ms, Latency: 5, Timeout: time.Second}},
		{"latency where none is allowed", ParamPolicy{MaxLatency: -1}, 6, 6, 1, 100, nil},
		{"timeout above the range", ParamPolicy{MaxTimeout: time.Second}, 6, 6, 0, 101, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newFakeLink(t, hci.RoleCentral, &Config{Params: tt.policy})
			l.recv(cidSignal, paramReqHex(tt.lo, tt.hi, tt.latency, tt.timeout))
			if tt.want == nil {
				l.want("rejected", rejected)
				if len(l.updates) != 0 {
					t.Errorf("updates after a rejection: %v", l.updates)
				}
				if p, ok := l.m.PeerParams(); ok {
					t.Errorf("the peer was granted %v", p)
				}
				return
			}
			l.want("accepted", accepted)
			if diff := cmp.Diff([]hci.ConnParams{*tt.want}, l.updates); diff != "" {
				t.Error(diff)
			}
			if p, ok := l.m.PeerParams(); !ok || p != *tt.want {
				t.Errorf("the peer was granted %v, %v; want %v", p, ok, *tt.want)
			}
		})
	}
}

func TestParamRequestDuringUpdate(t *testing.T) {
	l := newFakeLink(t, hci.RoleCentral, nil)
	l.recv(cidSignal, paramReqHex(24, 40, 0, 100))
	l.want("first", accepted)
	l.recv(cidSignal, paramReqHex(24, 40, 0, 100))
	l.want("while the update is under way", rejected)
	l.updated(l.now, hci.ConnParamsInUse{}, errors.New("refused"))
	l.recv(cidSignal, paramReqHex(24, 40, 0, 100))
	l.want("after it", accepted)
}

func TestParamRequestToPeripheral(t *testing.T) {
	l := newFakeLink(t, hci.RolePeripheral, nil)
	l.recv(cidSignal, paramReqHex(24, 40, 0, 100))
	l.want("only a central takes it", "0005 01 05 0200 0000")
}

func TestLinkLayerParamRequest(t *testing.T) {
	for _, tt := range []struct {
		policy ParamPolicy
		in     hci.ConnParams
		want   paramReply
	}{
		{ParamPolicy{}, connParams(30*ms, 50*ms, 0, time.Second), paramReply{connParams(30*ms, 50*ms, 0, time.Second), true}},
		{ParamPolicy{MaxInterval: 40 * ms}, connParams(30*ms, 50*ms, 0, time.Second), paramReply{connParams(30*ms, 40*ms, 0, time.Second), true}},
		{ParamPolicy{Reject: true}, connParams(30*ms, 50*ms, 0, time.Second), paramReply{connParams(30*ms, 50*ms, 0, time.Second), false}},
		{ParamPolicy{}, connParams(30*ms, 50*ms, 0, 100*ms), paramReply{connParams(30*ms, 50*ms, 0, 100*ms), false}},
	} {
		for _, role := range []hci.Role{hci.RoleCentral, hci.RolePeripheral} {
			var p proto
			l := newFakeLink(t, role, &Config{ATT: p.on(), Params: tt.policy})
			l.m.Event(l.now, &hci.LERemoteConnectionParameterRequest{Handle: 0x40, Params: tt.in})
			if diff := cmp.Diff([]paramReply{tt.want}, l.replies, cmp.AllowUnexported(paramReply{})); diff != "" {
				t.Errorf("as %v: %s", role, diff)
			}
			if granted, ok := l.m.PeerParams(); ok != tt.want.accept || ok && granted != tt.want.params {
				t.Errorf("as %v: the peer was granted %v, %v", role, granted, ok)
			}
			if len(p.events) != 0 {
				t.Errorf("the event went on to ATT: %v", p.events)
			}
			l.wantIdle("the link layer has its own answer")
		}
	}
}

// asker is a ParamPolicy.Ask whose answer the test gives.
type asker struct {
	ctx  chan context.Context
	req  chan ParamRequest
	give chan hci.ConnParams
}

func newAsker() *asker {
	return &asker{make(chan context.Context, 8), make(chan ParamRequest, 8), make(chan hci.ConnParams)}
}

func (a *asker) ask(ctx context.Context, req ParamRequest) (hci.ConnParams, bool) {
	a.ctx <- ctx
	a.req <- req
	p, ok := <-a.give
	return p, ok
}

// newAskedLink is a link whose posted tasks wait in l.posted, since Ask's
// goroutine is another one than the test's.
func newAskedLink(t *testing.T, a *asker) *fakeLink {
	l := newFakeLink(t, hci.RoleCentral, &Config{Params: ParamPolicy{MaxInterval: 45 * ms, Ask: a.ask}})
	l.posted = make(chan loop.Task, 8)
	return l
}

func TestAskAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker()
		l := newAskedLink(t, a)
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		req := <-a.req
		want := ParamRequest{Peer: testPeer, Handle: 0x40, Params: connParams(30*ms, 45*ms, 3, time.Second)}
		if req != want {
			t.Errorf("asked %+v, want %+v", req, want)
		}
		l.wantIdle("no answer before Ask's")
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		l.want("a second request meanwhile", rejected)
		a.give <- connParams(45*ms, 45*ms, 0, 2*time.Second)
		(<-l.posted).Run(l.now)
		l.want("accepted", accepted)
		if diff := cmp.Diff([]hci.ConnParams{connParams(45*ms, 45*ms, 0, 2*time.Second)}, l.updates); diff != "" {
			t.Error("not what Ask chose: ", diff)
		}
		if !l.deadline.IsZero() {
			t.Error("a deadline is left")
		}
		<-(<-a.ctx).Done() // Ask's context ends with it
	})
}

func TestAskRejectsOrErrs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker()
		l := newAskedLink(t, a)
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		a.give <- connParams(45*ms, 30*ms, 0, time.Second)
		(<-l.posted).Run(l.now)
		l.want("parameters that are not valid", rejected)
		l.m.Event(l.now, &hci.LERemoteConnectionParameterRequest{Handle: 0x40, Params: connParams(30*ms, 50*ms, 0, time.Second)})
		<-a.req
		if req := <-a.req; !req.LinkLayer {
			t.Errorf("asked %+v, want one from the link layer", req)
		}
		close(a.give)
		(<-l.posted).Run(l.now)
		if len(l.replies) != 1 || l.replies[0].accept {
			t.Errorf("replies %+v, want one refusal", l.replies)
		}
	})
}

func TestAskTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker()
		l := newAskedLink(t, a)
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		<-a.req
		ctx := <-a.ctx
		l.advance(askLimit - 1)
		l.wantIdle("one tick before the limit")
		if ctx.Err() != nil {
			t.Error("Ask's context has ended too early")
		}
		l.advance(1)
		l.want("at the limit", rejected)
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("Ask's context: %v", context.Cause(ctx))
		}
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		l.want("while Ask has not returned", rejected)
		a.give <- connParams(30*ms, 30*ms, 0, time.Second)
		(<-l.posted).Run(l.now)
		l.wantIdle("the late answer is not used")
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		<-a.req
		a.give <- connParams(30*ms, 30*ms, 0, time.Second)
		(<-l.posted).Run(l.now)
		l.want("asked again", accepted)
	})
}

func TestAskEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker()
		l := newAskedLink(t, a)
		l.recv(cidSignal, paramReqHex(24, 40, 3, 100))
		ctx := <-a.ctx
		l.down(errors.New("gone"))
		if !errors.Is(context.Cause(ctx), ErrLinkDown) {
			t.Errorf("Ask's context: %v", context.Cause(ctx))
		}
		a.give <- connParams(30*ms, 30*ms, 0, time.Second)
		(<-l.posted).Run(l.now)
		l.wantIdle("the link is gone")
		if len(l.updates) != 0 {
			t.Errorf("updates on a dead link: %v", l.updates)
		}
	})
}
